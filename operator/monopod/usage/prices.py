"""The price lists that come with Monopod: one file per region in price_lists.

Prices change and differ between regions, so they are data. What a price list means is known to
`monopod.usage.rules.price`; this module only finds and reads the file.
"""

import re
from collections.abc import Mapping
from importlib.resources import files

import yaml

_REGION = re.compile(r"[a-z0-9-]+")


class UnknownRegion(LookupError):
    """There is no price list of the region; the message names those that there are."""


def list_regions() -> list[str]:
    """The regions whose prices are known."""
    names = (entry.name for entry in (files("monopod") / "usage" / "price_lists").iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def load_prices(region: str) -> Mapping[str, object]:
    """The price list of a region, as it stands in the file.

    Raises:
        UnknownRegion: there is none.
    """
    path = files("monopod") / "usage" / "price_lists" / f"{region}.yaml"
    if not _REGION.fullmatch(region) or not path.is_file():
        raise UnknownRegion(f"There are no prices for region {region!r}, only for {', '.join(list_regions())}.")
    prices: Mapping[str, object] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return prices
