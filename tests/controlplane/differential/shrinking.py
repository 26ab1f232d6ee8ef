"""Makes a failing case smaller for as long as it goes on failing, so that a person can see why."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

MOST_ATTEMPTS = 400


def shrink(value: Any, fails: Callable[[Any], bool]) -> Any:
    """The smallest value found by leaving out one key or item after the other."""
    attempts = 0
    progress = True
    while progress and attempts < MOST_ATTEMPTS:
        progress = False
        for path in list(_paths(value)):
            smaller = _without(value, path)
            attempts += 1
            if smaller is not None and _still_fails(smaller, fails):
                value, progress = smaller, True
                break
            if attempts >= MOST_ATTEMPTS:
                break
    return value


def _still_fails(value: Any, fails: Callable[[Any], bool]) -> bool:
    try:
        return fails(value)
    except (KeyError, IndexError, TypeError, ValueError):
        return False  # what was left out is needed to be a case at all


def _paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in the value, the outer before the inner."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*before, key)
        yield from _paths(item, (*before, key))


def _without(value: Any, path: tuple[Any, ...]) -> Any:
    smaller = copy.deepcopy(value)
    place = smaller
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return smaller
