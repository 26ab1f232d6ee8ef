"""What Events tell of a pod that nobody watched: when it was placed, began to pull, and was still there.

Events are evidence and no record: they are dropped under load and forgotten after an hour, so what they don't say means
nothing. They carry the pod's uid and the times of who reported them, and no size. Where a reporter's clock is ahead,
the API server's stamp of the last write of an Event tells that what it reports had happened by then. Whoever may write
Events in a namespace may invent some; so they lengthen a life within what is known otherwise, and never shorten one,
and are believed of that namespace's pods only.
"""

import datetime
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from monopod.kube.objects.timestamps import read_time
from monopod.usage.rules.lifetime import Evidence

KUBELET: Final = "kubelet"
_SCHEDULED: Final = "Scheduled"
_KILLING: Final = "Killing"
_STARTING: Final = frozenset({"Pulling", "Pulled", "Created", "Started"})
"""Of these the first is the start of the pull: an image that is there already is `Pulled` at once."""

_UID: Final = re.compile("[A-Za-z0-9-]{1,64}")
_NAME: Final = re.compile("[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_ASSIGNED: Final = re.compile("Successfully assigned [^ ]+ to ([a-z0-9][-a-z0-9.]{0,252})")
_LAST_MOMENT: Final = 10**13  # in the year 2286
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class PodEvent:
    """One Event about a pod, by its kubelet or its scheduler.

    Attributes:
        first: when it happened first.
        last: when it happened last, if it was repeated.
        node: where the scheduler put the pod; "" in other Events.
    """

    uid: str
    namespace: str
    name: str
    reason: str
    first: int
    last: int
    node: str


@dataclass(frozen=True, slots=True)
class PodEvents:
    """What all Events of one pod tell together.

    Attributes:
        scheduled: when it was bound to its node.
        node: which one that was.
        pull_started: when its first image began to be pulled.
        container_started: when its first container had started.
        alive: the latest moment at which it existed.
        is_killing: whether that is when its kubelet stopped a container.
    """

    uid: str
    namespace: str
    name: str
    scheduled: int | None
    node: str
    pull_started: int | None
    container_started: int | None
    alive: int
    is_killing: bool

    @property
    def latest(self) -> Evidence:
        """What shows that it existed at `alive`."""
        if self.alive == self.scheduled:
            return Evidence.SCHEDULED_EVENT
        return Evidence.KILLING_EVENT if self.is_killing else Evidence.KUBELET_EVENT


def read_pod_event(event: Mapping[str, Any]) -> PodEvent | None:
    """An Event about a pod; None if it says nothing of when a pod existed, or can't be read."""
    try:
        about = event.get("involvedObject") or {}
        reason = str(event.get("reason") or "")
        reporter = event.get("reportingComponent") or (event.get("source") or {}).get("component")
        written = _read_written(event)
        times = [min(each, written) for each in map(_read_ms, _list_times(event)) if each is not None]
        uid, namespace, name = (str(about.get(key) or "") for key in ("uid", "namespace", "name"))
        message = str(event.get("message") or "")
    except (AttributeError, TypeError, ValueError, OverflowError):
        return None
    if about.get("kind") != "Pod" or not times or (reporter != KUBELET and reason != _SCHEDULED):
        return None
    if not _UID.fullmatch(uid) or not _NAME.fullmatch(namespace) or not _NAME.fullmatch(name):
        return None
    assigned = _ASSIGNED.fullmatch(message) if reason == _SCHEDULED else None
    return PodEvent(uid, namespace, name, reason, min(times), max(times), assigned[1] if assigned else "")


def group_by_pod(events: Iterable[PodEvent], until: int) -> dict[tuple[str, str], PodEvents]:
    """What is told of each pod, by its namespace and uid, as far as it happened until a moment."""
    grouped: dict[tuple[str, str], list[PodEvent]] = {}
    for event in events:
        if event.first <= until:
            known = event if event.last <= until else replace(event, last=event.first)
            grouped.setdefault((event.namespace, event.uid), []).append(known)
    return {pod: _summarize(told) for pod, told in grouped.items()}


def _summarize(events: list[PodEvent]) -> PodEvents:
    scheduled = min((each for each in events if each.reason == _SCHEDULED), key=_get_first, default=None)
    latest = max(events, key=lambda each: (each.last, each.reason == _KILLING))
    return PodEvents(
        uid=latest.uid,
        namespace=latest.namespace,
        name=latest.name,
        scheduled=scheduled.first if scheduled else None,
        node=scheduled.node if scheduled else "",
        pull_started=min((each.first for each in events if each.reason in _STARTING), default=None),
        container_started=min((each.first for each in events if each.reason == "Started"), default=None),
        alive=latest.last if latest.reason != _SCHEDULED or scheduled is None else scheduled.first,
        is_killing=latest.reason == _KILLING,
    )


def _get_first(event: PodEvent) -> int:
    return event.first


def _list_times(event: Mapping[str, Any]) -> list[str]:
    series = event.get("series") or {}
    stamps = [event.get(key) for key in ("firstTimestamp", "lastTimestamp", "eventTime")]
    return [str(stamp) for stamp in (*stamps, series.get("lastObservedTime")) if stamp]


def _read_written(event: Mapping[str, Any]) -> int:
    """When the API server wrote it last, by its own clock."""
    entries = (event.get("metadata") or {}).get("managedFields") or ()
    moments = [_read_ms(str(entry.get("time") or "")) for entry in entries]
    return max((each for each in moments if each is not None), default=_LAST_MOMENT)


def _read_ms(text: str) -> int | None:
    """Cut to whole seconds, as all other stamps are: what is reported happened before its Event was written."""
    time = read_time(text)
    if time is None:
        return None
    moment = (time - _EPOCH) // datetime.timedelta(seconds=1) * 1000
    return moment if 0 < moment <= _LAST_MOMENT else None
