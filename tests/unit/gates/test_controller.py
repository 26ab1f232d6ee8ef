"""Pods behind gates: one that can't be released keeps no other waiting, and how often pods are listed."""

from typing import Any

import pytest

from monopod.api.names import PROFILE_LABEL, VOLUMES_GATE
from monopod.gates.controller import LONGEST_POLL_SECONDS, POLL_SECONDS, REST_PER_LIST, GateKeeper
from monopod.kube.client.api import ServerTrouble
from monopod.manager.sources import WatchedCaches
from tests.unit.builders import a_pod
from tests.unit.fake_api import FakeApi
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS, a_recorder, running, settle

PODS = "/api/v1/pods"
TROUBLED = "/api/v1/namespaces/troubled/pods/pod"
GOOD = "/api/v1/namespaces/good/pods/pod"


def a_gated_pod(namespace: str) -> dict[str, Any]:
    pod = a_pod().in_namespace(namespace).labelled({PROFILE_LABEL: "web"})
    gated = pod.with_spec(schedulingGates=[{"name": VOLUMES_GATE}]).build()
    gated["metadata"]["uid"] = namespace
    return gated


class Scene:
    """Pods whose volumes are ready, with time that a test steps; what is done to those of `troubled` fails."""

    def __init__(self) -> None:
        self.api, self.clock = FakeApi(), FakeClock()
        self.api.answers["patch", TROUBLED] = ServerTrouble(500, "", "failed calling webhook")
        caches = WatchedCaches("monopod-system")
        recorder = a_recorder(self.api, self.clock)
        self.keeper = GateKeeper(self.api, caches, self._look_up, self._prepare, recorder, PROBLEMS, self.clock)

    async def _look_up(self, namespace: str) -> None:
        raise AssertionError(f"no pod waits for the isolation of {namespace}")

    async def _prepare(self, pod: dict[str, Any]) -> str:
        raise AssertionError(f"{pod} doesn't wait for its isolation")

    def count_attempts(self, path: str) -> int:
        return [written for written, _ in self.api.sent("patch")].count(path)


async def test_a_pod_that_cannot_be_released_keeps_none_of_another_namespace() -> None:
    scene = Scene()
    scene.api.lists[PODS] = [a_gated_pod("troubled"), a_gated_pod("good")]
    async with running(scene.keeper.controller):
        assert (scene.count_attempts(TROUBLED), scene.count_attempts(GOOD)) == (1, 1)


async def test_however_long_one_cannot_be_released_the_others_are_looked_at_as_often() -> None:
    scene = Scene()
    scene.api.lists[PODS] = [a_gated_pod("troubled")]
    async with running(scene.keeper.controller):
        for _ in range(20):
            scene.clock.step(POLL_SECONDS)
            await settle(60)
        scene.api.lists[PODS] = [a_gated_pod("troubled"), a_gated_pod("good")]
        scene.clock.step(POLL_SECONDS)
        await settle(60)
        assert scene.count_attempts(GOOD) == 1


class CountedLists(FakeApi):
    """Counts lists of pods, each of which takes so many seconds."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock, self.count, self.seconds = clock, 0, 0.0

    async def list_pages(self, path: str, query: Any = None, *, metadata_only: bool = False) -> Any:
        self.count += path == PODS
        self.clock.step(self.seconds)
        for item in self.lists.get(path, ()):
            yield item


class Crowd:
    """Pods that wait for a node, without a gate, and time that a test steps."""

    def __init__(self) -> None:
        self.clock, self.caches = FakeClock(), WatchedCaches("monopod-system")
        self.api = CountedLists(self.clock)
        recorder = a_recorder(self.api, self.clock)
        unused: Any = None
        self.keeper = GateKeeper(self.api, self.caches, unused, unused, recorder, PROBLEMS, self.clock)
        self.api.lists[PODS] = [a_pod().in_namespace("prod").labelled({PROFILE_LABEL: "web"}).build()]

    async def count_lists(self, seconds: float) -> int:
        """How many there are while so much time passes."""
        before = self.api.count
        for _ in range(int(seconds // POLL_SECONDS)):
            self.clock.step(POLL_SECONDS)
            await settle(60)
        return self.api.count - before


async def test_pods_that_wait_for_nothing_but_a_node_are_listed_again_only_after_a_change() -> None:
    crowd = Crowd()
    async with running(crowd.keeper.controller):
        assert (crowd.api.count, await crowd.count_lists(60)) == (1, 0)
        crowd.caches.nodes.observe("ADDED", {"metadata": {"name": "node", "uid": "node"}})
        assert await crowd.count_lists(60) == 1
        crowd.caches.runtime_classes.observe("ADDED", {"metadata": {"name": "kata", "uid": "kata"}})
        assert await crowd.count_lists(60) == 1
        changed = a_gated_pod("prod")
        changed["metadata"]["resourceVersion"] = "1"
        crowd.caches.pods.observe("ADDED", changed)
        assert await crowd.count_lists(60) == 1


async def test_where_a_pod_has_a_gate_all_are_listed_again_and_again() -> None:
    crowd = Crowd()
    crowd.api.lists[PODS] += [a_pod().in_namespace("prod").with_spec(schedulingGates=[{"name": "another"}]).build()]
    async with running(crowd.keeper.controller):
        assert await crowd.count_lists(60) == 60 / POLL_SECONDS


async def test_where_listing_takes_long_it_is_done_less_often() -> None:
    crowd = Crowd()
    crowd.api.lists[PODS] += [a_pod().in_namespace("prod").with_spec(schedulingGates=[{"name": "another"}]).build()]
    crowd.api.seconds = 1.5
    async with running(crowd.keeper.controller):
        assert await crowd.count_lists(60) == pytest.approx(60 / (1.5 + REST_PER_LIST * 1.5), abs=2)
        crowd.api.seconds = 20.0
        await settle(60)
        assert await crowd.count_lists(10 * LONGEST_POLL_SECONDS) >= 8
