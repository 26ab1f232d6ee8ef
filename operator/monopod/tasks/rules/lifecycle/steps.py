"""What the next step of a task's life is."""

import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from monopod.tasks.rules.lifecycle.begin import begin
from monopod.tasks.rules.lifecycle.causes import compute_preparation_due, find_cause
from monopod.tasks.rules.lifecycle.containers import (
    compute_health,
    compute_health_due,
    update_attachment,
    update_container,
)
from monopod.tasks.rules.lifecycle.facts import PodFacts
from monopod.tasks.rules.lifecycle.failures import START_PATIENCE, compute_start_due, is_retried
from monopod.tasks.rules.lifecycle.snapshot import Snapshot, Surroundings, build_snapshot
from monopod.tasks.rules.lifecycle.states import (
    DEPROVISIONING,
    PENDING,
    PROVISIONING,
    RUNNING,
    STOPPED,
    format_time,
    read_moment,
)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """The status is to be written, all of it."""

    status: Json


@dataclass(frozen=True, slots=True)
class Create:
    """The pod is to be created, behind its gate.

    Attributes:
        effective: the definition to build it from.
    """

    effective: Json


@dataclass(frozen=True, slots=True)
class Release:
    """The pod is to be let out of its gate."""

    uid: str


@dataclass(frozen=True, slots=True)
class Discard:
    """The pod, which has no node or was let out by others, is to be removed.

    Attributes:
        is_replaced: whether another is to be created in its place.
    """

    uid: str
    is_replaced: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """The pod's containers are to be stopped."""

    uid: str


@dataclass(frozen=True, slots=True)
class Wait:
    """There is nothing to do before something changes, or this time comes."""

    until: datetime.datetime | None = None


Step = Record | Create | Release | Discard | Stop | Wait

_ALONE: Final = Surroundings()


def decide_step(
    task: Mapping[str, Any],
    definition: Mapping[str, Any] | None,
    pod: PodFacts | None,
    now: datetime.datetime,
    around: Surroundings = _ALONE,
) -> Step:
    """Decides the next step.

    Args:
        task: the ECSTask as it is stored.
        definition: of AWS's, as it is registered; None if there is none.
        pod: the pod of the task's name, or how it was last seen; None if there is none.
        now: the time.
        around: what else there is to know.
    """
    before: Json = task.get("status") or {}
    if not before.get("lastStatus"):
        return Record(begin(task, definition, now))
    if before["lastStatus"] == STOPPED:
        return Wait()
    snapshot = build_snapshot(task, definition, pod, now, around)
    status = {**before, **_advance(snapshot), **_accept(snapshot)}
    status |= _update(snapshot, status["lastStatus"])
    return Record(status) if status != before else _act(snapshot)


def _accept(snapshot: Snapshot) -> Json:
    """The record comes to name the pod, and its node."""
    pod = snapshot.pod
    if pod is None or pod.is_gone:
        return {}
    if not snapshot.recorded:
        ours = snapshot.is_acceptable and not find_cause(snapshot) and snapshot.status.get("desiredStatus") == RUNNING
        return {"pod": {"uid": pod.uid}} if ours else {}
    return {"pod": {**snapshot.status["pod"], **({"node": pod.node} if pod.node else {})}}


def _advance(snapshot: Snapshot) -> Json:
    """One arrow of the task's life, or none: its status, what goes with it, and the version."""
    found = _find_transition(snapshot)
    return {**found, "version": int(snapshot.status.get("version") or 0) + 1} if found else {}


def _find_transition(snapshot: Snapshot) -> Json:
    status, pod = snapshot.status, snapshot.pod
    last, is_stopping = status["lastStatus"], status.get("desiredStatus") == STOPPED
    if is_stopping and last == DEPROVISIONING:
        return {"lastStatus": STOPPED, "stoppedAt": _not_before(snapshot, snapshot.now, "executionStoppedAt")}
    if is_stopping:
        return _leave(snapshot) if snapshot.is_over else {}
    if last == PROVISIONING and snapshot.is_recorded and pod and pod.node:
        return {"lastStatus": PENDING}
    if last == PENDING and _have_all_begun(snapshot):
        return {"lastStatus": RUNNING, "startedAt": _not_before(snapshot, _compute_start(snapshot), "createdAt")}
    if cause := find_cause(snapshot):
        stopping = _not_before(snapshot, snapshot.now, "createdAt")
        told = {"stoppedReason": cause.reason} if cause.reason else {}
        return {"desiredStatus": STOPPED, "stopCode": cause.code, "stoppingAt": stopping, **told}
    return {}


def _leave(snapshot: Snapshot) -> Json:
    ended = max(_list_ends(snapshot), default=snapshot.now)
    return {"lastStatus": DEPROVISIONING, "executionStoppedAt": _not_before(snapshot, ended, "startedAt", "createdAt")}


def _list_ends(snapshot: Snapshot) -> Iterator[datetime.datetime]:
    for _, facts in snapshot.list_members():
        yield from (each for each in (facts.finished_at, facts.earlier_finished_at) if each)


def _have_all_begun(snapshot: Snapshot) -> bool:
    """Whether each container has started. One that the task can do without may have failed to."""
    found = snapshot.list_members()
    return bool(found) and all(
        facts.has_begun or (not member.is_essential and facts.could_not_start) for member, facts in found
    )


def _compute_start(snapshot: Snapshot) -> datetime.datetime:
    """When the last container started."""
    return max((facts.started_at for _, facts in snapshot.list_members() if facts.started_at), default=snapshot.now)


def _update(snapshot: Snapshot, last: str) -> Json:
    """All that changes without a version."""
    status, pod = snapshot.status, snapshot.pod
    containers = [update_container(each, snapshot) for each in status.get("containers") or ()]
    told: Json = {
        "containers": containers,
        **({"healthStatus": compute_health(containers, snapshot)} if snapshot.members else {}),
        "attachments": [update_attachment(each, snapshot, last) for each in status.get("attachments") or ()],
    }
    if pod is None or not snapshot.is_recorded:
        return told
    if snapshot.around.zone and "availabilityZone" not in status:
        told["availabilityZone"] = snapshot.around.zone
    if pod.node and "pullStartedAt" not in status:
        told["pullStartedAt"] = _not_before(snapshot, pod.scheduled_at or snapshot.now, "createdAt")
    if pod.address and "connectivity" not in status:
        connected = _not_before(snapshot, pod.addressed_at or snapshot.now, "createdAt")
        told |= {"connectivity": "CONNECTED", "connectivityAt": connected}
    if _have_all_begun(snapshot) and "pullStoppedAt" not in status:
        told["pullStoppedAt"] = _not_before(snapshot, _compute_start(snapshot), "pullStartedAt", "createdAt")
    return told


def _not_before(snapshot: Snapshot, moment: datetime.datetime, *keys: str) -> str:
    """The time, but none before others in the status: the kubelet tells whole seconds, and has a clock of its own."""
    earlier = (read_moment(snapshot.status.get(key)) for key in keys)
    return format_time(max((moment, *(each for each in earlier if each))))


def _act(snapshot: Snapshot) -> Step:
    pod, is_stopping = snapshot.pod, snapshot.status.get("desiredStatus") == STOPPED
    if is_stopping:
        return _end(snapshot)
    if pod is None:
        may_create = snapshot.effective is not None and not snapshot.recorded and not snapshot.foreign
        return Create(snapshot.effective or {}) if may_create else Wait(snapshot.patience_ends)
    if not snapshot.recorded:
        # Admission was away or has changed its mind: this pod never started, so another one may.
        return Discard(pod.uid, is_replaced=True)
    if pod.is_gated:
        return Release(pod.uid)
    return Wait(_find_next(_list_dues(snapshot), snapshot.now))


def _end(snapshot: Snapshot) -> Step:
    pod = snapshot.pod
    if pod is None or pod.is_gone or pod.is_terminal:
        return Wait()
    if pod.deletion is not None:
        return Wait(snapshot.gone_by)
    if not pod.node or snapshot.is_loose:
        # One that is loose may be out of its sandbox, too, and then the operator has no right to set its deadline.
        return Discard(pod.uid, is_replaced=False)
    return Wait() if pod.is_stopping else Stop(pod.uid)


def _list_dues(snapshot: Snapshot) -> Iterator[datetime.datetime | None]:
    """When something happens by the time alone."""
    yield snapshot.gone_by
    yield compute_preparation_due(snapshot)
    if snapshot.pod and not snapshot.pod.node:
        yield snapshot.patience_ends
    began = read_moment(snapshot.status.get("pullStartedAt"))
    for member, facts in snapshot.list_members():
        yield compute_start_due(member, facts)
        yield compute_health_due(member, facts)
        if began and is_retried(facts):
            yield began + START_PATIENCE


def _find_next(dues: Iterable[datetime.datetime | None], now: datetime.datetime) -> datetime.datetime | None:
    return min((due for due in dues if due and due > now), default=None)
