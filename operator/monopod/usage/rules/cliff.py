"""Whether a little less would be a smaller size, and what that would save; and how much of a price wasn't asked for.

Fargate's sizes are steps, and 256 MiB of each are its own. So whoever asks for exactly the memory of a size gets the
next one, which may have twice the CPU: 1 vCPU with 8 GiB costs 59 % more than with 256 MiB less.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from monopod.api.names import FARGATE
from monopod.pods.rules.size import COMPONENTS_MEMORY_MIB, SIZE_TABLE, PodSize, Resources, Size, fit_size
from monopod.pods.rules.storage import provision_gib
from monopod.usage.rules.price import MIB_PER_GIB, PriceList

HOURS_PER_MONTH: Final = 730
"""As AWS counts in its examples: 365 days of 24 hours, in twelve parts."""

LITTLE_CPU_PERCENT: Final = 10
LITTLE_MEMORY_MIB: Final = COMPONENTS_MEMORY_MIB
"""How much less is a little: of memory what Fargate takes of each size, and people forget."""

WORTHWHILE_PERCENT: Final = 5
"""The least share of the price that is worth mentioning. Between large sizes one GB of memory is less."""


@dataclass(frozen=True, slots=True)
class Cliff:
    """A smaller size that a pod misses by a little.

    Attributes:
        size: the smaller one.
        over: by how much the pod asks for more than that holds.
        at_most: what it may ask for to get it.
        hourly: what one pod costs less per hour.
    """

    size: PodSize
    over: Resources
    at_most: Resources
    hourly: Decimal

    @property
    def monthly(self) -> Decimal:
        """The same for a month."""
        return self.hourly * HOURS_PER_MONTH


def compute_cliff(size: Size, prices: PriceList, architecture: str, capacity: str = FARGATE) -> Cliff | None:
    """The cheapest size that a little less would be; None if that saves nothing worthwhile."""

    def save(smaller: PodSize) -> Decimal:
        larger = prices.compute_hourly(architecture, size.row, capacity=capacity)
        return larger - prices.compute_hourly(architecture, smaller, capacity=capacity)

    smaller = max(_list_reachable(size), key=save)
    saving, price = save(smaller), _compute_provisioned(size, prices, architecture, capacity)
    if saving <= 0 or saving * 100 < price * WORTHWHILE_PERCENT:
        return None
    at_most = Resources(smaller.cpu_millis, smaller.memory_mib - COMPONENTS_MEMORY_MIB)
    return Cliff(smaller, _subtract(size.need.total, at_most), at_most, saving)


def _list_reachable(size: Size) -> Iterator[PodSize]:
    """The sizes that the pod would get if it asked for a little less, and the one that it gets."""
    asked = size.need.total
    for row in SIZE_TABLE:
        most = Resources(row.cpu_millis, row.memory_mib - COMPONENTS_MEMORY_MIB)
        over = _subtract(asked, most)
        if over.cpu_millis * 100 > asked.cpu_millis * LITTLE_CPU_PERCENT or over.memory_mib > LITTLE_MEMORY_MIB:
            continue
        yield fit_size(min(asked.cpu_millis, most.cpu_millis), min(asked.memory_mib, most.memory_mib)) or size.row


def _subtract(asked: Resources, most: Resources) -> Resources:
    return Resources(max(0, asked.cpu_millis - most.cpu_millis), max(0, asked.memory_mib - most.memory_mib))


def compute_waste(size: Size, prices: PriceList, architecture: str, capacity: str = FARGATE) -> Fraction:
    """The share of a pod's price that is for more than it asks for: rounding up to a size, and Fargate's 256 MiB.

    0 for the smallest size: nothing that the pod could ask for costs less.
    """
    provisioned = _compute_provisioned(size, prices, architecture, capacity)
    if size.row == SIZE_TABLE[0] or not provisioned:
        return Fraction()
    asked = size.need.total
    storage = Decimal(asked.storage_mib) / MIB_PER_GIB
    requested = prices.compute_hourly(architecture, PodSize(asked.cpu_millis, asked.memory_mib), storage, capacity)
    return 1 - Fraction(requested) / Fraction(provisioned)


def _compute_provisioned(size: Size, prices: PriceList, architecture: str, capacity: str) -> Decimal:
    return prices.compute_hourly(architecture, size.row, provision_gib(size.need), capacity)
