"""What there is of warm capacity, what it lacks, and what is said of that."""

import datetime
from typing import Any

import pytest

from monopod.capacity.rules.settings import Provider
from monopod.capacity.rules.warm.report import describe_warm
from monopod.capacity.rules.warm.state import (
    Bounded,
    BufferShort,
    Lack,
    NoPriorityClass,
    NotStarted,
    OnBadNodes,
    Refused,
    Unschedulable,
    WarmState,
    is_answered,
    is_unanswered,
    judge_balloons,
)
from tests.unit.capacity.rules.warm.wishes import a_node, a_wish

Json = dict[str, Any]
NOW = datetime.datetime(2026, 3, 1, 12, 0, 0, tzinfo=datetime.UTC)
NODES = {"box-1": a_node(), "starting": a_node("starting", "monopod.dev/gvisor")}


def at(seconds: float) -> str:
    return (NOW - datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def a_balloon(node: str = "box-1", phase: str = "Running", *, going: bool = False, waiting: str = "") -> Json:
    status: Json = {"phase": phase}
    if waiting:
        status["containerStatuses"] = [{"state": {"waiting": {"reason": waiting}}}]
    metadata = {"name": "warm-web-1", **({"deletionTimestamp": at(0)} if going else {})}
    return {"metadata": metadata, "spec": {"nodeName": node} if node else {}, "status": status}


def unplaced(seconds: float) -> Json:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes are available: 1 Insufficient cpu.",
        "lastTransitionTime": at(seconds),
    }
    return {"metadata": {"name": "x"}, "spec": {}, "status": {"phase": "Pending", "conditions": [condition]}}


FAILED = {"status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]}}


@pytest.mark.parametrize(
    ("pods", "deployment", "ready", "lack"),
    [
        ([a_balloon(), a_balloon()], None, 2, None),
        ([a_balloon(), a_balloon(), a_balloon()], None, 2, None),
        ([a_balloon(), a_balloon(going=True)], None, 1, None),
        ([a_balloon(), a_balloon("starting")], None, 1, OnBadNodes("starting")),
        ([a_balloon(), a_balloon("gone")], None, 1, None),
        ([a_balloon(), unplaced(10)], None, 1, None),
        ([a_balloon(), unplaced(40)], None, 1, Unschedulable("0/1 nodes are available: 1 Insufficient cpu.")),
        ([], FAILED, 0, Refused("exceeded quota")),
        ([a_balloon(phase="Pending", waiting="ContainerCreating")], None, 0, None),
        ([a_balloon(phase="Pending", waiting="ErrImagePull")], None, 0, NotStarted("warm-web-1", "ErrImagePull")),
    ],
)
def test_balloons_that_run_on_good_nodes_are_ready(
    pods: list[Json], deployment: Json | None, ready: int, lack: Lack | None
) -> None:
    assert judge_balloons(a_wish(), deployment, pods, NODES, NOW) == (ready, lack)


def test_a_buffer_is_answered_once_something_writes_its_status() -> None:
    buffer: Json = {"metadata": {"creationTimestamp": at(59)}}
    assert (is_answered(buffer), is_unanswered(buffer, NOW)) == (False, False)
    buffer["metadata"]["creationTimestamp"] = at(61)
    assert is_unanswered(buffer, NOW)
    buffer["status"] = {"conditions": [{"type": "Provisioning"}]}
    assert (is_answered(buffer), is_unanswered(buffer, NOW)) == (True, False)


@pytest.mark.parametrize(
    ("lack", "todo"),
    [
        (Bounded(3, 50), "warm.bound"),
        (NoPriorityClass(), "monopod-balloon"),
        (Refused("exceeded quota"), "exceeded quota."),
        (Refused("x" * 1000), "…"),
        (Unschedulable("0/1 nodes"), "add nodes"),
        (NotStarted("warm-web-1", "ErrImagePull"), "pauseImage"),
        (OnBadNodes("box-1"), "node box-1"),
        (BufferShort(), "NodePools"),
    ],
)
def test_what_it_lacks_is_said_with_what_to_do(lack: Lack, todo: str) -> None:
    described = describe_warm(WarmState(5, 1, lack), Provider.NONE)
    assert described
    holds, reason, message = described
    assert (holds, str(reason)) == (False, "WarmShort")
    assert message.startswith("there is warm room for 1 of 5 pods: ")
    assert todo in message


def test_an_autoscaler_is_given_the_time_it_takes() -> None:
    described = describe_warm(WarmState(5, 1, Unschedulable("0/1 nodes")), Provider.KARPENTER)
    assert described
    assert "the autoscaler is to make nodes" in described[2]


def test_buffers_that_nothing_implements_are_no_lack_of_room() -> None:
    described = describe_warm(WarmState(1, 1, unanswered=True), Provider.KARPENTER)
    assert described
    assert (described[0], str(described[1])) == (True, "BufferNotImplemented")
    assert describe_warm(WarmState(1, 1), Provider.KARPENTER) is None
