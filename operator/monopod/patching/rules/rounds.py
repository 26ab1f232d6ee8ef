"""Where the patching of a profile's pods stands, derived from objects alone: pods, dates, windows, refusals.

             ┌─ noticed, the wait isn't over ──► Noticed
    stale ───┼─ a pod may go, no window is open ► Waiting
             ├─ a pod may go, a window is open ─► Evicting
             └─ all that are left were refused, and their time is up ► Overdue
    none ────────────────────────────────────────► Done

So an operator that was killed at any time goes on where it was. Zones come one after the other, and the next begins
when nothing more goes out in the one before: a service that spreads over zones never loses pods in two at once. Pods
whose evictions were refused don't hold up the next zone, nor do those that are still there long after their grace
period: a finalizer, or a node that is away, may keep them for ever. Once no others are left, the refused ones of all
zones are tried again, until one of them goes: then it is its zone's turn.

A pod whose eviction was refused has a scheduled termination, as on EKS. It counts from the refusal and not from the
round's beginning: in a large cluster most pods are asked for the first time long after that.
"""

import datetime
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from monopod.patching.rules.staleness import Cause, StalePod
from monopod.patching.rules.windows import Window, find_next, find_open

OVERDUE_AFTER: Final = datetime.timedelta(days=3)
"""From the refusal of a pod's eviction to its scheduled termination, which AWS's event names: three days in AWS's
example."""

STUCK_AFTER: Final = datetime.timedelta(minutes=10)
"""From the end of a pod's grace period; the kubelet needs seconds."""


@dataclass(frozen=True, slots=True)
class Done:
    """No sandbox is stale."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """Sandboxes are stale, and their owners have time to replace them themselves.

    Attributes:
        evictions_from: when a window is open for the first time after the wait.
    """

    stale: tuple[StalePod, ...]
    evictions_from: datetime.datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """Pods may be evicted, and no window is open.

    Attributes:
        evictions_from: when the next one opens.
    """

    stale: tuple[StalePod, ...]
    evictions_from: datetime.datetime


@dataclass(frozen=True, slots=True)
class Evicting:
    """Pods are evicted.

    Attributes:
        stale: all that are to be replaced, in the order in which they go.
        zone: where this goes on now; "" are nodes without a zone, and nodes that aren't known.
        next: those that may go now, the oldest first.
        closes: when the window closes; None, if none is open and only nodes that are about to go are emptied.
    """

    stale: tuple[StalePod, ...]
    zone: str
    next: tuple[StalePod, ...]
    closes: datetime.datetime | None


@dataclass(frozen=True, slots=True)
class Overdue:
    """All pods that are left were refused, and should have gone since.

    Attributes:
        since: when the last of them was to be terminated.
        may_go: whether a window is open.
        next: those that may be tried now.
    """

    stale: tuple[StalePod, ...]
    since: datetime.datetime
    may_go: bool
    next: tuple[StalePod, ...] = field(default=(), compare=False)


DONE: Final = Done()
Round = Done | Noticed | Waiting | Evicting | Overdue


def compute_round(
    stale: Iterable[StalePod],
    zones: Mapping[str, str],
    windows: Sequence[Window],
    now: datetime.datetime,
    terminations: Mapping[str, datetime.datetime],
    refused: Collection[str] = (),
) -> Round:
    """Where the patching of these pods stands.

    Args:
        stale: all that are to be replaced, those that are being terminated among them.
        zones: of each node by its name.
        windows: when pods may be evicted; none: at any time.
        now: the time.
        terminations: by the uid of each pod whose eviction was refused, when it is to be terminated.
        refused: the uids of others that were refused, and have no such time yet.
    """
    ordered = tuple(sorted(stale, key=lambda pod: (zones.get(pod.node, ""), pod.started, pod.namespace, pod.name)))
    if not ordered:
        return Done()
    ready = [pod for pod in ordered if pod.eligible_from <= now]
    if not ready:
        return Noticed(ordered, find_next(windows, min(pod.eligible_from for pod in ordered)))
    opening = find_open(windows, now)
    awaited = [pod for pod in ordered if not _is_stuck(pod, now)]
    if awaited and all(pod.uid in terminations for pod in awaited):
        last = max(terminations[pod.uid] for pod in awaited)
        if last <= now:
            _, mine = _choose_next(ready, ordered, zones, now, terminations)
            return Overdue(ordered, last, opening is not None, mine if opening else ())
    if opening is None:
        # A node that is about to go doesn't wait for a window.
        ready = [pod for pod in ready if pod.cause is Cause.MAINTENANCE]
        if not ready:
            return Waiting(ordered, find_next(windows, now))
    zone, mine = _choose_next(ready, ordered, zones, now, {*terminations, *refused})
    return Evicting(ordered, zone, mine, opening.closes if opening else None)


def compute_termination(refused_at: datetime.datetime, windows: Sequence[Window]) -> datetime.datetime:
    """When a pod whose eviction was refused is to be terminated: a time at which a window is open."""
    return find_next(windows, refused_at + OVERDUE_AFTER)


def _is_stuck(pod: StalePod, now: datetime.datetime) -> bool:
    return pod.ends is not None and pod.ends + STUCK_AFTER <= now


def _choose_next(
    ready: Sequence[StalePod],
    ordered: Sequence[StalePod],
    zones: Mapping[str, str],
    now: datetime.datetime,
    refused: Collection[str],
) -> tuple[str, tuple[StalePod, ...]]:
    """A zone, and those of the pods that may go that go next.

    They are those of the zone in which pods are on their way out, whyever; else of the first with any that weren't
    refused; else the refused ones of all zones.
    """
    leaving = [pod for pod in ordered if pod.is_terminating and not _is_stuck(pod, now)]
    staying = tuple(pod for pod in ready if not pod.is_terminating)
    untried = [pod for pod in staying if pod.uid not in refused]
    for pods in (leaving, untried):
        if pods:
            zone = min(zones.get(pod.node, "") for pod in pods)
            return zone, tuple(pod for pod in staying if zones.get(pod.node, "") == zone)
    return min(zones.get(pod.node, "") for pod in staying or ready), staying
