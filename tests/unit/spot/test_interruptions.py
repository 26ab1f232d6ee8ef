"""Each interruption is told once: an event of the pod, a metric, a notice."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from monopod.api.ecs.names import ECS_TASK_LABEL
from monopod.kube.client.api import ApiUnreachable
from monopod.kube.metrics import SPOT_INTERRUPTIONS
from monopod.kube.objects.resources import EVENTS
from monopod.manager.sources import WatchedCaches
from monopod.notices.rules.notice import Notice, compute_id
from monopod.spot.interruptions import InterruptionReporter
from tests.unit.fake_api import FakeApi, conflict
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS, a_recorder, running, settle
from tests.unit.spot.builders import a_going_pod

EVENTS_OF_SHOP = EVENTS.list_path("shop")


def make_caches(*taints: str, conditions: Sequence[Mapping[str, str]] = ()) -> WatchedCaches:
    """With a node that has these taints and conditions."""
    caches = WatchedCaches("monopod-system")
    told = [{"key": key, "effect": "NoSchedule"} for key in taints]
    node = {"metadata": {"name": "node-1", "uid": "n", "resourceVersion": "1"}, "spec": {"taints": told}}
    caches.nodes.observe("ADDED", {**node, "status": {"conditions": list(conditions)}})
    return caches


class Scene:
    def __init__(self, *taints: str, conditions: Sequence[Mapping[str, str]] = (), answers: Any = None) -> None:
        self.api = FakeApi(answers)
        self.clock = FakeClock()
        self.sent: list[Notice] = []
        recorder = a_recorder(self.api, self.clock)
        self.caches = make_caches(*taints, conditions=conditions)
        self.reporter = InterruptionReporter(self.caches, recorder, self.sent.append, PROBLEMS, self.clock)

    def list_events(self) -> list[tuple[str, str, str]]:
        return [(body["type"], body["reason"], body["message"]) for _, body in self.api.sent("create")]


def count(cause: str) -> float:
    return float(SPOT_INTERRUPTIONS.labels(cause)._value.get())


async def test_a_pod_that_is_preempted_is_told_of_once_however_often_it_is_seen() -> None:
    scene, before = Scene(), count("Preemption")
    async with running(scene.reporter.controller):
        for event in ("MODIFIED", "MODIFIED", "DELETED"):
            scene.reporter.observe_pod(event, a_going_pod(reason="PreemptionByScheduler"))
            await settle()
    assert scene.list_events() == [("Warning", "SpotInterruption", "Your Spot Task was interrupted.")]
    assert len(set(scene.sent)) == 1
    assert len(scene.sent) == 3, "the webhook knows what it has sent, and has room for what it had none for"
    assert count("Preemption") == before + 1


async def test_the_taints_of_its_node_tell_of_a_pod_that_is_drained() -> None:
    scene, other = Scene("karpenter.sh/disrupted"), Scene()
    for each in (scene, other):
        each.reporter.observe_pod("MODIFIED", a_going_pod())
    assert (len(scene.sent), len(other.sent)) == (1, 0)


PREEMPTION = {
    "type": "PreemptionScheduled",
    "status": "True",
    "reason": "SpotEvictionIncoming",
    "message": "Preempt Scheduled: Sat, 01 Aug 2026 12:00:30 GMT.",
}
TERMINATING = {"type": "Terminating", "status": "True", "reason": "TerminationRequested"}


@pytest.mark.parametrize(
    ("condition", "is_told"),
    [
        pytest.param(PREEMPTION, True, id="AKS"),
        pytest.param({**PREEMPTION, "message": "Preempt Started: now"}, True, id="AKS, under way"),
        pytest.param({**PREEMPTION, "message": "SpotRebalanceRecommendation Advisory:"}, False, id="AKS's advice"),
        pytest.param({**PREEMPTION, "status": "False"}, False, id="AKS, none"),
        pytest.param({**PREEMPTION, "type": "VMEventScheduled"}, False, id="AKS, of any event"),
        pytest.param(TERMINATING, True, id="OpenShift"),
        pytest.param({**TERMINATING, "status": "False"}, False, id="OpenShift, taken back"),
        pytest.param({**TERMINATING, "reason": "Other"}, False, id="someone else's of that type"),
        pytest.param({"type": "Other", "status": "True", "reason": ""}, False, id="of another type"),
    ],
)
async def test_the_conditions_of_its_node_tell_of_a_pod_that_is_drained(
    condition: Mapping[str, str], is_told: bool
) -> None:
    scene, before = Scene(conditions=[{"type": "Ready", "status": "True"}, condition]), count("SpotNotice")
    scene.reporter.observe_pod("MODIFIED", a_going_pod())
    assert (len(scene.sent), count("SpotNotice") - before) == (is_told, is_told)


async def test_the_next_operator_finds_a_pod_that_is_still_going_and_says_the_same() -> None:
    first, second = Scene(), Scene(answers={("create", EVENTS_OF_SHOP): conflict()})
    for scene in (first, second):
        async with running(scene.reporter.controller):
            scene.reporter.observe_pod(None, a_going_pod(reason="PreemptionByScheduler"))
            await settle()
    assert compute_id(first.sent[0]) == compute_id(second.sent[0])
    assert first.api.sent("create")[0][1]["metadata"]["name"] == second.api.sent("create")[0][1]["metadata"]["name"]


async def test_an_event_that_couldnt_be_posted_is_posted_later() -> None:
    scene = Scene(answers={("create", EVENTS_OF_SHOP): ApiUnreachable("away")})
    async with running(scene.reporter.controller):
        scene.reporter.observe_pod("MODIFIED", a_going_pod(reason="SpotInterruption"))
        await settle()
        scene.api.answers.clear()
        scene.clock.step(60)
        await settle()
    assert len(scene.list_events()) == 2
    assert len(scene.sent) == 1


async def test_of_a_tasks_pod_its_record_tells_the_receiver() -> None:
    scene = Scene()
    async with running(scene.reporter.controller):
        scene.reporter.observe_pod("MODIFIED", a_going_pod(reason="SpotInterruption", labels={ECS_TASK_LABEL: "web-1"}))
        await settle()
    assert scene.sent == []
    assert len(scene.list_events()) == 1


async def test_a_pod_that_its_profiles_drill_has_chosen_is_told_of_as_a_drill() -> None:
    scene, before = Scene(), count("Drill")
    last = {"interruptedAt": "2026-03-01T12:00:00.000Z", "namespace": "shop", "pod": "web-1", "podUid": "uid-web-1"}
    profile = {"metadata": {"name": "web", "uid": "p", "resourceVersion": "1"}, "status": {"spotDrill": last}}
    scene.caches.profiles.observe("ADDED", profile)
    scene.reporter.observe_pod("MODIFIED", a_going_pod("web-1"))
    scene.reporter.observe_pod("MODIFIED", a_going_pod("web-2"))
    assert count("Drill") == before + 1
    assert len(scene.sent) == 1
