"""Lifetimes and windows as JSON: in the spool, for peers, which join them, and for programs. Fields are only added."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from monopod.usage.rules.lifetime import Description, Lifetime, Watched

Json = dict[str, Any]

_NUMBERS: Final = frozenset({"version", "cpu_millis", "memory_mib", "storage_gib"})

# What no recorder writes and what a sum by hours, an index or a column has no room for.
_LONGEST: Final = 1024
_LARGEST: Final = 2**63 - 1
_LAST_MOMENT: Final = 10**13
"""In the year 2286."""


class InvalidWire(ValueError):
    """What a peer sent isn't a lifetime or a window."""


def encode_lifetime(lifetime: Lifetime) -> Json:
    """The lifetime as JSON; what isn't known is left out."""
    description = lifetime.description
    encoded: Json = {"uid": lifetime.uid}
    encoded["description"] = {
        _to_camel(field.name): getattr(description, field.name)
        for field in fields(description)
        if field.name != "labels"
    } | {"labels": dict(description.labels)}
    for field in fields(lifetime):
        value = getattr(lifetime, field.name)
        if field.name in ("uid", "description") or value is None:
            continue
        encoded[_to_camel(field.name)] = sorted(value) if isinstance(value, frozenset) else value
    return encoded


def decode_lifetime(encoded: Mapping[str, Any]) -> Lifetime:
    """The lifetime in JSON. Fields that aren't known are those of a newer release, and don't count.

    Raises:
        InvalidWire: it is none.
    """
    try:
        return Lifetime(
            uid=_text(encoded["uid"]),
            description=_decode_description(encoded["description"]),
            created=_moment(encoded["created"]),
            pull_started=_optional(encoded.get("pullStarted")),
            acknowledged=_optional(encoded.get("acknowledged")),
            container_started=_optional(encoded.get("containerStarted")),
            finished=_optional(encoded.get("finished")),
            alive=_moment(encoded.get("alive", 0)),
            gone=frozenset(_moment(each) for each in encoded.get("gone", ())),
            node_renewed=_optional(encoded.get("nodeRenewed")),
            seen_by=frozenset(_text(each) for each in encoded.get("seenBy", ())),
            evidence=frozenset(_text(each) for each in encoded.get("evidence", ())),
        )
    except (KeyError, TypeError, AttributeError) as problem:
        raise InvalidWire(f"not a lifetime: {type(problem).__name__} {problem}") from None


def encode_watched(watched: Watched) -> Json:
    """The window as JSON."""
    return {"recorder": watched.recorder, "since": watched.since, "until": watched.until}


def decode_watched(encoded: Mapping[str, Any]) -> Watched:
    """The window in JSON.

    Raises:
        InvalidWire: it is none.
    """
    try:
        return Watched(_text(encoded["recorder"]), _moment(encoded["since"]), _moment(encoded["until"]))
    except (KeyError, TypeError) as problem:
        raise InvalidWire(f"not a window: {type(problem).__name__} {problem}") from None


def _decode_description(encoded: Mapping[str, Any]) -> Description:
    values: Json = {
        field.name: (_number if field.name in _NUMBERS else _text)(encoded[_to_camel(field.name)])
        for field in fields(Description)
        if field.name != "labels"
    }
    labels = tuple(sorted((_text(key), _text(value)) for key, value in encoded["labels"].items()))
    return Description(**values, labels=labels)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:80]!r} is no text")
    if len(value) > _LONGEST or not value.isprintable():  # nor are half characters, which no database takes
        raise TypeError(f"{value[:80]!r} is too long, or not printable")
    return value


def _number(value: object, largest: int = _LARGEST) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{str(value)[:80]!r} is no whole number")
    if not 0 <= value <= largest:
        raise TypeError("a number is out of bounds")
    return value


def _moment(value: object) -> int:
    return _number(value, _LAST_MOMENT)


def _optional(value: object) -> int | None:
    return None if value is None else _moment(value)


def _to_camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
