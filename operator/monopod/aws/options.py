"""The options of the endpoint's process."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

from pydantic import AfterValidator, Field, FilePath, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from monopod.api.names import SYSTEM_NAMESPACE
from monopod.kube.options import Flag, ProcessOptions, Words, read_own_namespace

SERVER: Final = "monopod-aws"


@dataclass(frozen=True, slots=True)
class Account:
    """What stands in ARNs, and the one cluster that there is.

    Attributes:
        id: twelve digits.
        region: "us-east-1".
        cluster: the cluster's name.
        endpoint: where its API server is, for those outside; "" if nobody said.
        certificates: what that API server's certificate is checked by, as PEM; "" if nothing is known.
        zones: the zone that each subnet's ID stands for; empty: any ID, for any zone.
    """

    id: str
    region: str
    cluster: str
    endpoint: str = ""
    certificates: str = ""
    zones: Mapping[str, str] = field(default_factory=dict)


def _matching(pattern: str, what: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"{value!r} is not {what}")
        return value

    return AfterValidator(check)


class EndpointOptions(ProcessOptions):
    """What the endpoint answers."""

    api_listen: Annotated[str, Flag("ADDRESS")] = "0.0.0.0"  # noqa: S104 in a pod
    """The address that AWS's tools are answered on."""

    api_port: Annotated[int, Field(ge=0, le=65535), Flag("PORT")] = 8443
    """Port of these answers, by TLS. 0 takes a free one and logs it."""

    metadata_port: Annotated[int | None, Field(ge=0, le=65535), Flag("PORT", default="none")] = None
    """Port on which the containers of ECS tasks are told about their task, in plain HTTP. Without one they aren't."""

    stats_account: Annotated[str, Flag("NAME", default="none")] = ""
    """A ServiceAccount of the own namespace that may get `nodes/stats`: with its tokens kubelets are asked how much
    tasks use. Without one their statistics are null."""

    kubelet_insecure_tls: bool = False
    """Ask kubelets whose certificate nobody known has signed. Whoever is in between reads the token, and writes the
    figures."""

    tls_certificate: Annotated[FilePath | None, Flag("FILE", default="none")] = None
    """The server's certificate, PEM, with those between it and its authority; read again when it changes. Without one
    the process makes a certificate that nobody has signed, and that is another after each start."""

    tls_key: Annotated[FilePath | None, Flag("FILE", default="none"), Field(validate_default=True)] = None
    """The key of that certificate, PEM."""

    server_name: Annotated[tuple[str, ...], Words, Flag("NAME", default="none")] = ()
    """A name that a certificate of the process's own is for, next to localhost."""

    @field_validator("tls_key")
    @classmethod
    def _check_tls(cls, key: FilePath | None, info: ValidationInfo) -> FilePath | None:
        if (key is None) != (info.data.get("tls_certificate") is None):
            raise ValueError("a certificate and its key are given together")
        return key


class AccountOptions(ProcessOptions):
    """What stands in ARNs, and what the cluster is called."""

    account_id: Annotated[str, _matching("[0-9]{12}", "twelve digits"), Flag("NUMBER")] = "000000000000"
    """The number of the account, twelve digits."""

    region: Annotated[str, _matching("[a-z0-9-]{1,64}", "a region's name"), Flag("NAME")] = "us-east-1"
    """The region, which requests must be signed for."""

    cluster: Annotated[str, _matching("[0-9A-Za-z][A-Za-z0-9_-]{0,99}", "a name as EKS takes it"), Flag("NAME")] = (
        "monopod"
    )
    """What EKS's operations call the cluster that this process is in."""

    cluster_endpoint: Annotated[str, Flag("URL", default="the address that this process itself uses")] = ""
    """Where those outside reach the cluster's API server, for `aws eks update-kubeconfig`."""

    subnet_zone: Annotated[tuple[str, ...], Words, Flag("SUBNET=ZONE", default="none")] = ()
    """Which zone a subnet is, as `subnet-0abc=eu-west-1a`. Without any, every subnet's id stands for any zone."""

    @field_validator("subnet_zone")
    @classmethod
    def _check_pairs(cls, pairs: tuple[str, ...]) -> tuple[str, ...]:
        for pair in pairs:
            subnet, _, zone = pair.partition("=")
            if not subnet or not zone:
                raise ValueError(f"{pair!r} is no SUBNET=ZONE")
        return pairs


class AwsOptions(EndpointOptions, AccountOptions):
    """The AWS endpoint."""

    model_config = SettingsConfigDict(env_prefix="MONOPOD_AWS_")

    namespace: Annotated[
        str,
        Field(default_factory=read_own_namespace, min_length=1),
        Flag("NAME", default=f"the one that this process runs in as a pod, else {SYSTEM_NAMESPACE}"),
    ]
    """Monopod's own namespace: the access keys are there."""

    def build_account(self, host: str, certificates: str) -> Account:
        """What handlers need to know.

        Args:
            host: where this process reaches the API server.
            certificates: what that server's certificate is checked by, as PEM.
        """
        return Account(
            id=self.account_id,
            region=self.region,
            cluster=self.cluster,
            endpoint=self.cluster_endpoint or host,
            certificates=certificates,
            zones=dict(pair.partition("=")[::2] for pair in self.subnet_zone),
        )
