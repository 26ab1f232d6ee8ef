"""The end of a profile's life: whose turn it is, how far it is, and when it has failed.

    deletionTimestamp ──► queued ──its turn──► evicting ──no pod left──► gone (the operator takes its finalizer away)
                                                  │                         ▲
                                                  ├──no pod goes──► stalled ┤ others are deleted; it goes on
                                                  └──deadline──► failed ────┘ the same; it goes on slowly

A profile takes no more pods from the moment that it is deleted, queued or not. Source of the rules: EKS user guide,
Fargate profiles (one is deleted at a time, and none created meanwhile). Somebody's budget, or a finalizer on a pod, may
hold a deletion for as long as they like; so one of which no pod has gone for some time holds up no one.

All follows from the profiles themselves, so an operator that was killed goes on where it was; what it has to remember
is in their status: when the turn began, how many pods there were then, how many there are and since when, and that the
deadline has passed.
"""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monopod.api.names import PROFILE_FINALIZER
from monopod.api.reasons import Reason
from monopod.eviction.rules.order import Obstacle
from monopod.kube.objects.text import list_names


@dataclass(frozen=True, slots=True)
class Request:
    """A profile with a deletion timestamp.

    Attributes:
        requested: metadata.deletionTimestamp, which sorts as text, like `started`.
        started: when its turn began, "" if it hasn't.
        pods: how many pods there were then.
        failed: whether its deadline has passed.
        left: how many pods there were when its status was written.
        progressed: when one of them last went, "" if none has.
        keepers: finalizers that keep it. Without the operator's own, others wait for theirs, and nothing is left to do.
    """

    name: str
    requested: str
    started: str = ""
    pods: int = 0
    failed: bool = False
    keepers: tuple[str, ...] = (PROFILE_FINALIZER,)
    left: int = 0
    progressed: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the operator still has to do with it."""
        return PROFILE_FINALIZER in self.keepers

    @classmethod
    def from_resource(cls, resource: Mapping[str, Any]) -> "Request | None":
        """Reads a FargateProfile as the API server sends it; None if no one has deleted it."""
        metadata, status = resource["metadata"], resource.get("status") or {}
        requested = metadata.get("deletionTimestamp")
        if not requested:
            return None
        deletion = status.get("deletion") or {}
        return cls(
            metadata["name"],
            str(requested),
            str(deletion.get("startedAt") or ""),
            int(deletion.get("pods") or 0),
            status.get("phase") == "DELETE_FAILED",
            tuple(metadata.get("finalizers") or ()),
            int(status.get("pods") or 0),
            str(deletion.get("progressedAt") or ""),
        )

    def holds(self, deadline: "DeletionDeadline", now: str) -> bool:
        """Whether others wait for it; `now` is an RFC 3339 time."""
        since = self.progressed or self.started
        stalled = bool(since) and deadline.is_stalled(since, now)
        return self.is_open and not self.failed and not stalled


@dataclass(frozen=True, slots=True)
class DeletionDeadline:
    """How long a deletion may take before it counts as failed.

    Attributes:
        timeout: seconds beyond those that the evictions need at their set rate.
        per_minute: evictions per minute, over the whole cluster.
    """

    timeout: float
    per_minute: float

    def compute_deadline(self, started: str, pods: int) -> datetime.datetime:
        """When a deletion of that many pods has failed."""
        return _parse(started) + datetime.timedelta(seconds=self.timeout + 60 * pods / self.per_minute)

    @property
    def stall(self) -> float:
        """For how many seconds no pod must have gone before others don't wait any longer: longer than one takes."""
        return self.timeout / 5 + 60 / self.per_minute

    def is_stalled(self, progressed: str, now: str) -> bool:
        """Whether no pod has gone for that long, since this RFC 3339 time."""
        return count_seconds_until(_parse(progressed), now) <= -self.stall


@dataclass(frozen=True, slots=True)
class Queued:
    """Another profile's deletion comes first."""

    behind: str
    left: int


@dataclass(frozen=True, slots=True)
class Evicting:
    """Its pods are being evicted: `left` of `total` are left.

    Attributes:
        progressed: when one of them last went, or it began.
        stalled: whether that is so long ago that others don't wait for it.
    """

    started: str
    left: int
    total: int
    obstacles: tuple[Obstacle, ...] = ()
    progressed: str = ""
    stalled: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """Pods are left, and the deadline has passed."""

    started: str
    left: int
    total: int
    obstacles: tuple[Obstacle, ...] = ()


@dataclass(frozen=True, slots=True)
class Released:
    """The operator has done its part; these finalizers of others keep the profile."""

    keepers: tuple[str, ...]


Stage = Queued | Evicting | Failed | Released


def find_turn(requests: Iterable[Request], deadline: DeletionDeadline, now: str) -> str | None:
    """The profile for which those wait that haven't begun: one that has, or else the first of them.

    One that has begun keeps its turn even if another that was deleted in the same second comes first by name; if it has
    failed or stalled, it goes on next to the following one.
    """
    open_ones = [request for request in requests if request.holds(deadline, now)]
    if not open_ones:
        return None
    return min(open_ones, key=lambda request: (not request.started, request.requested, request.name)).name


def compute_stage(
    request: Request, turn: str | None, left: int, obstacles: Sequence[Obstacle], deadline: DeletionDeadline, now: str
) -> Stage:
    """How far the deletion of a profile with that many pods left is; `now` is an RFC 3339 time."""
    if not request.is_open:
        return Released(request.keepers)
    if turn is not None and request.name != turn and not request.started:
        return Queued(turn, left)
    started, total = request.started or now, max(request.pods, left)
    if request.failed or (left and _parse(now) >= deadline.compute_deadline(started, total)):
        return Failed(started, left, total, tuple(obstacles))
    progressed = now if left < request.left else request.progressed or started
    stalled = bool(left) and deadline.is_stalled(progressed, now)
    return Evicting(started, left, total, tuple(obstacles), progressed, stalled)


def find_blocker(created: str, requests: Iterable[Request]) -> str | None:
    """The profile whose deletion keeps a profile with this creationTimestamp waiting; None if there is none.

    The requests are those that others wait for, and whose pods the profile may take.

    Only one that was created since: a profile that was there before has nothing to wait for, and withdrawing its
    selectors would let pods pass unsandboxed. Both times have whole seconds; in doubt it waits.
    """
    blocking = sorted((request.requested, request.name) for request in requests if created >= request.requested)
    return blocking[0][1] if blocking else None


def find_leftover(terminating: Sequence[str]) -> Obstacle:
    """Pods (NAMESPACE/NAME) that were evicted and still exist."""
    message = (
        f"{list_names(terminating)} were evicted and are still there: their grace period isn't over, a finalizer holds "
        f"them, or their node doesn't answer (`kubectl describe pod`)"
    )
    return Obstacle(Reason.PODS_TERMINATING, message, tuple(terminating))


def compute_withheld(carrying: Mapping[str, str], refusing: Mapping[str, str], pods: Sequence[str]) -> Obstacle:
    """Pods that aren't evicted for their namespaces' sake, each of which comes with the reason.

    Args:
        carrying: namespaces that still carry the profile's compiled selectors, so that new pods would replace these.
        refusing: namespaces that refuse new pods, so that nothing would replace these.
        pods: the pods, NAMESPACE/NAME.
    """
    name, why = next(iter(sorted((carrying or refusing).items())))
    where = f"namespace {list_names(sorted(carrying or refusing))} ({name}: {why})"
    if carrying:
        message = f"the profile's selectors can't be removed from {where}, so new pods would take the place of "
    else:
        message = f"new pods are refused in {where}, so nothing would take the place of "
    message += list_names(pods)
    return Obstacle(Reason.SELECTORS_NOT_WITHDRAWN, message, tuple(pods))


def describe_stage(stage: Stage) -> str:
    """The stage as a message for a person."""
    match stage:
        case Queued(behind, left):
            waiting = f"; its {left} pods run until then" if left else ""
            return f"waits until profile {behind} is deleted: one is deleted at a time{waiting}"
        case Evicting(_, left, total, obstacles, stalled=stalled):
            why = f"; {obstacles[0].message}" if obstacles else ""
            return f"pods: {left}/{total} left" + ("; none goes, so others don't wait" if stalled else "") + why
        case Failed(_, left, total, obstacles):
            why = f": {obstacles[0].message}" if obstacles else ""
            return f"pods: {left}/{total} left after the deadline, the operator keeps trying slowly{why}"
        case Released(keepers):
            return f"no pods are left; finalizers of others keep the profile: {list_names(keepers)}"


def count_seconds_until(deadline: datetime.datetime, now: str) -> float:
    """Seconds from an RFC 3339 time to the deadline; negative if it has passed."""
    return (deadline - _parse(now)).total_seconds()


def _parse(time: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(time)
