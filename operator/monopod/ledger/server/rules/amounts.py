"""Usage, money, times and sizes in answers: integers as they are, amounts as decimal texts, times in RFC 3339."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from monopod.pods.rules.size import DEFAULT_STORAGE_GIB
from monopod.usage.rules.bill import HOUR, Range, Usage
from monopod.usage.rules.coverage import Coverage
from monopod.usage.rules.lifetime import Description
from monopod.usage.rules.price import PriceList, round_amount
from monopod.usage.rules.price_book import PriceBook

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Money:
    """What usage costs whose end may be known within bounds only; exact."""

    least: Fraction = Fraction()
    billed: Fraction = Fraction()
    most: Fraction = Fraction()

    def __add__(self, other: "Money") -> "Money":
        return Money(self.least + other.least, self.billed + other.billed, self.most + other.most)

    def encode(self) -> Json:
        """The amounts, rounded once, here."""
        return {name: to_text(getattr(self, name)) for name in ("least", "billed", "most")}

    def encode_flat(self) -> Json:
        """The same as columns of a row."""
        return {"cost": to_text(self.billed), "costLeast": to_text(self.least), "costMost": to_text(self.most)}


@dataclass(frozen=True, slots=True)
class Sum:
    """Usage and what it costs."""

    usage: Range = field(default_factory=Range)
    money: Money = field(default_factory=Money)

    def __add__(self, other: "Sum") -> "Sum":
        return Sum(self.usage + other.usage, self.money + other.money)

    def encode(self) -> Json:
        """As answers have it."""
        return {**encode_usage(self.usage.billed), "cost": self.money.encode()}


def compute_money(prices: PriceList, usage: Range, capacity: str, architecture: str) -> Money:
    """What usage costs by one price list."""
    parts = (usage.least, usage.billed, usage.most)
    return Money(*(prices.compute_cost(part, capacity, architecture).total for part in parts))


def compute_hourly(prices: PriceList, description: Description) -> Fraction:
    """What a pod costs in an hour."""
    usage = Usage(
        HOUR,
        description.cpu_millis * HOUR,
        description.memory_mib * HOUR,
        max(0, description.storage_gib - DEFAULT_STORAGE_GIB) * HOUR,
    )
    return prices.compute_cost(usage, description.capacity, description.architecture).total


def encode_usage(usage: Usage) -> Json:
    """The integers."""
    return {
        "seconds": usage.seconds,
        "milliVcpuSeconds": usage.milli_vcpu_seconds,
        "mibSeconds": usage.mib_seconds,
        "storageGibSeconds": usage.storage_gib_seconds,
    }


def encode_coverage(coverage: Coverage) -> Json:
    """How much of the span was watched, and what wasn't."""
    gaps = [{"since": to_time(gap.since), "until": to_time(gap.until)} for gap in coverage.gaps]
    return {"percent": str(coverage.percent), "unseenSeconds": to_text(Fraction(coverage.unseen, 1000)), "gaps": gaps}


def encode_book(book: PriceBook, since: int, until: int) -> Json:
    """Which prices an answer about a span goes by, and where they are from; in milliseconds."""
    spans = list(book.split(since // 1000, until // 1000)) or list(book.split(since // 1000, since // 1000 + 1))
    versions = [
        {
            "effective": str(span.prices.effective),
            "source": span.prices.source,
            "checked": str(span.prices.checked),
        }
        for span in spans
    ]
    return {"name": book.name, "region": book.region, "currency": book.currency, "versions": versions}


def to_text(amount: Fraction) -> str:
    """A decimal without zeros at its end and without an exponent."""
    return format(round_amount(amount).normalize(), "f") if amount else "0"


def to_time(moment: int) -> str:
    """Milliseconds since the epoch as a time; the part of a second only if there is one."""
    found = datetime.fromtimestamp(moment // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    part = f".{moment % 1000:03}" if moment % 1000 else ""
    return f"{found}{part}Z"
