from decimal import Decimal
from typing import Any

import pytest

from monopod.pods.rules.size import PodSize
from monopod.usage.prices import UnknownRegion, list_regions, load_prices
from monopod.usage.rules.price import InvalidPrices, PriceList

SMALLEST = PodSize(250, 512)


@pytest.fixture
def prices() -> PriceList:
    return PriceList.from_resource(load_prices("us-east-1"))


def test_the_worked_example_comes_out(prices: PriceList) -> None:
    """61 seconds of the smallest size, from the pricing page's formula."""
    price = prices.compute_hourly("x86", SMALLEST) * 61 / 3600
    assert price == (Decimal("0.25") * Decimal("0.04048") + Decimal("0.5") * Decimal("0.004445")) * 61 / 3600


@pytest.mark.parametrize(
    ("architecture", "row", "storage", "price"),
    [
        ("x86", SMALLEST, 20, "0.0123425"),
        ("arm", SMALLEST, 20, "0.009875"),
        ("x86", PodSize(2000, 4096), 20, "0.09874"),
        ("x86", PodSize(2000, 4096), 120, "0.10984"),
        ("x86", PodSize(2000, 4096), 0, "0.09874"),
    ],
)
def test_price_per_hour(prices: PriceList, architecture: str, row: PodSize, storage: int, price: str) -> None:
    assert prices.compute_hourly(architecture, row, storage) == Decimal(price)


@pytest.mark.parametrize("region", list_regions())
def test_every_price_list_can_be_read(region: str) -> None:
    prices = PriceList.from_resource(load_prices(region))
    assert prices.region == region
    assert prices.currency
    assert {"x86", "arm"} <= prices.rates.keys()


@pytest.mark.parametrize("region", ["nowhere", "../prices/us-east-1", ""])
def test_an_unknown_region_names_the_known_ones(region: str) -> None:
    with pytest.raises(UnknownRegion, match=r"only for .*us-east-1"):
        load_prices(region)


@pytest.mark.parametrize("value", [None, "", "cheap", "-1", "NaN", 0.04])
def test_a_price_that_is_none_is_refused_by_name(value: Any) -> None:
    broken = {**load_prices("us-east-1"), "storage": {"gbHour": value}}
    with pytest.raises(InvalidPrices, match=r"^storage\.gbHour: must be "):
        PriceList.from_resource(broken)
