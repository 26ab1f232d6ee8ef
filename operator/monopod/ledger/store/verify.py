"""Computes what is derived from facts again: to compare it with what is kept, or to replace that."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from sqlalchemy import Connection, Engine, bindparam, delete, func, select, text, update

from monopod.ledger.store.answers import Difference
from monopod.ledger.store.engine import begin_reading
from monopod.ledger.store.rollups import Changes, Contribution, Rollups
from monopod.ledger.store.rows import (
    BILL,
    GROUP_KEY,
    GroupKey,
    Spans,
    decode_row,
    decode_spans,
    encode_spans,
    select_lifetimes,
)
from monopod.ledger.store.tables import LIFETIME, USAGE_GROUP, USAGE_HOUR
from monopod.ledger.store.terms import compute_final_spans
from monopod.usage.rules.bill import Terms

PAGE: Final = 1000
WRITTEN_AFTER: Final = 20_000
"""How many groups' changes are held in memory while everything is computed."""


def rebuild(connection: Connection, terms: Terms) -> None:
    """Computes all bills and sums by these terms, in one transaction."""
    connection.execute(delete(USAGE_HOUR))
    connection.execute(update(USAGE_GROUP).values(least=0, billed=0, most=0))
    rollups = Rollups()
    last = 0
    while rows := connection.execute(_PAGE, {"last": last}).all():
        last = rows[-1][-1]
        changed = []
        for row in rows:
            lifetime = decode_row(row)
            *bill, is_open, group, total, number = row[-len(_BESIDE) :]
            spans = compute_final_spans(lifetime, terms)
            rollups.change(None, Contribution((group, total), spans))
            if (spans, lifetime.is_open) != (decode_spans(bill), is_open):
                changed.append({"row": number, "is_open": lifetime.is_open, **encode_spans(spans)})
        if changed:
            connection.execute(_UPDATE, changed)
        if len(rollups) > WRITTEN_AFTER:
            rollups.write(connection)
    rollups.write(connection)


def find_differences(engine: Engine, terms: Callable[[Connection], Terms]) -> Iterator[Difference]:
    """Compares group by group, each in a state of its own: recording goes on meanwhile."""
    yield from _find_damage(engine)
    last = 0
    while True:
        with begin_reading(engine) as connection:
            after = select(USAGE_GROUP.c.id, USAGE_GROUP.c.total).where(USAGE_GROUP.c.id > last)
            group = connection.execute(after.order_by(USAGE_GROUP.c.id).limit(1)).first()
            if group is None:
                return
            last = group.id
            if group.total:
                found = list(_compare_workload(connection, group.id, terms(connection)))
            else:
                found = list(_compare_total(connection, group.id))
        yield from found


def _find_damage(engine: Engine) -> Iterator[Difference]:
    if engine.dialect.name == "sqlite":
        with begin_reading(engine) as connection:
            for message in connection.execute(text("PRAGMA quick_check")).scalars():
                if message != "ok":
                    yield Difference("database", message, "ok")


def _compare_workload(connection: Connection, group: int, terms: Terms) -> Iterator[Difference]:
    expected = Changes()
    question = select_lifetimes(*_DERIVED)
    in_group = question.where(LIFETIME.c.group_id == group)
    with connection.execute(in_group, execution_options={"yield_per": PAGE}) as rows:
        for row in rows:
            lifetime = decode_row(row)
            spans, kept = compute_final_spans(lifetime, terms), decode_spans(row[-5:-1])
            if (kept, row[-1]) != (spans, lifetime.is_open):
                yield Difference(lifetime.uid, _describe(kept, row[-1]), _describe(spans, lifetime.is_open))
            if spans:
                expected.add(spans, 1)
    yield from _compare(connection, group, expected.sum_hours(), expected.total)


def _compare_total(connection: Connection, group: int) -> Iterator[Difference]:
    of_group = USAGE_GROUP.c.total == group
    joined = USAGE_GROUP.join(USAGE_HOUR, USAGE_HOUR.c.group_id == USAGE_GROUP.c.id)
    hours = select(USAGE_HOUR.c.hour, *_sum(USAGE_HOUR)).select_from(joined).where(of_group).group_by(USAGE_HOUR.c.hour)
    total = connection.execute(select(*_sum(USAGE_GROUP)).where(of_group)).one()
    summed = {hour: _read(seconds) for hour, *seconds in connection.execute(hours)}
    yield from _compare(connection, group, summed, _read(total))


def _compare(
    connection: Connection, group: int, hours: dict[int, tuple[int, int, int]], total: tuple[int, int, int]
) -> Iterator[Difference]:
    sums = ("least", "billed", "most")
    in_group = select(USAGE_HOUR.c.hour, *(USAGE_HOUR.c[name] for name in sums)).where(USAGE_HOUR.c.group_id == group)
    kept = {hour: _read(seconds) for hour, *seconds in connection.execute(in_group)}
    nothing = (0, 0, 0)
    by_id = select(*(USAGE_GROUP.c[name] for name in sums), *GROUP_KEY).where(USAGE_GROUP.c.id == group)
    row = connection.execute(by_id).one()
    name = " ".join(str(part) for part in GroupKey(*row[3:]) if part != "")
    for hour in sorted(hours.keys() | kept.keys()):
        if hours.get(hour, nothing) != kept.get(hour, nothing):
            yield Difference(f"{name} hour {hour}", f"{kept.get(hour, nothing)}", f"{hours.get(hour, nothing)}")
    if _read(row[:3]) != total:
        yield Difference(f"{name} in all", f"{_read(row[:3])}", f"{total}")


def _sum(table: Any) -> Iterator[Any]:
    return (func.coalesce(func.sum(table.c[name]), 0) for name in ("least", "billed", "most"))


def _read(seconds: Any) -> tuple[int, int, int]:
    least, billed, most = seconds
    return int(least), int(billed), int(most)


def _describe(spans: Spans | None, is_open: bool) -> str:
    return "open" if is_open else str(tuple(spans) if spans else "not billed")


_DERIVED: Final = (*(LIFETIME.c[name] for name in BILL), LIFETIME.c.is_open)
_BESIDE: Final = (*_DERIVED, LIFETIME.c.group_id, USAGE_GROUP.c.total, LIFETIME.c.id)
_PAGE: Final = select_lifetimes(*_BESIDE).where(LIFETIME.c.id > bindparam("last")).order_by(LIFETIME.c.id).limit(PAGE)
_UPDATE: Final = update(LIFETIME).where(LIFETIME.c.id == bindparam("row"))
