"""What there is of a profile's warm capacity, and what it lacks: read off the objects, so that nothing is remembered.

balloon:  no node ──► its image comes ──► runs, on a node that takes sandboxes ──► taken by a pod, and made again
             └ 30 s: Unschedulable  └ NotStarted        └ OnBadNodes
"""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from monopod.capacity.rules.warm.room import is_usable
from monopod.capacity.rules.warm.wish import Asking, Wish
from monopod.kube.objects.fields import Part
from monopod.kube.objects.timestamps import read_time
from monopod.kube.objects.views import NodeView

Manifest = Mapping[str, Any]

SETTLING: Final = datetime.timedelta(seconds=30)
"""A balloon whose place was taken is made again, and may have none for a moment: no word of that."""

ANSWER_WITHIN: Final = datetime.timedelta(seconds=60)
"""How soon what implements CapacityBuffers writes the status of one."""

_WAITS: Final = ("ContainerCreating", "PodInitializing", "")


@dataclass(frozen=True, slots=True)
class Bounded:
    """The installation keeps no more room, for all profiles together."""

    allowed: int
    bound: int


@dataclass(frozen=True, slots=True)
class NoPriorityClass:
    """The PriorityClass of balloons doesn't exist."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The API server refuses what is to be written, or a balloon."""

    answer: str


@dataclass(frozen=True, slots=True)
class Unschedulable:
    """Balloons find no room, and the scheduler says why."""

    message: str


@dataclass(frozen=True, slots=True)
class NotStarted:
    """A balloon's container doesn't start."""

    pod: str
    reason: str


@dataclass(frozen=True, slots=True)
class OnBadNodes:
    """Balloons run, on nodes that take no sandboxes now."""

    node: str


@dataclass(frozen=True, slots=True)
class BufferShort:
    """The autoscaler hasn't made what the CapacityBuffer asks for."""


Lack = Bounded | NoPriorityClass | Refused | Unschedulable | NotStarted | OnBadNodes | BufferShort


@dataclass(frozen=True, slots=True)
class WarmState:
    """What there is.

    Attributes:
        lack: why some of it isn't there and won't be in a moment, if that is so.
        unanswered: whether the cluster has CapacityBuffers and nothing implements them.
    """

    wanted: int
    ready: int
    lack: Lack | None = None
    unanswered: bool = False


def build_refused(asking: Asking, answer: str) -> WarmState:
    """Of a profile for which not even what there is can be read."""
    return WarmState(asking.settings.replicas, 0, Refused(answer))


def is_answered(buffer: Manifest) -> bool:
    """Whether anything has written the status of a CapacityBuffer."""
    return bool(Part(buffer).child("status").children("conditions"))


def is_unanswered(buffer: Manifest, now: datetime.datetime) -> bool:
    """Whether nothing has, although it had the time."""
    created = read_time(Part(buffer).child("metadata").text("creationTimestamp"))
    return not is_answered(buffer) and bool(created and now - created >= ANSWER_WITHIN)


def judge_balloons(
    wish: Wish,
    deployment: Manifest | None,
    pods: Sequence[Manifest],
    nodes: Mapping[str, NodeView],
    now: datetime.datetime,
) -> tuple[int, Lack | None]:
    """How many of a profile's balloons keep room, and what the others lack."""
    ready, bad = 0, ""
    for pod in map(Part, pods):
        node = nodes.get(pod.child("spec").text("nodeName"))
        if not _runs(pod) or node is None:
            continue
        if is_usable(node, wish.chunk):
            ready += 1
        else:
            bad = node.name
    ready = min(ready, wish.allowed)
    if ready >= wish.allowed:
        return ready, None
    lack = _find_refusal(deployment) or _find_unschedulable(pods, now) or _find_unstarted(pods)
    return ready, lack or (OnBadNodes(bad) if bad else None)


def _runs(pod: Part) -> bool:
    going = "deletionTimestamp" in pod.child("metadata").fields
    return pod.child("status").text("phase") == "Running" and not going


def _find_refusal(deployment: Manifest | None) -> Refused | None:
    for condition in _list_conditions(deployment or {}):
        if condition.text("type") == "ReplicaFailure" and condition.text("status") == "True":
            return Refused(condition.text("message"))
    return None


def _find_unschedulable(pods: Iterable[Manifest], now: datetime.datetime) -> Unschedulable | None:
    for pod in pods:
        for condition in _list_conditions(pod):
            since = read_time(condition.text("lastTransitionTime"))
            if condition.text("reason") == "Unschedulable" and since and now - since >= SETTLING:
                return Unschedulable(condition.text("message"))
    return None


def _find_unstarted(pods: Iterable[Manifest]) -> NotStarted | None:
    for pod in map(Part, pods):
        for container in pod.child("status").children("containerStatuses"):
            waiting = container.child("state").child("waiting")
            if (reason := waiting.text("reason")) not in _WAITS:
                return NotStarted(pod.child("metadata").text("name"), reason)
    return None


def _list_conditions(resource: Manifest) -> tuple[Part, ...]:
    return Part(resource).child("status").children("conditions")
