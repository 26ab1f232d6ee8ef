"""The prices of the region that a user names."""

from monopod.cli.failure import UnreadableInput
from monopod.usage.prices import UnknownRegion, load_prices
from monopod.usage.rules.price import PriceList


def read_prices(region: str, architecture: str) -> PriceList:
    """The prices of a region.

    Raises:
        UnreadableInput: the region or the architecture has none.
    """
    try:
        prices = PriceList.from_resource(load_prices(region))
    except UnknownRegion as problem:
        raise UnreadableInput(str(problem)) from None
    if architecture not in prices.rates:
        raise UnreadableInput(f"There is no price for {architecture} in {region}.")
    return prices
