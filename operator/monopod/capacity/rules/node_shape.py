"""What a node must be for a profile's pods: its labels, taints, zones and architecture.

Kubernetes merges a RuntimeClass's nodeSelector and tolerations into each of its pods, and admission adds the profile's
zones. As long as there is no node, no autoscaler can see what one would be like, so it has to be told: how, is in
`node_pool` and `node_group`.

Installers of sandboxes label a node as their last step, so that pods come once the sandbox works. An autoscaler that
gives a node this label from birth, so that it is made for these pods at all, lets them come too early
(kata-containers#13283). A startup taint keeps them off until the installer removes it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from monopod.api.names import TOPOLOGY_ZONE
from monopod.capacity.rules.sandbox import NO_EXECUTE, NO_SCHEDULE, Sandbox, Taint, Toleration

ARCH: Final = "kubernetes.io/arch"
OS: Final = "kubernetes.io/os"

STARTUP_TAINTS: Final[Mapping[str, str]] = {
    "katacontainers.io/kata-runtime": "kata-deploy's value startupTaints",
    "monopod.dev/gvisor": "gvisor-node's value node.startupTaint",
}
"""Labels of installers' that nodes get last, each with what has to name the taint of the same key, so that it goes."""

_CLUSTERS_OWN: Final = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/", "karpenter.sh/")
"""Taints that come and go by themselves: no pool is made with them."""


@dataclass(frozen=True, slots=True)
class NodeShape:
    """What a node must be.

    Attributes:
        labels: those that the sandbox's pods select, without `zones` and `architectures`.
        zones: where it may be; none: anywhere.
        architectures: as in the label kubernetes.io/arch.
        taints: those that the sandbox's pods tolerate, so that they have the nodes for themselves.
        startup_taints: those that keep pods off until the sandbox is installed.
        defeated: startup taints that the sandbox's pods tolerate, which makes them useless.
        is_spot: whether it is to be Spot capacity; the label of Spot's nodes, if they have one, is among `labels` then.
    """

    labels: Mapping[str, str]
    zones: tuple[str, ...]
    architectures: tuple[str, ...]
    taints: tuple[Taint, ...]
    startup_taints: tuple[Taint, ...]
    defeated: tuple[Taint, ...] = ()
    is_spot: bool = False


@dataclass(frozen=True, slots=True)
class Unfit:
    """No node could take the profile's pods, or none that an autoscaler makes; and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class SpotUse:
    """Whether pods run on Spot, and by what they know its nodes, as admission writes it (`monopod.pods.rules.spot`).

    Attributes:
        node_label: the label of Spot's nodes, `key=value`: pods on Spot require it, others require nodes without it; ""
            if no nodes are Spot's.
    """

    is_spot: bool = False
    node_label: str = ""


ON_DEMAND: Final = SpotUse()


def compute_shape(
    sandbox: Sandbox, zones: Sequence[str], architectures: Sequence[str], spot: SpotUse = ON_DEMAND
) -> NodeShape | Unfit:
    """What a node must be for the pods of a profile.

    Args:
        sandbox: the profile's RuntimeClass.
        zones: those of the profile's subnets; none: any.
        architectures: those that are wanted, where the RuntimeClass doesn't say; as in the label kubernetes.io/arch.
        spot: whether the pods run on Spot.
    """
    labels = dict(sandbox.node_selector)
    if problem := _add_spot_label(labels, sandbox, spot):
        return Unfit(problem)
    if (zone := labels.pop(TOPOLOGY_ZONE, "")) and zones and zone not in zones:
        return Unfit(
            f"RuntimeClass {sandbox.name} selects nodes of zone {zone}, and the profile's subnets are "
            f"{', '.join(zones)}: no node can take its pods."
        )
    architecture = labels.pop(ARCH, "")
    return NodeShape(
        labels,
        (zone,) if zone else tuple(zones),
        (architecture,) if architecture else tuple(architectures),
        tuple(_compute_taints(sandbox.tolerations)),
        *_compute_startup_taints(sandbox),
        spot.is_spot,
    )


def _add_spot_label(labels: dict[str, str], sandbox: Sandbox, spot: SpotUse) -> str:
    """Adds the label of Spot's nodes where pods require it; why no node can have what is required, "" if one can."""
    if not spot.node_label:
        return ""
    key, _, value = spot.node_label.partition("=")
    selected = labels.get(key)
    if spot.is_spot:
        labels[key] = value
        wrong = selected not in (None, value)
    else:
        wrong = selected == value
    if not wrong:
        return ""
    return (
        f"RuntimeClass {sandbox.name} selects nodes with {key}={selected}, and pods "
        f"{'on Spot' if spot.is_spot else 'on demand'} run only on nodes {'with' if spot.is_spot else 'without'} "
        f"{spot.node_label} (the chart's spot.nodeLabel): no node can take them."
    )


def _compute_taints(tolerations: Iterable[Toleration]) -> Iterator[Taint]:
    seen = set[tuple[str, str]]()  # a node has one taint for each key and effect
    for each in tolerations:
        effect = each.effect or NO_SCHEDULE
        tolerable = each.forever and each.operator in ("", "Equal", "Exists") and effect in (NO_SCHEDULE, NO_EXECUTE)
        own = not each.key or each.key.startswith(_CLUSTERS_OWN) or each.key in STARTUP_TAINTS
        if tolerable and not own and (each.key, effect) not in seen:
            seen.add((each.key, effect))
            yield Taint(each.key, each.value, effect)


def _compute_startup_taints(sandbox: Sandbox) -> tuple[tuple[Taint, ...], tuple[Taint, ...]]:
    taints = tuple(Taint(key) for key in sandbox.node_selector if key in STARTUP_TAINTS)
    defeated = tuple(taint for taint in taints if any(each.tolerates(taint) for each in sandbox.tolerations))
    return taints, defeated


def describe_taints(sandbox: Sandbox, shape: NodeShape) -> Iterator[str]:
    """What is to know of a pool's taints, whatever makes its nodes."""
    for taint in shape.defeated:
        yield (
            f"RuntimeClass {sandbox.name} tolerates {taint}, so its pods don't wait for the sandbox: take that out of "
            "its tolerations."
        )
    if shape.taints:
        yield (
            f"RuntimeClass {sandbox.name} tolerates {', '.join(map(str, shape.taints))}, which keeps "
            "other pods off these nodes. What runs on every node (network, installer of the sandbox) must tolerate it."
        )
    else:
        yield f"RuntimeClass {sandbox.name} tolerates no taint, so pods without a sandbox may run on these nodes, too."
