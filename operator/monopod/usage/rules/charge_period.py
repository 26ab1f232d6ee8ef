"""Into which periods a bill is cut when it is exported: none crosses a month or another version of the prices."""

import datetime
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from monopod.usage.rules.bill import HOUR
from monopod.usage.rules.price_book import PriceBook, Span

_DAY: Final = 24 * HOUR


class Granularity(StrEnum):
    """How long a charge period is at most."""

    LIFETIME = "lifetime"
    DAY = "day"
    HOUR = "hour"


_LENGTHS: Final = {Granularity.DAY: _DAY, Granularity.HOUR: HOUR}


def split_charge_periods(since: int, until: int, granularity: Granularity, book: PriceBook) -> Iterator[Span]:
    """A span in seconds, cut at months, where prices change, and at days or hours if asked for; all by UTC."""
    start = since
    while start < until:
        end = min(until, compute_month(start)[1])
        if length := _LENGTHS.get(granularity):
            end = min(end, start - start % length + length)
        # Only the first price list matters: the next one begins another charge period.
        span = next(book.split(start, end))
        yield span
        start = span.until


def compute_month(moment: int) -> tuple[int, int]:
    """The month that a second lies in: its first second, and that of the next month."""
    first = datetime.datetime.fromtimestamp(moment, datetime.UTC).replace(day=1, hour=0, minute=0, second=0)
    following = (first + datetime.timedelta(days=31)).replace(day=1)
    return int(first.timestamp()), int(following.timestamp())
