"""Whose turn it is to have a pod evicted, of the purposes that share the one bound on evictions.

A deletion comes first: it has a deadline that is computed by that bound, and only administrators delete profiles. The
others share what it leaves. What authors of pods can cause, such as pods that find no room on Spot, may be more than
the bound for as long as they like, and a patch has its window.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

Purpose = Literal["deletion", "rescheduling", "spot", "drill", "patching"]

PURPOSES: Final[Sequence[Purpose]] = get_args(Purpose)
"""The first of them goes first where all have had as much."""

SHARES: Final[Mapping[Purpose, int]] = {"rescheduling": 2, "spot": 2, "drill": 1, "patching": 2}
"""How evictions are divided among those of the other purposes that have pods to evict."""


@dataclass
class Turns:
    """Whose turn it is: whoever has had least of its share, counted from where those that evict now are.

    A purpose that had nothing to evict for a while has no claim to what others had meanwhile.
    """

    _had: dict[Purpose, float] = field(default_factory=dict)
    _now: float = 0.0

    def choose(self, ready: Collection[Purpose]) -> Purpose:
        """The next of these."""
        if "deletion" in ready:
            return "deletion"
        return min(ready, key=lambda purpose: (self._count(purpose), PURPOSES.index(purpose)))

    def note(self, purpose: Purpose) -> None:
        """A pod was evicted for it."""
        if purpose not in SHARES:
            return
        self._now = self._count(purpose)
        self._had[purpose] = self._now + 1 / SHARES[purpose]

    def _count(self, purpose: Purpose) -> float:
        return max(self._had.get(purpose, 0.0), self._now)
