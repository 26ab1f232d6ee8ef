"""Which pods run in a sandbox that is older than the last patch, and from when each may be replaced.

Source: EKS user guide, "Set actions for AWS Fargate OS patching events": pods that were launched before a date are
replaced, and those launched after it are exempt. Here a patch is a new version of the sandbox on the nodes: gVisor's
runsc, or Kata's hypervisor, guest kernel and image. A sandbox that runs stays on the old one until it is made again,
and nodes don't tell its version, so a date says it, too: the annotation `monopod.dev/patched` of the RuntimeClass,
which whoever patches writes when the last node is done.

A sandbox is made again without the pod when its node restarts; the pod's condition tells.

Times have whole seconds. A sandbox from the date's own second counts as older, because it may be. A replacement that
comes up within that second is replaced once more, and no other after it: by then the second is over.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from monopod.kube.objects.fields import InvalidManifest, Part
from monopod.kube.objects.timestamps import read_time
from monopod.kube.objects.views import NodeView
from monopod.patching.rules.maintenance import leaves
from monopod.pods.rules.state import get_mark, has_ended

MAX_WAIT: Final = datetime.timedelta(days=14)
DEFAULT_WAIT: Final = datetime.timedelta(days=7)
"""As ECS has them."""

_READY_TO_START: Final = "PodReadyToStartContainers"


class InvalidDate(InvalidManifest):
    """A date that can't be read."""


class Cause(StrEnum):
    """Why a sandbox is to be replaced."""

    PATCH = "Patch"
    AGE = "Age"
    MAINTENANCE = "Maintenance"


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch of a RuntimeClass's sandbox.

    Attributes:
        date: sandboxes of the class that were made before it, or in the same second, are stale.
        noticed_at: when the owners of pods could first know, from which the wait counts; None: it isn't on record.
    """

    runtime_class: str
    date: datetime.datetime
    noticed_at: datetime.datetime | None = None


@dataclass(frozen=True, slots=True)
class StalePod:
    """A pod whose sandbox is to be replaced.

    Attributes:
        started: when its sandbox was made.
        node: where it runs.
        cause: the one by which it may be replaced first.
        eligible_from: when it may be evicted, as far as the wait is concerned.
        is_terminating: whether it is on its way out already.
        ends: when its grace period is over, if it is.
        precedes: the patch that it is from before, whatever the cause; None if there is none.
    """

    namespace: str
    name: str
    uid: str
    profile: str
    node: str
    started: datetime.datetime
    cause: Cause
    eligible_from: datetime.datetime
    is_terminating: bool = False
    precedes: Patch | None = None
    ends: datetime.datetime | None = None

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def is_unnoticed(self) -> bool:
        """Whether it may be replaced first by a patch whose notice isn't on record."""
        return self.cause is Cause.PATCH and self.precedes is not None and self.precedes.noticed_at is None


def read_date(text: str) -> datetime.datetime:
    """The date of a patch, as RFC 3339 has it.

    Raises:
        InvalidDate: it isn't one, or has no time zone, so that it means another moment elsewhere.
    """
    try:
        date = read_time(text)
    except ValueError:
        date = None
    if date is None or date.tzinfo is None:
        raise InvalidDate(f"must be a time such as 2026-11-20T00:00:00Z, not {text!r}")
    return date


def find_stale(
    pod: Mapping[str, Any],
    patch: Patch | None,
    wait: datetime.timedelta,
    max_age: datetime.timedelta | None,
    now: datetime.datetime,
    leaving: Mapping[str, NodeView] | None = None,
) -> StalePod | None:
    """The pod, if its sandbox is to be replaced; None if it isn't a profile's, has ended or isn't stale.

    A pod that waits for a node isn't stale: its sandbox will be made by what the node has then.

    Args:
        pod: as the API server sends it.
        patch: the last one of the pod's RuntimeClass, if there was one.
        wait: from the notice to the first eviction.
        max_age: how old a sandbox may become in any case. It needs no notice, as it is known from the beginning.
        now: the time.
        leaving: the nodes that are about to be taken away, by name; their pods go at once.

    Raises:
        InvalidManifest: a field holds what the API server would never store.
    """
    started = read_sandbox_start(pod)
    if not get_mark(pod) or has_ended(pod) or started is None:
        return None
    causes, precedes = [], patch if patch and started <= patch.date <= now else None
    if precedes:
        causes.append(((precedes.noticed_at or now) + wait, Cause.PATCH))
    if max_age is not None and started + max_age <= now:
        causes.append((started + max_age, Cause.AGE))
    root = Part(pod)
    node = root.child("spec").text("nodeName")
    if leaving and node in leaving and leaves(pod, started, leaving[node]):
        causes.append((started, Cause.MAINTENANCE))
    if not causes:
        return None
    eligible_from, cause = min(causes)
    metadata = root.child("metadata")
    ends = read_time(metadata.text("deletionTimestamp"))
    return StalePod(
        metadata.text("namespace"), metadata.text("name"), metadata.text("uid"), get_mark(pod), node, started,
        cause, eligible_from, is_terminating=ends is not None, precedes=precedes, ends=ends,
    )  # fmt: skip


def read_sandbox_start(pod: Mapping[str, Any]) -> datetime.datetime | None:
    """When the pod's sandbox was made; None as long as it has none.

    The kubelet's acknowledgement comes shortly before, and the condition, where there is one, when the sandbox is
    ready: the later of the two is the sandbox that runs now. Both are by the node's clock. If that is slow, the time of
    the pod's creation, which is the API server's, is later: no sandbox is older than its pod.

    Raises:
        InvalidManifest: a field holds what the API server would never store.
    """
    status, created = Part(pod).child("status"), Part(pod).child("metadata").text("creationTimestamp")
    told = [status.text("startTime")] + [
        condition.text("lastTransitionTime")
        for condition in status.children("conditions")
        if condition.text("type") == _READY_TO_START and condition.text("status") == "True"
    ]
    dates = [read_date(text) for text in told if text]
    return max([*dates, read_date(created)] if created else dates) if dates else None
