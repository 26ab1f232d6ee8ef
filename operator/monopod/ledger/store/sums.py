"""What was used in a period: whole hours by the sums that are kept, the rest by the lifetimes themselves."""

from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Final

from sqlalchemy import ColumnElement, Connection, case, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB

from monopod.ledger.store.answers import Dimension, Group, Grouping, TooManyGroupsError
from monopod.ledger.store.reading import PAGE, build_overlaps, list_alive, restrict
from monopod.ledger.store.rollups import HOUR
from monopod.ledger.store.rows import BILL, GROUP_KEY, GroupKey, Spans, get_group_key
from monopod.ledger.store.tables import LIFETIME, USAGE_GROUP, USAGE_HOUR
from monopod.ledger.store.terms import compute_spans
from monopod.pods.rules.size import DEFAULT_STORAGE_GIB
from monopod.usage.rules.bill import Terms, Usage
from monopod.usage.rules.lifetime import Lifetime

Counted = tuple[GroupKey, tuple[str, ...], Sequence[int]]
"""A group, what its pods are further told apart by, and their seconds: least, billed, most."""


def sum_usage(
    connection: Connection,
    terms: Terms,
    period: tuple[int, int],
    by: Grouping,
    namespaces: frozenset[str] | None,
    now: int,
    most: int | None,
) -> list[Group]:
    """Sums what was used in the seconds [period); `now` is in milliseconds."""
    parts = [_count_open(connection, terms, period, by, namespaces, now)]
    since, until = period
    first, last = -(-since // HOUR), until // HOUR
    if by.dimension in _ROLLED_UP and first < last:
        parts.append(_count_hours(connection, (first, last), by, namespaces))
        edges = [(since, first * HOUR), (last * HOUR, until)]
    else:
        edges = [period]
    for edge in edges:
        if edge[0] < edge[1]:
            parts.append(_count_ended(connection, edge, by, namespaces))
    with ExitStack() as stack:
        for part in parts:
            stack.callback(part.close)  # with its cursor, also where there is too much
        counted = ((_get_key(by, group, further), group, seconds) for part in parts for group, further, seconds in part)
        return _fold(counted, most)


def sum_totals(connection: Connection, terms: Terms, now: int) -> list[Group]:
    """Sums everything ever used, by namespace and profile."""
    question = select(*GROUP_KEY, *(USAGE_GROUP.c[name] for name in _SECONDS)).where(USAGE_GROUP.c.total == 0)
    ended = ((GroupKey(*row[:_WIDTH]), row[_WIDTH:]) for row in connection.execute(question))
    opened = (
        (get_group_key(lifetime), tuple(until - spans.since for until in spans[1:]))
        for lifetime, spans in _bill_open(connection, terms, None, now)
    )
    return _fold(
        ((group.namespace, group.profile), group, seconds) for part in (ended, opened) for group, seconds in part
    )


def find_first_hours(connection: Connection, terms: Terms, now: int) -> dict[tuple[str, ...], int]:
    """In which hour each pair of namespace and profile first used something."""
    hour = select(func.min(USAGE_HOUR.c.hour)).where(USAGE_HOUR.c.group_id == USAGE_GROUP.c.id).scalar_subquery()
    question = select(USAGE_GROUP.c.namespace, USAGE_GROUP.c.profile, hour).where(USAGE_GROUP.c.total == 0)
    found = [((namespace, profile), first) for namespace, profile, first in connection.execute(question)]
    for lifetime, spans in _bill_open(connection, terms, None, now):
        group = get_group_key(lifetime)
        found.append(((group.namespace, group.profile), spans.since // HOUR))
    hours: dict[tuple[str, ...], int] = {}
    for pair, first in found:
        if first is not None:
            hours[pair] = min(first, hours.get(pair, first))
    return hours


_SECONDS: Final = ("least", "billed", "most")
_WIDTH: Final = len(GroupKey._fields)
_LONG: Final = 2 * 86_400
_ROLLED_UP: Final = (Dimension.NAMESPACE, Dimension.PROFILE, Dimension.SERIES, Dimension.WORKLOAD)


def _get_key(by: Grouping, group: GroupKey, further: tuple[str, ...]) -> tuple[str, ...]:
    match by.dimension:
        case Dimension.NAMESPACE:
            return (group.namespace,)
        case Dimension.PROFILE:
            return (group.profile,)
        case Dimension.SERIES:
            return (group.namespace, group.profile)
        case Dimension.WORKLOAD:
            return (group.namespace, group.workload)
        case Dimension.POD:
            return (group.namespace, *further)
        case Dimension.LABEL:
            return further


def _fold(parts: Iterable[tuple[tuple[str, ...], GroupKey, Sequence[int]]], allowed: int | None = None) -> list[Group]:
    """Multiplies seconds with sizes, and sums by key and by what prices differ by."""
    sums: defaultdict[tuple[tuple[str, ...], str, str], list[list[int]]] = defaultdict(
        lambda: [[0] * 4 for _ in _SECONDS]
    )
    for key, group, seconds in parts:
        if not any(seconds):
            continue
        amounts = sums[key, group.capacity, group.architecture]
        if allowed is not None and len(sums) > allowed:
            raise TooManyGroupsError(f"more than {allowed:,} groups")
        sizes = (1, group.cpu_millis, group.memory_mib, max(0, group.storage_gib - DEFAULT_STORAGE_GIB))
        for amount, some in zip(amounts, seconds, strict=True):
            for position, size in enumerate(sizes):
                amount[position] += int(some) * size  # PostgreSQL sums integers to decimals
    return [Group(*names, *(Usage(*amount) for amount in amounts)) for names, amounts in sorted(sums.items())]


def _count_hours(
    connection: Connection, hours: tuple[int, int], by: Grouping, namespaces: frozenset[str] | None
) -> Generator[Counted, None, None]:
    of_kind = USAGE_GROUP.c.total != 0 if by.dimension is Dimension.WORKLOAD else USAGE_GROUP.c.total == 0
    in_group = (USAGE_HOUR.c.group_id == USAGE_GROUP.c.id) & USAGE_HOUR.c.hour.between(hours[0], hours[1] - 1)
    question = (
        select(*GROUP_KEY, *(func.sum(USAGE_HOUR.c[name]) for name in _SECONDS))
        .select_from(USAGE_GROUP.join(USAGE_HOUR, in_group))
        .where(of_kind)
        .group_by(USAGE_GROUP.c.id)
    )
    if namespaces is not None:
        question = question.where(USAGE_GROUP.c.namespace.in_(sorted(namespaces)))
    for row in connection.execute(question):
        yield GroupKey(*row[:_WIDTH]), (), row[_WIDTH:]


def _count_ended(
    connection: Connection, edge: tuple[int, int], by: Grouping, namespaces: frozenset[str] | None
) -> Generator[Counted, None, None]:
    further = _build_further(connection, by)
    begin = case((LIFETIME.c.billed_since < edge[0], literal(edge[0])), else_=LIFETIME.c.billed_since)
    seconds = [_clip(LIFETIME.c[name], begin, edge) for name in BILL[1:]]
    joined = LIFETIME.join(USAGE_GROUP, USAGE_GROUP.c.id == LIFETIME.c.group_id)
    if by.dimension is Dimension.POD:
        # Each is a group: the database would sort them all for nothing.
        question = select(*GROUP_KEY, *further, *seconds).select_from(joined)
    else:
        # PostgreSQL takes the label's parameter in a second place for another one, so it is named.
        names = (USAGE_GROUP.c.id, *(column.name for column in further))
        sums = (func.sum(each) for each in seconds)
        question = select(*GROUP_KEY, *further, *sums).select_from(joined).group_by(*names)
    if namespaces is not None and edge[1] - edge[0] > _LONG:
        # Of all that lived so long, a few namespaces' lifetimes are the smaller part.
        in_edge = (LIFETIME.c.billed_since < edge[1]) & (LIFETIME.c.most_until > edge[0])
        questions = [question.where(USAGE_GROUP.c.namespace.in_(sorted(namespaces)), in_edge)]
    else:
        overlaps = build_overlaps(connection, *edge)
        questions = [restrict(question.where(condition), namespaces) for condition in overlaps]
    for one in questions:
        with connection.execute(one, execution_options={"yield_per": PAGE}) as rows:
            for row in rows:
                yield GroupKey(*row[:_WIDTH]), tuple(row[_WIDTH:-3]), row[-3:]


def _clip(until: ColumnElement[int], begin: ColumnElement[int], edge: tuple[int, int]) -> ColumnElement[int]:
    end = case((until > edge[1], literal(edge[1])), else_=until)
    return case((end > begin, end - begin), else_=0)


def _build_further(connection: Connection, by: Grouping) -> tuple[ColumnElement[str], ...]:
    match by.dimension:
        case Dimension.POD:
            return (LIFETIME.c.name, LIFETIME.c.uid)
        case Dimension.LABEL if connection.dialect.name == "postgresql":
            value = LIFETIME.c.labels.cast(JSONB)[by.label].astext
        case Dimension.LABEL:
            value = func.json_extract(LIFETIME.c.labels, f'$."{by.label}"')
        case _:
            return ()
    return (func.coalesce(value, "").label("further"),)


def _count_open(
    connection: Connection,
    terms: Terms,
    period: tuple[int, int],
    by: Grouping,
    namespaces: frozenset[str] | None,
    now: int,
) -> Generator[Counted, None, None]:
    for lifetime, (since, *ends) in _bill_open(connection, terms, namespaces, now):
        begin = max(since, period[0])
        seconds = [max(0, min(until, period[1]) - begin) for until in ends]
        description = lifetime.description
        match by.dimension:
            case Dimension.POD:
                further: tuple[str, ...] = (description.name, lifetime.uid)
            case Dimension.LABEL:
                further = (dict(description.labels).get(by.label, ""),)
            case _:
                further = ()
        yield get_group_key(lifetime), further, seconds


def _bill_open(
    connection: Connection, terms: Terms, namespaces: frozenset[str] | None, now: int
) -> Iterator[tuple[Lifetime, Spans]]:
    for lifetime in list_alive(connection, namespaces):
        if spans := compute_spans(lifetime, terms, now):
            yield lifetime, spans
