"""What a pod tells of the task that it is: read once, leniently, as the API server stores it."""

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from monopod.api.ecs.names import ECS_TASK_GATE
from monopod.api.names import (
    CAPACITY_ANNOTATION,
    CAPACITY_PROVIDER_LABEL,
    FARGATE_SPOT,
    PROFILE_LABEL,
    UNSUPPORTED_ANNOTATION,
)
from monopod.tasks.rules.lifecycle.states import read_moment

STOP_SECONDS: Final = 1
"""A stopped task's `activeDeadlineSeconds`: the kubelet ends the containers at once, each with its time to stop, tells
their exit codes, and keeps the pod and its logs. Deleting the pod would lose both."""

TERMINAL: Final = ("Succeeded", "Failed")
_NOT_STARTED: Final = ("StartError", "ContainerCannotRun")
_LOST: Final = "ContainerStatusUnknown"
_KILLED: Final = 128 + 9
OUT_OF_MEMORY: Final = "OOMKilled"


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """A container's state.

    Attributes:
        waiting: why it waits; "" if it doesn't.
        ended: why it ended; "" if it hasn't.
        message: what the kubelet says of either.
        exit_code: of its end; None if it hasn't ended, never started, or no one saw it.
        earlier_exit: the exit code of a run before this one.
        earlier_reason: why that one ended.
        is_ready: whether its check succeeds.
    """

    waiting: str = ""
    ended: str = ""
    message: str = ""
    exit_code: int | None = None
    earlier_exit: int | None = None
    earlier_reason: str = ""
    is_running: bool = False
    is_ready: bool = False
    is_started: bool = False
    started_at: datetime.datetime | None = None
    finished_at: datetime.datetime | None = None
    earlier_finished_at: datetime.datetime | None = None
    image_id: str = ""

    @property
    def could_not_start(self) -> bool:
        """Whether its process couldn't be started."""
        return self.ended in _NOT_STARTED

    @property
    def is_lost(self) -> bool:
        """Whether it ended unseen, and the exit code is made up."""
        return self.ended == _LOST

    @property
    def has_begun(self) -> bool:
        """Whether its process has run, as far as anyone saw."""
        has_ended = bool(self.ended) and not self.could_not_start and not self.is_lost
        return self.is_running or self.earlier_exit is not None or has_ended

    @classmethod
    def read(cls, status: Mapping[str, Any]) -> Self:
        """From a containerStatus."""
        state, last = status.get("state") or {}, (status.get("lastState") or {}).get("terminated") or {}
        waiting, running, ended = (state.get(key) or {} for key in ("waiting", "running", "terminated"))
        reason = str(ended.get("reason") or "Error") if "terminated" in state else ""
        told = _read_code(ended)
        return cls(
            waiting=str(waiting.get("reason") or "ContainerCreating") if "waiting" in state else "",
            ended=reason,
            message=str(waiting.get("message") or ended.get("message") or ""),
            exit_code=told,
            earlier_exit=_read_code(last),
            earlier_reason=str(last.get("reason") or ""),
            is_running="running" in state,
            is_ready=status.get("ready") is True,
            is_started=status.get("started") is True,
            started_at=read_moment(running.get("startedAt") or (ended.get("startedAt") if told is not None else None)),
            finished_at=read_moment(ended.get("finishedAt")),
            earlier_finished_at=read_moment(last.get("finishedAt")),
            image_id=str(status.get("imageID") or ""),
        )


NOTHING: Final = ContainerFacts()


@dataclass(frozen=True, slots=True)
class PodFacts:
    """A pod.

    Attributes:
        owners: the uids of the objects that it belongs to.
        is_gated: whether it waits for the task's record to name it.
        other_gates: what else it waits for before it is scheduled.
        capacity: the size that it was given; "" if admission gave it none.
        is_sandboxed: whether admission marked it and gave it a sandbox.
        is_on_spot: whether admission put it on Spot.
        unsupported: why Fargate couldn't run it; "" if it could.
        unschedulable: what the scheduler says; "" if nothing.
        disruption: why others end it, by its condition DisruptionTarget.
        unprepared_since: since when its node has had it without a sandbox, volumes and network.
        is_stopping: whether it was told to stop.
        is_gone: whether it doesn't exist any more, and this is how it was last seen.
    """

    uid: str
    owners: tuple[str, ...] = ()
    is_gated: bool = False
    other_gates: tuple[str, ...] = ()
    capacity: str = ""
    is_sandboxed: bool = False
    is_on_spot: bool = False
    unsupported: str = ""
    node: str = ""
    address: str = ""
    phase: str = ""
    reason: str = ""
    message: str = ""
    unschedulable: str = ""
    disruption: str = ""
    disruption_message: str = ""
    scheduled_at: datetime.datetime | None = None
    addressed_at: datetime.datetime | None = None
    unprepared_since: datetime.datetime | None = None
    deletion: datetime.datetime | None = None
    is_stopping: bool = False
    is_gone: bool = False
    containers: Mapping[str, ContainerFacts] = field(default_factory=dict)

    @property
    def is_terminal(self) -> bool:
        """Whether all of its containers have ended for good."""
        return self.phase in TERMINAL

    @classmethod
    def read(cls, pod: Mapping[str, Any], *, is_gone: bool = False) -> Self:
        """From a pod as the API server has it."""
        metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
        labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
        gates = tuple(gate.get("name") or "" for gate in spec.get("schedulingGates") or ())
        conditions = {each.get("type"): each for each in status.get("conditions") or ()}
        scheduled, ready = conditions.get("PodScheduled") or {}, conditions.get("PodReadyToStartContainers") or {}
        disruption = conditions.get("DisruptionTarget") or {}
        is_disrupted = disruption.get("status") == "True"
        return cls(
            uid=str(metadata.get("uid") or ""),
            owners=tuple(str(each.get("uid") or "") for each in metadata.get("ownerReferences") or ()),
            is_gated=ECS_TASK_GATE in gates,
            other_gates=tuple(gate for gate in gates if gate != ECS_TASK_GATE),
            capacity=str(annotations.get(CAPACITY_ANNOTATION) or ""),
            is_sandboxed=bool(labels.get(PROFILE_LABEL)) and bool(spec.get("runtimeClassName")),
            is_on_spot=labels.get(CAPACITY_PROVIDER_LABEL) == FARGATE_SPOT,
            unsupported=str(annotations.get(UNSUPPORTED_ANNOTATION) or ""),
            node=str(spec.get("nodeName") or ""),
            address=str(status.get("podIP") or ""),
            phase=str(status.get("phase") or ""),
            reason=str(status.get("reason") or ""),
            message=str(status.get("message") or ""),
            unschedulable=str(scheduled.get("message") or "") if scheduled.get("reason") == "Unschedulable" else "",
            disruption=str(disruption.get("reason") or "") if is_disrupted else "",
            disruption_message=str(disruption.get("message") or "") if is_disrupted else "",
            scheduled_at=_read_since(scheduled, "True"),
            addressed_at=_read_since(ready, "True"),
            unprepared_since=_read_since(ready, "False"),
            deletion=read_moment(metadata.get("deletionTimestamp")),
            is_stopping=spec.get("activeDeadlineSeconds") == STOP_SECONDS,
            is_gone=is_gone,
            containers={
                str(each.get("name") or ""): ContainerFacts.read(each) for each in _list_container_statuses(status)
            },
        )


def _read_code(ended: Mapping[str, Any]) -> int | None:
    """A run's exit code; None if there was no such run, or no one saw it end.

    Where memory runs out, it's the sandbox that is killed, and what the kubelet then has for an exit code is no
    process's. As on AWS, it's that of the signal.
    """
    if not ended or ended.get("reason") in (*_NOT_STARTED, _LOST):
        return None
    return _KILLED if ended.get("reason") == OUT_OF_MEMORY else ended.get("exitCode")


def _list_container_statuses(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for key in ("initContainerStatuses", "containerStatuses"):
        yield from status.get(key) or ()


def _read_since(condition: Mapping[str, Any], status: str) -> datetime.datetime | None:
    return read_moment(condition.get("lastTransitionTime")) if condition.get("status") == status else None
