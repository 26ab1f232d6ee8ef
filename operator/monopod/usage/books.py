"""Finds and reads price books: those that come with Monopod, in price_books, and those of a cluster's own.

Prices change and differ between regions, so they are data. What a price book means is known to
`monopod.usage.rules.price_book`.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import yaml

from monopod.usage.rules.price_book import InvalidPrices, PriceBook

_SUFFIX = ".yaml"


class UnknownBook(LookupError):
    """There is no price book of the name; the message names those that there are."""


def list_books(folders: Sequence[Path] = ()) -> list[str]:
    """The names of the price books that come with Monopod, and of those in the folders."""
    return sorted(_find_files(folders))


def load_book(name: str, folders: Sequence[Path] = ()) -> PriceBook:
    """The price book of that name.

    Args:
        name: the name of its file, without `.yaml`, and in it.
        folders: where a cluster's own are. One that is named like one of ours takes its place.

    Raises:
        UnknownBook: there is none.
        InvalidPrices: it can't be read; the message begins with the name of its file.
    """
    found = _find_files(folders)
    if name not in found:
        raise UnknownBook(f"There is no price book {name!r}, only {', '.join(sorted(found))}.")
    book = parse_book(found[name].read_bytes(), found[name].name)
    if book.name != name:
        raise InvalidPrices(f"{found[name].name}: name: must be {name!r}, like the file, not {book.name!r}")
    return book


def parse_book(text: bytes, source: str) -> PriceBook:
    """A price book as its file has it.

    Raises:
        InvalidPrices: it can't be read; the message begins with `source`.
    """
    try:
        resource = yaml.safe_load(text)
        if not isinstance(resource, Mapping):
            raise InvalidPrices("must be a mapping with the fields name, currency and versions")
        return PriceBook.from_resource(resource)
    except (InvalidPrices, yaml.YAMLError) as problem:
        raise InvalidPrices(f"{source}: {problem}") from None


def _find_files(folders: Sequence[Path]) -> dict[str, Traversable]:
    """The files by name; the last folder that has one wins."""
    packaged = files("monopod") / "usage" / "price_books"
    return {
        entry.name.removesuffix(_SUFFIX): entry
        for folder in (packaged, *folders)
        if folder.is_dir()
        for entry in folder.iterdir()
        if entry.name.endswith(_SUFFIX) and not entry.name.startswith(".")
    }
