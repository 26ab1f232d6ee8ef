"""On what terms a profile moves pods that exist already: its own fields, and what its status remembers."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monopod.kube.objects.fields import InvalidProfile, Part
from monopod.kube.objects.timestamps import read_time
from monopod.workloads.rules.settings import MovingSettings, compute_budget, read_choice

Manifest = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReschedulingSettings:
    """How a profile moves pods that exist; `max_unavailable` is a number of pods or a percentage (`10%`).

    Attributes:
        lacks_recreation: whether it asks for bare pods to be created again, and the installation doesn't do that.
        started: status.rescheduling.startedAt, None before the first pod.
        trusted: since when new pods are sandboxed, None if that isn't known: the profile is enforced
            (status.enforcedSince), and this round of moves has begun.
        is_open: whether pods had to move, or were on their way, when the status was written. It says to an operator
            that has just started where one before it may have left off.
    """

    profile: str
    moves: bool = True
    max_unavailable: int | str = "10%"
    recreates_bare_pods: bool = False
    moves_running_jobs: bool = False
    paused: bool = False
    started: datetime.datetime | None = None
    trusted: datetime.datetime | None = None
    lacks_recreation: bool = False
    is_open: bool = field(default=False, compare=False)

    @classmethod
    def from_resource(cls, resource: Manifest, *, recreation: bool = True) -> "ReschedulingSettings":
        """Reads a FargateProfile as the API server sends it, or a manifest.

        Args:
            resource: the profile.
            recreation: whether the installation lets the operator create pods.

        Raises:
            InvalidProfile: a field holds what the API server would never store.
        """
        root = Part(resource, error=InvalidProfile)
        spec, status = root.child("spec"), root.child("status")
        told = status.child("rescheduling")
        started, enforced = read_time(told.text("startedAt")), read_time(status.text("enforcedSince"))
        moving = MovingSettings.from_spec(spec, recreation=recreation)
        return cls(
            root.child("metadata").text("name"),
            read_choice(spec, "existingPods", "Reschedule", "Keep") == "Reschedule",
            moving.max_unavailable,
            moving.recreates_bare_pods,
            moving.moves_running_jobs,
            moving.paused,
            started,
            max(started, enforced) if started and enforced else None,
            moving.lacks_recreation,
            told.number("waiting") + told.number("blocked") > 0,
        )

    def compute_budget(self, desired: int) -> int:
        """How many of a number of pods may be unavailable at a time."""
        return compute_budget(self.max_unavailable, desired)
