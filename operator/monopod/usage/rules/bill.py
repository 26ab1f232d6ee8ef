"""For which seconds a lifetime is billed, and what was provisioned in them.

Sources: the AWS Fargate pricing page (from the start of the image pull until the pod terminates, rounded up to the
second, at least a minute; storage above 20 GB) and EKS's users: a pod that has completed is billed until its object is
gone (containers-roadmap#1284), and so is one that can't pull its image. A task of ECS's is billed until it terminates:
its pod is kept for the logs alone, which no terms change.

A bill is a span of whole seconds. Whatever is reported is that span clipped to a period, so reports of adjacent periods
add up, and the minimum of a minute lands in the seconds after the start and nowhere else. No price is known here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from monopod.api.ecs.names import ECS_TASK_LABEL, NAMESPACE_PREFIX
from monopod.pods.rules.size import DEFAULT_STORAGE_GIB
from monopod.usage.rules.lifetime import Description, Evidence, Interval, Lifetime

MINIMUM_SECONDS: Final = 60
HOUR: Final = 3600


class BilledUntil(StrEnum):
    """What ends a bill."""

    POD_DELETED = "PodDeleted"
    """The pod object is gone, as on AWS."""

    POD_TERMINATED = "PodTerminated"
    """All containers have ended, or the pod object is gone."""


class UnknownEnd(StrEnum):
    """Which moment of the interval counts if an end wasn't seen."""

    EARLIEST = "Earliest"
    MIDDLE = "Middle"
    LATEST = "Latest"


class LostNode(StrEnum):
    """What becomes of the bill if the node was lost, and the object outlived the containers."""

    BILL = "Bill"
    """It goes on until the object is gone, as on AWS."""

    STOP = "Stop"
    """It ends with the last renewal of the node's Lease."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How an operator of a cluster bills; the defaults charge as AWS does, and nothing that can't be shown."""

    until: BilledUntil = BilledUntil.POD_DELETED
    unknown_end: UnknownEnd = UnknownEnd.EARLIEST
    lost_node: LostNode = LostNode.BILL


@dataclass(frozen=True, slots=True)
class Usage:
    """What was provisioned, times how long; whole numbers, so that sums are exact.

    Attributes:
        seconds: of pods.
        milli_vcpu_seconds: milli-vCPU, times seconds.
        mib_seconds: MiB of memory, times seconds.
        storage_gib_seconds: GiB of ephemeral storage above the 20 GiB that every pod has, times seconds.
    """

    seconds: int = 0
    milli_vcpu_seconds: int = 0
    mib_seconds: int = 0
    storage_gib_seconds: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.seconds + other.seconds,
            self.milli_vcpu_seconds + other.milli_vcpu_seconds,
            self.mib_seconds + other.mib_seconds,
            self.storage_gib_seconds + other.storage_gib_seconds,
        )


@dataclass(frozen=True, slots=True)
class Range:
    """Usage that is known only within bounds, because an end is; `billed` is what counts."""

    least: Usage = Usage()
    billed: Usage = Usage()
    most: Usage = Usage()

    def __add__(self, other: "Range") -> "Range":
        return Range(self.least + other.least, self.billed + other.billed, self.most + other.most)


@dataclass(frozen=True, slots=True)
class Bill:
    """The seconds for which a pod is billed, since the epoch: from `start` to before `end`.

    Attributes:
        least: the end if it came as early as it may have.
        most: the end if it came as late as it may have.
        is_open: whether the pod exists still, so that the ends will move.
    """

    description: Description
    start: int
    least: int
    end: int
    most: int
    is_open: bool

    @property
    def seconds(self) -> int:
        """How many are billed."""
        return self.end - self.start

    def clip(self, since: int, until: int) -> Range:
        """What falls into a period; both in seconds since the epoch, `until` is the first one after it."""
        return Range(*(self._compute_usage(since, min(until, end)) for end in (self.least, self.end, self.most)))

    def split_hours(self) -> Iterator[tuple[int, Range]]:
        """Each hour that the bill touches, by its first second, and what falls into it."""
        for hour in range(self.start - self.start % HOUR, self.most, HOUR):
            yield hour, self.clip(hour, hour + HOUR)

    def _compute_usage(self, since: int, until: int) -> Usage:
        seconds = max(0, until - max(since, self.start))
        size = self.description
        return Usage(
            seconds,
            seconds * size.cpu_millis,
            seconds * size.memory_mib,
            seconds * max(0, size.storage_gib - DEFAULT_STORAGE_GIB),
        )


def compute_bill(lifetime: Lifetime, terms: Terms, now: int) -> Bill | None:
    """The bill of a lifetime; None if its images never began to be pulled.

    A pod that was last seen waiting and was gone when somebody looked again may have run in between. Its least bill has
    no second, its greatest begins where it was last seen.

    Args:
        lifetime: of an open one, `alive` has to be the last moment at which its recorders knew it to exist.
        terms: how it is billed.
        now: in milliseconds; a pod that isn't known to be gone may have existed until then, but no longer.
    """
    if lifetime.start is None:
        return _compute_possible_bill(lifetime, terms)
    start = lifetime.start // 1000
    end = _compute_end(lifetime, terms, now)
    return Bill(
        lifetime.description,
        start,
        least=_round_up(start, end.earliest),
        end=_round_up(start, _choose(end, terms.unknown_end)),
        most=_round_up(start, end.latest),
        is_open=lifetime.is_open,
    )


def is_charged(lifetime: Lifetime, terms: Terms) -> bool:
    """Whether the bill of a pod that exists grows: its images began to be pulled, and nothing has ended the bill."""
    return lifetime.is_open and lifetime.start is not None and not is_over(lifetime, terms)


def is_over(lifetime: Lifetime, terms: Terms) -> bool:
    """Whether containers that have ended have ended the bill, whether or not the pod object exists."""
    return lifetime.finished is not None and (terms.until is BilledUntil.POD_TERMINATED or _is_task(lifetime))


def _is_task(lifetime: Lifetime) -> bool:
    """Whether it is as the operator makes the pods of tasks. The label alone anybody may give to a pod."""
    about = lifetime.description
    return about.namespace.startswith(NAMESPACE_PREFIX) and (ECS_TASK_LABEL, about.name) in about.labels


def _compute_possible_bill(lifetime: Lifetime, terms: Terms) -> Bill | None:
    """The bill of a pod that nobody saw start, but that may have run and gone while nobody watched; else None."""
    end = lifetime.end
    if end is None or end.is_exact or lifetime.evidence & _SEEN_TO_THE_END:
        return None
    start = end.earliest // 1000
    most = _round_up(start, end.latest)
    chosen = start if terms.unknown_end is UnknownEnd.EARLIEST else _round_up(start, _choose(end, terms.unknown_end))
    return Bill(lifetime.description, start, least=start, end=chosen, most=most, is_open=False)


_SEEN_TO_THE_END: Final = frozenset({Evidence.WATCHED_DELETION, Evidence.REPLAYED_DELETION, Evidence.REJECTED})
"""Each event of the pod was seen, or it had failed before it ran: without a start, it never started."""


def _compute_end(lifetime: Lifetime, terms: Terms, now: int) -> Interval:
    # A recorder whose clock was ahead for a while has said that pods were alive then.
    end = lifetime.end or Interval(min(lifetime.alive, now), now)
    if lifetime.finished is not None and is_over(lifetime, terms):
        end = Interval(min(lifetime.finished, end.latest), min(lifetime.finished, end.latest))
    if terms.lost_node is LostNode.STOP and lifetime.node_renewed is not None:
        end = Interval(min(lifetime.node_renewed, end.earliest), min(lifetime.node_renewed, end.latest))
    return end


def _choose(end: Interval, which: UnknownEnd) -> int:
    match which:
        case UnknownEnd.EARLIEST:
            return end.earliest
        case UnknownEnd.MIDDLE:
            return (end.earliest + end.latest) // 2
        case UnknownEnd.LATEST:
            return end.latest


def _round_up(start: int, end: int) -> int:
    """The billed end in seconds, for an end in milliseconds."""
    return max(start + MINIMUM_SECONDS, -(-end // 1000))
