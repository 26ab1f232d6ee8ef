"""Cuts a span into the periods that an export has rows for."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from monopod.usage.rules.bill import HOUR

_DAY: Final = 24 * HOUR


class Granularity(StrEnum):
    """How long the periods are, in UTC."""

    LIFETIME = "lifetime"
    DAY = "day"
    HOUR = "hour"


def split_periods(since: int, until: int, granularity: Granularity) -> Iterator[tuple[int, int]]:
    """Yields each period's start and end in seconds; the first and the last may be parts of one."""
    if granularity is Granularity.LIFETIME:
        if since < until:
            yield since, until
        return
    length = _DAY if granularity is Granularity.DAY else HOUR
    while since < until:
        end = min(until, since - since % length + length)
        yield since, end
        since = end
