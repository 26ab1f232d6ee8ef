"""What becomes of the pods of a namespace when profiles move them, step by step, before it is written as text or JSON.

The decisions are the operator's own (`monopod.rescheduling.rules.plans`). Added is what a person wants to know
beforehand: sizes and prices, and what budgets would say now.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, assert_never

from monopod.api.reasons import Reason
from monopod.eviction.rules.budgets import Budget, foretell
from monopod.eviction.rules.order import Candidate, OverBudget, SeveralBudgets
from monopod.pods.rules.decision import Sandboxed, Unsupported, decide
from monopod.pods.rules.exemptions import guess_creator
from monopod.pods.rules.size import Size
from monopod.pods.rules.storage import provision_gib
from monopod.rescheduling.rules.plans import WorkloadPlan, order_moves, plan_workloads
from monopod.rescheduling.rules.settings import ReschedulingSettings
from monopod.rescheduling.rules.standing import NamespaceContext, PodState, observe
from monopod.usage.rules.price import PriceList
from monopod.workloads.rules.replacement import Workload, build_replacement

Manifest = Mapping[str, Any]


class Fate(StrEnum):
    """What becomes of a pod."""

    MOVES = "Moves"
    BLOCKED = "Blocked"
    LEFT = "Left"


@dataclass(frozen=True, slots=True)
class Step:
    """One pod.

    Attributes:
        workload: what controls it, `KIND/NAME`; "" if nothing does.
        origin: the profile by which it runs now; "" if it runs outside.
        profile: the one by which its replacement would run.
        size: what that would get; None if no size is large enough.
        hourly: the price of that per hour; None where the size is, or the pod is kept by something other than budgets.
        reason: why it is blocked or left; None if it moves.
        message: the same for a person.
    """

    pod: Candidate
    workload: str
    origin: str
    profile: str
    fate: Fate
    size: Size | None = None
    hourly: Decimal | None = None
    reason: Reason | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """What is read of one namespace: each pod with the workload that it is of, and the budgets."""

    place: NamespaceContext
    pods: Sequence[tuple[Manifest, Workload]]
    budgets: Sequence[Budget] = ()


@dataclass(frozen=True, slots=True)
class Rates:
    """Whose prices to use."""

    prices: PriceList
    architecture: str


@dataclass
class _Looks:
    """The pods of a namespace by uid, with what was made of them."""

    contents: Contents
    pods: dict[str, tuple[Manifest, Workload]] = field(default_factory=dict)
    sightings: dict[str, PodState] = field(default_factory=dict)


def build_steps(namespaces: Iterable[Contents], rates: Rates) -> list[Step]:
    """All pods that the profiles of the places have to do with: first those that move, in the order in which they do.

    Raises:
        InvalidPod: an object holds what the API server would never store.
    """
    looks: dict[str, _Looks] = {}
    plans: list[WorkloadPlan] = []
    for contents in namespaces:
        look = _look_at(contents)
        looks[contents.place.namespace] = look
        plans += _compute_all_outlooks(look)
    moves = [_build_move(pod, plan, looks[pod.namespace], rates) for pod, plan in order_moves(plans)]
    stays = [step for plan in plans for step in _build_stays(plan, looks[plan.workload.namespace])]
    # A sort keeps the order of what is equal: those that move stay in theirs.
    return sorted([*moves, *stays], key=lambda step: list(Fate).index(step.fate))


def _look_at(contents: Contents) -> _Looks:
    look = _Looks(contents)
    for pod, workload in contents.pods:
        sighting = observe(pod, workload, contents.place)
        look.pods[sighting.pod.uid] = (pod, workload)
        look.sightings[sighting.pod.uid] = sighting
    return look


def _compute_all_outlooks(look: _Looks) -> Iterator[WorkloadPlan]:
    groups: dict[str, tuple[Workload, list[PodState]]] = {}
    for uid, (_, workload) in look.pods.items():
        groups.setdefault(workload.uid, (workload, []))[1].append(look.sightings[uid])
    for workload, sightings in groups.values():
        yield from plan_workloads(workload, sightings, look.contents.place)


def _build_move(candidate: Candidate, plan: WorkloadPlan, look: _Looks, rates: Rates) -> Step:
    manifest, workload = look.pods[candidate.uid]
    sighting, place = look.sightings[candidate.uid], look.contents.place
    size, hourly = None, None
    replacement, creator = build_replacement(manifest, workload), guess_creator(manifest)
    decision = decide(replacement, place.namespace, place.profiles, username=creator, protected=place.protected)
    if isinstance(decision, Sandboxed | Unsupported):
        size = decision.size
    if size:
        hourly = rates.prices.compute_hourly(rates.architecture, size.row, provision_gib(size.need))
    common = (candidate, name_workload(workload), sighting.mark, plan.profile)
    match refusal := foretell(manifest, sighting.is_ready, look.contents.budgets):
        case None:
            return Step(*common, Fate.MOVES, size, hourly)
        case OverBudget(budgets=(name,), message=said):
            message = f"PodDisruptionBudget {name} doesn't allow it now: {said}"
            return Step(*common, Fate.BLOCKED, size, hourly, Reason.BUDGET_EXHAUSTED, message)
        case OverBudget(message=said):
            return Step(*common, Fate.BLOCKED, size, hourly, Reason.BUDGET_EXHAUSTED, said)
        case SeveralBudgets():
            message = "several PodDisruptionBudgets select it, and the Eviction API never evicts such a pod"
            return Step(*common, Fate.BLOCKED, size, hourly, Reason.SEVERAL_BUDGETS, message)
        case _:
            assert_never(refusal)


def _build_stays(plan: WorkloadPlan, look: _Looks) -> Iterator[Step]:
    uids = {str(sighting.pod): uid for uid, sighting in look.sightings.items()}
    for reason, pods in plan.left.items():
        for pod in pods:
            yield _build_stay(look, pod.uid, plan.profile, Fate.LEFT, reason, reason.sentence)
    for obstacle in plan.obstacles:
        for name in obstacle.pods:
            yield _build_stay(look, uids[name], plan.profile, Fate.BLOCKED, obstacle.reason, obstacle.message)


def _build_stay(look: _Looks, uid: str, profile: str, fate: Fate, reason: Reason, message: str) -> Step:
    _, workload = look.pods[uid]
    sighting = look.sightings[uid]
    return Step(sighting.pod, name_workload(workload), sighting.mark, profile, fate, reason=reason, message=message)


def name_workload(workload: Workload) -> str:
    """`KIND/NAME`; "" of pods that nothing controls."""
    return "" if workload.is_bare else f"{workload.kind}/{workload.name}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of the pods that these profiles have to do with.

    Attributes:
        notes: what else keeps pods of their namespaces from being created, as sentences.
    """

    profiles: tuple[ReschedulingSettings, ...]
    steps: Sequence[Step]
    rates: Rates
    notes: tuple[str, ...] = ()
