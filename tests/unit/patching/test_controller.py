"""What is handed to the evictor, and what has to be on record before."""

import datetime
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from monopod.api.names import PROFILE_LABEL, SELECTORS_ANNOTATION
from monopod.bare_pods.controller import BareKeeper
from monopod.bare_pods.rules.steps import BarePod
from monopod.eviction.evictor import Evictor
from monopod.eviction.options import EvictionOptions
from monopod.eviction.rules.order import Candidate
from monopod.kube.client.api import ApiError, ApiUnreachable
from monopod.kube.objects.fields import Part
from monopod.manager.options import OperatorOptions
from monopod.manager.sources import WatchedCaches
from monopod.patching.controller import Patcher
from monopod.patching.rules.input import PatchingInput
from monopod.patching.rules.settings import Memory, PatchingSettings
from monopod.patching.rules.windows import Window, parse_schedule
from tests.unit.fake_api import FakeApi, an_object
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS, a_recorder, running, settle

NOW = "2026-01-01T00:16:40Z"
"""When the fake clock begins."""
PATCHED = "2026-01-01T00:10:00Z"
TERMS = PatchingSettings("web", "gvisor", wait=datetime.timedelta(0))


class RememberingEvictor(Evictor):
    wanted: tuple[Candidate, ...] = ()

    def update(self, source: str, pods: Iterable[Candidate]) -> None:
        if source == "patching":
            self.wanted = tuple(pods)

    def tell(self, pod: Candidate) -> None:
        for listener in self._listeners:
            listener(pod)


class RememberingKeeper(BareKeeper):
    told: tuple[str, ...] = ()

    def update(self, now: Sequence[BarePod], waiting: Collection[str], source: str = "rescheduling") -> None:
        self.told = (*self.told, source)
        super().update(now, waiting, source)


def a_pod(name: str) -> dict[str, Any]:
    owner = {"apiVersion": "example.com/v1", "kind": "Thing", "name": "owner", "uid": "owner", "controller": True}
    pod: dict[str, Any] = an_object(
        name, namespace="prod", labels={PROFILE_LABEL: "web"}, creationTimestamp="2026-01-01T00:00:00Z",
        ownerReferences=[owner],
    )  # fmt: skip
    status = {"startTime": "2026-01-01T00:00:00Z", "conditions": [{"type": "Ready", "status": "True"}]}
    containers = [{"name": "app", "image": "app"}]
    return {**pod, "spec": {"runtimeClassName": "gvisor", "nodeName": "n", "containers": containers}, "status": status}


def an_owned_pod(name: str, namespace: str = "prod") -> dict[str, Any]:
    """A pod of a workload of its own."""
    pod = a_pod(name)
    pod["metadata"]["namespace"] = namespace
    pod["metadata"]["ownerReferences"][0]["uid"] = f"owner of {name}"
    return pod


def evict(scene: "Scene", pod: dict[str, Any]) -> None:
    """Evicts the pod; its replacement doesn't become Ready."""
    (candidate,) = (each for each in scene.evictor.wanted if each.uid == pod["metadata"]["uid"])
    scene.evictor.tell(candidate)
    pod["metadata"] |= {"uid": f"new {pod['metadata']['name']}", "creationTimestamp": "2026-01-01T00:30:00Z"}
    pod["status"] = {"startTime": NOW, "conditions": [{"type": "Ready", "status": "False"}]}


def sandbox(body: dict[str, Any]) -> dict[str, Any]:
    """The answer to a dry run, as admission leaves it."""
    metadata = {"namespace": "prod", **body["metadata"], "labels": {PROFILE_LABEL: "web"}}
    return {**body, "metadata": metadata, "spec": {**body["spec"], "runtimeClassName": "gvisor"}}


class Scene:
    def __init__(self, *pods: str) -> None:
        self.api, self.clock, self.caches = FakeApi(), FakeClock(), WatchedCaches("monopod-system")
        self.api.lists["/api/v1/pods"] = [a_pod(name) for name in pods]
        self.api.answers["try", "/api/v1/namespaces/prod/pods"] = sandbox
        node = {"allocatable": {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "110"}}
        self.caches.nodes.observe("ADDED", {**an_object("n"), "status": node})
        for pod in self.api.lists["/api/v1/pods"]:
            self.caches.pods.observe("ADDED", pod)
        annotations = {"monopod.dev/patched": PATCHED}
        self.caches.runtime_classes.observe(
            "ADDED", {**an_object("gvisor", annotations=annotations), "handler": "runsc"}
        )
        self.caches.namespaces.observe("ADDED", an_object("prod", annotations={SELECTORS_ANNOTATION: "rows"}))
        options, recorder = OperatorOptions(sandbox="gvisor"), a_recorder(self.api, self.clock)
        self.evictor = RememberingEvictor(self.api, EvictionOptions(), PROBLEMS, clock=self.clock)
        self.bare = RememberingKeeper(self.api, self.caches, self.evictor, options, recorder, PROBLEMS, self.clock)
        self.patcher = Patcher(
            self.api, self.caches, self.evictor, self.bare, recorder, lambda _: None, PROBLEMS, self.clock
        )

    def give(self, settings: PatchingSettings, **more: Any) -> None:
        self.patcher.update(PatchingInput({"web": settings}, lambda _: "rows", **more))

    def contribute(self, status: dict[str, Any]) -> dict[str, Any]:
        return dict(self.patcher.contribute({"web": status}, NOW)["web"].fields.get("patching") or {})

    async def go_on(self) -> list[str]:
        for seconds in (0.1, 3.0, 3.0):
            self.clock.step(seconds)
            await settle()
        return sorted(pod.name for pod in self.evictor.wanted)


async def test_no_pod_goes_before_the_notice_is_on_record_nor_where_nothing_is_enforced() -> None:
    scene = Scene("a", "b")
    async with running(scene.patcher.controller):
        scene.give(TERMS)
        assert await scene.go_on() == []
        told = scene.contribute({})
        assert (told["noticedAt"], told["stale"]) == (NOW, 2)
        recorded = replace(TERMS, memory=Memory.from_status(Part({"patching": told})))
        scene.give(recorded)
        assert await scene.go_on() == ["a"], "the first goes alone"
        scene.give(replace(recorded, paused=True))
        assert scene.evictor.wanted == ()
        scene.give(recorded, unwritten={"prod": "refused"})
        assert await scene.go_on() == []
        scene.give(recorded)
        assert await scene.go_on() == ["a"]
        scene.patcher.limit([])
        assert scene.evictor.wanted == (), "before anything of the profile is taken back"


async def test_a_look_that_ends_while_the_profile_is_taken_back_lets_no_pod_go() -> None:
    scene = Scene("a", "b")
    noticed = Memory(datetime.datetime.fromisoformat(PATCHED), scene.clock.now())
    async with running(scene.patcher.controller):
        scene.give(replace(TERMS, memory=noticed))
        scene.patcher.limit([])  # nothing has been handed over yet
        assert await scene.go_on() == []
        scene.give(replace(TERMS, memory=noticed))
        assert await scene.go_on() == ["a"]


async def test_no_pod_goes_once_the_window_has_closed() -> None:
    scene = Scene("a")
    now = scene.clock.now()
    window = Window(parse_schedule("2 0 * * *"), datetime.timedelta(minutes=14, seconds=55), datetime.UTC)
    closes = scene.clock.monotonic() + 15
    memory = Memory(datetime.datetime.fromisoformat(PATCHED), now)
    async with running(scene.patcher.controller):
        scene.give(replace(TERMS, windows=(window,), memory=memory))
        assert await scene.go_on() == ["a"]
    [pod] = scene.evictor.wanted
    assert pod.known_until == pytest.approx(closes)


async def test_a_pod_that_has_waited_since_before_the_patch_holds_up_no_other() -> None:
    scene = Scene("a", "waits")
    *_, waiting = scene.api.lists["/api/v1/pods"]
    waiting["metadata"]["ownerReferences"][0]["uid"] = "another"
    waiting["status"] = {"phase": "Pending"}
    memory = Memory(datetime.datetime.fromisoformat(PATCHED), scene.clock.now())
    async with running(scene.patcher.controller):
        scene.give(replace(TERMS, memory=memory))
        assert await scene.go_on() == ["a"]
        scene.evictor.update("patching", ())
        waiting["metadata"]["creationTimestamp"] = NOW  # it may be the first one's replacement
        scene.clock.step(60)
        assert await scene.go_on() == []


async def test_a_pod_that_never_becomes_ready_holds_up_those_of_others_for_ten_minutes_and_longer_each_time() -> None:
    scene = Scene("a", "b", "crashing")
    pods = scene.api.lists["/api/v1/pods"]
    for pod in pods:
        pod["metadata"]["ownerReferences"][0]["uid"] = f"owner of {pod['metadata']['name']}"
    pods[2]["metadata"]["creationTimestamp"] = pods[2]["status"]["startTime"] = NOW
    pods[2]["status"]["conditions"][0]["status"] = "False"
    memory = Memory(datetime.datetime.fromisoformat(PATCHED), scene.clock.now())

    async def wait(minutes: int) -> list[str]:
        for _ in range(minutes):
            scene.clock.step(54)
            found = await scene.go_on()
        return found

    async with running(scene.patcher.controller):
        scene.give(replace(TERMS, memory=memory))
        assert await wait(9) == []
        assert await wait(2) == ["a"]
        evict(scene, pods[0])
        assert await wait(9) == []
        assert await wait(2) == ["b"]
        evict(scene, pods[1])
        pods.append(an_owned_pod("c"))
        assert await wait(19) == [], "a patch that no pod comes up with takes one after the other, ever more slowly"
        assert await wait(2) == ["c"]
        pods[0]["status"]["conditions"][0]["status"] = "True"
        pods += [an_owned_pod(name) for name in "de"]
        assert await wait(2) == ["c", "d", "e"]


async def test_nothing_is_remembered_of_pods_and_profiles_that_are_gone() -> None:
    scene = Scene("a", "b")
    pods = scene.api.lists["/api/v1/pods"]
    pods[1]["status"]["conditions"][0]["status"] = "False"
    pods[1]["metadata"]["creationTimestamp"] = NOW
    memory = Memory(datetime.datetime.fromisoformat(PATCHED), scene.clock.now())
    async with running(scene.patcher.controller):
        scene.give(replace(TERMS, memory=memory, max_unavailable=1))
        await scene.go_on()
        assert len(scene.patcher.history) > 0
        pods[:] = [an_owned_pod("other")]
        scene.clock.step(60)
        await scene.go_on()
        assert [*scene.patcher.history.expected] == ["owner of other"]
        scene.patcher.update(PatchingInput())
        await scene.go_on()
        assert len(scene.patcher.history) == 0


@pytest.mark.parametrize("trouble", [ApiUnreachable("timed out"), ApiError(500, "InternalError", "boom")], ids=str)
async def test_a_namespace_whose_dry_runs_get_no_answer_holds_up_its_own_pods_alone(trouble: Exception) -> None:
    scene = Scene("a", "z")
    pods = scene.api.lists["/api/v1/pods"]
    pods[1] = an_owned_pod("z", namespace="away")
    scene.caches.namespaces.observe("ADDED", an_object("away", annotations={SELECTORS_ANNOTATION: "rows"}))
    fresh = an_owned_pod("fresh")
    fresh["metadata"]["creationTimestamp"] = fresh["status"]["startTime"] = NOW
    pods.append(fresh)
    scene.api.answers["try", "/api/v1/namespaces/away/pods"] = trouble
    memory = Memory(datetime.datetime.fromisoformat(PATCHED), scene.clock.now())
    async with running(scene.patcher.controller):
        scene.give(replace(TERMS, memory=memory))
        assert await scene.go_on() == ["a"]
        (blocker,) = scene.contribute({})["blockers"]
    assert (blocker["reason"], blocker["examples"]) == ("ReplacementRefused", ["away/z"])


async def test_where_no_profile_is_enforced_it_is_said_once_that_no_stored_pod_is_wanted() -> None:
    scene = Scene()
    async with running(scene.patcher.controller):
        for _ in range(3):
            scene.patcher.update(PatchingInput())
            await scene.go_on()
    assert scene.bare.told == ("patching",)
