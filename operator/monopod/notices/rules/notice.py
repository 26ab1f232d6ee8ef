"""What there is to tell: each kind of notice with what it says.

A notice's id follows from what it is about, so that one that is sent again, perhaps by another replica, is known by its
receiver. Everything in it comes from objects, times too, for the same reason.
"""

import datetime
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

_IDS: Final = uuid.UUID("5b9a4a0e-0b53-4b8e-9d1c-6a2f0f5d7c11")
"""The namespace of the ids, in the sense of RFC 9562: any, and always the same."""


INTERRUPTED: Final = "Your Spot Task was interrupted."
"""AWS's words: the `stoppedReason` of the task."""

INTERRUPTION: Final = "SpotInterruption"
"""AWS's `stopCode`."""


@dataclass(frozen=True, slots=True)
class NoticedPod:
    """The pod that a notice is about."""

    namespace: str
    name: str
    uid: str
    profile: str


@dataclass(frozen=True, slots=True)
class SpotInterruption:
    """A pod is being ended because its capacity is wanted elsewhere, or as if it were.

    Attributes:
        cause: how that is known, as the metric has it.
        provider: FARGATE_SPOT, or FARGATE of a pod on demand in a drill.
        began: when its containers got SIGTERM.
        ends: when they get SIGKILL at the latest.
    """

    pod: NoticedPod
    cause: str
    provider: str
    began: datetime.datetime
    ends: datetime.datetime


@dataclass(frozen=True, slots=True)
class ScheduledTermination:
    """A pod that is older than a patch couldn't be evicted, and will be ended.

    Attributes:
        error: why it couldn't be evicted.
        noticed: when that was tried.
        terminates: when it is tried again, or the pod is deleted.
    """

    pod: NoticedPod
    error: str
    noticed: datetime.datetime
    terminates: datetime.datetime


@dataclass(frozen=True, slots=True)
class TaskStateChange:
    """A task of ECS's has come to another status, or is to.

    Attributes:
        cluster: its cluster, by its name on ECS.
        task: its id.
        uid: of its record.
        version: how often its status had changed.
        family: of its task definition.
        revision: likewise.
        changed: when it changed.
        members: what AWS's API tells of it, but for ARNs.
    """

    cluster: str
    task: str
    uid: str
    version: int
    family: str
    revision: int
    changed: datetime.datetime
    members: Mapping[str, Any] = field(default_factory=dict)


Notice = SpotInterruption | ScheduledTermination | TaskStateChange


def compute_id(notice: Notice) -> str:
    """The notice's id, a UUID: the same for what is the same notice."""
    match notice:
        case SpotInterruption(pod):
            what = f"SpotInterruption/{pod.uid}"
        case ScheduledTermination(pod, terminates=terminates):
            what = f"ScheduledTermination/{pod.uid}/{terminates.astimezone(datetime.UTC).isoformat()}"
        case TaskStateChange(uid=uid, version=version):
            what = f"TaskStateChange/{uid}/{version}"
        case _:
            assert_never(notice)
    return str(uuid.uuid5(_IDS, what))


def compute_subject(notice: Notice) -> str:
    """What it is about: the uid of the pod, or of the task's record. Notices about the same are sent in their order."""
    return notice.uid if isinstance(notice, TaskStateChange) else notice.pod.uid


def name_kind(notice: Notice) -> str:
    """What metrics call its kind."""
    return type(notice).__name__
