"""Which pods run elsewhere than they would if they were created now, and which of them to move next.

    seen ──judge──► in place, or not to be moved
             ├────► left alone: the profile says so (no controller, or a job at work)
             ├────► impossible: nothing would run in its place
             └────► elsewhere ──its turn──► evicted, replaced ──► in place
                        └── a replacement is elsewhere again: the whole workload is stopped

All follows from the objects, so an operator that was killed goes on where it was. Whether a budget allows an eviction
is not known here (see `monopod.eviction.rules.order`), nor how a pod without a controller comes back. The caller
must not hand over old objects: what is said here of a workload holds at the moment of the list.
"""

import datetime
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from monopod.api.reasons import Reason
from monopod.eviction.rules.order import Candidate, Obstacle
from monopod.kube.objects.text import list_names
from monopod.kube.objects.timestamps import read_time
from monopod.rescheduling.rules.pod_verdict import (
    Elsewhere,
    Impossible,
    InPlace,
    LeftAlone,
    NamespaceContext,
    NotConcerned,
    PodState,
    PodVerdict,
)
from monopod.rescheduling.rules.settings import ReschedulingSettings
from monopod.workloads.rules.replacement import Workload

MARGIN_SECONDS = 30.0
"""How long after a profile is active a pod may still come up without its sandbox: admission reads namespaces from a
cache, and clocks differ."""


@dataclass(frozen=True, slots=True)
class WorkloadPlan:
    """What is to be done about the pods of one workload for one profile; pods are in the order in which they move.

    Attributes:
        now: those that may be evicted now, if their budgets allow it.
        later: those that wait for their turn.
        replacing: how many are on their way: evicted, or replaced by pods that aren't Ready.
        is_short: whether pods are being deleted, or haven't been created again yet.
        is_broken: whether some of those to move aren't Ready, so that their replacements needn't be either.
        desired: how many pods the workload should have.
        unschedulable: replacements (NAMESPACE/NAME) that no node has room for.
        waiting_for: why none may be evicted now although some wait; "" if there is no reason to name.
        left: pods that stay, by the reason.
        obstacles: what keeps the others.
    """

    workload: Workload
    profile: str
    now: tuple[Candidate, ...] = ()
    later: tuple[Candidate, ...] = ()
    replacing: int = 0
    is_short: bool = False
    is_broken: bool = False
    desired: int = 0
    unschedulable: tuple[str, ...] = ()
    waiting_for: str = ""
    left: Mapping[Reason, tuple[Candidate, ...]] = field(default_factory=dict)
    obstacles: tuple[Obstacle, ...] = ()

    @property
    def is_moving(self) -> bool:
        """Whether it is worth looking again soon."""
        return bool(self.now or self.later or self.replacing)


def plan_workloads(
    workload: Workload,
    pod_states: Sequence[PodState],
    context: NamespaceContext,
    *,
    settling: bool = False,
    expected: int = 0,
    missing: Collection[str] = (),
    blocked: Collection[str] = (),
) -> tuple[WorkloadPlan, ...]:
    """A plan for each profile that pods of the workload belong to but don't run by.

    Args:
        workload: whose pods these are.
        pod_states: all of its pods that haven't ended, whatever their verdict.
        context: their namespace.
        settling: whether pods of it were moved lately, so that its replacements are still of interest.
        expected: how many pods a workload without a known number had before the first was evicted.
        missing: pods (NAMESPACE/NAME) that come back by the operator's own doing, and are gone unless they are seen.
        blocked: pods (NAMESPACE/NAME) that can't be moved for now, so that others are next in line.
    """
    found = {_compute_profile(pod_state.verdict) for pod_state in pod_states} - {""}
    if not found and settling:
        marks = sorted({pod_state.mark for pod_state in pod_states if isinstance(pod_state.verdict, InPlace)})
        found = {mark for mark in marks if mark in context.settings}
    plans: list[WorkloadPlan] = []
    for profile in sorted(found):
        settings = context.settings[profile]
        # Nothing controls these pods, so what becomes of others among them is no reason to wait, nor one that is stuck.
        concerned = [each for each in pod_states if profile in (each.mark, _compute_profile(each.verdict))]
        stuck = {str(each.pod) for each in concerned if each.is_stuck and workload.is_bare}
        pods = [each for each in concerned if str(each.pod) not in stuck] if workload.is_bare else pod_states
        availability = _measure(workload, pods, settings, expected, set(missing) - stuck)
        plan = _plan_workload(workload, pods, context, settings, availability, blocked)
        if stuck:
            plan = replace(plan, obstacles=(*plan.obstacles, _describe_stuck(sorted(stuck))))
        # The bound is the workload's: where two profiles take its pods, they take turns.
        busy = any(other.now for other in plans)
        plans.append(replace(plan, now=(), later=plan.now + plan.later) if busy else plan)
    return tuple(plans)


@dataclass(frozen=True, slots=True)
class _Availability:
    """How many pods of a workload there should be, may be and are unavailable, and are on their way."""

    desired: int
    budget: int
    unavailable: int
    in_flight: int
    missing: int
    is_short: bool


def _measure(
    workload: Workload,
    pods: Sequence[PodState],
    settings: ReschedulingSettings,
    expected: int,
    missing: Collection[str],
) -> _Availability:
    present = len(pods) if workload.is_bare else sum(not each.is_terminating for each in pods)
    gone = len(set(missing) - {str(each.pod) for each in pods})
    desired = max(expected, present) + gone if workload.desired is None else workload.desired
    going = sum(each.is_terminating for each in pods)
    coming = sum(each.mark == settings.profile and not (each.is_ready or each.is_terminating) for each in pods)
    unavailable = max(0, desired - sum(each.is_ready for each in pods))
    lacking = gone if workload.is_bare else max(0, desired - present)
    return _Availability(
        desired, settings.compute_budget(desired), unavailable, going + coming + gone, lacking, lacking > 0 or going > 0
    )


def _compute_profile(verdict: PodVerdict) -> str:
    match verdict:
        case Elsewhere(profile) | LeftAlone(profile) | Impossible(profile):
            return profile
        case InPlace() | NotConcerned():
            return ""
        case never:
            assert_never(never)


def _plan_workload(
    workload: Workload,
    pod_states: Sequence[PodState],
    context: NamespaceContext,
    settings: ReschedulingSettings,
    availability: _Availability,
    blocked: Collection[str],
) -> WorkloadPlan:
    ordered = sorted(pod_states, key=lambda each: (each.pod.created, each.pod.namespace, each.pod.name))
    ours = [each for each in ordered if each.verdict == Elsewhere(settings.profile)]
    waiting = [each for each in ours if not each.is_terminating]
    misplaced_pods = [each for each in waiting if _is_misplaced(each, settings, context)]
    # What becomes of one pod without a controller says nothing about the next.
    stopped = waiting if misplaced_pods and not workload.is_bare else misplaced_pods
    moving = [] if stopped == waiting else [each for each in waiting if each not in stopped]
    going = [each for each in ours if each.is_terminating]
    coming = [each for each in ordered if each.mark == settings.profile and not (each.is_ready or each.is_terminating)]
    now, waiting_for = _find_turn(workload, moving, settings, availability, blocked)
    obstacles = _compute_impossible(ordered, settings.profile)
    if stopped:
        obstacles = (*obstacles, _describe_stop(workload, misplaced_pods, stopped, settings))
    return WorkloadPlan(
        workload,
        settings.profile,
        tuple(each.pod for each in now),
        tuple(each.pod for each in moving if each not in now),
        max(len(going), 0 if workload.is_bare else len(coming) + availability.missing),
        availability.is_short,
        any(not each.is_ready for each in moving),
        availability.desired,
        tuple(str(each.pod) for each in coming if each.is_unschedulable),
        waiting_for or ("" if moving else _describe_wait(workload, availability, going, coming)),
        _find_left(ordered, settings.profile),
        obstacles,
    )


def _describe_wait(
    workload: Workload, availability: _Availability, going: Sequence[PodState], coming: Sequence[PodState]
) -> str:
    """What a workload waits for of which no more pods have to move."""
    if availability.missing and not (going or coming):
        return f"{availability.missing} of {availability.desired} pods of {workload} don't exist (`kubectl get events`)"
    names = list_names([str(each.pod) for each in coming or going])
    if coming or not going:
        return f"{names} isn't Ready" if coming else ""
    return f"{names} is being deleted: in its grace period, or held by a finalizer or by a node that doesn't answer"


def _is_misplaced(pod_state: PodState, settings: ReschedulingSettings, context: NamespaceContext) -> bool:
    """Whether the pod shows that replacements don't come up in the profile's sandbox.

    One that runs by a profile that is gone meanwhile shows nothing: it was right when it was created.
    """
    created = read_time(pod_state.pod.created)
    if settings.trusted is None or created is None:
        return False
    known = not pod_state.mark or any(profile.name == pod_state.mark for profile in context.profiles)
    return known and created > settings.trusted + datetime.timedelta(seconds=MARGIN_SECONDS)


def _find_turn(
    workload: Workload,
    moving: Sequence[PodState],
    settings: ReschedulingSettings,
    availability: _Availability,
    blocked: Collection[str],
) -> tuple[list[PodState], str]:
    """Those of the pods to move that may be evicted now, and why there are none."""
    # Nothing may be evicted before the beginning is on record, or a loop of evictions would never be noticed.
    if settings.paused or settings.started is None or not moving:
        return [], ""
    if settings.trusted is None:
        return [], f"profile {settings.profile} isn't Ready"
    free = [each for each in moving if str(each.pod) not in blocked]
    ready = [each for each in free if each.is_ready][: max(0, availability.budget - availability.unavailable)]
    # Those that aren't Ready are missed by no one, but no more than the budget are on their way.
    unready = [each for each in free if not each.is_ready][: max(0, availability.budget - availability.in_flight)]
    now = [each for each in free if each in ready or each in unready]
    if now or not free:
        return now, ""
    waiting_for = (
        f"{availability.unavailable} of {availability.desired} pods of {workload} aren't Ready, and "
        f"{availability.budget} may be while they are moved"
    )
    return now, waiting_for


def _find_left(pod_states: Iterable[PodState], profile: str) -> dict[Reason, tuple[Candidate, ...]]:
    left: dict[Reason, tuple[Candidate, ...]] = {}
    for each in pod_states:
        match each.verdict:
            case LeftAlone(owner, reason) if owner == profile and not each.is_terminating:
                left[reason] = (*left.get(reason, ()), each.pod)
            case _:
                continue
    return left


def _compute_impossible(pod_states: Iterable[PodState], profile: str) -> tuple[Obstacle, ...]:
    reasons: dict[str, list[str]] = {}
    for each in pod_states:
        match each.verdict:
            case Impossible(owner, why) if owner == profile and not each.is_terminating:
                reasons.setdefault(why, []).append(str(each.pod))
            case _:
                continue
    return tuple(
        Obstacle(Reason.PODS_UNSUPPORTED, f"{list_names(pods)} would stay Pending: {why}", tuple(pods))
        for why, pods in reasons.items()
    )


def _describe_stuck(pods: Sequence[str]) -> Obstacle:
    verb = "has been" if len(pods) == 1 else "have been"
    message = (
        f"{list_names(pods)} {verb} terminating for minutes, held by a finalizer or by a node that doesn't answer "
        f"(`kubectl describe pod`); others go on"
    )
    return Obstacle(Reason.PODS_TERMINATING, message, tuple(pods))


def _describe_stop(
    workload: Workload, misplaced_pods: Sequence[PodState], stopped: Sequence[PodState], settings: ReschedulingSettings
) -> Obstacle:
    pod = misplaced_pods[0].pod
    message = (
        f"{workload} isn't moved any further: pod {pod} was created after profile {settings.profile} became active, "
        f"and doesn't run by it. Find out why (`kubectl fargate explain pod {pod.name} -n {pod.namespace}`), then "
        "delete that pod"
    )
    return Obstacle(Reason.REPLACEMENT_NOT_SANDBOXED, message, tuple(str(each.pod) for each in stopped))


def is_proof(pod_state: PodState, settings: ReschedulingSettings) -> bool:
    """Whether the pod shows that what is created now becomes Ready in the profile's sandbox."""
    created = read_time(pod_state.pod.created)
    if settings.trusted is None or created is None:
        return False
    return pod_state.mark == settings.profile and pod_state.is_ready and created >= settings.trusted


def order_moves(plans: Iterable[WorkloadPlan]) -> list[tuple[Candidate, WorkloadPlan]]:
    """All pods that will be moved, in the order in which they are, budgets aside: the oldest first."""
    moves = [(pod, plan) for plan in plans for pod in (*plan.now, *plan.later)]
    return sorted(moves, key=lambda move: (move[0].created, move[0].namespace, move[0].name))
