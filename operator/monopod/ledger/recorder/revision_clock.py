"""When a revision came to be: resourceVersions have no times, so they are put between moments that are known.

    probe: sent ───── answered (version 70)
    event 64: was there when the answer came, so it happened before `answered`
    event 75: wasn't there when the probe was sent, so it happened after `sent`

Events that arrive while the stream flows happened just now. Of those that are replayed after an outage, or arrive late,
only the bounds are known. Between two probes the API server's own stamps on other objects come closer: an event
happened after whatever it and earlier revisions are stamped with.
"""

import bisect
from collections import deque
from dataclasses import dataclass
from typing import Final

from monopod.usage.rules.lifetime import Interval

LATE_MS: Final = 1000
"""An event that a probe overtook by more than this was held up on its way."""

MOST_PROBES: Final = 240
"""Twenty minutes of them. A bound that is forgotten only makes an interval wider."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A consistent read: the API server was at `version` at some moment between `sent` and `answered`."""

    sent: int
    answered: int
    version: int


class RevisionClock:
    """Knows of each revision between which moments it came to be.

    Args:
        floor: up to when nothing has been missed; every event that is still to come happened after it.
    """

    def __init__(self, floor: int) -> None:
        self._floor = floor
        self._replayed = 0
        self._probes: deque[Probe] = deque(maxlen=MOST_PROBES)
        self._stamped: list[tuple[int, int]] = []

    def add_probe(self, probe: Probe) -> None:
        """Learns from a read; reads must come in the order in which they were answered."""
        self._probes.append(probe)

    def forget_probes(self) -> None:
        """Whatever was read may be of another past than what is still to come: bounds are wider without it."""
        self._probes.clear()

    def begin_replay(self, version: int) -> None:
        """The stream was interrupted: events up to this version arrive later than they happened."""
        self._replayed = max(self._replayed, version)

    def add_stamp(self, version: int, moment: int) -> None:
        """Learns that a revision carries the API server's own stamp: it and all later ones happened after that."""
        if moment <= self._floor:
            return
        index = bisect.bisect_left(self._stamped, (version, moment))
        if index and self._stamped[index - 1][1] >= moment:
            return
        self._stamped[index:] = [(version, moment), *(each for each in self._stamped[index:] if each[1] > moment)]

    def compute_moment(self, version: int, arrived: int) -> Interval:
        """When a revision came to be, whose event arrived just now."""
        overtaken = min((probe.answered for probe in self._probes if probe.version >= version), default=arrived)
        latest = min(overtaken, arrived)
        if version > self._replayed and arrived - latest <= LATE_MS:
            return Interval(latest, latest)
        return Interval(min(self._compute_earliest(version), latest), latest)

    def confirm(self, version: int) -> int:
        """Up to when nothing has been missed, now that all events up to this version have arrived."""
        while self._probes and self._probes[0].version <= version:
            self._floor = max(self._floor, self._probes.popleft().sent)
        self._stamped = [each for each in self._stamped if each[1] > self._floor]
        return self._floor

    def _compute_earliest(self, version: int) -> int:
        probed = max((probe.sent for probe in self._probes if probe.version < version), default=self._floor)
        index = bisect.bisect_left(self._stamped, (version + 1, 0))
        stamped = self._stamped[index - 1][1] if index else self._floor
        return max(self._floor, probed, stamped)
