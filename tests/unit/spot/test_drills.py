"""The drill that a profile asks for: on record first, then evicted; never two pods in one slot."""

from collections.abc import AsyncIterator
from typing import Any

from monopod.api.names import CAPACITY_PROVIDER_LABEL, FARGATE_SPOT, PROFILE_LABEL, SELECTORS_ANNOTATION
from monopod.cel.compiled_selectors import SEPARATOR
from monopod.eviction.evictor import Evictor
from monopod.eviction.options import EvictionOptions
from monopod.kube.client.api import ApiError
from monopod.kube.objects.resources import PODS
from monopod.manager.sources import WatchedCaches
from monopod.spot.drills import DrillRunner
from tests.unit.fake_api import FakeApi, an_object
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS, running, settle

ALL_PODS = PODS.list_path()
ENFORCED = {"phase": "ACTIVE", "dryRun": {"result": "Sandboxed"}}


class Scene:
    """A profile with a drill of one pod an hour, and three pods on Spot."""

    def __init__(self, clock: FakeClock | None = None, status: dict[str, Any] | None = None) -> None:
        self.api, self.clock = FakeApi(), clock or FakeClock()
        self.caches = WatchedCaches("monopod-system")
        self.status: dict[str, Any] = status or ENFORCED
        self.version = 0
        self.write_namespace(f"web{SEPARATOR}rest")
        for name in ("web-1", "web-2", "web-3"):
            self.add_pod(name)
        self.write_status(self.status)
        self.evictor = Evictor(self.api, EvictionOptions(evictions_per_minute=60), PROBLEMS, clock=self.clock)
        self.drills = DrillRunner(self.api, self.caches, self.evictor, PROBLEMS, self.clock)
        self.drills.begin()

    def add_pod(self, name: str, **more: str) -> None:
        labels = {PROFILE_LABEL: "web", CAPACITY_PROVIDER_LABEL: FARGATE_SPOT}
        metadata = {
            "namespace": "shop",
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": "1",
            "labels": labels,
            **more,
        }
        pod = {"metadata": metadata, "spec": {"nodeName": "node-1"}, "status": {"phase": "Running"}}
        self.api.lists.setdefault(ALL_PODS, []).append(pod)
        self.caches.pods.observe("ADDED", pod)

    def write_namespace(self, compiled: str) -> None:
        self.version += 1
        namespace = an_object("shop", annotations={SELECTORS_ANNOTATION: compiled} if compiled else {})
        namespace["metadata"]["resourceVersion"] = str(self.version)
        self.caches.namespaces.observe("MODIFIED", namespace)

    def write_status(self, status: dict[str, Any]) -> None:
        self.version += 1
        self.status = status
        profile = {
            "metadata": {"name": "web", "uid": "p", "resourceVersion": str(self.version)},
            "spec": {"spot": {"interruptionsPerHour": 1}},
            "status": status,
        }
        self.caches.profiles.observe("MODIFIED", profile)

    def fail_lists(self) -> None:
        problems = [ApiError(500, "InternalError", "no")]

        async def fail(*_: Any, **__: Any) -> AsyncIterator[Any]:
            if problems:
                raise problems[0]
            yield {}

        self.api.list_pages = fail  # type: ignore[method-assign]  # from now on

    def record(self) -> None:
        """As the reconciler does."""
        told = self.drills.contribute({"web": self.status}, "2026-01-01T00:00:00Z")["web"].fields
        self.write_status({**ENFORCED, **told})

    async def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.step(1)
            await settle(30)

    def list_evictions(self) -> list[str]:
        return [body["metadata"]["name"] for path, body in self.api.sent("create") if path.endswith("/eviction")]


async def test_a_pod_is_evicted_once_it_is_on_record_and_not_before() -> None:
    scene = Scene()
    async with running(scene.drills.controller, scene.evictor.controller):
        await scene.pass_time(5)
        assert scene.list_evictions() == []
        scene.record()
        await scene.pass_time(5)
    assert scene.list_evictions() == [scene.status["spotDrill"]["pod"]]


async def test_an_operator_that_was_killed_before_the_eviction_is_followed_by_one_that_evicts_the_same_pod() -> None:
    killed = Scene()
    async with running(killed.drills.controller):
        await killed.pass_time(1)
        killed.record()
    following = Scene(killed.clock, killed.status)
    async with running(following.drills.controller, following.evictor.controller):
        await following.pass_time(5)
    assert following.list_evictions() == [killed.status["spotDrill"]["pod"]]


async def test_an_operator_that_was_killed_after_the_eviction_is_followed_by_one_that_evicts_nothing() -> None:
    killed = Scene()
    async with running(killed.drills.controller):
        await killed.pass_time(1)
        killed.record()
    following = Scene(killed.clock, killed.status)
    gone = killed.status["spotDrill"]["pod"]
    following.caches.pods.observe("DELETED", {"metadata": {"namespace": "shop", "name": gone, "uid": f"uid-{gone}"}})
    async with running(following.drills.controller, following.evictor.controller):
        await following.pass_time(30)
    assert following.list_evictions() == []


async def test_a_pod_that_is_on_its_way_out_isnt_evicted_again() -> None:
    killed = Scene()
    async with running(killed.drills.controller):
        await killed.pass_time(1)
        killed.record()
    following = Scene(killed.clock, killed.status)
    following.add_pod(killed.status["spotDrill"]["pod"], deletionTimestamp="2026-01-01T01:00:00Z")
    async with running(following.drills.controller, following.evictor.controller):
        await following.pass_time(5)
    assert following.list_evictions() == []


async def test_a_profile_that_asks_for_none_any_more_forgets_the_last() -> None:
    scene = Scene()
    async with running(scene.drills.controller):
        await scene.pass_time(1)
        scene.record()
    scene.caches.profiles.observe(
        "MODIFIED", {"metadata": {"name": "web", "uid": "p", "resourceVersion": "99"}, "status": scene.status}
    )
    assert scene.drills.contribute({"web": scene.status}, "2026-01-01T00:00:00Z")["web"].fields == {}


async def test_a_choice_that_comes_on_record_after_its_slot_makes_room_for_the_next() -> None:
    scene = Scene()
    async with running(scene.drills.controller, scene.evictor.controller):
        await scene.pass_time(1)
        late = scene.drills.contribute({"web": scene.status}, "2026-01-01T00:00:00Z")["web"].fields
        scene.clock.step(2 * 3600)  # no status can be written meanwhile
        await settle(30)
        scene.write_status({**ENFORCED, **late})
        await scene.pass_time(2)
        assert scene.list_evictions() == []
        scene.record()
        assert scene.status["spotDrill"]["interruptedAt"] > late["spotDrill"]["interruptedAt"]
        await scene.pass_time(5)
    assert scene.list_evictions() == [scene.status["spotDrill"]["pod"]]


async def test_a_profile_whose_pods_cant_be_listed_keeps_no_other_from_being_stopped() -> None:
    scene = Scene()
    async with running(scene.drills.controller):
        await scene.pass_time(1)
        scene.record()
        await scene.pass_time(1)
        wanted = {"metadata": {"name": "a-first", "uid": "a", "resourceVersion": "50"}, "status": ENFORCED}
        scene.fail_lists()
        scene.caches.profiles.observe("ADDED", {**wanted, "spec": {"spot": {"interruptionsPerHour": 60}}})
        scene.write_status({**scene.status, "phase": "DELETING"})
        await scene.pass_time(1)
    async with running(scene.evictor.controller):
        await scene.pass_time(5)
    assert scene.list_evictions() == []


async def test_a_drill_that_is_interrupted_by_refused_dry_runs_takes_no_second_pod_in_its_slot() -> None:
    scene = Scene()
    async with running(scene.drills.controller, scene.evictor.controller):
        await scene.pass_time(1)
        scene.record()
        await scene.pass_time(3)
        told = scene.status["spotDrill"]
        fields = scene.drills.contribute({"web": scene.status}, "2026-01-01T00:00:00Z")["web"].fields
        scene.write_status({"phase": "ACTIVE", "dryRun": {"result": "Refused"}, **fields})
        await scene.pass_time(3)
        scene.record()
        await scene.pass_time(3)
    assert scene.status["spotDrill"] == told
    assert set(scene.list_evictions()) == {told["pod"]}


async def test_a_pod_stays_whose_namespace_the_profile_no_longer_reaches() -> None:
    scene = Scene()
    async with running(scene.drills.controller, scene.evictor.controller):
        await scene.pass_time(1)
        scene.write_namespace("")
        scene.record()
        await scene.pass_time(5)
    assert scene.list_evictions() == []


async def test_from_before_its_profile_is_taken_back_no_pod_goes_though_pods_are_being_listed_meanwhile() -> None:
    scene = Scene()
    async with running(scene.drills.controller):
        await scene.pass_time(1)
        scene.record()
        await scene.pass_time(1)
    scene.write_status({**scene.status, "phase": "DELETING"})  # nothing reconciles: it is busy with a list
    async with running(scene.evictor.controller):
        await scene.pass_time(5)
    assert scene.list_evictions() == []
