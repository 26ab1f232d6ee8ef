"""How far a profile's pods are moved: the part of its status that says so, and what follows for its condition.

    nothing to do ──pods to move──► a round begins ──none waits, none is blocked──► its end
                                         ▲────────pods to move again soon────────────┘

A round's numbers need no memory but the status itself: pods = max(pods before, moved before + those that remain). An
operator that was killed goes on counting where it was.
"""

import datetime
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, assert_never

from monopod.api.reasons import ConditionType, Reason
from monopod.eviction.rules.order import Obstacle
from monopod.kube.objects.conditions import Contribution, Finding, Severity
from monopod.kube.objects.text import list_names
from monopod.rescheduling.rules.plans import WorkloadPlan

EXAMPLES = 5
BLOCKERS = 10

REOPENING_SECONDS = 600.0
"""How soon after its end a round goes on. A controller may take a while to replace a pod, and a workload of one pod has
none meanwhile: if its replacement began a round of its own, it would never count as one that came up elsewhere."""

_RECREATION_OFF: Final = (
    "this installation doesn't create pods again: set the chart's value barePods.recreate, or recreate them yourself"
)
_LEFT: Final[Mapping[Reason, str]] = {
    Reason.RECREATION_OFF: _RECREATION_OFF,
    Reason.BARE_PODS_LEFT: "nothing would replace these pods; recreate them, or set barePods: Recreate",
    Reason.RUNNING_JOBS_LEFT: "these pods do work that ends; to have it start again, set runningJobs: Reschedule",
}


@dataclass(frozen=True, slots=True)
class Tally:
    """The pods of one profile that run elsewhere, counted.

    Attributes:
        waiting: those that are moved in turn, or are on their way.
        blocked: those that can't be moved now.
        left: those that the profile leaves.
        obstacles: why pods are blocked or left.
        waiting_for: what the next pod waits for, "" if it is known of none.
        paused: whether the profile says that nothing is moved now.
        unseen: namespaces whose pods can't be read.
    """

    waiting: int = 0
    blocked: int = 0
    left: int = 0
    obstacles: tuple[Obstacle, ...] = ()
    waiting_for: str = ""
    paused: bool = False
    unseen: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether the pods of all namespaces are in it, so that none left means the end."""
        return not self.unseen and all(obstacle.reason is not Reason.PUBLISH_FAILED for obstacle in self.obstacles)


@dataclass(frozen=True, slots=True)
class Kept:
    """The profile leaves existing pods where they are."""


@dataclass(frozen=True, slots=True)
class NotListed:
    """The pods haven't been scanned, or the profile isn't active."""


Moves = Tally | Kept | NotListed


def build_tally(
    plans: Iterable[WorkloadPlan],
    refused: Iterable[Obstacle],
    gone: Iterable[str] = (),
    *,
    paused: bool = False,
    unseen: Iterable[str] = (),
) -> Tally:
    """Counts.

    Args:
        plans: of one profile.
        refused: what the Eviction API, or the storing of bare pods, has against pods among them.
        gone: pods (NAMESPACE/NAME) that don't exist for the moment, until they are created again.
        paused: whether the profile is.
        unseen: namespaces whose pods can't be read.
    """
    all_of_them = list(plans)
    obstacles = [*(obstacle for plan in all_of_them for obstacle in plan.obstacles), *refused]
    blocked = {pod for obstacle in obstacles for pod in obstacle.pods}
    waiting = {str(pod) for plan in all_of_them for pod in (*plan.now, *plan.later)} | set(gone)
    left: defaultdict[Reason, list[str]] = defaultdict(list)
    for plan in all_of_them:
        for reason, pods in plan.left.items():
            left[reason] += map(str, pods)
    obstacles += [Obstacle(reason, _LEFT[reason], tuple(pods)) for reason, pods in sorted(left.items())]
    return Tally(
        len(waiting - blocked) + sum(plan.replacing for plan in all_of_them),
        len(blocked),
        sum(map(len, left.values())),
        tuple(obstacles),
        next((plan.waiting_for for plan in all_of_them if plan.waiting_for), ""),
        paused,
        tuple(sorted(unseen)),
    )


def compute_unwritten(namespaces: Sequence[str], why: str) -> Obstacle:
    """Namespaces that can't be written, in which pods haven't been scanned; why, of the first."""
    message = f"nothing is moved in namespace {list_names(namespaces)}; {namespaces[0]}: {why}"
    return Obstacle(Reason.PUBLISH_FAILED, message, ())


def decide_rescheduling(moves: Moves, before: Mapping[str, Any] | None, now: str) -> dict[str, Any] | None:
    """What status.rescheduling should be.

    Args:
        moves: the pods now.
        before: what it is.
        now: an RFC 3339 time, used where a round begins or ends.
    """
    match moves:
        case NotListed():
            return dict(before) if before else None
        case Kept():
            return None
        case Tally():
            return _count(moves, before or {}, now)
        case never:
            assert_never(never)


def _count(tally: Tally, before: Mapping[str, Any], now: str) -> dict[str, Any] | None:
    still_open = tally.waiting + tally.blocked
    remaining = still_open + tally.left
    if not before and not remaining:
        return None
    was_open = before.get("waiting", 0) + before.get("blocked", 0)
    begins = not before or (still_open and not was_open and not _is_recent(before.get("endedAt"), now))
    pods = remaining if begins else max(before["pods"], before["moved"] + remaining)
    ended = None if still_open else before.get("endedAt") or (now if tally.is_complete else None)
    return {
        "startedAt": now if begins else before["startedAt"],
        **({"endedAt": ended} if ended else {}),
        "progress": f"{pods - remaining}/{pods}",
        "pods": pods,
        "moved": pods - remaining,
        "waiting": tally.waiting,
        "blocked": tally.blocked,
        "left": tally.left,
        "blockers": _list_blockers(tally.obstacles),
    }


def _is_recent(ended: str | None, now: str) -> bool:
    if not ended:
        return False
    age = datetime.datetime.fromisoformat(now) - datetime.datetime.fromisoformat(ended)
    return age.total_seconds() <= REOPENING_SECONDS


def _list_blockers(obstacles: Sequence[Obstacle]) -> list[dict[str, Any]]:
    ordered = sorted(obstacles, key=lambda each: (each.reason in _LEFT, -len(each.pods), each.message))
    return [
        {
            "reason": str(obstacle.reason),
            "message": obstacle.message,
            "pods": len(obstacle.pods),
            "examples": list(obstacle.pods[:EXAMPLES]),
        }
        for obstacle in ordered[:BLOCKERS]
    ]


def contribute_progress(moves: Moves, status: Mapping[str, Any], now: str, *, was_kept: bool = False) -> Contribution:
    """What a profile's status says of the moves.

    Args:
        moves: the pods now.
        status: the one that the profile has.
        now: an RFC 3339 time.
        was_kept: whether the last that was known is that it leaves pods where they are. That says nothing of pods.
    """
    rescheduling = decide_rescheduling(moves, status.get("rescheduling"), now)
    finding = judge_progress(moves, rescheduling)
    fields = {"rescheduling": rescheduling} if rescheduling else {}
    return Contribution((replace(finding, keeps=isinstance(moves, NotListed) and not was_kept),), fields)


def judge_progress(moves: Moves, rescheduling: Mapping[str, Any] | None) -> Finding:
    """The condition Rescheduled."""
    match moves:
        case Kept():
            return _build_finding(True, Reason.EXISTING_PODS_KEPT, "pods that exist are left where they are")
        case NotListed():
            return _build_finding(None, Reason.PODS_NOT_LISTED, "the pods haven't been looked at yet")
        case Tally():
            return _judge_tally(moves, rescheduling or {})
        case never:
            assert_never(never)


def _build_finding(holds: bool | None, reason: Reason, message: str) -> Finding:
    return Finding(ConditionType.RESCHEDULED, holds, reason, message, severity=Severity.REMARK)


def _judge_tally(tally: Tally, counted: Mapping[str, Any]) -> Finding:
    numbers = ", ".join(
        f"{number} {what}"
        for number, what in ((tally.waiting, "waiting"), (tally.blocked, "blocked"), (tally.left, "left"))
        if number
    )
    message = f"pods: {counted.get('progress', '0/0')} moved" + (f", {numbers}" if numbers else "")
    first = next((obstacle.message for obstacle in tally.obstacles if obstacle.reason not in _LEFT), "")
    why = first or tally.waiting_for
    explained = f"{message}: {why}" if why else message
    idle = not tally.waiting and not tally.blocked
    if tally.unseen and idle:
        where = list_names(tally.unseen)
        return _build_finding(None, Reason.PODS_NOT_LISTED, f"{message}; the pods of namespace {where} can't be read")
    if idle and not tally.is_complete:
        return _build_finding(False, Reason.BLOCKED, explained)
    if idle:
        if any(obstacle.reason is Reason.RECREATION_OFF for obstacle in tally.obstacles):
            return _build_finding(False, Reason.RECREATION_OFF, f"{message}: {_RECREATION_OFF}")
        return _build_finding(True, Reason.ALL_MOVED, message if counted else "no pod of the profile runs elsewhere")
    if tally.paused:
        return _build_finding(False, Reason.PAUSED, f"{message}; the profile is paused")
    if tally.waiting:
        return _build_finding(False, Reason.MOVING, explained)
    return _build_finding(False, Reason.BLOCKED, explained)
