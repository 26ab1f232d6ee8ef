"""The hourly sums of ended lifetimes, changed by what a lifetime contributes now less what it did before."""

from collections import defaultdict
from itertools import pairwise
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Table, bindparam, update
from sqlalchemy.dialects import postgresql, sqlite

from monopod.ledger.store.rows import Spans
from monopod.ledger.store.tables import USAGE_GROUP, USAGE_HOUR

HOUR: Final = 3600
Seconds = tuple[int, int, int]
"""Least, billed and most."""


class Contribution(NamedTuple):
    """What a lifetime adds to the sums of its groups: its workload's, and the total."""

    groups: tuple[int, int]
    spans: Spans | None


class Changes:
    """Seconds by hour, as what changes from an hour to the next: a pod of a year changes four numbers, not 8,760."""

    def __init__(self) -> None:
        # Nearly all ends are exact, so that least, billed and most are one number: those are in the last.
        self._steps: tuple[defaultdict[int, int], ...] = tuple(defaultdict(int) for _ in range(4))
        self._totals = [0, 0, 0, 0]

    def add(self, spans: Spans, sign: int) -> None:
        """Adds spans, or takes them away with a sign of -1."""
        since, least, billed, most = spans
        if least == billed == most:
            self._add(3, since, most, sign)
        else:
            for position, until in enumerate((least, billed, most)):
                self._add(position, since, until, sign)

    def _add(self, position: int, since: int, until: int, sign: int) -> None:
        steps = self._steps[position]
        seconds = sign * (until - since)
        self._totals[position] += seconds
        first, last = since // HOUR, until // HOUR
        if first == last:
            steps[first] += seconds
            steps[first + 1] -= seconds
            return
        begin, end = sign * ((first + 1) * HOUR - since), sign * (until - last * HOUR)
        steps[first] += begin
        steps[first + 1] += sign * HOUR - begin
        steps[last] += end - sign * HOUR
        steps[last + 1] -= end

    @property
    def total(self) -> Seconds:
        """All of it."""
        least, billed, most, each = self._totals
        return least + each, billed + each, most + each

    def sum_hours(self) -> dict[int, Seconds]:
        """Returns the hours in which anything isn't zero."""
        hours: dict[int, Seconds] = {}
        least_steps, billed_steps, most_steps, each_steps = self._steps
        least = billed = most = 0
        for begin, end in pairwise(sorted(set().union(*self._steps))):
            each = each_steps.get(begin, 0)
            least += least_steps.get(begin, 0) + each
            billed += billed_steps.get(begin, 0) + each
            most += most_steps.get(begin, 0) + each
            if least or billed or most:
                hours.update(dict.fromkeys(range(begin, end), (least, billed, most)))
        return hours


class Rollups:
    """Changes of sums, by group, until they are written."""

    def __init__(self) -> None:
        self._changes: defaultdict[int, Changes] = defaultdict(Changes)

    def __len__(self) -> int:
        return len(self._changes)

    def change(self, before: Contribution | None, now: Contribution | None) -> None:
        """Takes away what a lifetime contributed, and adds what it contributes now."""
        if before == now:
            return
        for contribution, sign in ((before, -1), (now, 1)):
            if contribution and contribution.spans:
                for group in contribution.groups:
                    self._changes[group].add(contribution.spans, sign)

    def write(self, connection: Connection) -> None:
        """Changes the sums in the database, and begins anew."""
        hours = [
            {"group_id": group, "hour": hour, "least": least, "billed": billed, "most": most}
            for group, changes in sorted(self._changes.items())
            for hour, (least, billed, most) in sorted(changes.sum_hours().items())
        ]
        totals = [
            {"group": group, "add_least": least, "add_billed": billed, "add_most": most}
            for group, changes in sorted(self._changes.items())
            for least, billed, most in (changes.total,)
            if least or billed or most
        ]
        if hours:
            connection.execute(_build_addition(connection), hours)
        if totals:
            connection.execute(_ADD_TOTALS, totals)
        self._changes.clear()


def build_insert(connection: Connection, table: Table) -> Any:
    """An insert that can say what to do about a row that is there."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def _build_addition(connection: Connection) -> Any:
    hour = build_insert(connection, USAGE_HOUR)
    sums = {name: USAGE_HOUR.c[name] + hour.excluded[name] for name in ("least", "billed", "most")}
    return hour.on_conflict_do_update(index_elements=["group_id", "hour"], set_=sums)


_ADD_TOTALS: Final = (
    update(USAGE_GROUP)
    .where(USAGE_GROUP.c.id == bindparam("group"))
    .values({name: USAGE_GROUP.c[name] + bindparam(f"add_{name}") for name in ("least", "billed", "most")})
)
