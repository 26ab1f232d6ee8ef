"""How much of a span of time somebody watched: the figure that every answer about usage carries.

While no recorder watches, pods may come and go unseen, and ends are known as intervals only. So a gap is a part of a
span that no recorder's window covers; two recorders leave one only where both were away.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from monopod.usage.rules.lifetime import Watched

_PLACES = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class Gap:
    """No recorder watched from `since` until `until`."""

    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a span was watched.

    Attributes:
        since: where the span begins.
        until: where it ends.
        gaps: what wasn't watched of it, in order.
    """

    since: int
    until: int
    gaps: tuple[Gap, ...]

    @property
    def unseen(self) -> int:
        """Milliseconds that weren't watched."""
        return sum(gap.until - gap.since for gap in self.gaps)

    @property
    def percent(self) -> Decimal:
        """The share that was watched, cut and never rounded up: 100 means that nothing is missing."""
        length = self.until - self.since
        if length <= 0:
            return Decimal(100)
        return (Decimal(100 * (length - self.unseen)) / length).quantize(_PLACES, ROUND_DOWN)


def compute_coverage(windows: Iterable[Watched], since: int, until: int, tolerance: int = 0) -> Coverage:
    """How much of a span the windows cover together.

    Args:
        windows: of any recorders, in any order.
        since: where the span begins.
        until: where it ends.
        tolerance: milliseconds of unwatched time that count as watched where nothing follows: a recorder that
            watches now has written so a moment ago.
    """
    gaps, reached = list[Gap](), since
    for window in sorted(windows, key=lambda window: window.since):
        if window.until <= reached:
            continue
        if window.since >= until:
            break
        if window.since > reached:
            gaps.append(Gap(reached, window.since))
        reached = window.until
    if reached + tolerance < until:
        gaps.append(Gap(reached, until))
    return Coverage(since, until, tuple(gaps))
