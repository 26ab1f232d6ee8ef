"""A price book: price lists by the date from which each holds, so that what was used keeps the price that it had.

```yaml
name: us-east-1
region: us-east-1
currency: USD
versions:
- effective: "2026-01-01"
  source: the AWS price list, usage types USE1-Fargate-*
  checked: "2026-03-01"
  rates:
    FARGATE:
      x86: {vcpuHour: "0.04048", gbHour: "0.004445"}
  storageGbHour: "0.000111"
```
"""

import datetime
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Final

from monopod.api.names import FARGATE, FARGATE_SPOT
from monopod.kube.objects.fields import InvalidManifest, Part
from monopod.usage.rules.lifetime import ARM, X86
from monopod.usage.rules.price import PriceList, Rate

MAX_DECIMALS: Final = 8
"""Of a price: a quantity has twelve, and their exact product then fits the twenty that Parquet's decimals have here."""

_MAX_PRICE: Final = 10**6
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_DAY: Final = 24 * 3600


class InvalidPrices(InvalidManifest):
    """A price book that can't be read; the message begins with the field's path."""


@dataclass(frozen=True, slots=True)
class Span:
    """A period in which one price list holds; in seconds since the epoch, `until` is the first one after it."""

    since: int
    until: int
    prices: PriceList


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Price lists, the earliest first; that one also holds for what was used before it."""

    name: str
    region: str
    currency: str
    versions: tuple[PriceList, ...]

    @classmethod
    def from_resource(cls, resource: Mapping[str, object]) -> "PriceBook":
        """Reads a price book as its file has it.

        Raises:
            InvalidPrices: a field is missing, unknown or of the wrong type.
        """
        root = Part(resource, error=InvalidPrices)
        root.refuse_unknown("name", "region", "currency", "versions")
        name = _read_text(root, "name", _NAME, "must be a name of small letters, digits and hyphens")
        currency = _read_text(root, "currency", _CURRENCY, "must be a currency such as USD")
        region = root.text("region")
        parts = root.children("versions")
        if not parts:
            raise root.fail("versions", "must hold at least one")
        versions = [_read_version(part, name, region, currency) for part in parts]
        for index, (earlier, later) in enumerate(pairwise(versions), 1):
            if later.effective <= earlier.effective:
                raise parts[index].fail("effective", f"must be later than {earlier.effective}, of the one before")
        return cls(name, region, currency, tuple(versions))

    def get_prices(self, moment: int) -> PriceList:
        """The price list that holds at a moment, in seconds since the epoch."""
        return next((each for each in reversed(self.versions) if _compute_start(each) <= moment), self.versions[0])

    def split(self, since: int, until: int) -> Iterator[Span]:
        """A period in seconds, cut where another price list begins to hold."""
        changes = [start for start in map(_compute_start, self.versions[1:]) if since < start < until]
        cuts = [since, *changes, until]
        for start, end in pairwise(cuts):
            if start < end:
                yield Span(start, end, self.get_prices(start))


def _compute_start(prices: PriceList) -> int:
    return (prices.effective - datetime.date(1970, 1, 1)).days * _DAY


def _read_version(part: Part, book: str, region: str, currency: str) -> PriceList:
    part.refuse_unknown("effective", "source", "checked", "rates", "storageGbHour")
    source = part.text("source")
    if not source:
        raise part.fail("source", "must say where the prices come from")
    storage = _read_price(part, "storageGbHour") if part.fields.get("storageGbHour") is not None else None
    effective, checked = _read_date(part, "effective"), _read_date(part, "checked")
    return PriceList(book, region, currency, effective, source, checked, _read_rates(part.child("rates")), storage)


def _read_rates(part: Part) -> dict[tuple[str, str], Rate]:
    part.refuse_unknown(FARGATE, FARGATE_SPOT)
    rates = {}
    for capacity in part.fields:
        by_architecture = part.child(capacity)
        by_architecture.refuse_unknown(X86, ARM)
        for architecture in by_architecture.fields:
            rate = by_architecture.child(architecture)
            rate.refuse_unknown("vcpuHour", "gbHour")
            rates[capacity, architecture] = Rate(_read_price(rate, "vcpuHour"), _read_price(rate, "gbHour"))
    if (FARGATE, X86) not in rates:
        raise part.fail(f"{FARGATE}.{X86}", "is missing; where a book has no other price, this one is taken")
    return rates


def _read_text(part: Part, key: str, pattern: re.Pattern[str], problem: str) -> str:
    text = part.text(key)
    if not pattern.fullmatch(text):
        raise part.fail(key, f"{problem}, not {text!r}")
    return text


def _read_date(part: Part, key: str) -> datetime.date:
    value = part.fields.get(key)
    if type(value) is datetime.date:  # YAML's own, without quotes; a datetime is a date, too, but has a time
        return value
    try:
        return datetime.date.fromisoformat(part.text(key))
    except ValueError:
        raise part.fail(key, f"must be a date such as 2026-01-31, not {str(value)!r}") from None


def _read_price(part: Part, key: str) -> Decimal:
    text = part.text(key)
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal(-1)
    if not (price.is_finite() and 0 <= price < _MAX_PRICE):
        raise part.fail(key, f"must be a price such as '0.04048', not {text!r}")
    if price != round(price, MAX_DECIMALS):
        raise part.fail(key, f"must have at most {MAX_DECIMALS} decimals, not {text!r}")
    return price
