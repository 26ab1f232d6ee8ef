"""Profiles are guarded by a finalizer, emptied in turn, and let go of when nothing is left."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from monopod.deletion.controller import Deletions
from monopod.deletion.rules.stages import DeletionDeadline, Evicting, Failed, Queued, Request, Stage
from monopod.eviction.rules.order import Candidate, Obstacle
from monopod.kube.client.api import ApiError
from monopod.manager.sources import WatchedCaches
from monopod.selectors.compile import STALE_SECONDS
from monopod.selectors.publication import Publication
from monopod.workloads.replacements import REFUSED
from tests.unit.fake_api import FakeApi, an_object, not_found
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS, running, settle

FINALIZER = "monopod.dev/profile"
LONG_AGO = "2025-12-31T23:59:45Z"
BEGAN, NOW = "2026-01-01T00:00:00Z", "2026-01-01T00:00:10Z"
PUBLISHED = Publication(lambda _: "")
PROFILE = "/apis/monopod.dev/v1beta1/fargateprofiles/web"


class FakeEvictor:
    """Remembers what is to be evicted."""

    def __init__(self) -> None:
        self.required: tuple[Candidate, ...] = ()

    def update(self, source: str, pods: Iterable[Candidate]) -> None:
        assert source == "deletion"
        self.required = tuple(pods)

    def compute_obstacles(self, pods: Iterable[Candidate]) -> tuple[Obstacle, ...]:
        return ()


class Setting:
    """Profiles and pods, and a pass over them."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self.caches = WatchedCaches("monopod-system")
        self.evictor = FakeEvictor()
        self.marks: list[float] = []
        self.clock = FakeClock()
        self.deletions = Deletions(
            self.api,
            self.caches,
            self.evictor,  # type: ignore[arg-type]  # the two methods that matter
            DeletionDeadline(timeout=60, per_minute=60),
            PROBLEMS,
            self.marks.append,
            self.clock,
        )

    def add_profile(self, name: str = "web", *, finalizers: tuple[str, ...] = (FINALIZER,), **metadata: Any) -> None:
        self.caches.profiles.observe("ADDED", an_object(name, finalizers=list(finalizers), **metadata))

    def add_pod(self, name: str, profile: str = "web", **metadata: Any) -> None:
        pod = an_object(name, namespace="prod", labels={"monopod.dev/profile": profile}, **metadata)
        self.caches.pods.observe("ADDED", pod)

    def add_namespace(self, compiled: str) -> None:
        self.caches.namespaces.observe("ADDED", an_object("prod", annotations={"monopod.dev/profiles": compiled}))

    async def make_pass(self, *requests: Request, recorded: bool = True) -> dict[str, Stage]:
        pods = self.caches.pods.views()
        given = self.deletions.gather(requests, pods, PUBLISHED, NOW)
        self.deletions.update(replace(given, recorded=frozenset(given.stages if recorded else ())), NOW)
        self.clock.step(STALE_SECONDS)
        async with running(self.deletions.controller):
            return dict(given.stages)

    @property
    def evicted(self) -> list[str]:
        return [pod.name for pod in self.evictor.required]


async def test_a_profile_without_the_finalizer_gets_it_beside_those_of_others() -> None:
    setting = Setting()
    setting.add_profile(finalizers=("theirs",))
    setting.add_profile("guarded")
    setting.add_profile("deleted", finalizers=(), deletionTimestamp=BEGAN)
    setting.api.answers["merge", PROFILE] = an_object("web", version=2, finalizers=["theirs", FINALIZER])
    assert await setting.deletions.ensure_finalizers(setting.caches.profiles.views())
    metadata = {"finalizers": ["theirs", FINALIZER], "resourceVersion": "1"}
    assert setting.api.sent("merge") == [(PROFILE, {"metadata": metadata})]
    assert (setting.caches.profiles.find("", "web") or {})["metadata"]["finalizers"] == ["theirs", FINALIZER]


@pytest.mark.parametrize(
    ("error", "well"),
    [(not_found(), True), (ApiError(409, "Conflict", "changed"), False), (ApiError(403, "Forbidden", "no"), False)],
    ids=["gone", "changed", "refused"],
)
async def test_a_finalizer_that_cannot_be_written_is_tried_again(error: Exception, well: bool) -> None:
    setting = Setting()
    setting.add_profile(finalizers=())
    setting.api.answers["merge", PROFILE] = error
    assert await setting.deletions.ensure_finalizers(setting.caches.profiles.views()) is well


async def test_pods_of_the_profile_whose_turn_it_is_are_evicted_unless_they_end_already() -> None:
    setting = Setting()
    setting.add_pod("a")
    setting.add_pod("b", "other")
    setting.add_pod("c", deletionTimestamp=BEGAN)
    stages = await setting.make_pass(Request("web", BEGAN, BEGAN, 3), Request("other", BEGAN))
    assert stages == {"web": Evicting(BEGAN, 2, 3, progressed=BEGAN), "other": Queued("web", 1)}
    assert setting.evicted == ["a"]


async def test_no_turn_begins_before_the_status_says_so() -> None:
    setting = Setting()
    setting.add_pod("a")
    await setting.make_pass(Request("web", BEGAN), recorded=False)
    assert setting.evicted == []


async def test_pods_whose_namespace_still_has_the_rows_are_not_evicted_because_they_would_come_back() -> None:
    setting = Setting()
    setting.add_namespace("other|kata|Pend||\nweb|kata|Pend||")
    setting.add_pod("a")
    stages = await setting.make_pass(Request("web", BEGAN, BEGAN, 1))
    assert setting.evicted == []
    assert isinstance(stages["web"], Evicting)
    assert [obstacle.reason for obstacle in stages["web"].obstacles] == ["SelectorsNotWithdrawn"]


async def test_pods_of_a_namespace_that_refuses_new_ones_are_not_evicted() -> None:
    setting = Setting()
    setting.caches.namespaces.observe("ADDED", an_object("prod", labels={"monopod.dev/fargate": "true"}))
    setting.add_pod("a")
    stages = await setting.make_pass(Request("web", BEGAN, BEGAN, 1))
    assert setting.evicted == []
    assert isinstance(stages["web"], Evicting)
    (obstacle,) = stages["web"].obstacles
    assert obstacle.message.startswith("new pods are refused in namespace prod")


async def test_a_deletion_of_which_no_pod_goes_names_those_that_are_held_and_the_next_begins() -> None:
    setting = Setting()
    setting.add_pod("held", deletionTimestamp=LONG_AGO)
    setting.add_pod("b", "other")
    stages = await setting.make_pass(Request("web", LONG_AGO, LONG_AGO, 1, left=1), Request("other", BEGAN))
    assert isinstance(stages["web"], Evicting)
    assert stages["web"].stalled
    assert [(each.reason, each.pods) for each in stages["web"].obstacles] == [("PodsTerminating", ("prod/held",))]
    assert setting.evicted == ["b"]


async def test_a_failed_deletion_goes_on_patiently_and_the_next_begins() -> None:
    setting = Setting()
    setting.add_pod("a")
    setting.add_pod("b", "other")
    stages = await setting.make_pass(Request("web", BEGAN, BEGAN, 1, failed=True), Request("other", BEGAN))
    assert isinstance(stages["web"], Failed)
    assert [(pod.name, pod.patient) for pod in setting.evictor.required] == [("a", True), ("b", False)]


async def test_a_profile_without_pods_is_let_go_of_and_keeps_the_finalizers_of_others() -> None:
    setting = Setting()
    setting.add_profile(finalizers=(FINALIZER, "theirs"), deletionTimestamp=BEGAN)
    await setting.make_pass(Request("web", BEGAN))
    ((path, patch),) = setting.api.sent("merge")
    assert (path, patch["metadata"]["finalizers"]) == (PROFILE, ["theirs"])


async def test_a_profile_is_kept_for_the_seconds_in_which_admission_may_still_read_it() -> None:
    setting = Setting()
    setting.add_profile(deletionTimestamp=BEGAN)
    setting.deletions.update(setting.deletions.gather([Request("web", BEGAN)], [], PUBLISHED, NOW), NOW)
    setting.clock.step(STALE_SECONDS - 0.5)
    async with running(setting.deletions.controller):
        assert setting.api.sent("merge") == []
        setting.clock.step(0.5)
        await settle()
        assert len(setting.api.sent("merge")) == 1


async def test_a_profile_is_kept_while_the_api_server_knows_of_a_pod_that_the_watch_has_not_shown() -> None:
    setting = Setting()
    setting.add_profile(deletionTimestamp=BEGAN)
    setting.api.lists["/api/v1/pods"] = [an_object("late", namespace="prod")]
    setting.deletions.update(setting.deletions.gather([Request("web", BEGAN)], [], PUBLISHED, NOW), NOW)
    setting.clock.step(STALE_SECONDS)
    async with running(setting.deletions.controller):
        assert setting.api.sent("merge") == []
        setting.api.lists.clear()
        setting.clock.step(1.0)
        await settle()
        assert len(setting.api.sent("merge")) == 1


async def test_a_profile_that_has_the_name_of_one_that_is_gone_keeps_its_finalizer() -> None:
    setting = Setting()
    setting.add_profile()
    await setting.make_pass(Request("web", BEGAN))
    assert setting.api.sent("merge") == []


async def test_a_profile_is_kept_while_a_namespace_has_its_rows() -> None:
    setting = Setting()
    setting.add_profile(deletionTimestamp=BEGAN)
    setting.add_namespace("web|kata|Pend||")
    await setting.make_pass(Request("web", BEGAN))
    assert setting.api.sent("merge") == []


QUOTAS, PODS = "/api/v1/namespaces/prod/resourcequotas", "/api/v1/namespaces/prod/pods"
SETS = "/apis/apps/v1/namespaces/prod/replicasets"


def own_pods(setting: Setting, owner: str, *names: str) -> None:
    """Pods of a ReplicaSet."""
    reference = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True}
    for name in names:
        setting.add_pod(name, ownerReferences=[reference])
        setting.api.answers["get", f"{PODS}/{name}"] = an_object(name, namespace="prod", ownerReferences=[reference])
    template = {"spec": {"containers": [{"name": owner, "image": "app"}]}}
    replica_set = an_object(owner, namespace="prod") | {"spec": {"replicas": len(names), "template": template}}
    setting.api.answers["get", f"{SETS}/{owner}"] = replica_set
    setting.api.lists.setdefault(SETS, []).append(replica_set)
    setting.api.lists.setdefault(PODS, []).extend(setting.api.answers["get", f"{PODS}/{name}"] for name in names)  # type: ignore[misc]  # no exceptions among them


async def test_pods_that_could_not_be_created_again_stay_and_go_once_they_can() -> None:
    setting = Setting()
    own_pods(setting, "one", "a", "b")
    own_pods(setting, "two", "c")

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        if body["metadata"]["generateName"] == "one-":
            raise ApiError(403, "Forbidden", "violates PodSecurity")
        return body

    setting.api.answers["try", PODS] = answer
    await setting.make_pass(Request("web", BEGAN, BEGAN, 3))
    assert setting.evicted == ["c"]
    stages = await setting.make_pass(Request("web", BEGAN, BEGAN, 3))
    assert isinstance(stages["web"], Evicting)
    (obstacle,) = stages["web"].obstacles
    assert (obstacle.reason, obstacle.pods) == ("ReplacementRefused", ("prod/a", "prod/b"))
    assert obstacle.message.endswith("stay, because a replacement can't be created: violates PodSecurity")
    setting.api.answers["try", PODS] = {"metadata": {}, "spec": {}}
    setting.clock.step(REFUSED.longest)
    await setting.make_pass(Request("web", BEGAN, BEGAN, 3))
    assert setting.evicted == ["a", "b", "c"]


async def test_a_refused_workload_that_is_gone_is_no_reason_to_look_again() -> None:
    setting = Setting()
    own_pods(setting, "one", "a")
    own_pods(setting, "two", "b")
    setting.api.answers["try", PODS] = ApiError(403, "Forbidden", "violates PodSecurity")
    await setting.make_pass(Request("web", BEGAN, BEGAN, 2))
    setting.caches.pods.observe("DELETED", an_object("a", namespace="prod", version=2))
    setting.api.answers["try", PODS] = {"metadata": {}, "spec": {}}
    setting.clock.step(REFUSED.longest)
    await setting.make_pass(Request("web", BEGAN, BEGAN, 2))
    assert setting.evicted == ["b"]
    setting.marks.clear()
    await setting.make_pass(Request("web", BEGAN, BEGAN, 2))
    assert min(setting.marks) >= 1, "all profiles would be looked at twice a second until the last pod is gone"


async def test_where_a_quota_counts_one_pod_of_a_deletion_goes_at_a_time() -> None:
    setting = Setting()
    own_pods(setting, "one", "a", "b")
    own_pods(setting, "two", "c")
    setting.api.lists[QUOTAS] = [{"metadata": {"name": "full"}, "spec": {"hard": {"pods": "9"}}}]
    await setting.make_pass(Request("web", BEGAN, BEGAN, 3))
    assert setting.evicted == ["a"]


async def test_what_admission_still_takes_for_the_deleted_profiles_is_tried_again() -> None:
    setting = Setting()
    own_pods(setting, "one", "a")
    setting.api.answers["try", PODS] = {"metadata": {"labels": {"monopod.dev/profile": "web"}}, "spec": {}}
    await setting.make_pass(Request("web", BEGAN, BEGAN, 1))
    assert setting.evicted == []
    assert setting.marks
