"""Reads lifetimes and positions."""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, func, literal, select

from monopod.ledger.store.answers import Changes, Position, TooManyLifetimesError
from monopod.ledger.store.rows import decode_row, select_lifetimes
from monopod.ledger.store.tables import LEDGER, LIFETIME, POSITION, USAGE_GROUP, WATCHED
from monopod.usage.rules.lifetime import Lifetime, Watched, compute_last_watched

PAGE: Final = 1000
FEW: Final = 100
"""Rows that are fetched at once where they may be long."""


def fetch_position(connection: Connection, source: str) -> Position | None:
    """Returns how far `source` has read."""
    version = connection.execute(select(POSITION.c.version).where(POSITION.c.source == source)).scalar()
    return None if version is None else Position(source, version)


def fetch_watched(connection: Connection) -> list[Watched]:
    """Returns all windows, by recorder and start."""
    return [Watched(*row) for row in connection.execute(select(WATCHED).order_by(WATCHED.c.recorder, WATCHED.c.since))]


def fetch_lifetimes(connection: Connection, *conditions: Any) -> list[Lifetime]:
    """Returns lifetimes, the oldest first."""
    question = select_lifetimes().where(*conditions).order_by(LIFETIME.c.created, LIFETIME.c.uid)
    return [decode_row(row) for row in connection.execute(question)]


def list_alive(connection: Connection, namespaces: frozenset[str] | None = None) -> list[Lifetime]:
    """Returns open lifetimes, each alive until one of those that saw it last saw everything."""
    newest = compute_last_watched(fetch_watched(connection))
    question = restrict(select_lifetimes().where(LIFETIME.c.is_open), namespaces)
    return [decode_row(row, newest) for row in connection.execute(question).all()]


def find_lifetimes(
    connection: Connection,
    namespace: str,
    name: str | None,
    workload: str | None,
    uid: str,
    period: tuple[int, int],
    most: int,
) -> list[Lifetime]:
    """Returns a namespace's lifetimes of a pod name or workload in a period, the oldest first.

    Raises:
        TooManyLifetimesError: there are more than `most`, which memory needn't have room for.
    """
    conditions: list[Any] = [USAGE_GROUP.c.namespace == namespace, LIFETIME.c.created < period[1]]
    if name is not None:
        conditions.append(LIFETIME.c.name == name)
    if workload is not None:
        conditions.append(USAGE_GROUP.c.workload == workload)
    found: list[Lifetime] = []
    if uid:
        conditions.append(LIFETIME.c.uid == uid)
    question = select_lifetimes().where(*conditions)
    with connection.execute(question, execution_options={"yield_per": PAGE}) as rows:
        for row in rows:
            lifetime = decode_row(row)
            if lifetime.end is None or lifetime.end.latest >= period[0]:
                found.append(lifetime)
            if len(found) > most:
                raise TooManyLifetimesError
    return sorted(found, key=lambda each: (each.created, each.uid))


def fetch_changes(connection: Connection, after: int, limit: int, most_text: int) -> Changes:
    """Returns lifetimes by their last change, and all windows with the last of them.

    So many lifetimes at most, and fewer if their texts are long: one at least.

    Whoever asks for what follows a change that this store doesn't know is told the last one that it does: an older
    state of the database has been restored.
    """
    store, sequence = connection.execute(select(LEDGER.c.store, LEDGER.c.sequence)).one()
    question = select_lifetimes(LIFETIME.c.sequence).where(LIFETIME.c.sequence > after)
    page, last, text, is_end = list[Lifetime](), min(after, sequence), 0, True
    ordered = question.order_by(LIFETIME.c.sequence).limit(limit + 1)
    with connection.execute(ordered, execution_options={"yield_per": FEW}) as rows:
        for row in rows:
            if len(page) == limit or text > most_text:
                is_end = False
                break
            page.append(decode_row(row))
            last = row[-1]
            text += sum(len(each) for each in row if isinstance(each, str))
    return Changes(store, tuple(page), tuple(fetch_watched(connection)) if is_end else (), last, is_end)


def iterate_lifetimes(
    connection: Connection, since: int, until: int, namespaces: frozenset[str] | None
) -> Iterator[Lifetime]:
    """Returns open lifetimes, and those that are billed for some of the seconds."""
    for condition in (LIFETIME.c.is_open, *build_overlaps(connection, since, until)):
        question = restrict(select_lifetimes().where(condition), namespaces)
        with connection.execute(question, execution_options={"yield_per": PAGE}) as rows:
            yield from (decode_row(row) for row in rows)


def restrict(question: Select[Any], namespaces: frozenset[str] | None) -> Select[Any]:
    """Leaves only the lifetimes in these namespaces; None for all.

    Not in a form that an index serves: the databases would read all that ever lived in them, by their groups, where a
    few lifetimes that are open or of a period are wanted.
    """
    if namespaces is None:
        return question
    return question.where((USAGE_GROUP.c.namespace + literal("")).in_(sorted(namespaces)))


def build_overlaps(connection: Connection, since: int, until: int) -> list[Any]:
    """Conditions for the ended lifetimes that are billed for some of the seconds [since, until); none meets two.

    Half of all lifetimes begin before a moment in the middle, and half end after it. But one whose length has n bits
    began less than 2^n before what it overlaps: for each n, that is a short range of an index.
    """
    length = LIFETIME.c.length
    shortest, longest = (connection.execute(select(bound)).scalar() for bound in (func.min(length), func.max(length)))
    if shortest is None or longest is None:
        return []
    return [
        and_(
            length == bits,
            LIFETIME.c.billed_since < until,
            LIFETIME.c.billed_since > since - (1 << bits),
            LIFETIME.c.most_until > since,
        )
        for bits in range(shortest, longest + 1)
    ]
