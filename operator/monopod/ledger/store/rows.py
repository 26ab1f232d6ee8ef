"""A lifetime as a row of its table, and back."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, Select, select

from monopod.ledger.store.tables import LIFETIME, USAGE_GROUP
from monopod.usage.rules.lifetime import Description, Lifetime, compute_last_seen


class GroupKey(NamedTuple):
    """What the pods of a group have in common: all that their price depends on, and the workload."""

    namespace: str
    workload: str
    profile: str
    cpu_millis: int
    memory_mib: int
    storage_gib: int
    capacity: str
    architecture: str

    @property
    def total(self) -> "GroupKey":
        """The key over all workloads."""
        return self._replace(workload="")


GROUP_KEY: Final = tuple(USAGE_GROUP.c[name] for name in GroupKey._fields)
_FACTS: Final = (
    *("uid", "version", "name", "node", "labels", "created", "pull_started", "acknowledged", "container_started"),
    *("finished", "alive", "gone", "node_renewed", "seen_by", "evidence"),
)
_get_key: Final = attrgetter(*GroupKey._fields)
BILL: Final = ("billed_since", "least_until", "billed_until", "most_until")


def select_lifetimes(*columns: Any) -> Select[Any]:
    """A question for facts, which `decode_row` reads; other columns come after them."""
    facts = (LIFETIME.c[name] for name in _FACTS)
    joined = LIFETIME.join(USAGE_GROUP, USAGE_GROUP.c.id == LIFETIME.c.group_id)
    return select(*facts, *GROUP_KEY, *columns).select_from(joined)


def decode_row(row: Row[Any], watched: Mapping[str, int] | None = None) -> Lifetime:
    """Returns the facts of a row.

    Args:
        row: of `select_lifetimes`.
        watched: until when recorders saw everything; what one of them saw alive was alive until then.
    """
    columns = tuple(row)
    (uid, version, name, node, labels, created, pull_started, acknowledged, container_started) = columns[:9]
    (finished, alive, gone, node_renewed, seen_by, evidence) = columns[9:15]
    (namespace, workload, profile, cpu_millis, memory_mib, storage_gib, capacity, architecture) = columns[15:23]
    recorders = _decode_texts(seen_by)
    if watched:
        alive = max(alive, compute_last_seen(recorders, watched))
    description = Description(
        version=version,
        namespace=namespace,
        name=name,
        profile=profile,
        workload=workload,
        cpu_millis=cpu_millis,
        memory_mib=memory_mib,
        storage_gib=storage_gib,
        capacity=capacity,
        architecture=architecture,
        node=node,
        labels=_decode_labels(labels),
    )
    return Lifetime(
        uid=uid,
        description=description,
        created=created,
        pull_started=pull_started,
        acknowledged=acknowledged,
        container_started=container_started,
        finished=finished,
        alive=alive,
        gone=frozenset(json.loads(gone)) if gone != "[]" else frozenset(),
        node_renewed=node_renewed,
        seen_by=recorders,
        evidence=_decode_texts(evidence),
    )


def encode_row(lifetime: Lifetime) -> dict[str, Any]:
    """Returns the facts as columns, without those of the group."""
    description = lifetime.description
    return {
        "uid": lifetime.uid,
        "version": description.version,
        "name": description.name,
        "node": description.node,
        "labels": _encode(dict(description.labels)),
        "created": lifetime.created,
        "pull_started": lifetime.pull_started,
        "acknowledged": lifetime.acknowledged,
        "container_started": lifetime.container_started,
        "finished": lifetime.finished,
        "alive": lifetime.alive,
        "gone": _encode(sorted(lifetime.gone)),
        "node_renewed": lifetime.node_renewed,
        "seen_by": _encode_texts(lifetime.seen_by),
        "evidence": _encode_texts(lifetime.evidence),
        "is_open": lifetime.is_open,
    }


class Spans(NamedTuple):
    """What a lifetime is billed for, in seconds since the epoch: from the first to each of the others."""

    since: int
    least_until: int
    billed_until: int
    most_until: int


def decode_spans(columns: Sequence[int | None]) -> Spans | None:
    """Returns what the columns of `BILL` say."""
    since, least, billed, most = columns
    if since is None or least is None or billed is None or most is None:
        return None
    return Spans(since, least, billed, most)


def encode_spans(spans: Spans | None) -> dict[str, int | None]:
    """Returns the columns of `BILL`, and `length`."""
    if spans is None:
        return {**dict.fromkeys(BILL), "length": None}
    return {**dict(zip(BILL, spans, strict=True)), "length": (spans.most_until - spans.since).bit_length()}


def get_group_key(lifetime: Lifetime) -> GroupKey:
    """Returns the group that a pod is in."""
    return GroupKey._make(_get_key(lifetime.description))


def _encode(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


# Few sets of names, many rows of them: each is read and written once.
@lru_cache(4096)
def _encode_texts(texts: frozenset[str]) -> str:
    return _encode(sorted(texts))


@lru_cache(4096)
def _decode_texts(text: str) -> frozenset[str]:
    return frozenset(json.loads(text))


@lru_cache(4096)
def _decode_labels(text: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(json.loads(text).items()))
