"""Pods behind gates: one that can't be released keeps no other waiting."""

from typing import Any

from monopod.api.names import PROFILE_LABEL, VOLUMES_GATE
from monopod.gates.controller import POLL_SECONDS, GateKeeper
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
