"""Pods that no node of their sandbox is right for: which those are, and that it is said once."""

from typing import Any

import pytest

from monopod.api.names import PROFILE_LABEL
from monopod.gates.node_demands import PATIENCE_SECONDS, NodeDemands
from monopod.kube.event_recorder import OF_A_NAMESPACE
from monopod.manager.sources import WatchedCaches
from tests.unit.builders import a_pod
from tests.unit.fake_api import FakeApi
from tests.unit.fake_clock import FakeClock
from tests.unit.running import a_recorder


class Scene:
    """A sandbox `kata` on nodes with the label `kata`, and time that a test steps."""

    def __init__(self) -> None:
        self.api, self.caches, self.clock = FakeApi(), WatchedCaches("monopod-system"), FakeClock()
        self.demands = NodeDemands(self.caches, a_recorder(self.api, self.clock), self.clock)
        scheduling = {"nodeSelector": {"kata": "yes"}}
        self.caches.runtime_classes.observe("ADDED", {"metadata": {"name": "kata"}, "scheduling": scheduling})

    def add_node(self, name: str, **labels: str) -> None:
        self.caches.nodes.observe("ADDED", {"metadata": {"name": name, "labels": labels}})

    async def pass_by(self, *pods: dict[str, Any]) -> list[str]:
        """The messages of a pass; one within the patience goes before it."""
        await self.demands.report(pods)
        self.clock.step(PATIENCE_SECONDS)
        before = len(self.api.sent("create"))
        await self.demands.report(pods)
        return [event["message"] for _, event in self.api.sent("create")[before:]]


def a_waiting_pod(**nodes: str) -> dict[str, Any]:
    return a_pod().with_spec(runtimeClassName="kata", nodeSelector={"kata": "yes", **nodes}).build()


def some_metadata(uid: str) -> dict[str, Any]:
    return {"name": uid, "namespace": "prod", "uid": uid, "labels": {PROFILE_LABEL: "web"}}


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_without_a_node_of_the_sandbox_the_pods_own_words_are_not_to_blame(scene: Scene) -> None:
    scene.add_node("other", disk="hdd")
    assert not scene.demands.is_unsatisfied(a_waiting_pod(disk="ssd"))


def test_only_nodes_of_the_sandbox_count_and_a_new_one_counts_at_once(scene: Scene) -> None:
    scene.add_node("other", disk="ssd")
    scene.add_node("first", kata="yes", disk="hdd")
    assert scene.demands.is_unsatisfied(a_waiting_pod(disk="ssd"))
    assert not scene.demands.is_unsatisfied(a_waiting_pod())
    scene.add_node("second", kata="yes", disk="ssd")
    assert not scene.demands.is_unsatisfied(a_waiting_pod(disk="ssd"))


async def test_it_is_said_once_and_after_some_seconds(scene: Scene) -> None:
    text = "MatchNodeSelector failed: Fargate profile web cannot satisfy pod's node selector/affinity requirements"
    assert await scene.pass_by(some_metadata("a")) == [text]
    assert await scene.pass_by(some_metadata("a")) == []


async def test_many_pods_at_once_hold_up_nothing_else(scene: Scene) -> None:
    pods = [some_metadata(f"pod-{number}") for number in range(round(OF_A_NAMESPACE.burst) + 1)]
    assert len(await scene.pass_by(*pods)) == OF_A_NAMESPACE.burst
    assert len(await scene.pass_by(*pods)) == 1, "the last one has waited for its turn"
