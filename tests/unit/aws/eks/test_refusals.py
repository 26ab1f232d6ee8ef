from dataclasses import replace

import pytest

from monopod.aws.eks.rules.refusals import translate_invalid, translate_tags
from monopod.aws.wire.models import load_model
from monopod.kube.client.api import ApiError
from monopod.profiles.cel.quota import WITHIN_QUOTA
from tests.unit.aws.eks.builders import ACCOUNT, a_request
from tests.unit.aws.eks.client import EksClient, Refused
from tests.unit.aws.eks.memory import MemoryApi
from tests.unit.aws.eks.refusals import (
    LEAVING_REQUEST,
    OLD_REQUEST,
    REFUSALS,
    SOURCES,
    ZONES,
    Refusal,
)


@pytest.mark.eks(
    "1.message-exists",
    "1.message-not-found",
    "1.message-cluster",
    "1.message-name-length",
    "1.message-deleting",
)
@pytest.mark.parametrize("row", [row for row in REFUSALS if not row.judged_by_api_server], ids=lambda row: row.name)
async def test_it_is_refused_in_awss_words(row: Refusal) -> None:
    api = MemoryApi()
    client = EksClient(api, replace(ACCOUNT, zones=ZONES))
    old = await client.create(**OLD_REQUEST)
    await client.create(**LEAVING_REQUEST)
    await client.call("DeleteFargateProfile", clusterName="c1", fargateProfileName="leaving")
    before = str(api.profiles)
    with pytest.raises(Refused) as refused:
        await client.call_with(row.operation, row.get_params(old["fargateProfileArn"]), row.body)
    assert refused.value.code == row.code
    assert refused.value.message == row.message or not row.message
    assert refused.value.status == load_model("eks").statuses.get(row.code, 400)
    assert str(api.profiles) == before


def test_each_row_names_its_source() -> None:
    assert {row.source for row in REFUSALS} == SOURCES.keys()


def test_words_that_aws_has_go_before_the_api_servers() -> None:
    causes = [("spec.selectors[2].namespace", "Invalid value: x"), ("spec.subnets", "Too many: 17")]
    error = translate_invalid("FargateProfile is invalid", causes, {})
    assert error.code == "InvalidParameterException"
    assert error.message == (
        "The namespace provided is invalid. spec.selectors[2].namespace: Invalid value: x; spec.subnets: Too many: 17"
    )


@pytest.mark.parametrize("causes", [[], [("", "denied request: no")]], ids=["none", "of-a-policy"])
def test_without_a_field_the_api_servers_message_is_told(causes: list[tuple[str, str]]) -> None:
    assert translate_invalid("denied: no", causes, {}).message == "denied: no"
    assert translate_tags("denied: no", causes).message == "denied: no"


async def test_a_quota_that_is_used_up_is_a_limit_that_is_exceeded() -> None:
    api = MemoryApi()
    api.failures["create"] = ApiError(403, "Forbidden", f"denied request: {WITHIN_QUOTA.message}")
    with pytest.raises(Refused) as refused:
        await EksClient(api).create(**a_request())
    assert (refused.value.code, refused.value.message) == ("ResourceLimitExceededException", WITHIN_QUOTA.message)
