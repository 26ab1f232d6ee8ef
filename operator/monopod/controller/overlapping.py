"""Which profiles get in each other's way, worked out beside the passes where there are many."""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from monopod.domain.overlap import Overlap, find_overlaps
from monopod.domain.selection import Profile

logger = structlog.stdlib.get_logger(__name__)

# So many are compared within a pass, in some hundredths of a second. A thousand take seconds, in which a new profile
# would wait for its rows, and the Lease for its renewal.
COMPARED_AT_ONCE = 100


class Overlaps:
    """Remembers the result until a profile changes; one that is worked out beside is up to some seconds old."""

    def __init__(self, protected: frozenset[str], on_change: Callable[[], None]) -> None:
        self._protected = protected
        self._on_change = on_change
        self._asked: tuple[Profile, ...] = ()
        self._known_for: tuple[Profile, ...] = ()
        self._found: Mapping[str, Overlap] = {}
        self._task: asyncio.Task[None] | None = None

    def find(self, profiles: tuple[Profile, ...]) -> Mapping[str, Overlap]:
        """The overlaps by profile, as far as they are known."""
        self._asked = profiles
        if profiles == self._known_for or self._task is not None:
            return self._found
        if len(profiles) <= COMPARED_AT_ONCE:
            self._known_for, self._found = profiles, self._compare(profiles)
        else:
            self._task = asyncio.create_task(self._work_out(), name="overlaps")
        return self._found

    def stop(self) -> None:
        """Works out nothing more."""
        if self._task:
            self._task.cancel()

    async def _work_out(self) -> None:
        while self._known_for != self._asked:
            profiles = self._asked
            self._found = await asyncio.to_thread(self._compare, profiles)
            self._known_for = profiles
            self._on_change()
        self._task = None

    def _compare(self, profiles: tuple[Profile, ...]) -> Mapping[str, Overlap]:
        try:
            return find_overlaps(profiles, self._protected)
        except Exception:
            # A warning that can't be worked out must not keep profiles from being published.
            logger.exception("overlaps can't be worked out")
            return {}
