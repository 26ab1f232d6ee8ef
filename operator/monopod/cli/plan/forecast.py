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
from monopod.rescheduling.rules.pod_verdict import NamespaceContext, PodState, observe
from monopod.rescheduling.rules.settings import ReschedulingSettings
from monopod.usage.rules.cliff import Cliff, compute_cliff
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
        cliff: the smaller size that it misses by a little.
        provider: the capacity provider that its replacement would run on; "" where the price is missing.
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
    cliff: Cliff | None = None
    provider: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """What is read of one namespace: each pod with the workload that it is of, and the budgets."""

    context: NamespaceContext
    pods: Sequence[tuple[Manifest, Workload]]
    budgets: Sequence[Budget] = ()


@dataclass(frozen=True, slots=True)
class Rates:
    """Whose prices to use."""

    prices: PriceList
    architecture: str


@dataclass
class _Scan:
    """The pods of a namespace by uid, with what was made of them."""

    contents: Contents
    pods: dict[str, tuple[Manifest, Workload]] = field(default_factory=dict)
    pod_states: dict[str, PodState] = field(default_factory=dict)


def build_steps(namespaces: Iterable[Contents], rates: Rates) -> list[Step]:
    """All pods that the profiles have to do with: first those that move, in the order in which they do.

    Raises:
        InvalidPod: an object holds what the API server would never store.
    """
    scans: dict[str, _Scan] = {}
    plans: list[WorkloadPlan] = []
    for contents in namespaces:
        scan = _scan(contents)
        scans[contents.context.namespace] = scan
        plans += _compute_plans(scan)
    moves = [_build_move(pod, plan, scans[pod.namespace], rates) for pod, plan in order_moves(plans)]
    stays = [step for plan in plans for step in _build_stays(plan, scans[plan.workload.namespace])]
    # A sort keeps the order of what is equal: those that move stay in theirs.
    return sorted([*moves, *stays], key=lambda step: list(Fate).index(step.fate))


def _scan(contents: Contents) -> _Scan:
    scan = _Scan(contents)
    for pod, workload in contents.pods:
        pod_state = observe(pod, workload, contents.context)
        scan.pods[pod_state.pod.uid] = (pod, workload)
        scan.pod_states[pod_state.pod.uid] = pod_state
    return scan


def _compute_plans(scan: _Scan) -> Iterator[WorkloadPlan]:
    groups: dict[str, tuple[Workload, list[PodState]]] = {}
    for uid, (_, workload) in scan.pods.items():
        groups.setdefault(workload.uid, (workload, []))[1].append(scan.pod_states[uid])
    for workload, pod_states in groups.values():
        yield from plan_workloads(workload, pod_states, scan.contents.context)


def _build_move(candidate: Candidate, plan: WorkloadPlan, scan: _Scan, rates: Rates) -> Step:
    manifest, workload = scan.pods[candidate.uid]
    pod_state, context = scan.pod_states[candidate.uid], scan.contents.context
    size, hourly, cliff, provider = None, None, None, ""
    replacement, creator = build_replacement(manifest, workload), guess_creator(manifest)
    decision = decide(replacement, context.namespace, context.profiles, username=creator, protected=context.protected)
    if isinstance(decision, Sandboxed | Unsupported) and (size := decision.size):
        provider, storage = decision.profile.capacity_provider, provision_gib(size.need)
        hourly = rates.prices.compute_hourly(rates.architecture, size.row, storage, provider)
        cliff = compute_cliff(size, rates.prices, rates.architecture, provider)
    common = (candidate, name_workload(workload), pod_state.mark, plan.profile)
    match refusal := foretell(manifest, pod_state.is_ready, scan.contents.budgets):
        case None:
            return Step(*common, Fate.MOVES, size, hourly, cliff=cliff, provider=provider)
        case OverBudget(budgets=(name,), message=said):
            message = f"PodDisruptionBudget {name} doesn't allow it now: {said}"
            return Step(*common, Fate.BLOCKED, size, hourly, Reason.BUDGET_EXHAUSTED, message, cliff, provider)
        case OverBudget(message=said):
            return Step(*common, Fate.BLOCKED, size, hourly, Reason.BUDGET_EXHAUSTED, said, cliff, provider)
        case SeveralBudgets():
            message = "several PodDisruptionBudgets select it, and the Eviction API never evicts such a pod"
            return Step(*common, Fate.BLOCKED, size, hourly, Reason.SEVERAL_BUDGETS, message, cliff, provider)
        case _:
            assert_never(refusal)


def _build_stays(plan: WorkloadPlan, scan: _Scan) -> Iterator[Step]:
    uids = {str(pod_state.pod): uid for uid, pod_state in scan.pod_states.items()}
    for reason, pods in plan.left.items():
        for pod in pods:
            yield _build_stay(scan, pod.uid, plan.profile, Fate.LEFT, reason, reason.sentence)
    for obstacle in plan.obstacles:
        for name in obstacle.pods:
            yield _build_stay(scan, uids[name], plan.profile, Fate.BLOCKED, obstacle.reason, obstacle.message)


def _build_stay(scan: _Scan, uid: str, profile: str, fate: Fate, reason: Reason, message: str) -> Step:
    _, workload = scan.pods[uid]
    pod_state = scan.pod_states[uid]
    return Step(pod_state.pod, name_workload(workload), pod_state.mark, profile, fate, reason=reason, message=message)


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
