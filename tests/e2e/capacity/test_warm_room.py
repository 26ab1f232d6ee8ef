"""Room on a real node before the first pod comes: balloons run there, and a sandboxed pod takes a balloon's place."""

import os
import time
from collections.abc import Iterator

import pytest

from lab.cluster.installation import NAMESPACE as SYSTEM_NAMESPACE
from monopod.api.names import WARM_LABEL
from tests.e2e.live import Live, Object
from tests.e2e.workloads import SANDBOXED, a_pod, a_profile

PROFILE = "warm-room"
BALLOONS = min(100, 4 * max(4, os.cpu_count() or 1))
"""As large as a node of four cores, or of as many as this machine has, so that they leave no room of a pod's size on
it."""
SECONDS = 180


def find_balloons(live: Live) -> list[Object]:
    pods = live.find("pods", SYSTEM_NAMESPACE)
    return [pod for pod in pods if pod["metadata"].get("labels", {}).get(WARM_LABEL) == PROFILE]


def count_room(live: Live) -> Object:
    found: Object = live.get("fargateprofile", PROFILE).get("status", {}).get("capacity", {}).get("warm", {})
    return found


@pytest.fixture
def full(live: Live) -> Iterator[list[Object]]:
    """The balloons that run, while others find no room."""
    live.await_calm()
    profile = a_profile(PROFILE, "room-*", SANDBOXED)
    profile["spec"]["capacity"] = {"warm": {"replicas": BALLOONS, "size": "0.25vCPU 0.5GB"}}
    live.apply(profile)

    def look() -> list[Object] | None:
        pods = find_balloons(live)
        run = [pod for pod in pods if pod["status"].get("phase") == "Running"]
        placed = [pod for pod in pods if pod["spec"].get("nodeName")]
        room = count_room(live)
        return run if run and len(run) == len(placed) == room.get("ready") and len(pods) == BALLOONS else None

    yield live.wait_for(look, "balloons that run and are counted", SECONDS)
    live.kubectl("delete", "fargateprofile", PROFILE, "--ignore-not-found", "--wait=true", "--timeout=150s")


def test_a_pod_takes_a_balloons_place_on_a_full_node(live: Live, full: list[Object]) -> None:
    assert len(full) < BALLOONS, "there is room for more, so none is displaced"
    assert count_room(live)["wanted"] == BALLOONS
    live.await_phase(PROFILE)
    namespace = live.make_namespace("room")
    began = time.monotonic()
    live.apply(a_pod("first", namespace, SANDBOXED))
    live.await_ready(namespace)
    print(f"ready after {time.monotonic() - began:.2f} s, where a balloon had to give way")
    left = {pod["metadata"]["uid"] for pod in find_balloons(live)}
    assert {pod["metadata"]["uid"] for pod in full} - left, "a balloon gave way"
    live.remove_namespace(namespace)
    live.kubectl("delete", "fargateprofile", PROFILE, "--wait=true", "--timeout=150s")
    live.wait_for(lambda: not find_balloons(live), "the end of all balloons", SECONDS)
