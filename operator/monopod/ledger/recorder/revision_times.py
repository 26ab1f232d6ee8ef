"""When revisions of the past were: by the stamps that the API server put on what was written.

Revisions have no times. But kube-scheduler and kube-controller-manager renew their Leases every two seconds, where they
elect a leader, and each node its own every ten; and the API server stamps each renewal with its own clock
(`managedFields`). Revisions are etcd's, one counter for all kinds: a pod's deletion between two renewals happened
between their stamps. The clock of who renews doesn't matter. If kinds don't share a counter, or a stamp is wrong,
revisions and stamps aren't in the same order; then nothing is concluded from them.
"""

import asyncio
import bisect
import contextlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from monopod.api.names import KUBE_SYSTEM
from monopod.kube.client.api import Api, ApiError, ApiUnreachable
from monopod.kube.clock import Clock, timeout
from monopod.kube.objects.resources import LEASES
from monopod.kube.objects.timestamps import read_time
from monopod.ledger.recorder.listing import read_version
from monopod.ledger.recorder.nodes import NODE_LEASES
from monopod.usage.rules.lifetime import Interval

LEASES_LISTED: Final = tuple(LEASES.list_path(namespace) for namespace in (NODE_LEASES, KUBE_SYSTEM))
"""Where Leases are that are renewed whatever happens."""

CUT_MS: Final = 1000
WRITE_MS: Final = 2000
"""A write is stamped before etcd has it, by milliseconds on any etcd that is well."""

REPLAY_SECONDS: Final = 2.0
"""For the replay of Leases, before that of pods begins."""

_LAST_MOMENT: Final = 10**14


class RevisionTimes:
    """What stamps tell of when revisions were."""

    def __init__(self) -> None:
        self._stamps: dict[int, int] = {}
        self._writes: dict[int, int] = {}
        self._floors: list[tuple[int, int]] = []
        self._ceilings: list[tuple[int, int]] = []

    def add_stamp(self, version: int, moment: int) -> None:
        """Learns that something that existed at a version is stamped with a moment: that version is no earlier."""
        self._stamps[version] = max(moment, self._stamps.get(version, 0))
        self._floors = []

    def add_write(self, version: int, moment: int) -> None:
        """Learns that the write of a version is stamped with a moment, cut to its second: it happened then."""
        self.add_stamp(version, moment)
        self._writes[version] = moment + CUT_MS + WRITE_MS

    def add_leases(self, leases: Iterable[Mapping[str, Any]]) -> None:
        """Learns from the last write of each Lease."""
        for lease in leases:
            version, moment = read_write(lease)
            if version > 0 and moment > 0:
                self.add_write(version, moment)

    def narrow(self, version: int, within: Interval) -> Interval:
        """Between which moments a version was written, of which this much is known."""
        if not self._floors:
            self._sort()
        before = bisect.bisect_right(self._floors, (version, _LAST_MOMENT))
        after = bisect.bisect_left(self._ceilings, (version, 0))
        earliest = max(within.earliest, self._floors[before - 1][1] if before else 0)
        latest = min(within.latest, self._ceilings[after][1] if after < len(self._ceilings) else within.latest)
        # Else they contradict each other, or this clock.
        return Interval(earliest, latest) if earliest <= latest else within

    def _sort(self) -> None:
        """Floors grow with versions, and so do ceilings: what holds of one holds of all after it, or before it."""
        self._floors, self._ceilings = [], []
        for version, moment in sorted(self._stamps.items()):
            self._floors.append((version, max(moment, self._floors[-1][1] if self._floors else 0)))
        for version, moment in sorted(self._writes.items(), reverse=True):
            self._ceilings.append((version, min(moment, self._ceilings[-1][1] if self._ceilings else moment)))
        self._ceilings.reverse()


def read_write(lease: Mapping[str, Any]) -> tuple[int, int]:
    """The version of a Lease's last write, and the API server's stamp of it; 0 for what can't be read."""
    try:
        entries = lease["metadata"].get("managedFields") or ()
        moments = [read_time(str(entry.get("time") or "")) for entry in entries]
        return read_version(dict(lease)), max((round(each.timestamp() * 1000) for each in moments if each), default=0)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        return 0, 0


async def replay_leases(api: Api, clock: Clock, first: int, last: int) -> RevisionTimes:
    """When the versions between two were, as far as the API server replays it: for its sake nobody waits for long."""
    times = RevisionTimes()

    async def replay(path: str) -> None:
        with contextlib.suppress(ApiError, ApiUnreachable):
            async with contextlib.aclosing(api.watch(path, str(first))) as events:
                async for event in events:
                    if event.type in {"ADDED", "MODIFIED"}:
                        times.add_leases([event.object])
                    if read_version(event.object) >= last:
                        break

    with contextlib.suppress(TimeoutError):
        async with timeout(clock, REPLAY_SECONDS):
            await asyncio.gather(*map(replay, LEASES_LISTED))
    return times
