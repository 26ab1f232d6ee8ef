"""Whether there is room for a profile's pods, or will be, and if not, why: the first rule that finds something decides.

A rule is named for the fact that it finds. What is said of it is in `report`.
"""

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from monopod.capacity.rules.pool import Fits, LabelMissing, Pool, TaintNotTolerated, judge_pool
from monopod.capacity.rules.sandbox import Sandbox, Taint
from monopod.capacity.rules.settings import Provider
from monopod.capacity.rules.situation import Situation

STUCK_AFTER: Final = datetime.timedelta(minutes=5)
"""How long a node may have its startup taint."""


@dataclass(frozen=True, slots=True)
class Available:
    """No pod waits for room: there are nodes, or some will be made."""

    nodes: int
    provider: Provider


@dataclass(frozen=True, slots=True)
class NoRuntimeClass:
    """The profile's RuntimeClass doesn't exist, so nothing is known of its nodes."""


@dataclass(frozen=True, slots=True)
class NoSandboxNodes:
    """No node takes the profile's pods, and nothing makes one."""

    runtime_class: str


@dataclass(frozen=True, slots=True)
class NodesFull:
    """Pods wait, and nothing makes nodes."""

    pods: int


@dataclass(frozen=True, slots=True)
class Growing:
    """Pods wait, and the autoscaler makes nodes for them."""

    pods: int
    provider: Provider


@dataclass(frozen=True, slots=True)
class LimitReached:
    """Pods wait, and the limits of these NodePools allow no more nodes for them."""

    pods: int
    pools: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KarpenterNotServed:
    """The profile relies on Karpenter, and the API server has no NodePools."""


@dataclass(frozen=True, slots=True)
class NodePoolNotFound:
    """The profile names NodePools that don't exist."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodePoolNotReady:
    """The NodePools that would make nodes aren't Ready."""

    pool: str
    trouble: str


@dataclass(frozen=True, slots=True)
class NodePoolLabelMissing:
    """No NodePool's nodes have a label that the pods select; `pool` is "" if there is no NodePool."""

    pool: str
    label: str


@dataclass(frozen=True, slots=True)
class NodePoolTaintNotTolerated:
    """No NodePool's nodes take the pods, because of a taint."""

    pool: str
    taint: Taint


@dataclass(frozen=True, slots=True)
class StartupTaintMissing:
    """A NodePool's nodes take pods before the sandbox is installed."""

    pool: str
    taint: Taint


@dataclass(frozen=True, slots=True)
class StartupTaintStuck:
    """A node keeps its startup taint."""

    node: str
    taint: Taint


Verdict = (
    Available
    | NoRuntimeClass
    | NoSandboxNodes
    | NodesFull
    | Growing
    | LimitReached
    | KarpenterNotServed
    | NodePoolNotFound
    | NodePoolNotReady
    | NodePoolLabelMissing
    | NodePoolTaintNotTolerated
    | StartupTaintMissing
    | StartupTaintStuck
)


@dataclass(frozen=True, slots=True)
class _View:
    """A situation whose RuntimeClass exists, with the NodePools that count, and those of them that fit."""

    situation: Situation
    sandbox: Sandbox
    pools: tuple[Pool, ...]
    fitting: tuple[tuple[Pool, Fits], ...]

    @property
    def provider(self) -> Provider:
        """What makes nodes, once `Auto` is decided: Karpenter where one of its NodePools fits."""
        chosen = self.situation.settings.provider
        if chosen is not Provider.AUTO:
            return chosen
        return Provider.KARPENTER if self.fitting else Provider.NONE

    @property
    def relies_on_karpenter(self) -> bool:
        """Whether NodePools that don't fit are worth a word: others' pools on a cluster with fixed nodes aren't."""
        settings = self.situation.settings
        if settings.provider is Provider.AUTO:
            return bool(settings.node_pools or (self.pools and not self.situation.nodes.usable))
        return settings.provider is Provider.KARPENTER


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found, and what makes nodes for the profile's pods."""

    verdict: Verdict
    provider: Provider


def judge_capacity(situation: Situation) -> Judgement:
    """Whether there is room for the profile's pods."""
    settings = situation.settings
    if situation.sandbox is None:
        decided = Provider.NONE if settings.provider is Provider.AUTO else settings.provider
        return Judgement(NoRuntimeClass(), decided)
    pools = tuple(pool for pool in situation.pools or () if not settings.node_pools or pool.name in settings.node_pools)
    judged = ((pool, judge_pool(pool, situation.sandbox, situation.zones)) for pool in pools)
    fitting = tuple((pool, fit) for pool, fit in judged if isinstance(fit, Fits))
    view = _View(situation, situation.sandbox, pools, fitting)
    found = next((verdict for rule in _RULES if (verdict := rule(view))), None)
    return Judgement(found or Available(situation.nodes.usable, view.provider), view.provider)


def _startup_taint_stuck(view: _View) -> Verdict | None:
    for name, taint, created in view.situation.nodes.starting:
        if created and view.situation.now - created > STUCK_AFTER:
            return StartupTaintStuck(name, taint)
    return None


def _karpenter_not_served(view: _View) -> Verdict | None:
    settings = view.situation.settings
    wanted = settings.provider is Provider.KARPENTER or (settings.provider is Provider.AUTO and settings.node_pools)
    return KarpenterNotServed() if wanted and view.situation.pools is None else None


def _node_pool_not_found(view: _View) -> Verdict | None:
    found = {pool.name for pool in view.pools}
    missing = tuple(name for name in view.situation.settings.node_pools if name not in found)
    return NodePoolNotFound(missing) if missing and view.relies_on_karpenter else None


def _startup_taint_missing(view: _View) -> Verdict | None:
    if view.provider is not Provider.KARPENTER:
        return None
    lacking = ((pool, fit.missing) for pool, fit in view.fitting if fit.missing)
    return next((StartupTaintMissing(pool.name, taint) for pool, taint in lacking), None)


def _no_node_pool_fits(view: _View) -> Verdict | None:
    if view.fitting or not view.relies_on_karpenter:
        return None
    labelled: NodePoolLabelMissing | None = None
    for pool in view.pools:
        match judge_pool(pool, view.sandbox, view.situation.zones):
            case TaintNotTolerated(taint):  # the labels are right, so this is the pool that is meant
                return NodePoolTaintNotTolerated(pool.name, taint)
            case LabelMissing(label):
                labelled = labelled or NodePoolLabelMissing(pool.name, label)
            case Fits():
                pass
    return labelled or NodePoolLabelMissing("", "")


def _limit_reached(view: _View) -> Verdict | None:
    waiting = view.situation.waiting_for_room
    if not waiting or view.provider is not Provider.KARPENTER:
        return None
    full = [all(pool.is_full_for(pod.cpu_millis, pod.memory_mib) for pool, _ in view.fitting) for pod in waiting]
    return LimitReached(sum(full), tuple(pool.name for pool, _ in view.fitting)) if view.fitting and any(full) else None


def _node_pool_not_ready(view: _View) -> Verdict | None:
    needed = view.situation.waiting_for_room or not view.situation.nodes.usable
    if not needed or view.provider is not Provider.KARPENTER or not all(pool.trouble for pool, _ in view.fitting):
        return None
    return next((NodePoolNotReady(pool.name, pool.trouble) for pool, _ in view.fitting), None)


def _growing(view: _View) -> Verdict | None:
    waiting = len(view.situation.waiting_for_room)
    grows = view.provider in (Provider.KARPENTER, Provider.CLUSTER_AUTOSCALER)
    return Growing(waiting, view.provider) if waiting and grows else None


def _no_sandbox_nodes(view: _View) -> Verdict | None:
    lacking = view.provider is Provider.NONE and not view.situation.nodes.usable
    return NoSandboxNodes(view.sandbox.name) if lacking else None


def _nodes_full(view: _View) -> Verdict | None:
    waiting = len(view.situation.waiting_for_room)
    return NodesFull(waiting) if waiting else None


_RULES: Final[tuple[Callable[[_View], Verdict | None], ...]] = (
    _startup_taint_stuck,
    _karpenter_not_served,
    _node_pool_not_found,
    _startup_taint_missing,
    _no_node_pool_fits,
    _limit_reached,
    _node_pool_not_ready,
    _growing,
    _no_sandbox_nodes,
    _nodes_full,
)
