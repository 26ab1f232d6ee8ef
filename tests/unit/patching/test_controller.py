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


def sandbox(body: dict[str, Any]) -> dict[str, Any]:
    """The answer to a dry run, as admission leaves it."""
    metadata = {**body["metadata"], "namespace": "prod", "labels": {PROFILE_LABEL: "web"}}
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


async def test_where_no_profile_is_enforced_it_is_said_once_that_no_stored_pod_is_wanted() -> None:
    scene = Scene()
    async with running(scene.patcher.controller):
        for _ in range(3):
            scene.patcher.update(PatchingInput())
            await scene.go_on()
    assert scene.bare.told == ("patching",)
