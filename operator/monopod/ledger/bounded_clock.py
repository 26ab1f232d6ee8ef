"""A clock that the API server's answers keep from being ahead, where this machine's is set wrong.

Each answer has a date. Cut to a second, it says that the API server's time was less than a second more, and when it was
asked that was still to come: how long an answer is on its way, or isn't read, takes nothing off. How long ago it was
asked tells a clock that nobody can set, so an upper bound of the present is always known. The least of the last minutes
is the closest; older ones go, because clocks drift. All go that an answer refutes, by a date that is later than they
allow: the API server's clock was set, or this machine stood still, and that clock with it.
"""

import datetime
import math
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Final

from monopod.kube.clock import SYSTEM_CLOCK, Clock, Timer

AHEAD_SECONDS: Final = 2.0
"""By less than this a clock is right, and is taken as it is."""
KEPT_SECONDS: Final = 300.0


class BoundedClock:
    """The clock of this machine, unless it is ahead of the API server's.

    Args:
        clock: this machine's.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._before = self._least = math.inf  # of the API server's time less the monotonic one
        self._begun = -math.inf

    def hear(self, date: str | None, seconds: float) -> None:
        """Learns from the header `Date` of an answer to what was asked so many seconds ago."""
        try:
            moment = parsedate_to_datetime(date or "").timestamp() + 1
        except (ValueError, OverflowError):
            return
        now = self._clock.monotonic()
        if now - self._begun > KEPT_SECONDS:
            self._begun, self._before, self._least = now, self._least, math.inf
        if moment - 1 - now > min(self._before, self._least) + AHEAD_SECONDS:
            self._before = self._least = math.inf
        self._least = min(self._least, moment - (now - seconds))

    def monotonic(self) -> float:
        """Seconds since some moment; never less than before."""
        return self._clock.monotonic()

    def now(self) -> datetime.datetime:
        """The time of day, in UTC."""
        own, bound = self._clock.now(), min(self._least, self._before) + self._clock.monotonic()
        return datetime.datetime.fromtimestamp(bound, datetime.UTC) if own.timestamp() - bound > AHEAD_SECONDS else own

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Calls back after some seconds, in the event loop."""
        return self._clock.call_later(seconds, callback)
