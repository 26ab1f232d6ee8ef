"""On what terms a profile's sandboxes are replaced: its own fields, and what its status remembers of the round."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from monopod.kube.objects.fields import InvalidManifest, InvalidProfile, Part
from monopod.kube.objects.timestamps import read_time
from monopod.patching.rules.staleness import DEFAULT_WAIT, Patch
from monopod.patching.rules.windows import Window, build_window, parse_duration
from monopod.workloads.rules.settings import MovingSettings, read_choice

Manifest = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Termination:
    """What the status remembers of a pod whose eviction was refused.

    Attributes:
        at: when it is to be terminated.
        message: why it was refused.
        announced: whether the event about it has been posted.
    """

    namespace: str
    name: str
    uid: str
    refused_at: datetime.datetime
    at: datetime.datetime
    message: str = ""
    announced: bool = False


@dataclass(frozen=True, slots=True)
class Memory:
    """What status.patching remembers; what isn't on record hasn't begun.

    Attributes:
        notices: the patches that were noticed, by the RuntimeClass.
        terminations: by the pods' uids.
    """

    notices: Mapping[str, Patch] = field(default_factory=dict)
    terminations: Mapping[str, Termination] = field(default_factory=dict)

    @classmethod
    def from_status(cls, status: Part) -> "Memory":
        """Reads a profile's status.

        Raises:
            InvalidManifest: a field holds what the API server would never store.
        """
        told = status.child("patching")
        notices = {each.runtime_class: each for each in map(_read_notice, told.children("notices")) if each}
        found = map(_read_termination, told.children("terminations"))
        return cls(notices, {each.uid: each for each in found if each})


def _read_notice(part: Part) -> Patch | None:
    patched, noticed_at = read_time(part.text("patched")), read_time(part.text("noticedAt"))
    return Patch(part.text("runtimeClassName"), patched, noticed_at) if patched and noticed_at else None


def _read_termination(part: Part) -> Termination | None:
    refused_at, at = read_time(part.text("refusedAt")), read_time(part.text("scheduledTerminationTime"))
    if refused_at is None or at is None:
        return None
    namespace, name, uid = part.text("namespace"), part.text("name"), part.text("uid")
    return Termination(
        namespace, name, uid, refused_at, at, part.text("evictErrorMessage"), announced=part.flag("announced")
    )


@dataclass(frozen=True, slots=True)
class PatchingSettings:
    """How a profile's sandboxes are replaced.

    Attributes:
        runtime_class: the sandbox of its new pods.
        fault: why a window can't be used, "" if all can; nothing is evicted then.
        max_unavailable: of a workload, a number of pods or a percentage (`10%`).
        lacks_recreation: whether it asks for bare pods to be created again, and the installation doesn't do that.
    """

    profile: str
    runtime_class: str = ""
    wait: datetime.timedelta = DEFAULT_WAIT
    windows: tuple[Window, ...] = ()
    fault: str = ""
    max_age: datetime.timedelta | None = None
    moves_on_maintenance: bool = False
    deletes_overdue: bool = False
    max_unavailable: int | str = "10%"
    recreates_bare_pods: bool = False
    lacks_recreation: bool = False
    moves_running_jobs: bool = False
    paused: bool = False
    memory: Memory = Memory()

    @classmethod
    def from_resource(cls, resource: Manifest, *, recreation: bool = True) -> "PatchingSettings":
        """Reads a FargateProfile as the API server sends it.

        Args:
            resource: the profile.
            recreation: whether the installation lets the operator create pods.

        Raises:
            InvalidManifest: a field holds what the API server would never store.
        """
        root = Part(resource, error=InvalidProfile)
        spec, status = root.child("spec"), root.child("status")
        patching = spec.child("patching")
        windows, fault = _read_windows(patching)
        wait, age = patching.text("wait"), patching.text("maxPodAge")
        moving = MovingSettings.from_spec(spec, recreation=recreation)
        return cls(
            profile=root.child("metadata").text("name"),
            runtime_class=status.text("runtimeClassName") or spec.text("runtimeClassName"),
            wait=parse_duration(wait) if wait else DEFAULT_WAIT,
            windows=windows,
            fault=fault,
            max_age=parse_duration(age) if age else None,
            moves_on_maintenance=read_choice(patching, "onNodeMaintenance", "Ignore", "Move") == "Move",
            deletes_overdue=read_choice(patching, "overdue", "Keep", "Delete") == "Delete",
            max_unavailable=moving.max_unavailable,
            recreates_bare_pods=moving.recreates_bare_pods,
            lacks_recreation=moving.lacks_recreation,
            moves_running_jobs=moving.moves_running_jobs,
            paused=moving.paused,
            memory=Memory.from_status(status),
        )


def _read_windows(patching: Part) -> tuple[tuple[Window, ...], str]:
    """The windows, and why the first that can't be used can't; CEL doesn't see all of a schedule."""
    found, fault = [], ""
    for part in patching.children("windows"):
        try:
            zone = ZoneInfo(part.text("timeZone") or "UTC")
            found.append(build_window(part.text("schedule"), parse_duration(part.text("duration")), zone))
        except InvalidManifest as problem:
            fault = fault or f"{part.path}: {problem}"
        except (KeyError, OSError, ValueError):
            fault = fault or f"{part.path_of('timeZone')}: there is no time zone {part.text('timeZone')!r}"
    return tuple(found), fault
