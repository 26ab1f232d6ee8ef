"""What the statuses of profiles say of moves."""

from collections.abc import Callable, Mapping
from typing import Any

from monopod.kube.objects.conditions import Contribution
from monopod.rescheduling.rules.progress import Kept, Moves, NotListed, contribute_progress


class ProgressContributor:
    """Contributes the condition Rescheduled, and status.rescheduling."""

    def __init__(self, compute_moves: Callable[[str], Moves]) -> None:
        self._compute_moves = compute_moves
        self._kept: set[str] = set()
        """Profiles of which the last that is known is that they leave existing pods where they are."""

    def contribute(self, statuses: Mapping[str, Mapping[str, Any]], now: str) -> dict[str, Contribution]:
        """What to say of each profile; `statuses` are those that they have, `now` is an RFC 3339 time."""
        moves = {name: self._compute_moves(name) for name in statuses}
        unknown = {name for name, found in moves.items() if isinstance(found, NotListed)}
        before, kept = self._kept, {name for name, found in moves.items() if isinstance(found, Kept)}
        self._kept = kept | before & unknown
        return {
            name: contribute_progress(moves[name], status, now, was_kept=name in before)
            for name, status in statuses.items()
        }
