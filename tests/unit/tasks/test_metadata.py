import pytest
from pydantic import ValidationError

from monopod.api.names import TASKS_POLICY
from monopod.kube.client.api import ApiError
from monopod.kube.objects.resources import NETWORK_POLICIES
from monopod.tasks.metadata import MetadataAccess
from monopod.tasks.options import TaskOptions
from monopod.tasks.rules.pod.metadata import build_metadata_policy
from tests.unit.fake_api import FakeApi
from tests.unit.running import PROBLEMS
from tests.unit.tasks.cluster import Caches

PATH = NETWORK_POLICIES.path(TASKS_POLICY, "ecs-prod")
POLICY = build_metadata_policy("ecs-prod", "monopod-system")


def prepare_with(api: FakeApi, url: str, caches: Caches | None = None) -> MetadataAccess:
    options = TaskOptions(ecs_metadata_url=url, namespace="monopod-system")
    return MetadataAccess(api, caches or Caches(), options, PROBLEMS)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("", ""),
        ("http://10.0.0.1:51679", "http://10.0.0.1:51679"),
        ("http://[fd00::1]:51679", "http://[fd00::1]:51679"),
        ("http://10.0.0.1", "http://10.0.0.1"),
        ("http://nowhere.invalid:51679", "http://nowhere.invalid:51679"),
    ],
)
async def test_a_name_becomes_an_address_where_it_has_one(url: str, found: str) -> None:
    assert await prepare_with(FakeApi(), url).prepare("ecs-prod") == found


async def test_localhost_is_looked_up() -> None:
    assert await prepare_with(FakeApi(), "http://localhost:1").prepare("ecs-prod") in (
        "http://127.0.0.1:1",
        "http://[::1]:1",
    )


async def test_the_port_is_opened_once_and_again_when_the_policy_is_gone() -> None:
    api, caches = FakeApi(), Caches()
    access = prepare_with(api, "http://10.0.0.1:51679", caches)
    await access.prepare("ecs-prod")
    assert api.sent("apply") == [(PATH, POLICY)]
    caches.network_policies.observe("ADDED", {**POLICY, "metadata": {**POLICY["metadata"], "resourceVersion": "2"}})
    await access.prepare("ecs-prod")
    assert len(api.sent("apply")) == 1
    caches.network_policies.observe("DELETED", {**POLICY, "metadata": {**POLICY["metadata"], "resourceVersion": "3"}})
    await access.prepare("ecs-prod")
    assert len(api.sent("apply")) == 2


async def test_a_policy_of_before_is_written_anew() -> None:
    api, caches = FakeApi(), Caches()
    caches.network_policies.observe("ADDED", {**POLICY, "metadata": {**POLICY["metadata"], "resourceVersion": "2"}})
    await prepare_with(api, "http://10.0.0.1:51679", caches).prepare("ecs-prod")
    assert len(api.sent("apply")) == 1


async def test_without_an_endpoint_nothing_is_opened() -> None:
    api = FakeApi()
    await prepare_with(api, "").prepare("ecs-prod")
    assert api.requests == []


async def test_a_policy_that_is_refused_keeps_no_task_from_running() -> None:
    api = FakeApi({("apply", PATH): ApiError(403, "Forbidden", "exceeded quota")})
    access = prepare_with(api, "http://10.0.0.1:51679")
    for _ in range(2):
        assert await access.prepare("ecs-prod") == "http://10.0.0.1:51679"
    assert len(api.sent("apply")) == 2


@pytest.mark.parametrize("url", ["x", "ftp://a", "http://", "http://a/path", "http://a?x"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        TaskOptions(ecs_metadata_url=url, namespace="monopod-system")
