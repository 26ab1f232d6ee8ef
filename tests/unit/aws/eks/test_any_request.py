"""Whatever AWS's model allows is answered or refused by a code that clients know, and nothing of it is lost."""

from dataclasses import replace

import pytest

from monopod.aws.eks.operations import READ
from tests.unit.aws.eks.builders import ACCOUNT, a_profile
from tests.unit.aws.eks.client import EksClient, Refused
from tests.unit.aws.eks.memory import MemoryApi
from tests.unit.aws.eks.refusals import ZONES
from tests.unit.aws.eks.requests import EKS, draw_request


async def ask(operation: str, seed: int) -> Refused | None:
    """Why it's refused; None if it's answered. Any other error is raised."""
    client = EksClient(MemoryApi(a_profile(tags={"a": "b"})), replace(ACCOUNT, zones=ZONES))
    try:
        await client.call_with(operation, draw_request(operation, seed))
    except Refused as refused:
        return refused
    return None


@pytest.mark.parametrize("operation", READ)
async def test_it_is_answered_or_refused_by_a_code_that_its_clients_know(operation: str) -> None:
    results = [await ask(operation, seed) for seed in range(300)]
    refusals = [each for each in results if each]
    assert {each.code for each in refusals} <= EKS.errors.keys()
    assert [each for each in refusals if not 400 <= each.status < 500 or not each.message] == []
    assert len(refusals) < 290


async def test_what_is_created_comes_back_as_it_was_sent() -> None:
    sent_subnets = sent_tags = 0
    for seed in range(600):
        params = draw_request("CreateFargateProfile", seed)
        client = EksClient(MemoryApi(), replace(ACCOUNT, zones=ZONES))
        try:
            await client.call_with("CreateFargateProfile", params)
        except Refused:
            continue
        told = await client.describe(params["fargateProfileName"])
        for name, value in params.items():
            assert name == "clientRequestToken" or told[name] == value, (seed, name)
        sent_subnets += bool(params.get("subnets"))
        sent_tags += bool(params.get("tags"))
    assert sent_subnets > 10
    assert sent_tags > 10
