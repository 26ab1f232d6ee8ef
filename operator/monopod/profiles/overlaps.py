"""Which profiles get in each other's way, worked out by a controller of its own where there are many."""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.controller import DONE, WHOLE, Controller, Result
from monopod.kube.logs import ProblemLog
from monopod.pods.rules.selection import Profile
from monopod.profiles.rules.overlap import Overlap, find_overlaps

logger = structlog.stdlib.get_logger(__name__)

# As many are compared while profiles are reconciled, in some hundredths of a second. A thousand take seconds, in which
# a new profile would wait for its compiled selectors, and the Lease for its renewal.
COMPARED_AT_ONCE = 100


class Overlaps:
    """Remembers the result until a profile changes; one from the background is some seconds old at most."""

    def __init__(
        self, protected: frozenset[str], tell: Callable[[], None], problems: ProblemLog, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """`tell` hears of a new result."""
        self._protected = protected
        self._tell = tell
        self._asked: tuple[Profile, ...] = ()
        self._known_for: tuple[Profile, ...] = ()
        self._found: Mapping[str, Overlap] = {}
        self.controller = Controller("overlaps", self._reconcile, problems, clock=clock)

    def find(self, profiles: tuple[Profile, ...]) -> Mapping[str, Overlap]:
        """The overlaps by profile, as far as they are known."""
        if profiles != self._known_for and len(profiles) <= COMPARED_AT_ONCE:
            self._known_for, self._found = profiles, self._compare(profiles)
        return self._found

    def update(self, profiles: tuple[Profile, ...]) -> None:
        """Has these profiles compared, if they haven't been."""
        self._asked = profiles
        if profiles != self._known_for:
            self.controller.enqueue(WHOLE)

    async def _reconcile(self, _: str) -> Result:
        profiles = self._asked
        if profiles != self._known_for:
            self._found = await asyncio.to_thread(self._compare, profiles)
            self._known_for = profiles
            self._tell()
        return DONE

    def _compare(self, profiles: tuple[Profile, ...]) -> Mapping[str, Overlap]:
        try:
            return find_overlaps(profiles, self._protected)
        except Exception:
            # A warning that can't be worked out must not keep profiles from being published.
            logger.exception("overlaps can't be worked out")
            return {}
