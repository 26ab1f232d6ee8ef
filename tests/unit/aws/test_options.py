"""The options of the endpoint's process: what is refused, and what becomes of them."""

from pathlib import Path

import click
import pytest

from monopod.aws.options import Account, AwsOptions
from monopod.manager.flags import read_options


def test_the_defaults_name_no_one() -> None:
    options = AwsOptions()
    account = options.build_account("https://10.0.0.1:443", "PEM")
    assert account == Account("000000000000", "us-east-1", "monopod", "https://10.0.0.1:443", "PEM", {})


def test_options_are_what_handlers_know() -> None:
    options = AwsOptions(
        account_id="111122223333",
        region="eu-west-1",
        cluster="Prod_1",
        cluster_endpoint="https://k8s.example.com",
        subnet_zone=("subnet-1=a", "subnet-2=b"),
    )
    account = options.build_account("https://10.0.0.1:443", "")
    assert (account.id, account.region, account.cluster) == ("111122223333", "eu-west-1", "Prod_1")
    assert account.endpoint == "https://k8s.example.com"
    assert account.zones == {"subnet-1": "a", "subnet-2": "b"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"account_id": "1"}, "'1' is not twelve digits"),
        ({"account_id": "١١١١٢٢٢٢٣٣٣٣"}, "is not twelve digits"),
        ({"region": "Europe"}, "'Europe' is not a region's name"),
        ({"cluster": "a.b"}, "'a.b' is not a name as EKS takes it"),
        ({"subnet_zone": ("subnet-1",)}, "'subnet-1' is no SUBNET=ZONE"),
        ({"tls_key": Path(__file__)}, "a certificate and its key are given together"),
        ({"tls_certificate": Path(__file__)}, "a certificate and its key are given together"),
        ({"tls_certificate": Path("/none")}, "must be a file that exists"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_a_sentence(options: dict[str, object], message: str) -> None:
    with pytest.raises(click.UsageError) as refused:
        read_options(AwsOptions, options)
    assert message in str(refused.value)
