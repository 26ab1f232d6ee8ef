"""Adds a version to a price book from AWS's public offer file, on the machine of somebody who can fetch it.

    curl -O https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonECS/current/us-east-1/index.csv
    hack/prices us-east-1 index.csv

Nothing is written if the prices are those of the book's last version. Older versions stay: what was used keeps the
price that it had. Spot prices aren't in the offer file, so those of the last version are carried over.
"""

import csv
import datetime
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Final

from lab.build.pins import HACK
from monopod.api.names import FARGATE, FARGATE_SPOT
from monopod.usage.books import parse_book
from monopod.usage.rules.lifetime import ARM, X86
from monopod.usage.rules.price import PriceList, Rate
from monopod.usage.rules.price_book import PriceBook

BOOKS: Final = HACK.parent / "operator/monopod/usage/price_books"

_USAGE_TYPE: Final = re.compile(
    r"(?:[A-Z]+[0-9]*-)?(?P<spot>SpotUsage-)?Fargate-"
    r"(?:(?P<arm>ARM-)?(?P<unit>vCPU-Hours:perCPU|GB-Hours)|(?P<storage>EphemeralStorage-GB-Hours))"
)


class InvalidOffer(ValueError):
    """The file isn't an offer file, or says too little or two things at once."""


@dataclass
class Offer:
    """What an offer file says of Fargate on Linux."""

    effective: datetime.date = datetime.date.min
    prices: dict[tuple[str, str, str], Decimal] = field(default_factory=dict)
    storage: Decimal | None = None


def read_offer(lines: Iterable[str]) -> Offer:
    """Reads an offer file: some lines about the file, then a table with a head.

    Raises:
        InvalidOffer: it has no such table, or two prices for one thing.
    """
    rows = csv.reader(lines)
    head = next((row for row in rows if row and row[0].casefold() == "sku"), None)
    if head is None:
        raise InvalidOffer("There is no line that begins with SKU: this isn't an offer file in CSV.")
    columns = {name.casefold(): index for index, name in enumerate(head)}
    missing = {"termtype", "effectivedate", "priceperunit", "currency", "usagetype"} - columns.keys()
    if missing:
        raise InvalidOffer(f"The table has no column {', '.join(sorted(missing))}.")
    offer = Offer()
    for row in rows:
        values = {name: row[index] for name, index in columns.items() if index < len(row)}
        if values.get("termtype", "").casefold() == "ondemand":
            _add(offer, values)
    return offer


def _add(offer: Offer, row: Mapping[str, str]) -> None:
    found = _USAGE_TYPE.fullmatch(row["usagetype"])
    price = Decimal(row["priceperunit"])
    if not found or not price or row["currency"] != "USD":
        return
    price = price.normalize()
    if found["storage"]:
        known, offer.storage = offer.storage, price
    else:
        unit = "vcpu" if found["unit"].startswith("vCPU") else "gb"
        key = (FARGATE_SPOT if found["spot"] else FARGATE, ARM if found["arm"] else X86, unit)
        known, offer.prices[key] = offer.prices.get(key), price
    if known not in (None, price):
        raise InvalidOffer(f"{row['usagetype']} has two prices, {known} and {price}.")
    offer.effective = max(offer.effective, datetime.date.fromisoformat(row["effectivedate"][:10]))


def update(book: PriceBook, offer: Offer, today: datetime.date) -> PriceBook:
    """The book with the offer as its last version, or as it is if nothing in it differs.

    Raises:
        InvalidOffer: it lacks x86 on demand, or is older than the book.
    """
    last = book.versions[-1]
    rates = dict(last.rates) | {
        (capacity, architecture): Rate(price, offer.prices[capacity, architecture, "gb"])
        for (capacity, architecture, unit), price in offer.prices.items()
        if unit == "vcpu" and (capacity, architecture, "gb") in offer.prices
    }
    if not {(FARGATE, X86, "vcpu"), (FARGATE, X86, "gb")} <= offer.prices.keys():
        raise InvalidOffer("It has no prices for vCPU and memory on x86, on demand.")
    storage = last.storage_gb_hour if offer.storage is None else offer.storage
    if (rates, storage) == (last.rates, last.storage_gb_hour):
        return book
    if offer.effective <= last.effective:
        raise InvalidOffer(f"It holds from {offer.effective}, the book's last version from {last.effective}.")
    source = f"AWS's offer file AmazonECS/current/{book.region}/index.csv"
    version = replace(
        last, effective=offer.effective, source=source, checked=today, rates=rates, storage_gb_hour=storage
    )
    return replace(book, versions=(*book.versions, version))


def render(book: PriceBook) -> str:
    """The file of a region's book."""
    lines = [
        f"# AWS's prices in {book.region}, without Savings Plans. `hack/prices` adds a version from AWS's own file.",
        "# They are text, so that they stay exact.",
        f"name: {book.name}",
        f"region: {book.region}",
        f"currency: {book.currency}",
        "versions:",
    ]
    for version in book.versions:
        lines += _render_version(version)
    return "\n".join(lines) + "\n"


def _render_version(version: PriceList) -> list[str]:
    lines = [
        f'- effective: "{version.effective}"',
        f'  source: "{version.source}"',
        f'  checked: "{version.checked}"',
        "  rates:",
    ]
    for capacity in (FARGATE, FARGATE_SPOT):
        found = {architecture: rate for (one, architecture), rate in version.rates.items() if one == capacity}
        lines += [f"    {capacity}:"] if found else []
        lines += [
            f'      {architecture}: {{vcpuHour: "{rate.vcpu_hour:f}", gbHour: "{rate.gb_hour:f}"}}'
            for architecture, rate in found.items()
        ]
    if version.storage_gb_hour is not None:
        lines.append(f'  storageGbHour: "{version.storage_gb_hour:f}"')
    return lines


def main() -> None:
    """Rewrites the book of a region from a file."""
    if len(sys.argv) != 3:
        sys.exit("usage: hack/prices BOOK index.csv   adds a version to a price book from AWS's offer file")
    name, offer_file = sys.argv[1:]
    path = BOOKS / f"{name}.yaml"
    try:
        book = parse_book(path.read_bytes(), path.name)
        with Path(offer_file).open(encoding="utf-8", newline="") as lines:
            updated = update(book, read_offer(lines), datetime.datetime.now(datetime.UTC).date())
    except (OSError, ValueError, ArithmeticError) as problem:
        sys.exit(f"hack/prices: {problem}")
    text = render(updated)
    parse_book(text.encode(), path.name)  # such as a price with too many decimals
    path.write_text(text, encoding="utf-8")
    print("unchanged" if updated == book else f"{path.name} has a version from {updated.versions[-1].effective} on")


if __name__ == "__main__":
    main()
