"""The API server's past: at which resourceVersions to list it, and when these were. Pure.

    watched until P0 ──── a list of the past at v1 ── at v2 ── … ──── the list P1 that a new watch begins with
    no earlier than T0     none later than T1

A resourceVersion is etcd's revision, one counter for all kinds, so each number between two is valid: a list at an exact
one (`resourceVersionMatch=Exact`) shows the cluster as it was right after the write of that number. kube-apiserver
takes it from its watch cache, else from etcd, until etcd is compacted: what was five to ten minutes ago is gone, and is
refused with 410 ("too old").

Revisions have no times. But each node renews its Lease every ten seconds, and the API server stamps each renewal with
its own clock (`managedFields`), so a page of Leases tells when the revisions of their writes were. If kinds don't share
a counter, or a stamp is wrong, revisions and stamps aren't in the same order; then nothing is concluded from them.
"""

import bisect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from monopod.kube.objects.timestamps import read_time
from monopod.ledger.recorder.listing import read_version
from monopod.usage.rules.lifetime import Interval, Lifetime

MOST_LISTS: Final = 11
"""Of the past, after one outage: they cut it into twelve parts."""

SHORTEST_STEP_MS: Final = 2000
"""Stamps are cut to whole seconds; lists that are closer together tell no more."""

CUT_MS: Final = 1000
LAST_MOMENT: Final = 10**14
WRITE_MS: Final = 2000
"""A write is stamped before etcd has it, by milliseconds on any etcd that is well."""


@dataclass(frozen=True, slots=True)
class Outage:
    """What no watch brought: the cluster between two resourceVersions.

    Attributes:
        since: up to when nothing had been missed (T0).
        until: when the list that followed was answered (T1).
        first: the version up to which all is known (P0).
        last: the version of that list (P1).
        current: uids of the pods in it.
        missing: lifetimes of the pods that were known and aren't in it, as the list closed them.
    """

    since: int
    until: int
    first: int
    last: int
    current: frozenset[str]
    missing: tuple[Lifetime, ...]


@dataclass(frozen=True, slots=True)
class PastList:
    """The pods at a resourceVersion of the past that don't exist any more, by uid: `alive` isn't known there."""

    version: int
    lifetimes: Mapping[str, Lifetime]


class RevisionTimes:
    """When the revisions of an outage were, as far as stamps tell.

    Args:
        outage: all of them lie between its bounds.
    """

    def __init__(self, outage: Outage) -> None:
        self.outage = outage
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

    def compute(self, version: int) -> Interval:
        """Between which moments a version of the outage was written."""
        since, until = self.outage.since, self.outage.until
        if not self._floors:
            self._sort()
        before = bisect.bisect_right(self._floors, (version, LAST_MOMENT))
        after = bisect.bisect_left(self._ceilings, (version, 0))
        earliest = self._floors[before - 1][1] if before else since
        latest = self._ceilings[after][1] if after < len(self._ceilings) else until
        if latest < max(earliest, since):
            return Interval(since, until)  # stamps contradict each other, or this clock
        latest = min(latest, until)
        return Interval(min(max(earliest, since), latest), latest)

    def _sort(self) -> None:
        """Floors grow with versions, and so do ceilings: what holds of one holds of all after it, or before it."""
        self._floors, self._ceilings = [], []
        for version, moment in sorted(self._stamps.items()):
            self._floors.append((version, max(moment, self._floors[-1][1] if self._floors else 0)))
        for version, moment in sorted(self._writes.items(), reverse=True):
            self._ceilings.append((version, min(moment, self._ceilings[-1][1] if self._ceilings else moment)))
        self._ceilings.reverse()


@dataclass(slots=True)
class Plan:
    """Which versions to list, one after the other.

    Attributes:
        lists: how many there may be, at most.
        times: when versions were, which becomes better known with each list.
    """

    lists: int
    times: RevisionTimes
    _floor: int = 0
    _listed: list[int] = field(default_factory=list)

    def refuse(self, version: int) -> None:
        """The API server has neither this version any more nor any before it."""
        self._floor = max(self._floor, version)

    def add(self, version: int) -> None:
        """There is a list of this version now."""
        self._listed.append(version)

    def choose(self) -> int | None:
        """The version that cuts the longest part of the outage; None if no part is worth it, or no list is left."""
        if len(self._listed) >= self.lists:
            return None
        marks = self._estimate()
        step = max(SHORTEST_STEP_MS, (marks[-1][1] - marks[0][1]) / (self.lists + 1))
        parts = [(later[1] - one[1], one[0], later[0]) for one, later in pairwise(marks)]
        length, one, later = max((part for part in parts if part[2] - part[1] > 1), default=(0, 0, 0))
        count = round(length / step)
        if count < 2:
            return None
        return min(max(one + (later - one) * (count // 2) // count, one + 1), later - 1)

    def _estimate(self) -> list[tuple[int, float]]:
        """Each version that is known of, and about when it was: in proportion, but within what stamps tell."""
        outage = self.times.outage
        first, since = outage.first, float(outage.since)
        span = max(1, outage.last - outage.first)
        marks = []
        for version in sorted({self._floor, *self._listed} - {0}):
            bounds = self.times.compute(version)
            even = outage.since + (outage.until - outage.since) * (version - outage.first) / span
            marks.append((version, min(max(even, bounds.earliest), bounds.latest)))
        if not self._floor:
            marks.insert(0, (first, since))
        return [*(each for each in marks if each[0] >= self._floor), (outage.last, float(outage.until))]


def count_lists(pages: int, requests: int) -> int:
    """How many lists of so many pages may be asked for, each with a page of Leases, if requests are bounded."""
    return min(MOST_LISTS, requests // (pages + 1))


def list_writes(leases: Iterable[Mapping[str, Any]]) -> list[tuple[int, int]]:
    """The last write of each Lease: its version, and the API server's stamp of it."""
    writes = []
    for lease in leases:
        try:
            entries = lease["metadata"].get("managedFields") or ()
            moments = [read_time(str(entry.get("time") or "")) for entry in entries]
            moment = max((round(each.timestamp() * 1000) for each in moments if each), default=0)
            version = read_version(dict(lease))
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            continue
        if moment > 0 and version > 0:
            writes.append((version, moment))
    return writes
