"""Lenient reading of a task definition that may hold anything: a field of the wrong type reads as absent.

That it is of the wrong type is told once, by `parameters`; the other rules go on with what is left, so that all that is
wrong is told at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

LARGEST_NUMBER: Final = 2**63 - 1
_LONGEST: Final = 120


@dataclass(frozen=True, slots=True)
class View:
    """One structure in a task definition and where it stands."""

    fields: Mapping[str, object]
    path: str = ""

    def path_of(self, key: str) -> str:
        """A field's path, such as `containerDefinitions[0].cpu`."""
        return join(self.path, key)

    def has(self, key: str) -> bool:
        """Whether the field says anything: it isn't null, and no empty text, list or structure."""
        value = self.fields.get(key)
        return value is not None and value != "" and value != [] and value != {}

    def text(self, key: str) -> str | None:
        """The text in the field."""
        value = self.fields.get(key)
        return value if isinstance(value, str) else None

    def number(self, key: str) -> int | None:
        """The whole number in the field."""
        return as_number(self.fields.get(key))

    def is_true(self, key: str) -> bool:
        """Whether the field is true."""
        return self.fields.get(key) is True

    def child(self, key: str) -> "View":
        """The structure in the field, or an empty one."""
        value = self.fields.get(key)
        return View(value if isinstance(value, Mapping) else {}, self.path_of(key))

    def children(self, key: str) -> tuple["View", ...]:
        """The structures in the list, each with its index in the whole list."""
        return tuple(View(item, place) for place, item in self._items(key) if isinstance(item, Mapping))

    def texts(self, key: str) -> tuple[tuple[str, str], ...]:
        """The texts in the list, each with its path."""
        return tuple((place, item) for place, item in self._items(key) if isinstance(item, str))

    def numbers(self, key: str) -> tuple[tuple[str, int], ...]:
        """The whole numbers in the list, each with its path."""
        found = ((place, as_number(item)) for place, item in self._items(key))
        return tuple((place, number) for place, number in found if number is not None)

    def _items(self, key: str) -> tuple[tuple[str, object], ...]:
        value = self.fields.get(key)
        items = value if isinstance(value, list) else []
        return tuple((f"{self.path_of(key)}[{index}]", item) for index, item in enumerate(items))


def as_number(value: object) -> int | None:
    """The value if it is a whole number that fits into 64 bits."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if abs(value) <= LARGEST_NUMBER else None


def join(path: str, key: str) -> str:
    """The path of a field of the structure at `path`."""
    return f"{path}.{key}" if path else key


def show(value: object) -> str:
    """A value for a message: on one line, of bounded length, and without what a terminal would obey."""
    match value:
        case str():
            text = value[:_LONGEST]
            shown = text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
            return shown if len(value) <= _LONGEST else f"{shown}…"
        case bool() | None:
            return repr(value)
        case int():
            return str(value) if as_number(value) is not None else "a number beyond 64 bits"
        case float():
            return repr(value)
        case list():
            return "[…]" if value else "[]"
        case _:
            return "{…}" if value else "{}"
