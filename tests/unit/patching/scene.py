"""A whole controller of patching on a fake API and a clock that tests step."""

import datetime
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from monopod.api.names import PROFILE_LABEL, SELECTORS_ANNOTATION
from monopod.bare_pods.controller import BareKeeper
from monopod.bare_pods.rules.steps import BarePod
from monopod.eviction.evictor import Evictor
from monopod.eviction.options import EvictionOptions
from monopod.eviction.rules.order import Candidate
from monopod.kube.objects.timestamps import format_time
from monopod.manager.options import OperatorOptions
from monopod.manager.sources import WatchedCaches
from monopod.patching.announcer import Announcer
from monopod.patching.controller import Patcher
from monopod.patching.rules.input import PatchingInput
from monopod.patching.rules.settings import Memory, PatchingSettings
from monopod.patching.rules.staleness import Patch
from tests.unit.fake_api import FakeApi, an_object
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS, a_recorder, settle

NOW = "2026-01-01T00:16:40Z"
"""When the fake clock begins."""
PATCHED = "2026-01-01T00:10:00Z"
TERMS = PatchingSettings("web", "gvisor", wait=datetime.timedelta(0))


def a_notice(at: datetime.datetime) -> Memory:
    """The patch was noticed then."""
    return Memory({"gvisor": Patch("gvisor", datetime.datetime.fromisoformat(PATCHED), at)})


class RememberingEvictor(Evictor):
    wanted: tuple[Candidate, ...] = ()

    def update(self, source: str, pods: Iterable[Candidate]) -> None:
        if source == "patching":
            self.wanted = tuple(pods)

    def tell(self, pod: Candidate) -> None:
        for listener in self._listeners:
            listener(pod)

    def doubt(self, pod: Candidate) -> None:
        for listener in self._doubters:
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


def sandbox(body: dict[str, Any], runtime_class: str = "gvisor") -> dict[str, Any]:
    """The answer to a dry run, as admission leaves it."""
    metadata = {"namespace": "prod", **body["metadata"], "labels": {PROFILE_LABEL: "web"}}
    return {**body, "metadata": metadata, "spec": {**body["spec"], "runtimeClassName": runtime_class}}


class Scene:
    def __init__(self, *pods: str) -> None:
        self.api, self.clock, self.caches = FakeApi(), FakeClock(), WatchedCaches("monopod-system")
        self.api.lists["/api/v1/pods"] = [a_pod(name) for name in pods]
        self.api.answers["try", "/api/v1/namespaces/prod/pods"] = sandbox
        node = {"allocatable": {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "110"}}
        self.caches.nodes.observe("ADDED", {**an_object("n"), "status": node})
        for pod in self.api.lists["/api/v1/pods"]:
            self.caches.pods.observe("ADDED", pod)
        self.date_patch(PATCHED)
        self.caches.namespaces.observe("ADDED", an_object("prod", annotations={SELECTORS_ANNOTATION: "rows"}))
        options, recorder = OperatorOptions(sandbox="gvisor"), a_recorder(self.api, self.clock)
        self.evictor = RememberingEvictor(self.api, EvictionOptions(), PROBLEMS, clock=self.clock)
        self.bare = RememberingKeeper(self.api, self.caches, self.evictor, options, recorder, PROBLEMS, self.clock)
        announcer = Announcer(recorder, lambda _: None, "lab")
        self.patcher = Patcher(self.api, self.caches, self.evictor, self.bare, announcer, PROBLEMS, self.clock)

    def give(self, settings: PatchingSettings, **more: Any) -> None:
        self.patcher.update(PatchingInput({"web": settings}, lambda _: "rows", **more))

    def contribute(self, status: dict[str, Any], now: str = NOW) -> dict[str, Any]:
        return dict(self.patcher.contribute({"web": status}, now)["web"].fields.get("patching") or {})

    def date_patch(self, date: str | None) -> None:
        """Annotates the RuntimeClass; None: it is deleted, and another of its name has no date."""
        annotations = {"monopod.dev/patched": date} if date else {}
        found = an_object("gvisor", uid=f"gvisor of {date}", annotations=annotations)
        self.caches.runtime_classes.observe("MODIFIED", {**found, "handler": "runsc"})

    def run_in(self, runtime_class: str) -> None:
        """Admission gives new pods this sandbox from now on."""
        self.api.answers["try", "/api/v1/namespaces/prod/pods"] = lambda body: sandbox(body, runtime_class)

    def list_going(self) -> list[str]:
        now = self.clock.monotonic()
        return sorted(pod.name for pod in self.evictor.wanted if now < pod.known_until)

    async def go_on(self) -> list[str]:
        for seconds in (0.1, 3.0, 3.0):
            self.clock.step(seconds)
            await settle()
        return sorted(pod.name for pod in self.evictor.wanted)


class Profile:
    """A profile whose status is written as the controller of profiles does, after each step."""

    def __init__(self, scene: Scene, **patching: Any) -> None:
        self.scene = scene
        self.spec: dict[str, Any] = {"maxUnavailable": 1, "patching": patching}
        self.status: dict[str, Any] = {"runtimeClassName": "gvisor"}

    def give(self) -> None:
        resource = {"metadata": {"name": "web"}, "spec": self.spec, "status": self.status}
        self.scene.give(PatchingSettings.from_resource(resource))

    def change(self, **patching: Any) -> None:
        self.spec["patching"] = patching
        self.give()

    @property
    def told(self) -> dict[str, Any]:
        return dict(self.status.get("patching") or {})

    async def step(self, seconds: float) -> None:
        self.scene.clock.step(seconds)
        await settle()
        if patching := self.scene.contribute(self.status, format_time(self.scene.clock.now())):
            self.status["patching"] = patching
        self.give()
        await settle()

    async def go_on(self) -> list[str]:
        """The names of the pods that go now."""
        for seconds in (0.1, 3.0, 3.0):
            await self.step(seconds)
        return self.list_going()

    def list_going(self) -> list[str]:
        return self.scene.list_going()

    async def replace(self, name: str, runtime_class: str = "gvisor") -> None:
        """Evicts the pod; its replacement is Ready."""
        (pod,) = (each for each in self.scene.api.lists["/api/v1/pods"] if each["metadata"]["name"] == name)
        evict(self.scene, pod)
        now = format_time(self.scene.clock.now())
        pod["metadata"]["creationTimestamp"] = pod["status"]["startTime"] = now
        pod["status"]["conditions"][0]["status"] = "True"
        pod["spec"]["runtimeClassName"] = runtime_class
        await self.go_on()
