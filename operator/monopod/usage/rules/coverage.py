"""How much of a span of time somebody watched: the figure that every answer about usage carries.

While no recorder watches, pods may come and go unseen, and ends are known as intervals only. So a gap is a part of a
span that no recorder's window covers; two recorders leave one only where both were away.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from typing import Final

from monopod.usage.rules.lifetime import Watched

_PLACES = Decimal("0.001")
MERGED: Final = "*"
"""In place of a recorder: when any of them watched. No pod has this name."""


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


def merge_windows(windows: Iterable[Watched]) -> list[Watched]:
    """What is kept in place of many windows: the last of each recorder, and of all before when anybody watched.

    Nothing that coverage tells is lost. Whoever gets one of the windows again from somebody else merges it again, and
    has the same.
    """
    known = list(windows)
    last: dict[str, Watched] = {}
    for window in known:
        if window.recorder != MERGED:
            last[window.recorder] = max(window, last.get(window.recorder, window), key=lambda each: each.until)
    kept = {*last.values()}
    merged = list[Watched]()
    for window in sorted((each for each in known if each not in kept), key=lambda each: each.since):
        if window.since == window.until:
            continue
        if merged and window.since <= merged[-1].until:
            merged[-1] = replace(merged[-1], until=max(merged[-1].until, window.until))
        else:
            merged.append(replace(window, recorder=MERGED))
    return [*merged, *last.values()]


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
