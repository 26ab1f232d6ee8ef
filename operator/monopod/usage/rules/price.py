"""What usage costs by one price list: the prices of a book from some date on.

Source: the AWS Fargate pricing page: vCPU and memory per second by architecture and capacity, as provisioned, and
ephemeral storage above 20 GB. No float is used anywhere: prices are decimals, usage is whole numbers, and a cost is
their exact quotient until somebody rounds it.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from monopod.api.names import FARGATE
from monopod.pods.rules.size import DEFAULT_STORAGE_GIB, PodSize
from monopod.usage.rules.bill import HOUR, Usage
from monopod.usage.rules.lifetime import X86

MIB_PER_GIB: Final = 1024
MILLIS: Final = 1000


@dataclass(frozen=True, slots=True)
class Rate:
    """The price of one vCPU and of one GB of memory, for an hour each."""

    vcpu_hour: Decimal
    gb_hour: Decimal


@dataclass(frozen=True, slots=True)
class Cost:
    """What usage costs, exact."""

    vcpu: Fraction = Fraction()
    memory: Fraction = Fraction()
    storage: Fraction = Fraction()

    @property
    def total(self) -> Fraction:
        """All of it."""
        return self.vcpu + self.memory + self.storage

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.vcpu + other.vcpu, self.memory + other.memory, self.storage + other.storage)


@dataclass(frozen=True, slots=True)
class PriceList:
    """The prices of a book from `effective` on, 00:00 UTC.

    Attributes:
        book: the name of the price book.
        region: "" if it is none of AWS's.
        currency: such as `USD`.
        source: where the prices come from.
        checked: when they were last read there.
        rates: by capacity and architecture; `FARGATE` on `x86` is always among them.
        storage_gb_hour: for each GB of ephemeral storage above 20; None if it isn't known, and then it costs nothing.
    """

    book: str
    region: str
    currency: str
    effective: datetime.date
    source: str
    checked: datetime.date
    rates: Mapping[tuple[str, str], Rate]
    storage_gb_hour: Decimal | None = None

    def choose_rate(self, capacity: str, architecture: str) -> tuple[str, str]:
        """By which of `rates` a pod is charged.

        Where the book has no price for Spot or ARM it is charged as if it were neither: it was provided, so it isn't
        free, and no discount is made up.
        """
        wanted = ((capacity, architecture), (FARGATE, architecture))
        return next((key for key in wanted if key in self.rates), (FARGATE, X86))

    def compute_hourly(
        self,
        architecture: str,
        row: PodSize,
        storage_gib: int | Decimal = DEFAULT_STORAGE_GIB,
        capacity: str = FARGATE,
    ) -> Decimal:
        """The price of one pod for one hour, unrounded.

        Args:
            architecture: `x86` or `arm`.
            row: the pod's size, or other amounts of CPU and memory.
            storage_gib: its ephemeral storage.
            capacity: what it runs on: on demand, or Spot.
        """
        rate = self.rates[self.choose_rate(capacity, architecture)]
        storage = max(0, storage_gib - DEFAULT_STORAGE_GIB) * (self.storage_gb_hour or 0)
        cpu = Decimal(row.cpu_millis) / MILLIS * rate.vcpu_hour
        return cpu + Decimal(row.memory_mib) / MIB_PER_GIB * rate.gb_hour + storage

    def compute_cost(self, usage: Usage, capacity: str, architecture: str) -> Cost:
        """What usage of one capacity and architecture costs, unrounded."""
        rate = self.rates[self.choose_rate(capacity, architecture)]
        return Cost(
            Fraction(usage.milli_vcpu_seconds, MILLIS * HOUR) * Fraction(rate.vcpu_hour),
            Fraction(usage.mib_seconds, MIB_PER_GIB * HOUR) * Fraction(rate.gb_hour),
            Fraction(usage.storage_gib_seconds, HOUR) * Fraction(self.storage_gb_hour or 0),
        )


def round_amount(amount: Fraction, places: int = 12) -> Decimal:
    """An exact amount as a decimal with so many places, half to even."""
    return Decimal(f"{round(amount * 10**places)}E-{places}")  # from text, because arithmetic would round to a context
