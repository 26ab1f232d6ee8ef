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
"""In the order in which they go where several have had equally much of their shares."""

SHARES: Final[Mapping[Purpose, int]] = {"rescheduling": 2, "spot": 2, "drill": 1, "patching": 2}
"""The weights by which evictions are divided among the purposes, other than deletion, that have pods to evict."""

TRIES: Final = 20
"""So many pods of a purpose may be refused before those of another are tried, until one is evicted."""


@dataclass
class Turns:
    """Whose turn it is, by weighted fair queueing.

    Each eviction moves the virtual time of its purpose on by 1 / its share, and the purpose whose time is earliest is
    next. One that had nothing to evict for a while starts again at the present virtual time: it has no claim to what
    others had meanwhile.

    Refusals cost no share, and budgets may refuse without end: after some of them the others are tried in turn.
    """

    _times: dict[Purpose, float] = field(default_factory=dict)
    _present: float = 0.0
    _refusals: dict[Purpose, int] = field(default_factory=dict)
    """Since the last eviction."""
    _yielded: dict[Purpose, int] = field(default_factory=dict)
    """The order in which purposes let others be tried since then; 0 is one that hasn't."""

    def choose(self, ready: Collection[Purpose]) -> Purpose:
        """The next of these."""
        if "deletion" in ready:
            return "deletion"
        return min(
            ready,
            key=lambda purpose: (self._yielded.get(purpose, 0), self._get_time(purpose), PURPOSES.index(purpose)),
        )

    def note(self, purpose: Purpose) -> None:
        """A pod was evicted for it."""
        self._refusals.clear()
        self._yielded.clear()
        if purpose not in SHARES:
            return
        self._present = self._get_time(purpose)
        self._times[purpose] = self._present + 1 / SHARES[purpose]

    def note_refusal(self, purpose: Purpose) -> None:
        """The eviction of a pod was refused."""
        self._refusals[purpose] = self._refusals.get(purpose, 0) + 1
        if self._refusals[purpose] % TRIES == 0:
            self._yielded[purpose] = max(self._yielded.values(), default=0) + 1

    def _get_time(self, purpose: Purpose) -> float:
        return max(self._times.get(purpose, 0.0), self._present)
