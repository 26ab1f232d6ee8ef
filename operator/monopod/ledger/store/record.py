"""Facts as JSON: in the spool, between peers, and for whoever exports them."""

from typing import Any

from monopod.usage.rules.lifetime import Description, Lifetime, Watched


def encode_lifetime(lifetime: Lifetime) -> dict[str, Any]:
    """Returns what JSON can hold; what isn't known is left out."""
    description = lifetime.description
    fields = {name: getattr(description, name) for name in _DESCRIPTION}
    facts = {name: value for name in _MOMENTS if (value := getattr(lifetime, name)) is not None}
    sets: dict[str, list[Any]] = {
        "gone": sorted(lifetime.gone),
        "seen_by": sorted(lifetime.seen_by),
        "evidence": sorted(str(constant) for constant in lifetime.evidence),
    }
    return {
        "uid": lifetime.uid,
        "description": {**fields, "labels": dict(description.labels)},
        "created": lifetime.created,
        "alive": lifetime.alive,
        **facts,
        **{name: values for name, values in sets.items() if values},
    }


def decode_lifetime(record: dict[str, Any]) -> Lifetime:
    """Returns what was encoded. Fields that a newer version added are ignored.

    Raises:
        ValueError: It isn't a lifetime; the message says what is wrong.
    """
    try:
        described = record["description"]
        description = Description(
            **{name: _read(described, name, int) for name in _DESCRIBED_NUMBERS},
            **{name: _read(described, name, str) for name in _DESCRIBED_TEXTS},
            labels=tuple(sorted((str(key), str(value)) for key, value in described["labels"].items())),
        )
        return Lifetime(
            uid=_read(record, "uid", str),
            description=description,
            created=_read(record, "created", int),
            alive=_read(record, "alive", int),
            **{name: _read(record, name, int) for name in _MOMENTS if record.get(name) is not None},
            gone=frozenset(_check(moment, int) for moment in record.get("gone", ())),
            seen_by=frozenset(_check(name, str) for name in record.get("seen_by", ())),
            evidence=frozenset(_check(name, str) for name in record.get("evidence", ())),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a lifetime: {error!r}") from error


def encode_watched(watched: Watched) -> dict[str, Any]:
    """Returns what JSON can hold."""
    return {"recorder": watched.recorder, "since": watched.since, "until": watched.until}


def decode_watched(record: dict[str, Any]) -> Watched:
    """Returns what was encoded.

    Raises:
        ValueError: It isn't a window.
    """
    try:
        return Watched(_read(record, "recorder", str), _read(record, "since", int), _read(record, "until", int))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a window: {error!r}") from error


_DESCRIBED_NUMBERS = ("version", "cpu_millis", "memory_mib", "storage_gib")
_DESCRIBED_TEXTS = ("namespace", "name", "profile", "workload", "capacity", "architecture", "node")
_DESCRIPTION = (*_DESCRIBED_NUMBERS, *_DESCRIBED_TEXTS)
_MOMENTS = ("pull_started", "acknowledged", "container_started", "finished", "node_renewed")


def _read(record: dict[str, Any], name: str, kind: type) -> Any:
    return _check(record[name], kind)


def _check(value: Any, kind: type) -> Any:
    if type(value) is not kind:  # a bool is an int, too, but no number of ours
        raise TypeError(f"{value!r} should be {kind.__name__}")
    return value
