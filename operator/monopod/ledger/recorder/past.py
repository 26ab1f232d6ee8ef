"""The API server's past: at which resourceVersions to list it. Pure.

    watched until P0 ──── a list of the past at v1 ── at v2 ── … ──── the list P1 that a new watch begins with
    no earlier than T0     none later than T1

A resourceVersion is etcd's revision, one counter for all kinds, so each number between two is valid: a list at an exact
one (`resourceVersionMatch=Exact`) shows the cluster as it was right after the write of that number. kube-apiserver
takes it from its watch cache, else from etcd, until etcd is compacted: what was five to ten minutes ago is gone, and is
refused with 410 ("too old").

Leases, listed at the same version, tell when that was (`RevisionTimes`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from monopod.ledger.recorder.revision_times import RevisionTimes
from monopod.usage.rules.lifetime import Interval, Lifetime

MOST_LISTS: Final = 11
"""Of the past, after one outage: they cut it into twelve parts."""

SHORTEST_STEP_MS: Final = 2000
"""Stamps are cut to whole seconds; lists that are closer together tell no more."""


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

    @property
    def span(self) -> Interval:
        """From when to when."""
        return Interval(self.since, self.until)


@dataclass(frozen=True, slots=True)
class PastList:
    """The pods at a resourceVersion of the past that don't exist any more, by uid: `alive` isn't known there."""

    version: int
    lifetimes: Mapping[str, Lifetime]


@dataclass(slots=True)
class Plan:
    """Which versions to list, one after the other.

    Attributes:
        outage: what is to be listed.
        lists: how many there may be, at most.
        times: when versions were, which becomes better known with each list.
    """

    outage: Outage
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
        outage = self.outage
        first, since = outage.first, float(outage.since)
        span = max(1, outage.last - outage.first)
        marks = []
        for version in sorted({self._floor, *self._listed} - {0}):
            bounds = self.times.narrow(version, outage.span)
            even = outage.since + (outage.until - outage.since) * (version - outage.first) / span
            marks.append((version, min(max(even, bounds.earliest), bounds.latest)))
        if not self._floor:
            marks.insert(0, (first, since))
        return [*(each for each in marks if each[0] >= self._floor), (outage.last, float(outage.until))]


def count_lists(pages: int, requests: int) -> int:
    """How many lists of so many pages may be asked for, each with two pages of Leases, if requests are bounded."""
    return min(MOST_LISTS, requests // (pages + 2))
