"""Tags, as ECS's operations give and take them: lists of keys and values. The kinds have them as maps."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from monopod.tasks.rules.running.refusal import Refusal

MOST_TAGS: Final = 50
RESERVED_PREFIX: Final = "aws:"

Tags = dict[str, str]


def read_tags(given: Iterable[Mapping[str, Any]]) -> Tags:
    """The tags in a request.

    Raises:
        Refusal: one has no key, or a key that is another's.
    """
    found: Tags = {}
    for each in given:
        key, value = each.get("key"), each.get("value") or ""
        if not key:
            raise Refusal("A tag must have a key.")
        if key.lower().startswith(RESERVED_PREFIX):
            raise Refusal("aws: prefixed tag key names are not allowed for external use.")
        if key in found:
            raise Refusal(f"The tag key {key} is there more than once.")
        found[key] = value
    return found


def check_number(tags: Mapping[str, str]) -> None:
    """Refuses more tags than something can have.

    Raises:
        Refusal: there are more.
    """
    if len(tags) > MOST_TAGS:
        raise Refusal(f"There can be at most {MOST_TAGS} tags.")


def write_tags(tags: Mapping[str, str]) -> list[Tags]:
    """Tags as they are answered."""
    return [{"key": key, "value": value} for key, value in tags.items()]
