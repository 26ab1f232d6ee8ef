"""How lifetimes end: by an event, or because a pod that should be there isn't. Pure; times are handed in."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from monopod.usage.rules.lifetime import (
    CONTRADICTION_MS,
    Evidence,
    Interval,
    Lifetime,
    Watched,
    compute_last_seen,
    compute_last_watched,
)

LOST_NODE_MS: Final = 40_000
"""A node whose Lease is older than this is lost: kube-controller-manager's own default for it."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list of all pods showed.

    Attributes:
        uids: of the pods.
        version: the resourceVersion of the list.
        answered: when it was known.
        is_rewound: whether the API server is behind what was seen before, as after a restored backup of etcd. Versions
            from before say nothing then.
    """

    uids: Container[str]
    version: int
    answered: int
    is_rewound: bool = False


def close(lifetime: Lifetime, moment: Interval, evidence: Evidence, renewed: int | None) -> Lifetime:
    """The lifetime of a pod whose end is known, at least between two moments.

    Args:
        lifetime: what is known so far.
        moment: when the pod was deleted.
        evidence: how this is known.
        renewed: when the Lease of its node was last renewed.
    """
    alive = max(lifetime.alive, moment.earliest)
    gone = max(alive, moment.latest)
    return replace(
        lifetime,
        alive=alive,
        gone=lifetime.gone | {gone},
        node_renewed=renewed if renewed is not None and renewed + LOST_NODE_MS < gone else lifetime.node_renewed,
        evidence=lifetime.evidence | {evidence},
    )


def close_missing(
    lifetimes: Iterable[Lifetime], listed: Listed, windows: Iterable[Watched], renewals: Mapping[str, int]
) -> Iterator[Lifetime]:
    """The lifetimes that are open although the list that followed an outage doesn't show their pods any more.

    They lasted at least until the last recorder that knew them stopped watching.
    """
    until = compute_last_watched(windows)
    for lifetime in lifetimes:
        if _is_missing(lifetime, listed):
            seen = min(compute_last_seen(lifetime.seen_by, until), listed.answered)  # a clock was ahead
            moment = Interval(max(seen, lifetime.alive), listed.answered)
            yield close(lifetime, moment, Evidence.LISTED_GONE, renewals.get(lifetime.description.node))


def close_strays(
    lifetimes: Iterable[Lifetime], listed: Listed, others: Iterable[Watched], renewals: Mapping[str, int]
) -> Iterator[Lifetime]:
    """The lifetimes that others left open, of pods that aren't there, while this recorder watched without a gap.

    Another recorder may have seen a pod alive some milliseconds after this one saw its end, and may have died then.
    Else the pod lasted at least until the last of those that knew it stopped watching, not only until its last event.

    Args:
        lifetimes: those that are open.
        listed: what is there.
        others: the windows of all other recorders, as they were before the lifetimes were read.
        renewals: when the Lease of each node was last renewed.
    """
    until = compute_last_watched(others)
    for lifetime in lifetimes:
        if _is_missing(lifetime, listed):
            if is_stray(lifetime):
                moment = Interval(lifetime.alive, lifetime.alive)
            else:
                seen = min(compute_last_seen(lifetime.seen_by, until), listed.answered)
                moment = Interval(max(lifetime.alive, seen), listed.answered)
            yield close(lifetime, moment, Evidence.LISTED_GONE, renewals.get(lifetime.description.node))


def is_stray(lifetime: Lifetime) -> bool:
    """Whether it is open only because one recorder saw the pod a moment after another saw its end."""
    return lifetime.is_open and any(gone + CONTRADICTION_MS >= lifetime.alive for gone in lifetime.gone)


def _is_missing(lifetime: Lifetime, listed: Listed) -> bool:
    is_newer = lifetime.description.version > listed.version and not listed.is_rewound
    return lifetime.uid not in listed.uids and not is_newer
