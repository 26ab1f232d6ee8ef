"""The numbers of groups: each is made when its first pod is seen."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, func, insert, select, tuple_

from monopod.ledger.store.rows import GROUP_KEY, GroupKey
from monopod.ledger.store.tables import USAGE_GROUP

REMEMBERED: Final = 50_000
CHUNK: Final = 500
"""How many values one question names; SQLite takes 32,766."""


class Groups:
    """Numbers of workloads' groups and of their totals, remembered by the one process that writes."""

    def __init__(self) -> None:
        self._known: dict[GroupKey, tuple[int, int]] = {}

    def forget(self) -> None:
        """For when a transaction, in which groups may have been made, came to nothing."""
        self._known.clear()

    def resolve(self, connection: Connection, keys: Iterable[GroupKey]) -> dict[GroupKey, tuple[int, int]]:
        """Returns the numbers of each key's group and total; makes those that aren't there."""
        wanted = set(keys)
        unknown = wanted - self._known.keys()
        if unknown:
            if len(self._known) + len(unknown) > REMEMBERED:
                self._known.clear()
                unknown = wanted
            self._known |= _resolve(connection, sorted(unknown))
        return {key: self._known[key] for key in wanted}


def _resolve(connection: Connection, keys: Sequence[GroupKey]) -> dict[GroupKey, tuple[int, int]]:
    totals = _make(connection, {key.total: 0 for key in keys})
    groups = _make(connection, {key: totals[key.total] for key in keys})
    return {key: (groups[key], totals[key.total]) for key in keys}


def _make(connection: Connection, totals: dict[GroupKey, int]) -> dict[GroupKey, int]:
    """Returns the numbers of keys, each with the number of its total, or 0."""
    found: dict[GroupKey, int] = {}
    is_total = 0 in totals.values()
    of_kind = USAGE_GROUP.c.total == 0 if is_total else USAGE_GROUP.c.total != 0
    for chunk in split(totals, CHUNK):
        question = select(USAGE_GROUP.c.id, *GROUP_KEY).where(tuple_(*GROUP_KEY).in_(chunk), of_kind)
        found |= {GroupKey(*key): number for number, *key in connection.execute(question)}
    missing = [key for key in totals if key not in found]
    if missing:
        last = connection.execute(select(func.coalesce(func.max(USAGE_GROUP.c.id), 0))).scalar_one()
        numbers = {key: last + offset for offset, key in enumerate(missing, start=1)}
        empty = {"least": 0, "billed": 0, "most": 0}
        rows = [{"id": number, "total": totals[key], **key._asdict(), **empty} for key, number in numbers.items()]
        connection.execute(insert(USAGE_GROUP), rows)
        found |= numbers
    return found


def split(values: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Returns values in lists of at most that size."""
    rest = iter(values)
    while chunk := list(islice(rest, size)):
        yield chunk
