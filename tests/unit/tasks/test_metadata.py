from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from monopod.api.names import TASKS_POLICY
from monopod.kube.client.api import ApiError, Json
from monopod.kube.objects.resources import NAMESPACES, NETWORK_POLICIES
from monopod.tasks.metadata import MetadataAccess
from monopod.tasks.options import TaskOptions
from monopod.tasks.rules.lifecycle.cluster import build_namespace
from monopod.tasks.rules.pod.metadata import build_metadata_policy
from tests.unit.fake_api import Answer, FakeApi
from tests.unit.running import PROBLEMS
from tests.unit.tasks.cluster import Caches

PATH = NETWORK_POLICIES.path(TASKS_POLICY, "ecs-prod")
POLICY = build_metadata_policy("ecs-prod", "monopod-system")


CLUSTER = {"metadata": {"name": "prod", "uid": "c1", "resourceVersion": "1"}}
NAMESPACE = NAMESPACES.path("ecs-prod")


class ClusterApi(FakeApi):
    """With a cluster's namespace."""

    def __init__(self, answers: Mapping[tuple[str, str], Answer] | None = None) -> None:
        super().__init__({("get", NAMESPACE): build_namespace(CLUSTER), **(answers or {})})


def prepare_with(api: FakeApi, url: str, caches: Caches | None = None) -> MetadataAccess:
    options = TaskOptions(ecs_metadata_url=url, namespace="monopod-system")
    caches = caches or Caches()
    caches.ecs_clusters.observe("ADDED", CLUSTER)
    return MetadataAccess(api, caches, options, PROBLEMS)


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
    api, caches = ClusterApi(), Caches()
    access = prepare_with(api, "http://10.0.0.1:51679", caches)
    await access.prepare("ecs-prod")
    assert api.sent("apply") == [(PATH, POLICY)]
    caches.network_policies.observe("ADDED", {**POLICY, "metadata": {**POLICY["metadata"], "resourceVersion": "2"}})
    await access.prepare("ecs-prod")
    assert len(api.sent("apply")) == 1
    caches.network_policies.observe("DELETED", {**POLICY, "metadata": {**POLICY["metadata"], "resourceVersion": "3"}})
    await access.prepare("ecs-prod")
    assert len(api.sent("apply")) == 2


@pytest.mark.parametrize(
    "namespace",
    [
        {"metadata": {"name": "ecs-prod", "uid": "n"}},
        {"metadata": {"name": "ecs-prod", "uid": "n", "labels": build_namespace(CLUSTER)["metadata"]["labels"]}},
        build_namespace({"metadata": {"name": "prod", "uid": "an earlier one"}}),
    ],
    ids=["somebody's", "labelled", "of an earlier cluster"],
)
async def test_nothing_is_opened_in_a_namespace_that_is_no_clusters(namespace: Json) -> None:
    api = ClusterApi({("get", NAMESPACE): namespace})
    await prepare_with(api, "http://10.0.0.1:51679").prepare("ecs-prod")
    assert api.sent("apply") == []


async def test_nothing_is_opened_where_there_is_no_such_cluster() -> None:
    api = FakeApi()
    await prepare_with(api, "http://10.0.0.1:51679").prepare("ecs-other")
    assert api.requests == []


async def test_a_policy_of_before_is_written_anew() -> None:
    api, caches = ClusterApi(), Caches()
    caches.network_policies.observe("ADDED", {**POLICY, "metadata": {**POLICY["metadata"], "resourceVersion": "2"}})
    await prepare_with(api, "http://10.0.0.1:51679", caches).prepare("ecs-prod")
    assert len(api.sent("apply")) == 1


async def test_without_an_endpoint_nothing_is_opened() -> None:
    api = FakeApi()
    await prepare_with(api, "").prepare("ecs-prod")
    assert api.requests == []


async def test_a_policy_that_is_refused_keeps_no_task_from_running() -> None:
    api = ClusterApi({("apply", PATH): ApiError(403, "Forbidden", "exceeded quota")})
    access = prepare_with(api, "http://10.0.0.1:51679")
    for _ in range(2):
        assert await access.prepare("ecs-prod") == "http://10.0.0.1:51679"
    assert len(api.sent("apply")) == 2


@pytest.mark.parametrize("url", ["x", "ftp://a", "http://", "http://a/path", "http://a?x"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        TaskOptions(ecs_metadata_url=url, namespace="monopod-system")
