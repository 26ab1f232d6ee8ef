"""What is kept of a series of measurements."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figures:
    """A series of times in seconds, summed up.

    Attributes:
        count: How many there were.
        median: Half of them took no longer.
        p99: 99 of 100 took no longer; of fewer than 100, that is nearly the longest.
        longest: The longest.
    """

    count: int
    median: float
    p99: float
    longest: float


def sum_up(seconds: Sequence[float]) -> Figures:
    """Sums up a series of at least one."""
    ordered = sorted(seconds)
    return Figures(len(ordered), find_quantile(ordered, 0.5), find_quantile(ordered, 0.99), ordered[-1])


def find_quantile(ordered: Sequence[float], share: float) -> float:
    """The quantile of an ordered series, linear between neighbours."""
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
