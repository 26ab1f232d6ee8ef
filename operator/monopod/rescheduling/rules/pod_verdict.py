"""The verdict on each pod: in place, elsewhere, left alone, or such that its replacement couldn't run.

Only that; whose turn it is among those elsewhere, `monopod.rescheduling.rules.plans` decides.
"""

import datetime
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

from monopod.api.reasons import Reason
from monopod.eviction.rules.order import Candidate
from monopod.kube.objects.fields import Part
from monopod.kube.objects.timestamps import read_time
from monopod.pods.rules.decision import (
    OptOutRefused,
    OutOfBounds,
    ProviderRefused,
    Sandboxed,
    Skipped,
    Unmatched,
    Unsupported,
    decide,
)
from monopod.pods.rules.exemptions import guess_creator
from monopod.pods.rules.selection import Profile
from monopod.pods.rules.state import get_mark, has_ended, is_ready
from monopod.pods.rules.volumes import VolumesReady, judge_volumes
from monopod.rescheduling.rules.settings import ReschedulingSettings
from monopod.workloads.rules.replacement import Workload, build_replacement

Manifest = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NamespaceContext:
    """What decides about the pods of one namespace.

    Attributes:
        profiles: those that admission reads there, as the operator published them.
        settings: of those among them that are enforced and move pods, by name.
        deleting: profiles that are being deleted, which moves their pods.
        protected: namespaces that only their exact name reaches.
        claims: the PersistentVolumeClaims of the namespace by name, if any pod to be moved has one.
        volumes: the PersistentVolumes behind them, by name.
    """

    namespace: str
    profiles: tuple[Profile, ...]
    settings: Mapping[str, ReschedulingSettings]
    deleting: frozenset[str] = frozenset()
    protected: Collection[str] = frozenset()
    claims: Mapping[str, Manifest] = field(default_factory=dict)
    volumes: Mapping[str, Manifest] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InPlace:
    """The pod runs by the profile that would take it."""


@dataclass(frozen=True, slots=True)
class NotConcerned:
    """Nothing to do: no profile that moves pods would take it, or no one moves pods of its sort."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Its replacement would run by this profile."""

    profile: str


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """The same, but the profile says that pods of its sort stay."""

    profile: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Impossible:
    """The profile would take its replacement, and Fargate couldn't run it: moving it would end it."""

    profile: str
    why: str


PodVerdict = InPlace | NotConcerned | Elsewhere | LeftAlone | Impossible


def judge(pod: Manifest, workload: Workload, context: NamespaceContext) -> PodVerdict:
    """The verdict on the pod.

    Args:
        pod: the whole pod, as the API server sends it.
        workload: what would replace it.
        context: its namespace.
    """
    mark, creator = get_mark(pod), guess_creator(pod)
    if has_ended(pod) or mark in context.deleting:
        return NotConcerned()
    replacement = build_replacement(pod, workload)
    match decide(replacement, context.namespace, context.profiles, username=creator, protected=context.protected):
        case OutOfBounds() | Unmatched() | Skipped() | OptOutRefused() | ProviderRefused():
            return NotConcerned()  # beyond the bounds, or opting out in vain, its replacement would be refused
        case Sandboxed(profile=profile) | Unsupported(profile=profile) if profile.name == mark:
            return InPlace()
        case Sandboxed(profile=profile) | Unsupported(profile=profile) if profile.name not in context.settings:
            return NotConcerned()
        case Unsupported(profile=profile, text=text):
            return Impossible(profile.name, text)
        case Sandboxed(profile=profile):
            return _judge_matching(pod, workload, context, context.settings[profile.name], mark)
        case never:
            assert_never(never)


def _judge_matching(
    pod: Manifest, workload: Workload, context: NamespaceContext, settings: ReschedulingSettings, mark: str
) -> PodVerdict:
    if workload.is_bare:
        if mark:
            return NotConcerned()  # sandboxed already, and nothing would replace it
        if not settings.recreates_bare_pods:
            return LeftAlone(
                settings.profile, Reason.RECREATION_OFF if settings.lacks_recreation else Reason.BARE_PODS_LEFT
            )
    if workload.ends_by_itself(pod) and not settings.moves_running_jobs:
        return LeftAlone(settings.profile, Reason.RUNNING_JOBS_LEFT)
    volumes = judge_volumes(pod, context.claims, context.volumes)
    return (
        Elsewhere(settings.profile) if isinstance(volumes, VolumesReady) else Impossible(settings.profile, volumes.text)
    )


STUCK_SECONDS = 120.0
"""How long after the end of its grace period a pod counts as held: by a finalizer, or a node that doesn't answer."""


@dataclass(frozen=True, slots=True)
class PodState:
    """A pod of a workload, reduced to what matters for its turn."""

    pod: Candidate
    verdict: PodVerdict
    mark: str
    is_ready: bool
    is_terminating: bool
    is_stuck: bool = False
    is_unschedulable: bool = False


def observe(pod: Manifest, workload: Workload, context: NamespaceContext, now: str = "") -> PodState:
    """Reduces a pod, see `judge`; without the time (RFC 3339) none counts as stuck."""
    return _reduce(pod, workload, context, judge(pod, workload, context), now)


def observe_unmovable(pod: Manifest, workload: Workload, context: NamespaceContext, now: str = "") -> PodState:
    """Reduces a pod that no profile but its own matches, so that nothing has to be worked out."""
    return _reduce(pod, workload, context, InPlace() if get_mark(pod) else NotConcerned(), now)


def _reduce(pod: Manifest, workload: Workload, context: NamespaceContext, verdict: PodVerdict, now: str) -> PodState:
    root = Part(pod)
    metadata = root.child("metadata")
    ready = is_ready(pod)
    candidate = Candidate(
        context.namespace,
        metadata.text("name"),
        metadata.text("uid"),
        metadata.text("creationTimestamp"),
        metadata.text("uid") if workload.is_bare else workload.uid,
        patient=True,
    )
    # The API server writes the end of the grace period here.
    ends, clock = read_time(metadata.text("deletionTimestamp")), read_time(now)
    stuck = ends is not None and clock is not None and clock >= ends + datetime.timedelta(seconds=STUCK_SECONDS)
    unschedulable = any(
        condition.text("type") == "PodScheduled" and condition.text("reason") == "Unschedulable"
        for condition in root.child("status").children("conditions")
    )
    return PodState(candidate, verdict, get_mark(pod), ready and ends is None, ends is not None, stuck, unschedulable)
