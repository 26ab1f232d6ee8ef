"""What the controller of clusters writes."""

import datetime
from typing import Any

import pytest
import structlog

from monopod.kube.cache import Kind
from monopod.kube.client.api import ApiError
from monopod.kube.controller import DONE, After, Incomplete
from monopod.kube.logs import ProblemLog
from monopod.kube.objects.resources import ECS_CLUSTERS, ECS_TASKS, NAMESPACES, PROFILES
from monopod.kube.objects.views import read_whole
from monopod.tasks.clusters import PROFILE_KEY, ClusterKeeper
from monopod.tasks.rules.lifecycle.cluster import build_namespace
from tests.unit.fake_api import FakeApi, conflict
from tests.unit.fake_clock import FakeClock

PATH = ECS_CLUSTERS.path("web")
NAMESPACE = NAMESPACES.path("ecs-web")


class Caches:
    def __init__(self) -> None:
        self.ecs_clusters: Kind[dict[str, Any]] = Kind(ECS_CLUSTERS, read_whole)
        self.namespaces: Kind[dict[str, Any]] = Kind(NAMESPACES, read_whole)
        self.profiles: Kind[dict[str, Any]] = Kind(PROFILES, read_whole)


class Scene:
    def __init__(self) -> None:
        self.api = FakeApi()
        self.caches = Caches()
        self.clock = FakeClock()
        self.keeper = ClusterKeeper(self.api, self.caches, ProblemLog(structlog.get_logger()), self.clock)

    def put(self, *, active: bool = True, **status: str) -> dict[str, Any]:
        metadata = {"name": "web", "uid": "c1", "resourceVersion": "7"}
        cluster = {"metadata": metadata, "spec": {"active": active}, "status": status}
        self.api.answers["get", PATH] = cluster
        self.api.answers["merge", f"{PATH}/status"] = lambda body: {**cluster, **body}
        return cluster

    def put_namespace(self, cluster: dict[str, Any]) -> None:
        metadata = build_namespace(cluster)["metadata"]
        self.api.answers["get", NAMESPACE] = {"metadata": {**metadata, "uid": "n1"}}

    async def reconcile(self, name: str = "web") -> Any:
        return await self.keeper._reconcile(name)

    def statuses(self) -> list[str]:
        return [body["status"]["phase"] for path, body in self.api.sent("merge") if path == f"{PATH}/status"]

    def say(self, ago: datetime.timedelta) -> str:
        return (self.clock.now() - ago).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_new_cluster_gets_a_namespace_and_is_active_then(scene: Scene) -> None:
    cluster = scene.put()
    assert await scene.reconcile() == After(0)
    assert scene.api.sent("create") == [(NAMESPACES.list_path(), build_namespace(cluster))]
    scene.put_namespace(cluster)
    assert await scene.reconcile() == DONE
    assert scene.statuses() == ["PROVISIONING", "ACTIVE"]


async def test_a_namespace_that_somebody_made_meanwhile_is_looked_at_again(scene: Scene) -> None:
    scene.put()
    scene.api.answers["create", NAMESPACES.list_path()] = conflict()
    assert await scene.reconcile() == After(0)


async def test_a_namespace_that_cannot_be_made_is_tried_again(scene: Scene) -> None:
    scene.put()
    scene.api.answers["create", NAMESPACES.list_path()] = ApiError(403, "Forbidden", "no")
    with pytest.raises(ApiError):
        await scene.reconcile()
    assert scene.statuses() == ["PROVISIONING"]


async def test_a_cluster_that_is_being_deleted_or_gone_is_left_alone(scene: Scene) -> None:
    assert await scene.reconcile() == DONE
    scene.put()["metadata"]["deletionTimestamp"] = "2026-11-29T08:00:00Z"
    assert await scene.reconcile() == DONE
    assert {method for method, _, _ in scene.api.requests} == {"get"}


async def test_a_cluster_that_finalizers_keep_says_so_and_is_left_alone_otherwise(scene: Scene) -> None:
    metadata = scene.put(phase="ACTIVE")["metadata"]
    metadata |= {"deletionTimestamp": "2026-11-29T08:00:00Z", "finalizers": ["foregroundDeletion"]}
    assert await scene.reconcile() == DONE
    metadata["finalizers"].append("example.com/hold")
    assert await scene.reconcile() == DONE
    ((_, written),) = scene.api.sent("merge")
    assert written["status"]["message"] == (
        "The cluster was deleted, with its namespace and all that is in it, and stays as long as its finalizers: "
        "example.com/hold. Remove these if nothing else does."
    )
    assert written["status"].get("phase", "ACTIVE") == "ACTIVE"
    assert {method for method, _, _ in scene.api.requests} == {"get", "merge"}


async def test_the_namespace_of_a_deleted_cluster_goes_and_then_the_cluster(scene: Scene) -> None:
    cluster = scene.put(active=False, phase="INACTIVE", since=scene.say(datetime.timedelta(hours=2)))
    scene.put_namespace(cluster)
    tasks = ECS_TASKS.list_path("ecs-web")
    kept = {"name": "t", "deletionTimestamp": "2026-11-29T08:00:00Z", "finalizers": ["example.com/hold"]}
    scene.api.lists[tasks] = [{"metadata": kept}]
    assert isinstance(await scene.reconcile(), After)
    assert scene.api.sent("delete") == []
    assert "example.com/hold" in scene.api.sent("merge")[-1][1]["status"]["message"]
    scene.api.lists[tasks] = []
    assert isinstance(await scene.reconcile(), After)
    assert scene.api.sent("delete") == [(NAMESPACE, {"uid": "n1"})]
    del scene.api.answers["get", NAMESPACE]
    assert await scene.reconcile() == DONE
    assert scene.api.sent("delete")[1:] == [(PATH, {"uid": "c1", "version": "7"})]


async def test_a_cluster_that_is_made_again_in_this_moment_is_not_deleted(scene: Scene) -> None:
    scene.put(active=False, phase="INACTIVE", since=scene.say(datetime.timedelta(hours=2)))
    scene.api.answers["delete", PATH] = conflict()
    assert await scene.reconcile() == DONE


async def test_a_status_that_cannot_be_written_is_tried_again(scene: Scene) -> None:
    scene.put_namespace(scene.put())
    scene.api.answers["merge", f"{PATH}/status"] = ApiError(403, "Forbidden", "no")
    with pytest.raises(Incomplete):
        await scene.reconcile()


async def test_the_profile_of_tasks_is_made_where_it_is_missing(scene: Scene) -> None:
    assert await scene.reconcile(PROFILE_KEY) == DONE
    ((path, profile),) = scene.api.sent("create")
    assert (path, profile["metadata"]["name"]) == (PROFILES.list_path(), "ecs")
    assert profile["spec"]["spot"] == {"podChoice": "Allow"}
    assert await scene.reconcile(PROFILE_KEY) == DONE
    assert len(scene.api.sent("create")) == 1


async def test_a_profile_that_somebody_made_is_theirs(scene: Scene) -> None:
    scene.api.answers["create", PROFILES.list_path()] = conflict()
    assert await scene.reconcile(PROFILE_KEY) == DONE


async def test_events_bring_what_they_are_about_to_be_reconciled(scene: Scene) -> None:
    seen: list[str] = []
    scene.keeper.controller.enqueue = lambda key, *rest, **more: seen.append(key)  # type: ignore[method-assign] # a spy
    for kind, name in (
        (scene.caches.ecs_clusters, "web"),
        (scene.caches.namespaces, "ecs-api"),
        (scene.caches.namespaces, "default"),
        (scene.caches.profiles, "ecs"),
        (scene.caches.profiles, "other"),
    ):
        kind.observe("ADDED", {"metadata": {"name": name, "uid": name, "resourceVersion": "1"}})
    assert seen == ["web", "api", PROFILE_KEY]
