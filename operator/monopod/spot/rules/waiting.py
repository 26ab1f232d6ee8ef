"""Pods on Spot that never started, because the scheduler finds no room for them."""

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from monopod.kube.objects.fields import Part
from monopod.kube.objects.timestamps import read_time
from monopod.pods.rules.state import get_mark
from monopod.workloads.rules.replacement import Owner, get_owner

# Words of kube-scheduler, where nothing else tells why a pod finds no node: of a full one, and of one that isn't the
# pod's to use, as all are not where no node is Spot's (pkg/scheduler/framework/plugins, ErrReason…).
_FULL: Final = ("Insufficient ", "Too many pods")
_NOT_THERE: Final = ("node affinity", "taint", "no nodes available")
_VOLUMES: Final = re.compile("volume|PersistentVolumeClaim", re.IGNORECASE)

_UID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class WaitingPod:
    """A pod on Spot that has no node.

    Attributes:
        version: the resourceVersion that this was read from.
        since: since when the scheduler has found none.
        owner: its controller; None if it has none.
    """

    namespace: str
    name: str
    uid: str
    version: str
    profile: str
    created: datetime.datetime
    since: datetime.datetime
    owner: Owner | None


def read_waiting(pod: Mapping[str, Any]) -> WaitingPod | None:
    """A pod that waits for room; None for any other.

    One that waits behind a gate, for its volumes or for pods that it preempts, or that is being deleted, isn't helped
    by running on demand.
    """
    root = Part(pod)
    metadata, spec, status = root.child("metadata"), root.child("spec"), root.child("status")
    created = read_time(metadata.text("creationTimestamp"))
    touched = spec.text("nodeName") or status.text("startTime") or status.text("nominatedNodeName")
    if created is None or touched or "deletionTimestamp" in metadata.fields or status.text("phase") != "Pending":
        return None
    for condition in status.children("conditions"):
        since = read_time(condition.text("lastTransitionTime"))
        unschedulable = condition.text("type") == "PodScheduled" and condition.text("reason") == "Unschedulable"
        if unschedulable and condition.text("status") == "False" and since and lacks_room(condition.text("message")):
            return WaitingPod(
                metadata.text("namespace"),
                metadata.text("name"),
                metadata.text("uid"),
                metadata.text("resourceVersion"),
                get_mark(pod),
                created,
                since,
                _get_known_owner(pod),
            )
    return None


def lacks_room(message: str) -> bool:
    """Whether the scheduler's message says that nodes are missing or full, and not only that volumes are."""
    if any(words in message for words in _FULL):
        return True
    return any(words in message for words in _NOT_THERE) and not _VOLUMES.search(message)


def _get_known_owner(pod: Mapping[str, Any]) -> Owner | None:
    """The controller; None also if its uid is none that the API server gave, which would be ambiguous to write."""
    owner = get_owner(pod)
    return owner if owner and _UID.fullmatch(owner.uid) else None
