"""What ECS refuses about tasks and tags, in AWS's words."""

import pytest

from monopod.aws.wire.models import load_model
from tests.unit.aws.client import Refused
from tests.unit.aws.ecs.client import EcsClient
from tests.unit.aws.ecs.memory import MemoryApi
from tests.unit.aws.ecs.refusals import GROUP, REFUSALS, SOURCES, TABLE_ACCOUNT, Refusal, build_world
from tests.unit.aws.ecs.tasks import put_group, stop_at_once

ECS = load_model("ecs")


@pytest.mark.parametrize("row", REFUSALS, ids=lambda row: row.name)
async def test_it_is_refused_in_awss_words(row: Refusal) -> None:
    api = MemoryApi()
    client = EcsClient(api, TABLE_ACCOUNT)
    arns = await build_world(client)
    put_group(api, GROUP)
    stop_at_once(api, arns["STOPPED"])
    before = str(api.objects)
    with pytest.raises(Refused) as refused:
        await client.call_with(row.operation, row.get_params(arns), row.body)
    assert refused.value.code == row.code
    assert refused.value.message == row.message or (not row.message and refused.value.message)
    assert refused.value.status == 400
    assert refused.value.code in ECS.operations[row.operation].errors
    assert str(api.objects) == before


def test_each_row_names_its_source() -> None:
    assert {row.source for row in REFUSALS} == SOURCES.keys()
