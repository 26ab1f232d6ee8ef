"""What a profile's status says of its capacity, and an event of a pod that waits for room; each with what to do.

The condition is a warning: a profile whose pods find no node is Ready all the same, because they are sandboxed.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, assert_never

from monopod.api.reasons import ConditionType, Reason
from monopod.capacity.rules.node_shape import STARTUP_TAINTS
from monopod.capacity.rules.settings import Provider
from monopod.capacity.rules.verdict import (
    Available,
    Growing,
    Judgement,
    KarpenterNotServed,
    LimitReached,
    NodePoolLabelMissing,
    NodePoolNotFound,
    NodePoolNotReady,
    NodePoolTaintNotTolerated,
    NodesFull,
    NoRuntimeClass,
    NoSandboxNodes,
    StartupTaintMissing,
    StartupTaintStuck,
    Verdict,
)
from monopod.capacity.rules.warm.report import describe_warm
from monopod.capacity.rules.warm.state import WarmState
from monopod.kube.objects.conditions import Contribution, Finding, Severity
from monopod.kube.objects.text import list_names, to_line

UNAVAILABLE: Final = "Capacity is unavailable at this time. Please try again later or in a different availability zone."
"""AWS's words where Fargate has no room, as RunTask has them; ECS and EKS try again by themselves, as here."""

NOT_READ: Final = Finding(
    ConditionType.CAPACITY_AVAILABLE,
    None,
    Reason.CAPACITY_NOT_READ,
    "nodes and pods haven't been looked at yet",
    severity=Severity.REMARK,
    keeps=True,
)
"""What is said as long as nothing is known: what the status said before."""


def contribute_capacity(
    judgement: Judgement, profile: str, nodes: int, pods: int, warm: WarmState | None = None
) -> Contribution:
    """The condition CapacityAvailable, and status.capacity.

    Args:
        judgement: what was found.
        profile: its name.
        nodes: how many take its pods.
        pods: how many of its pods wait for room.
        warm: the room that is kept for its next pods; None if it asks for none. What that lacks matters least.
    """
    lacking = describe_warm(warm, judgement.provider) if warm and isinstance(judgement.verdict, Available) else None
    holds, reason, message = lacking or _describe(judgement.verdict, profile)
    kind = ConditionType.CAPACITY_AVAILABLE
    finding = Finding(kind, holds, reason, message, severity=Severity.REMARK)
    fields: dict[str, Any] = {"provider": str(judgement.provider), "nodes": nodes, "pendingPods": pods}
    if warm:
        fields["warm"] = {"wanted": warm.wanted, "ready": warm.ready}
    return Contribution((finding,), {"capacity": fields})


def keep_warm(contribution: Contribution, kept: Mapping[str, Any]) -> Contribution:
    """The same where warm capacity hasn't been looked at yet: `kept` is what the status says of it."""
    [finding] = contribution.findings
    keeps = finding.reason == Reason.CAPACITY_AVAILABLE
    fields = {**contribution.fields["capacity"], "warm": dict(kept)}
    return Contribution((replace(finding, keeps=keeps),), {"capacity": fields})


def describe_cause(verdict: Verdict, profile: str) -> str:
    """What a pod's event says: AWS's words, and why. It counts nothing, so that it stays the same event."""
    match verdict:
        case NodesFull():
            cause = "the nodes of the sandbox are full, and nothing makes more"
        case Growing(provider=provider):
            cause = f"{_NAMES[provider]} is to make a node"
        case LimitReached(pools=pools):
            cause = f"the limits of {_name_pools(pools)} allow no more nodes"
        case Available():
            cause = "nodes are on their way, or about to have room"
        case _:
            cause = _describe(verdict, profile)[2]
    return f"{UNAVAILABLE} {to_line(cause[0].upper() + cause[1:])}"


_NAMES: Final = {
    Provider.KARPENTER: "Karpenter",
    Provider.CLUSTER_AUTOSCALER: "cluster-autoscaler",
    Provider.AUTO: "an autoscaler",
    Provider.NONE: "nothing",
}
_WHY: Final = "its events, and those of the pods (`kubectl describe`), say why it doesn't"


def _describe(verdict: Verdict, profile: str) -> tuple[bool | None, Reason, str]:
    match verdict:
        case Available(nodes, provider):
            return True, Reason.CAPACITY_AVAILABLE, _describe_available(nodes, provider)
        case NoRuntimeClass():
            return None, Reason.RUNTIME_CLASS_NOT_FOUND, "the RuntimeClass doesn't exist: see RuntimeClassFound"
        case NoSandboxNodes(runtime_class):
            message = (
                f"no node takes pods of RuntimeClass {runtime_class}, and nothing makes one: add one that its "
                "nodeSelector selects and whose taints it tolerates, in the profile's zones; or let an autoscaler make "
                f"it (`kubectl fargate nodepool {profile}`)"
            )
            return False, Reason.NO_SANDBOX_NODES, message
        case NodesFull(pods):
            message = (
                f"{_wait(pods)} for room on the sandbox's nodes, and nothing makes more: add nodes, or let an "
                f"autoscaler make them (`kubectl fargate nodepool {profile}`)"
            )
            return False, Reason.NODES_FULL, message
        case Growing(pods, provider):
            return False, Reason.GROWING, f"{_wait(pods)} for a node, which {_NAMES[provider]} is to make; {_WHY}"
        case LimitReached(pods, pools):
            message = f"{_wait(pods)}, and the limits of {_name_pools(pools)} allow no more nodes for them: raise them"
            return False, Reason.LIMIT_REACHED, message
        case StartupTaintStuck(node, taint):
            message = (
                f"node {node} has kept its startup taint {taint} for more than five minutes, so no pod comes: see "
                f"whether the sandbox's installer runs there"
            )
            if taint.key in STARTUP_TAINTS:
                message += f", and whether {STARTUP_TAINTS[taint.key]} names the taint"
            return False, Reason.STARTUP_TAINT_STUCK, message
        case _:
            return _describe_karpenter(verdict, profile)


def _describe_karpenter(
    verdict: KarpenterNotServed
    | NodePoolNotFound
    | NodePoolNotReady
    | NodePoolLabelMissing
    | NodePoolTaintNotTolerated
    | StartupTaintMissing,
    profile: str,
) -> tuple[bool | None, Reason, str]:
    prints = f"`kubectl fargate nodepool {profile}` prints one that fits"
    match verdict:
        case KarpenterNotServed():
            message = "the profile relies on Karpenter, and the cluster has no NodePools: install it, or change"
            return False, Reason.KARPENTER_NOT_SERVED, f"{message} spec.capacity"
        case NodePoolNotFound(names):
            message = f"{_name_pools(names)} of spec.capacity.nodePools not found: create what is missing ({prints})"
            return False, Reason.NODE_POOL_NOT_FOUND, message
        case NodePoolNotReady(pool, trouble):
            message = (
                f"NodePool {pool} isn't Ready, so Karpenter makes no nodes of it: mend what Karpenter names, usually "
                f"its node class: {to_line(trouble).rstrip('.')}"
            )
            return False, Reason.NODE_POOL_NOT_READY, message
        case NodePoolLabelMissing("", _):
            message = f"Karpenter has no NodePool, so it makes no nodes: {prints}"
            return False, Reason.NODE_POOL_LABEL_MISSING, message
        case NodePoolLabelMissing(pool, label):
            message = (
                f"nodes of NodePool {pool} don't have {label}, which the profile's pods select, and no other NodePool "
                f"fits, so Karpenter makes no nodes for them: {prints}"
            )
            return False, Reason.NODE_POOL_LABEL_MISSING, message
        case NodePoolTaintNotTolerated(pool, taint):
            message = (
                f"nodes of NodePool {pool} have the taint {taint}, which the RuntimeClass doesn't tolerate, and no "
                f"other NodePool fits, so Karpenter makes no nodes for its pods: add it to the RuntimeClass's "
                f"scheduling.tolerations, or take the NodePool's taint away"
            )
            return False, Reason.NODE_POOL_TAINT_NOT_TOLERATED, message
        case StartupTaintMissing(pool, taint):
            message = (
                f"nodes of NodePool {pool} have the label {taint.key} from birth, so pods come before the sandbox is "
                f"installed, and fail: add {taint} to its startupTaints, and name it in {STARTUP_TAINTS[taint.key]} "
                f"({prints})"
            )
            return False, Reason.STARTUP_TAINT_MISSING, message
        case never:
            assert_never(never)


def _describe_available(nodes: int, provider: Provider) -> str:
    if nodes:
        return f"{nodes} node{'s take' if nodes > 1 else ' takes'} the profile's pods, and none waits for room"
    return f"no node takes the profile's pods yet; {_NAMES[provider]} makes one when it is needed"


def _wait(pods: int) -> str:
    return f"{pods} pods wait" if pods > 1 else "1 pod waits"


def _name_pools(names: tuple[str, ...]) -> str:
    return f"NodePool {names[0]}" if len(names) == 1 else f"the NodePools {list_names(names)}"
