"""What is known of a pod's life: a value that any number of observers may add to, in any order.

A lifetime is a product of semilattices: each field is joined by itself, by minimum, maximum or union. So `join` is
commutative, associative and idempotent, and the same facts give the same lifetime whatever was seen twice, replayed
after a restart, learnt from another recorder or read from a restored backup. Counting each pod exactly once needs no
lock and no leader.

Nothing here knows what a lifetime costs, or where facts come from. All times are milliseconds since the epoch, UTC.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

X86: Final = "x86"
ARM: Final = "arm"

CONTRADICTION_MS: Final = 10_000
"""Two recorders see the same deletion some milliseconds apart, or a second when one of them is slow. Only a pod that
was alive later than this after it was gone is a contradiction: etcd was restored, or a clock is wrong."""


class Evidence(StrEnum):
    """How a fact became known."""

    PULL_STARTED = "PullStarted"
    """The condition PodReadyToStartContainers was seen True: images are pulled from then on."""

    PULL_PENDING = "PullPending"
    """The same condition was seen False, and no container had ever started: volumes or the network weren't ready."""

    REJECTED = "Rejected"
    """The kubelet refused the pod: it failed without any container."""

    ACKNOWLEDGED = "Acknowledged"
    """The kubelet had set status.startTime."""

    CONTAINER_STARTED = "ContainerStarted"
    """A container had started."""

    CONTAINERS_FINISHED = "ContainersFinished"
    """All containers had ended for good."""

    WATCHED_DELETION = "WatchedDeletion"
    """The deletion arrived at a recorder that was watching."""

    REPLAYED_DELETION = "ReplayedDeletion"
    """The deletion was replayed from a resourceVersion before an outage."""

    LISTED_GONE = "ListedGone"
    """The pod was missing from the list that followed an outage."""

    LISTED_IN_PAST = "ListedInPast"
    """After an outage, lists at resourceVersions of the past showed when it existed, or that it was gone."""

    NAME_REUSED = "NameReused"
    """Its StatefulSet made the next pod of its name, which it does once the one before is gone."""

    SCHEDULED_EVENT = "ScheduledEvent"
    """An Event told when it was bound to its node."""

    PULLING_EVENT = "PullingEvent"
    """An Event told when its first image began to be pulled, or was there."""

    KUBELET_EVENT = "KubeletEvent"
    """Its kubelet's last Event about it is the latest sign that it existed."""

    KILLING_EVENT = "KillingEvent"
    """Its kubelet's Event that it was stopping a container is the latest sign that it existed."""

    INFERRED_FROM_SIBLINGS = "InferredFromSiblings"
    """Only Events told of it; its size is that of its workload's pods before and after it, which are alike."""

    INFERRED_SIZE = "InferredSize"
    """The pod carried no size that could be read; it was computed from its requests."""


@dataclass(frozen=True, slots=True, order=True)
class Description:
    """What the pod is. The newest wins: fields compare in their order, so `max` of two is a join.

    Attributes:
        version: the resourceVersion that it was read at.
        workload: `Deployment/web`, `Job/x`, `Pod/name` for a bare pod.
        cpu_millis: as provisioned, like memory and storage; not as requested.
        storage_gib: all ephemeral storage, with the part that is free.
        capacity: `FARGATE` or `FARGATE_SPOT`.
        architecture: `x86` or `arm`.
        node: "" while it is on none.
        labels: sorted by key.
    """

    version: int
    namespace: str
    name: str
    profile: str
    workload: str
    cpu_millis: int
    memory_mib: int
    storage_gib: int
    capacity: str
    architecture: str
    node: str
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Interval:
    """A moment that is known only to lie between two others; exact if they are the same."""

    earliest: int
    latest: int

    @property
    def is_exact(self) -> bool:
        """Whether it is one moment."""
        return self.earliest == self.latest


@dataclass(frozen=True, slots=True)
class Lifetime:
    """What is known of one pod's life.

    Attributes:
        description: joined by maximum.
        created: when the API server made it; minimum.
        pull_started: PodReadyToStartContainers, the first True; minimum.
        acknowledged: status.startTime; minimum.
        container_started: the first container's startedAt; minimum.
        finished: when the last of all its containers ended, if all have; maximum.
        alive: when it was last known to exist; maximum.
        gone: when it was known to be gone; union. A value before `alive` is refuted by it.
        node_renewed: the last renewal of its node's Lease, if the node was lost; maximum.
        seen_by: the recorders that saw it alive; union.
        evidence: union of `Evidence`.
    """

    uid: str
    description: Description
    created: int
    pull_started: int | None = None
    acknowledged: int | None = None
    container_started: int | None = None
    finished: int | None = None
    alive: int = 0
    gone: frozenset[int] = frozenset()
    node_renewed: int | None = None
    seen_by: frozenset[str] = frozenset()
    evidence: frozenset[str] = frozenset()

    @property
    def start(self) -> int | None:
        """When its images began to be pulled; None if they never did, as far as is known.

        A pull that began after a container isn't the first one (the sandbox was made again, and the first True was
        missed); then the kubelet's acknowledgement stands in, which is earlier by the mounts and the sandbox.
        """
        return self.acknowledged if self.start_is_acknowledged else self.pull_started

    @property
    def start_is_acknowledged(self) -> bool:
        """Whether `start` is the kubelet's acknowledgement, because the pull's start isn't known."""
        if self.acknowledged is None:
            return False
        if self.pull_started is None:
            return self.container_started is not None or not self.evidence & _NEVER_PULLED
        return self.container_started is not None and self.container_started < self.pull_started

    @property
    def end(self) -> Interval | None:
        """When the pod object was gone; None while it exists, as far as is known."""
        latest = min((moment for moment in self.gone if moment >= self.alive), default=None)
        return None if latest is None else Interval(self.alive, latest)

    @property
    def is_open(self) -> bool:
        """Whether nothing says that it is gone, or it was seen again after that."""
        return self.end is None

    @property
    def contradictions(self) -> int:
        """How often it was said to be gone long before it was last seen alive."""
        return sum(moment + CONTRADICTION_MS < self.alive for moment in self.gone)


_NEVER_PULLED: Final = frozenset({Evidence.PULL_PENDING, Evidence.REJECTED})


@dataclass(frozen=True, slots=True)
class Watched:
    """A recorder observed all pods without a gap from `since` until `until`; both name it: join is by maximum."""

    recorder: str
    since: int
    until: int


def compute_last_watched(windows: Iterable[Watched]) -> dict[str, int]:
    """Up to when each recorder watched, by its name."""
    until: dict[str, int] = {}
    for window in windows:
        until[window.recorder] = max(window.until, until.get(window.recorder, 0))
    return until


def compute_last_seen(seen_by: Iterable[str], last_watched: Mapping[str, int]) -> int:
    """Up to when the last of these recorders watched, and so knew of a pod that it had seen; 0 if none did."""
    return max((last_watched.get(recorder, 0) for recorder in seen_by), default=0)


def join(one: Lifetime, other: Lifetime) -> Lifetime:
    """All that two values know of a lifetime.

    Raises:
        ValueError: they are of different pods.
    """
    if one.uid != other.uid:
        raise ValueError(f"{one.uid} and {other.uid} are different pods")
    return Lifetime(
        one.uid,
        max(one.description, other.description),
        min(one.created, other.created),
        _earliest(one.pull_started, other.pull_started),
        _earliest(one.acknowledged, other.acknowledged),
        _earliest(one.container_started, other.container_started),
        _latest(one.finished, other.finished),
        max(one.alive, other.alive),
        one.gone | other.gone,
        _latest(one.node_renewed, other.node_renewed),
        one.seen_by | other.seen_by,
        one.evidence | other.evidence,
    )


def join_watched(one: Watched, other: Watched) -> Watched:
    """All that two values know of a window; they must have recorder and start in common.

    Raises:
        ValueError: they are of different windows.
    """
    if (one.recorder, one.since) != (other.recorder, other.since):
        raise ValueError(f"{one} and {other} are different windows")
    return Watched(one.recorder, one.since, max(one.until, other.until))


def _earliest(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _latest(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
