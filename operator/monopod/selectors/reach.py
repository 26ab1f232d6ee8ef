"""What reaches a namespace, found without going through all there is: by its name, or by what a pattern begins with.

A thousand profiles and a thousand namespaces make a million pairs, nearly all of which can't match by their first
letters.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import Final, Generic, TypeVar

from monopod.pods.rules.selection import Selector, is_wildcard, reaches

Item = TypeVar("Item")

_WILDCARD: Final = re.compile(r"[*?]")


def get_head(pattern: str) -> str:
    """What stands before the first wildcard."""
    return _get_ends(pattern)[0]


@lru_cache(maxsize=65536)
def _get_ends(pattern: str) -> tuple[str, str]:
    parts = _WILDCARD.split(pattern)
    return parts[0], parts[-1]


def reaches_by_pattern(pattern: str, namespace: str, protected: Collection[str]) -> bool:
    """Whether a selector with this namespace pattern covers the namespace; quick where the ends differ."""
    head, tail = _get_ends(pattern)
    return namespace.startswith(head) and namespace.endswith(tail) and reaches(Selector(pattern), namespace, protected)


def each_head(text: str) -> Iterator[str]:
    """All that a pattern for this text can begin with."""
    return (text[:length] for length in range(len(text) + 1))


class Reach(Generic[Item]):
    """Items by the namespace patterns of their selectors."""

    def __init__(self, items: Iterable[tuple[str, Item]], protected: Collection[str]) -> None:
        self._protected = protected
        self._exact: defaultdict[str, list[tuple[int, Item]]] = defaultdict(list)
        self._wild: defaultdict[str, list[tuple[int, str, Item]]] = defaultdict(list)
        for number, (pattern, item) in enumerate(items):
            if is_wildcard(pattern):
                self._wild[get_head(pattern)].append((number, pattern, item))
            else:
                self._exact[pattern].append((number, item))

    def find(self, namespace: str) -> list[Item]:
        """Those that reach the namespace, in the order in which they were given."""
        found = list(self._exact.get(namespace, ()))
        found += [
            (number, item)
            for head in each_head(namespace)
            for number, pattern, item in self._wild.get(head, ())
            if reaches_by_pattern(pattern, namespace, self._protected)
        ]
        return [item for _, item in sorted(found, key=lambda each: each[0])]
