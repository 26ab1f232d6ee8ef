"""A Karpenter NodePool that makes nodes for a profile's pods, and what its reader has to know besides.

Karpenter makes a node for a pod if the NodePool's labels and requirements allow what the pod selects: a label that no
NodePool names "does not have known values", however many nodes have it. Fargate moves no pod to save a machine, so
the pool takes back empty nodes only, and its nodes don't expire.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from monopod.api.names import TOPOLOGY_ZONE
from monopod.capacity.rules.node_class import EC2, NodeClass
from monopod.capacity.rules.node_shape import ARCH, OS, STARTUP_TAINTS, NodeShape, Unfit, describe_taints
from monopod.capacity.rules.sandbox import Sandbox, Taint
from monopod.kube.objects.text import list_names

API_VERSION: Final = "karpenter.sh/v1"
DOMAIN: Final = "karpenter.sh"
POOL_LABEL: Final = f"{DOMAIN}/nodepool"
CAPACITY_TYPE: Final = f"{DOMAIN}/capacity-type"
HOSTNAME: Final = "kubernetes.io/hostname"
INSTANCE_TYPE: Final = "node.kubernetes.io/instance-type"
REGION: Final = "topology.kubernetes.io/region"
INSTANCE_SIZE: Final = f"{EC2}/instance-size"

EMPTY_FOR: Final = "5m"
"""How long an empty node is kept for the next pods."""

_WELL_KNOWN: Final = (
    OS,
    CAPACITY_TYPE,
    INSTANCE_TYPE,
    REGION,
)
"""Labels that every provider gives to nodes: a NodePool asks for them in its requirements."""

_METAL: Final = ("metal", "metal-16xl", "metal-24xl", "metal-32xl", "metal-48xl", "metal-96xl")
_LONGEST_NAME: Final = 63
_HASH_DIGITS: Final = 8


@dataclass(frozen=True, slots=True)
class NodePool:
    """A NodePool.

    Attributes:
        manifest: as it is applied.
        notes: sentences about it.
    """

    manifest: dict[str, Any]
    notes: tuple[str, ...]


def build_node_pool(
    profile: str, sandbox: Sandbox, shape: NodeShape, node_class: NodeClass, max_vcpus: int
) -> NodePool | Unfit:
    """A NodePool for a profile's pods.

    Args:
        profile: its name.
        sandbox: its RuntimeClass.
        shape: what a node must be for its pods.
        node_class: of which the nodes are.
        max_vcpus: how many vCPUs all nodes of the pool may have together.
    """
    labels, known = _split(shape.labels, node_class)
    name = labels.pop(POOL_LABEL, "") or compute_name(profile, is_spot=shape.is_spot)
    if refused := [key for key in labels if _is_refused(key)]:
        return Unfit(
            f"RuntimeClass {sandbox.name} selects nodes by {list_names(sorted(refused))}, which no NodePool may name."
        )
    template: dict[str, Any] = {"metadata": {"labels": labels}} if labels else {}
    template["spec"] = {
        "nodeClassRef": {"group": node_class.group, "kind": node_class.kind, "name": node_class.name},
        "requirements": _build_requirements(shape, known, _needs_metal(sandbox, shape, node_class)),
        **({"taints": [_build_taint(each) for each in shape.taints]} if shape.taints else {}),
        **({"startupTaints": [_build_taint(each) for each in shape.startup_taints]} if shape.startup_taints else {}),
        "expireAfter": "Never",
    }
    manifest = {
        "apiVersion": API_VERSION,
        "kind": "NodePool",
        "metadata": {"name": name},
        "spec": {
            "limits": {"cpu": str(max_vcpus)},
            "disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": EMPTY_FOR},
            "template": template,
        },
    }
    return NodePool(manifest, tuple(_compute_notes(profile, sandbox, shape, node_class, max_vcpus)))


def compute_name(profile: str, *, is_spot: bool = False) -> str:
    """The name of the NodePool that is made for a profile; it becomes the value of a label of its nodes."""
    name = f"{'spot' if is_spot else 'fargate'}-{profile}"
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(profile.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{name[: _LONGEST_NAME - _HASH_DIGITS - 1].rstrip('-.')}-{digest}"


def _split(labels: Mapping[str, str], node_class: NodeClass) -> tuple[dict[str, str], dict[str, str]]:
    """The labels that the NodePool gives to nodes, and those that the provider gives."""
    known = {key: value for key, value in sorted(labels.items()) if _is_known(key, node_class)}
    return {key: value for key, value in sorted(labels.items()) if key not in known}, known


def _is_known(key: str, node_class: NodeClass) -> bool:
    return key in _WELL_KNOWN or key.partition("/")[0] == node_class.group


def _is_refused(key: str) -> bool:
    """Whether the CRD of NodePools refuses the label; of Karpenter's own domain it allows none but the known."""
    return key == HOSTNAME or key.partition("/")[0].endswith(DOMAIN)


def _needs_metal(sandbox: Sandbox, shape: NodeShape, node_class: NodeClass) -> bool:
    chosen = any(key == INSTANCE_TYPE or key.startswith(f"{EC2}/instance-") for key in shape.labels)
    return sandbox.is_kata and node_class.group == EC2 and not chosen


def _build_requirements(shape: NodeShape, known: Mapping[str, str], metal: bool) -> list[dict[str, Any]]:
    capacity_type = "spot" if shape.is_spot else "on-demand"
    wanted = {ARCH: shape.architectures, OS: ("linux",), CAPACITY_TYPE: (capacity_type,)}
    wanted |= {TOPOLOGY_ZONE: shape.zones} if shape.zones else {}
    wanted |= {key: (value,) for key, value in known.items()}
    wanted |= {INSTANCE_SIZE: _METAL} if metal else {}
    return [{"key": key, "operator": "In", "values": list(values)} for key, values in wanted.items()]


def _build_taint(taint: Taint) -> dict[str, str]:
    value = {"value": taint.value} if taint.value else {}
    return {"key": taint.key, **value, "effect": taint.effect}


def _compute_notes(
    profile: str, sandbox: Sandbox, shape: NodeShape, node_class: NodeClass, max_vcpus: int
) -> Iterator[str]:
    yield f"Nodes for the pods of FargateProfile {profile}, which run in RuntimeClass {sandbox.name}."
    yield (
        f"All its nodes together have {max_vcpus} vCPUs at most. Nodes that have been empty for {EMPTY_FOR} go. No pod "
        "is moved to save a node, nor for its node's age; but nodes are replaced when this NodePool or its node class "
        "is changed."
    )
    for taint in shape.startup_taints:
        yield (
            f"Nodes have the label {taint.key} before the sandbox is installed. The startup taint of the same key "
            f"keeps pods off until then: {STARTUP_TAINTS[taint.key]} must name it, so that it is removed."
        )
    yield from describe_taints(sandbox, shape)
    if _needs_metal(sandbox, shape, node_class):
        yield (
            "Kata needs KVM, which metal instances have. Virtual ones with nested virtualization (C8i, M8i, R8i) have "
            "it only if they are launched so, which Karpenter can't."
        )
    elif sandbox.is_kata:
        yield "Kata needs KVM: let the node class, or more requirements, choose machines that have it."
