"""How many workloads a profile moves before it is known that replacements become Ready, and when it stops.

    nothing proven yet ──► one pod of one workload (the canary) ──Ready──► one pod in each namespace ──Ready──► all
                                     └── not Ready within the deadline ──► nothing more there
    a replacement is Unschedulable   ──► nothing more of the profile until it isn't
    MOST_LATE workloads are late     ──► nothing more of the profile until fewer are

What proves it is a Ready pod in the profile's sandbox, created since the profile became active: an object, so that an
operator that was killed needs no memory of it. Workloads that weren't Ready before prove nothing, and stop nothing.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from monopod.api.reasons import Reason
from monopod.eviction.rules.order import Obstacle
from monopod.kube.objects.text import list_names
from monopod.rescheduling.rules.plans import WorkloadPlan

MOST_LATE = 3
"""Two workloads may have troubles of their own at a time; three are more likely to have the same."""

Key = tuple[str, str]
"""A profile and a workload's uid."""


def get_key(plan: WorkloadPlan) -> Key:
    """What identifies it."""
    return plan.profile, plan.workload.uid


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of replacements.

    Attributes:
        proven: profiles and namespaces in which replacements have become Ready.
        late: those on their way for longer than the deadline.
        broken: those that weren't Ready before.
        chosen: the canaries so far, which stay so while they have pods to move.
        refused: those whose next eviction a budget refuses for the time being. They keep no other waiting.
    """

    proven: Collection[tuple[str, str]] = ()
    late: Collection[Key] = ()
    broken: Collection[Key] = ()
    chosen: Collection[Key] = ()
    refused: Collection[Key] = ()


def limit(plans: Sequence[WorkloadPlan], evidence: Evidence) -> tuple[WorkloadPlan, ...]:
    """The plans of all namespaces, in their order, with no more to be moved now than is safe."""
    groups = _group(plans, lambda each: each.profile)
    cautions = {profile: _ProfileCaution(ours, evidence) for profile, ours in groups.items()}
    return tuple(cautions[each.profile].limit(each) for each in plans)


def _group(plans: Iterable[WorkloadPlan], key: Callable[[WorkloadPlan], str]) -> dict[str, list[WorkloadPlan]]:
    groups: dict[str, list[WorkloadPlan]] = {}
    for each in plans:
        groups.setdefault(key(each), []).append(each)
    return groups


class _ProfileCaution:
    """What is said of all workloads of a profile, worked out once."""

    def __init__(self, ours: Sequence[WorkloadPlan], evidence: Evidence) -> None:
        self._evidence = evidence
        sound = [each for each in ours if get_key(each) not in evidence.broken]
        self._late = [each for each in sound if each.replacing and self._is_late(each)]
        self._stuck = [each for each in ours if each.unschedulable]
        self._is_known = any(profile == ours[0].profile for profile, _ in evidence.proven)
        # Namespaces are proven one by one; until the profile itself is, one canary goes for all of them.
        self._on_their_way = _group((each for each in sound if each.replacing), self._compute_rivals)
        free = (each for each in ours if each.now and get_key(each) not in evidence.refused)
        candidates = _group(free, self._compute_rivals)
        self._canaries = {rivals: _choose(those, evidence) for rivals, those in candidates.items()}

    def _compute_rivals(self, plan: WorkloadPlan) -> str:
        """Among whom one goes first: those of the namespace, or all."""
        return plan.workload.namespace if self._is_known else ""

    def _is_late(self, plan: WorkloadPlan) -> bool:
        return get_key(plan) in self._evidence.late

    def limit(self, plan: WorkloadPlan) -> WorkloadPlan:
        """One of its plans with no more to be moved now than is safe."""
        if len(self._late) >= MOST_LATE:
            return _stop(plan, f"replacements of {_list(self._late)} don't become Ready")
        if self._stuck:
            pods = list_names([pod for each in self._stuck for pod in each.unschedulable])
            why = f"no node has room for {pods} (`kubectl describe pod`)"
            return (_stop if any(map(self._is_late, self._stuck)) else _hold)(plan, why)
        if (plan.profile, plan.workload.namespace) in self._evidence.proven:
            return plan
        on_their_way = self._on_their_way.get(self._compute_rivals(plan), [])
        if overdue := [each for each in on_their_way if self._is_late(each)]:
            return _stop(plan, f"the first replacement, of {_list(overdue)}, doesn't become Ready")
        if on_their_way:
            return _hold(plan, f"{_list(on_their_way)} goes first, until its replacement is Ready")
        canary = self._canaries.get(self._compute_rivals(plan), plan)
        # One that a budget refuses is tried on, so that it moves and is reported like others.
        if canary is not plan and get_key(plan) not in self._evidence.refused:
            return _hold(plan, f"{canary.workload} goes first, until its replacement is Ready")
        return replace(plan, now=plan.now[:1], later=(*plan.now[1:], *plan.later))


def _choose(candidates: Iterable[WorkloadPlan], evidence: Evidence) -> WorkloadPlan:
    """The one that misses a pod least: it is Ready and has several; of these the youngest."""
    ordered = sorted(candidates, key=lambda each: (each.now[0].created, get_key(each)), reverse=True)
    return min(
        ordered,
        key=lambda each: (get_key(each) not in evidence.chosen, each.is_broken, each.desired < 2),
    )


def _list(plans: Iterable[WorkloadPlan]) -> str:
    return list_names(sorted({str(each.workload) for each in plans}))


def _hold(plan: WorkloadPlan, why: str) -> WorkloadPlan:
    if not plan.now:
        return plan
    return replace(plan, now=(), later=(*plan.now, *plan.later), waiting_for=why)


def _stop(plan: WorkloadPlan, why: str) -> WorkloadPlan:
    held = _hold(plan, why)
    if not held.later:
        return held
    names = tuple(map(str, held.later))
    obstacle = Obstacle(Reason.REPLACEMENTS_NOT_READY, f"{list_names(names)} stays for now, because {why}", names)
    return replace(held, obstacles=(*held.obstacles, obstacle))
