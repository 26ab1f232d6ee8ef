"""By which prices a sum was made: the book, the architecture, and what the pods run on."""

from collections.abc import Collection

from monopod.api.names import FARGATE, FARGATE_SPOT
from monopod.usage.rules.price import PriceList

_NAMES = {FARGATE: "on demand", FARGATE_SPOT: "Spot"}


def describe_basis(prices: PriceList, architecture: str, providers: Collection[str]) -> str:
    """Such as `us-east-1, x86, on demand and Spot`.

    Args:
        prices: whose prices they are.
        architecture: of the pods.
        providers: the capacity providers that the pods run on; none: nothing was added up.
    """
    named = " and ".join(name for provider, name in _NAMES.items() if provider in providers) or _NAMES[FARGATE]
    missing = FARGATE_SPOT in providers and prices.choose_rate(FARGATE_SPOT, architecture)[0] != FARGATE_SPOT
    told = f"; {prices.book} has no price for Spot, so that on demand is taken" if missing else ""
    return f"{prices.book}, {architecture}, {named}{told}"
