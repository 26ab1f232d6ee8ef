"""Where a little less would be a cheaper size, and what share of a price wasn't asked for."""

from decimal import Decimal
from fractions import Fraction

import pytest

from monopod.api.names import FARGATE
from monopod.pods.rules.size import SIZE_TABLE, Need, Resources, Size, compute_pod_size
from monopod.usage.books import load_book
from monopod.usage.rules.cliff import HOURS_PER_MONTH, compute_cliff, compute_waste
from monopod.usage.rules.lifetime import ARM, X86
from monopod.usage.rules.price import PriceList, Rate

GIB = 1024


@pytest.fixture
def prices() -> PriceList:
    return load_book("us-east-1").get_prices(0)


def a_size(cpu: int, memory: int, storage: int = 0) -> Size:
    """What a pod that asks for these millicores and MiB gets."""
    total = Resources(cpu, memory, storage)
    need = Need(total, (), total, ())
    row = compute_pod_size(need)
    assert row
    return Size(need, row)


# CPU and memory that are asked for: what that costs a month, what the smaller size costs, and what is too much.
CLIFFS: dict[str, tuple[int, int, str, str, tuple[int, int]]] = {
    "a quarter with 2 GiB": (250, 2 * GIB, "24.51", "13.88", (0, 256)),
    "a half with 4 GiB": (500, 4 * GIB, "45.77", "27.75", (0, 256)),
    "one with 8 GiB": (1000, 8 * GIB, "88.30", "55.51", (0, 256)),
    "two with 16 GiB": (2000, 16 * GIB, "173.36", "111.02", (0, 256)),
    "four with 30 GiB": (4000, 30 * GIB, "340.24", "215.55", (0, 256)),
    "a quarter with half a GiB": (250, 512, "10.63", "9.01", (0, 256)),
    "12 MiB": (1000, 7948, "88.30", "55.51", (0, 12)),
    "1 MiB": (1000, 7937, "88.30", "55.51", (0, 1)),
    "a tenth of a CPU": (1100, GIB, "72.08", "36.04", (100, 0)),
    "a little of both": (1050, 7948, "88.30", "55.51", (50, 12)),
}


@pytest.mark.parametrize(("cpu", "memory", "price", "less", "over"), CLIFFS.values(), ids=CLIFFS)
def test_a_little_less_is_a_cheaper_size(
    prices: PriceList, cpu: int, memory: int, price: str, less: str, over: tuple[int, int]
) -> None:
    size = a_size(cpu, memory)
    cliff = compute_cliff(size, prices, X86)
    assert cliff
    cents = Decimal("0.01")
    monthly = prices.compute_hourly(X86, size.row) * HOURS_PER_MONTH
    assert monthly.quantize(cents) == Decimal(price)
    assert (monthly - cliff.monthly).quantize(cents) == Decimal(less)
    assert (cliff.over.cpu_millis, cliff.over.memory_mib) == over
    assert a_size(min(cpu, cliff.at_most.cpu_millis), min(memory, cliff.at_most.memory_mib)).row == cliff.size
    assert a_size(cpu, memory - over[1] + 1).row > cliff.size or not over[1]


NO_CLIFFS: dict[str, tuple[int, int]] = {
    "as much as the size holds": (1000, 8 * GIB - 256),
    "nothing": (0, 0),
    "more than what Fargate takes": (1000, 8 * GIB + 1),
    "more than a tenth of a CPU": (1112, GIB),
    "one GB of many": (2000, 14 * GIB),
    "the largest": (16000, 120 * GIB - 256),
}


@pytest.mark.parametrize(("cpu", "memory"), NO_CLIFFS.values(), ids=NO_CLIFFS)
def test_nothing_is_said_where_no_little_saves_much(prices: PriceList, cpu: int, memory: int) -> None:
    assert compute_cliff(a_size(cpu, memory), prices, X86) is None


def test_what_a_pod_costs_with_a_cliffs_amounts_is_less_by_what_it_says(prices: PriceList) -> None:
    """For amounts around every size, on both architectures."""
    for architecture in (X86, ARM):
        for row in (each for each in SIZE_TABLE if each.cpu_millis < 16000):
            for cpu, memory in ((0, 1), (1, 0), (row.cpu_millis // 20, 100), (-100, 256)):
                size = a_size(row.cpu_millis + cpu, row.memory_mib - 256 + memory)
                if cliff := compute_cliff(size, prices, architecture):
                    asked, most = size.need.total, cliff.at_most
                    smaller = a_size(min(asked.cpu_millis, most.cpu_millis), min(asked.memory_mib, most.memory_mib))
                    saved = prices.compute_hourly(architecture, size.row)
                    assert saved - prices.compute_hourly(architecture, smaller.row) == cliff.hourly > 0


def test_storage_counts_in_what_is_worthwhile(prices: PriceList) -> None:
    assert compute_cliff(a_size(1000, 6 * GIB), prices, X86)
    assert compute_cliff(a_size(1000, 6 * GIB, 175 * GIB), prices, X86) is None


def a_book(vcpu: str, memory: str, like: PriceList) -> PriceList:
    rates = {(FARGATE, X86): Rate(Decimal(vcpu), Decimal(memory))}
    return PriceList("own", "", "EUR", like.effective, "ours", like.checked, rates)


def test_what_costs_nothing_has_no_cliffs_and_wastes_nothing(prices: PriceList) -> None:
    free, size = a_book("0", "0", prices), a_size(1000, 8 * GIB)
    assert compute_cliff(size, free, X86) is None
    assert compute_waste(size, free, X86) == 0


def test_where_memory_alone_costs_a_larger_cpu_is_no_cliff(prices: PriceList) -> None:
    cliff = compute_cliff(a_size(1100, GIB), a_book("0", "1", prices), X86)
    assert cliff
    assert cliff.size.memory_mib == 2 * GIB, "of the smaller size's 2 GB, not 4"


WASTE: dict[str, tuple[tuple[int, int, int], str]] = {
    # 1 − (1 × 0.04048 + 7948/1024 × 0.004445) / (2 × 0.04048 + 9 × 0.004445)
    "beyond a cliff": ((1000, 7948, 0), "0.380144"),
    # 1 − (0.04048 + 7.75 × 0.004445) / (0.04048 + 8 × 0.004445): Fargate's 256 MiB
    "as much as the size holds": ((1000, 7936, 0), "0.014614"),
    # 1 − (0.6 × 0.04048 + 0.004445) / (0.04048 + 2 × 0.004445)
    "six tenths of a CPU": ((600, GIB, 0), "0.418006"),
    # 100 GiB are asked for, 115 given: 1 − (0.07492875 + 80 × 0.000111) / (0.07604 + 95 × 0.000111)
    "storage": ((1000, 7936, 100 * GIB), "0.032064"),
    "the smallest size, which nothing makes cheaper": ((0, 0, 0), "0"),
}


@pytest.mark.parametrize(("asked", "share"), WASTE.values(), ids=WASTE)
def test_waste_is_what_is_paid_and_not_asked_for(prices: PriceList, asked: tuple[int, int, int], share: str) -> None:
    assert abs(compute_waste(a_size(*asked), prices, X86) - Fraction(share)) < Fraction(1, 10**6)
