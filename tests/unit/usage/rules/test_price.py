"""What usage costs: exact, to the last decimal."""

import random
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from operator import add

import pytest

from monopod.api.names import FARGATE, FARGATE_SPOT
from monopod.pods.rules.size import PodSize
from monopod.usage.books import load_book
from monopod.usage.rules.bill import Usage, compute_bill
from monopod.usage.rules.lifetime import ARM, X86
from monopod.usage.rules.price import Cost, PriceList, round_amount
from tests.unit.usage.rules.golden_bills import Golden, read_golden

SMALLEST = PodSize(250, 512)
HOUR_OF_SMALLEST = Usage(3600, 250 * 3600, 512 * 3600)
AGES = 10**12


@pytest.fixture
def prices() -> PriceList:
    return load_book("us-east-1").get_prices(0)


@pytest.mark.parametrize("golden", [each for each in read_golden() if each.seconds], ids=lambda golden: golden.name)
def test_a_cost_is_what_was_computed_by_hand_to_the_last_decimal(prices: PriceList, golden: Golden) -> None:
    bill = compute_bill(golden.lifetime, golden.terms, golden.now)
    assert bill is not None
    cost = prices.compute_cost(bill.clip(0, AGES).billed, FARGATE, golden.lifetime.description.architecture).total
    assert cost * 3600 == Fraction(golden.usd_seconds)
    assert abs(cost - Fraction(golden.usd)) < Fraction(1, 10**24)  # it was cut off there


def test_61_seconds_of_the_smallest_size(prices: PriceList) -> None:
    """From the pricing page: 61 × (0.25 × 0.04048 + 0.5 × 0.004445) / 3600."""
    cost = prices.compute_cost(Usage(61, 61 * 250, 61 * 512), FARGATE, X86)
    assert cost.total == Fraction(7528925, 36_000_000_000)
    assert (round_amount(cost.vcpu), round_amount(cost.memory)) == (
        Decimal("0.000171477778"),
        Decimal("0.000037659028"),
    )
    assert round_amount(cost.total, 24) == Decimal("0.000209136805555555555556")


@pytest.mark.parametrize(
    ("architecture", "row", "storage", "price"),
    [
        (X86, SMALLEST, 20, "0.0123425"),
        (ARM, SMALLEST, 20, "0.009875"),
        (X86, PodSize(2000, 4096), 20, "0.09874"),
        (X86, PodSize(2000, 4096), 120, "0.10984"),
        (X86, PodSize(2000, 4096), 0, "0.09874"),
    ],
)
def test_price_per_hour(prices: PriceList, architecture: str, row: PodSize, storage: int, price: str) -> None:
    assert prices.compute_hourly(architecture, row, storage) == Decimal(price)


@pytest.mark.eks("5.arm")
def test_arm_has_the_price_of_ecs(prices: PriceList) -> None:
    cost = prices.compute_cost(HOUR_OF_SMALLEST, FARGATE, ARM)
    assert cost.total == Fraction(Decimal("0.25") * Decimal("0.03238") + Decimal("0.5") * Decimal("0.00356"))


def test_spot_has_its_own_price(prices: PriceList) -> None:
    cost = prices.compute_cost(HOUR_OF_SMALLEST, FARGATE_SPOT, X86)
    assert cost.total == Fraction(Decimal("0.25") * Decimal("0.01288871") + Decimal("0.5") * Decimal("0.00141527"))


@pytest.mark.parametrize(
    ("book", "capacity", "architecture", "charged"),
    [
        ("us-east-1", FARGATE_SPOT, ARM, (FARGATE, ARM)),
        ("eu-central-1", FARGATE, ARM, (FARGATE, X86)),
        ("eu-central-1", FARGATE_SPOT, X86, (FARGATE, X86)),
        ("sa-east-1", FARGATE_SPOT, ARM, (FARGATE_SPOT, ARM)),
        ("my-rack", FARGATE_SPOT, ARM, (FARGATE, X86)),
    ],
)
def test_without_a_price_for_spot_or_arm_a_pod_is_charged_as_neither(
    book: str, capacity: str, architecture: str, charged: tuple[str, str]
) -> None:
    assert load_book(book).get_prices(0).choose_rate(capacity, architecture) == charged


def test_storage_without_a_price_costs_nothing() -> None:
    prices = load_book("eu-central-1").get_prices(0)
    assert prices.compute_cost(Usage(storage_gib_seconds=10**9), FARGATE, X86) == Cost()
    assert prices.compute_hourly(X86, SMALLEST, 120) == prices.compute_hourly(X86, SMALLEST)


@pytest.mark.parametrize("seed", range(50))
def test_the_cost_of_a_sum_is_the_sum_of_costs(prices: PriceList, seed: int) -> None:
    dice = random.Random(seed)
    parts = [Usage(*(dice.randrange(10**12) for _ in range(4))) for _ in range(dice.randrange(1, 20))]
    assert reduce(add, (prices.compute_cost(part, FARGATE, X86) for part in parts)) == prices.compute_cost(
        reduce(add, parts), FARGATE, X86
    )


def test_amounts_are_rounded_half_to_even() -> None:
    assert [round_amount(Fraction(each, 20), 1) for each in (1, 3, 5)] == [
        Decimal("0.0"),
        Decimal("0.2"),
        Decimal("0.2"),
    ]
