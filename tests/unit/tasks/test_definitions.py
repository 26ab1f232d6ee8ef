"""By which task definition a task runs: the one that there was when it began."""

from typing import Any

from monopod.kube.objects.resources import ECS_TASK_DEFINITIONS
from monopod.tasks.definitions import Definitions
from tests.unit.fake_api import FakeApi

PATH = ECS_TASK_DEFINITIONS.path("web.1")


def a_task(uid: str) -> dict[str, Any]:
    return {"metadata": {"uid": uid}, "spec": {"taskDefinition": {"family": "web", "revision": 1}}}


async def test_of_a_revision_that_was_made_anew_later_tasks_run_the_new_one() -> None:
    api = FakeApi()
    definitions = Definitions(api)
    assert await definitions.fetch(a_task("1")) is None
    for uid, cpu in (("1", "256"), ("2", "512")):
        api.answers["get", PATH] = {"spec": {"definition": {"cpu": cpu}}}
        assert await definitions.fetch(a_task(uid)) == {"cpu": cpu}
    del api.answers["get", PATH]
    assert [await definitions.fetch(a_task(uid)) for uid in ("1", "2")] == [{"cpu": "256"}, {"cpu": "512"}]
    assert len(api.sent("get")) == 3
