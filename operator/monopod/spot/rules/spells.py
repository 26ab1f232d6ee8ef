"""Spells on demand: a workload that Spot lacks room for runs on demand for a while, twice as long the next time.

    waits too long ──► on demand, 10 minutes ──► on Spot again ──as long again without a further spell──► forgotten
                              ▲                       │
                              └── waits too long: 20, 40 … minutes, 6 hours at most

All that is remembered stands in an annotation of the namespace, which admission reads: what CEL can't know is the time,
so it is the operator that ends a spell. While it is down none ends, and the pods stay on demand.
"""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from monopod.cel.compiled_selectors import (
    ON_DEMAND_SEPARATOR,
    ON_DEMAND_UNTIL,
    OWNER_SEPARATOR,
    WAS_ON_DEMAND_UNTIL,
)

FIRST: Final = datetime.timedelta(minutes=10)
LONGEST: Final = datetime.timedelta(hours=6)
MAX_SPELLS: Final = 100
"""Of a namespace. A spell takes up to 130 bytes of the 256 KiB that all annotations have together, and admission of
each pod on Spot reads them all."""

_LAST_NUMBER: Final = 7
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_EARLIEST_YEAR, _LATEST_YEAR = 2000, 9000
"""With others, a spell's beginning or end may be beyond what times can tell."""

Key = tuple[str, str]
"""A profile, and the uid of the controller of its pods."""


@dataclass(frozen=True, slots=True)
class Spell:
    """That a workload runs on demand for a while, or did.

    Attributes:
        owner: the uid of the pods' controller.
        until: when it ends, or ended.
        number: how many there were in a row.
        is_over: whether new pods are on Spot again; it is remembered for the length of the next one.
    """

    profile: str
    owner: str
    until: datetime.datetime
    number: int = 1
    is_over: bool = False

    @property
    def key(self) -> Key:
        """What it is about."""
        return self.profile, self.owner

    @property
    def length(self) -> datetime.timedelta:
        """How long it lasts."""
        return min(FIRST * (1 << (self.number - 1)), LONGEST)

    @property
    def since(self) -> datetime.datetime:
        """When it began."""
        return self.until - self.length

    def __str__(self) -> str:
        mark = WAS_ON_DEMAND_UNTIL if self.is_over else ON_DEMAND_UNTIL
        return f"{self.profile}{OWNER_SEPARATOR}{self.owner}{mark}{self.until.strftime(_TIME)},{self.number}"


def begin_spell(key: Key, before: Spell | None, now: datetime.datetime) -> Spell:
    """The next spell of a workload, by the one that is remembered."""
    number = min(before.number + 1, _LAST_NUMBER) if before else 1
    spell = Spell(*key, now.replace(microsecond=0), number)
    return replace(spell, until=spell.until + spell.length)


def read_spells(text: str) -> dict[Key, Spell]:
    """The spells of a namespace's annotation. What isn't understood is left out, and so goes with the next change."""
    found = map(_read_spell, text.split())
    return {spell.key: spell for spell in found if spell}


def write_spells(spells: Iterable[Spell]) -> str:
    """The annotation; "" if there is nothing to say."""
    return ON_DEMAND_SEPARATOR.join(sorted(map(str, spells)))


def _read_spell(word: str) -> Spell | None:
    for mark in (ON_DEMAND_UNTIL, WAS_ON_DEMAND_UNTIL):
        whose, found, rest = word.partition(mark)
        profile, _, owner = whose.partition(OWNER_SEPARATOR)
        until, _, number = rest.partition(",")
        if found and profile and owner and number.isdecimal():
            try:
                ends = datetime.datetime.strptime(until, _TIME).replace(tzinfo=datetime.UTC)
                count = max(1, min(int(number), _LAST_NUMBER))
            except ValueError:
                return None
            is_known = _EARLIEST_YEAR <= ends.year <= _LATEST_YEAR
            return Spell(profile, owner, ends, count, mark == WAS_ON_DEMAND_UNTIL) if is_known else None
    return None


def age_spells(spells: Iterable[Spell], profiles: Iterable[str], now: datetime.datetime) -> dict[Key, Spell]:
    """What is left of them: those of profiles that fall back, each ended when its time is over, and forgotten later."""
    known, left = frozenset(profiles), dict[Key, Spell]()
    for spell in spells:
        if spell.profile in known and now < spell.until + spell.length:
            left[spell.key] = replace(spell, is_over=now >= spell.until)
    return left
