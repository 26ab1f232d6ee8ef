"""One transaction: what is learnt of lifetimes is joined with what is known, and the sums change by the difference."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from monopod.ledger.store.answers import Position
from monopod.ledger.store.groups import CHUNK, Groups, split
from monopod.ledger.store.reading import fetch_watched
from monopod.ledger.store.rollups import Contribution, Rollups, build_insert
from monopod.ledger.store.rows import (
    BILL,
    decode_row,
    decode_spans,
    encode_row,
    encode_spans,
    get_group_key,
    select_lifetimes,
)
from monopod.ledger.store.tables import LEDGER, LIFETIME, POSITION, USAGE_GROUP, WATCHED
from monopod.ledger.store.terms import compute_final_spans
from monopod.usage.rules.bill import Terms
from monopod.usage.rules.coverage import MERGED, merge_windows
from monopod.usage.rules.lifetime import Lifetime, Watched, join

MOST_WINDOWS: Final = 200
"""Beyond that all but the last of each recorder are merged: each answer and each peer reads all of them."""


def write_facts(
    connection: Connection,
    groups: Groups,
    terms: Terms,
    lifetimes: Sequence[Lifetime],
    position: Position | None,
    watched: Sequence[Watched],
) -> None:
    """Joins facts with those in the database.

    Args:
        connection: in a transaction for writing.
        groups: numbers that this process knows.
        terms: of the database's sums.
        lifetimes: in any order, also several of one pod.
        position: how far their source was read.
        watched: windows in which it saw everything.
    """
    if lifetimes:
        _write_lifetimes(connection, groups, terms, _join_by_uid(lifetimes))
    if watched:
        _write_watched(connection, watched)
    if position:
        stored = build_insert(connection, POSITION)
        changed = stored.on_conflict_do_update(index_elements=["source"], set_={"version": stored.excluded.version})
        connection.execute(changed, {"source": position.source, "version": position.version})


def _join_by_uid(lifetimes: Iterable[Lifetime]) -> dict[str, Lifetime]:
    joined: dict[str, Lifetime] = {}
    for lifetime in lifetimes:
        known = joined.get(lifetime.uid)
        joined[lifetime.uid] = lifetime if known is None else join(known, lifetime)
    return joined


def _write_lifetimes(connection: Connection, groups: Groups, terms: Terms, learnt: dict[str, Lifetime]) -> None:
    stored = {uid: row for chunk in split(learnt, CHUNK) for uid, row in _fetch_stored(connection, chunk)}
    changed = [
        (joined, before)
        for uid, lifetime in learnt.items()
        for before in (stored.get(uid),)
        for joined in (join(before.lifetime, lifetime) if before else lifetime,)
        if before is None or joined != before.lifetime
    ]
    if not changed:
        return
    numbers = groups.resolve(connection, (get_group_key(lifetime) for lifetime, _ in changed))
    first = connection.execute(select(LEDGER.c.sequence)).scalar_one() + 1
    next_id = connection.execute(select(func.coalesce(func.max(LIFETIME.c.id), 0))).scalar_one() + 1
    rollups = Rollups()
    rows = []
    for sequence, (lifetime, before) in enumerate(changed, start=first):
        now = Contribution(numbers[get_group_key(lifetime)], compute_final_spans(lifetime, terms))
        rollups.change(before.contribution if before else None, now)
        row = {**encode_row(lifetime), "group_id": now.groups[0], "sequence": sequence, **encode_spans(now.spans)}
        rows.append((before.id if before else None, row))
    if updated := [{**row, "row": number} for number, row in rows if number is not None]:
        connection.execute(_UPDATE, updated)
    if new := [row for number, row in rows if number is None]:
        connection.execute(insert(LIFETIME), [{"id": number, **row} for number, row in enumerate(new, start=next_id)])
    rollups.write(connection)
    connection.execute(update(LEDGER).values(sequence=first + len(rows) - 1))


@dataclass(frozen=True, slots=True)
class _Stored:
    """A lifetime as it is in the database, with what it contributes to which sums."""

    id: int
    lifetime: Lifetime
    contribution: Contribution


def _fetch_stored(connection: Connection, uids: Sequence[str]) -> Iterator[tuple[str, _Stored]]:
    for row in connection.execute(_STORED, {"uids": uids}):
        number, group, total, *bill = row[-len(_BESIDE) :]
        yield row[0], _Stored(number, decode_row(row), Contribution((group, total), decode_spans(bill)))


def _write_watched(connection: Connection, watched: Iterable[Watched]) -> None:
    stored = build_insert(connection, WATCHED)
    later = stored.on_conflict_do_update(
        index_elements=["recorder", "since"],
        set_={"until": stored.excluded.until},
        where=WATCHED.c.until < stored.excluded.until,
    )
    connection.execute(later, [_encode_window(one) for one in watched])
    recorded = select(func.count()).select_from(WATCHED).where(WATCHED.c.recorder != MERGED)
    if connection.execute(recorded).scalar_one() <= MOST_WINDOWS:
        return
    known = set(fetch_watched(connection))
    wanted = {*merge_windows(known)}
    if new := wanted - known:
        connection.execute(later, [_encode_window(one) for one in new])
    for one in known - wanted:
        # Not one that another replica has extended meanwhile.
        same = (WATCHED.c.recorder == one.recorder) & (WATCHED.c.since == one.since) & (WATCHED.c.until == one.until)
        connection.execute(delete(WATCHED).where(same))


def _encode_window(window: Watched) -> dict[str, Any]:
    return {"recorder": window.recorder, "since": window.since, "until": window.until}


_BESIDE: Final = (LIFETIME.c.id, LIFETIME.c.group_id, USAGE_GROUP.c.total, *(LIFETIME.c[name] for name in BILL))
_STORED: Final = select_lifetimes(*_BESIDE).where(LIFETIME.c.uid.in_(bindparam("uids", expanding=True)))
_UPDATE: Final = update(LIFETIME).where(LIFETIME.c.id == bindparam("row"))
"""Sets what the rows that it is given hold."""
