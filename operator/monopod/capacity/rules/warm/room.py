"""How much of the wanted room is there: balloons that run, or what nodes have left, on nodes that take sandboxes now.

A CapacityBuffer's own condition isn't asked: Karpenter's says that it is provisioned while the node is still to come.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any, Final

from monopod.api.names import TOPOLOGY_ZONE
from monopod.capacity.rules.node_shape import STARTUP_TAINTS
from monopod.capacity.rules.sandbox import Taint
from monopod.capacity.rules.warm.wish import Chunk, Wish
from monopod.kube.objects.fields import InvalidManifest, Part
from monopod.kube.objects.views import NodeView
from monopod.pods.rules.size import ContainerKind, combine, get_kind

_NEVER: Final = frozenset({"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable", *STARTUP_TAINTS})
"""Taints of nodes that aren't Ready or have no sandbox yet, whatever a RuntimeClass tolerates."""

ENDED: Final = ("Succeeded", "Failed")


def is_usable(node: NodeView, chunk: Chunk) -> bool:
    """Whether a pod of the profile could start on the node now, if there is room."""
    labels = node.labels
    if not chunk.sandbox.node_selector.items() <= labels.items():
        return False
    if chunk.zones and labels.get(TOPOLOGY_ZONE) not in chunk.zones:
        return False
    if chunk.spot_label:
        key, _, value = chunk.spot_label.partition("=")
        if (labels.get(key) == value) is not chunk.is_spot:
            return False
    taints = [Taint(*taint) for taint in node.taints]
    return not any(taint.key in _NEVER for taint in taints) and all(
        any(each.tolerates(taint) for each in chunk.sandbox.tolerations) for taint in taints
    )


@dataclass(frozen=True, slots=True)
class Use:
    """What a pod takes of its node."""

    node: str
    cpu_millis: int
    memory_mib: int


def measure_use(pod: Mapping[str, Any]) -> Use | None:
    """What the scheduler counts of a pod; None if it has no node or has ended, or asks for more than can be read.

    Anyone's pod counts, and one that names its node itself may ask for anything: no node runs it then.
    """
    root = Part(pod)
    spec = root.child("spec")
    node = spec.text("nodeName")
    if not node or root.child("status").text("phase") in ENDED:
        return None
    try:
        return Use(node, ceil(_measure(spec, "cpu") * 1000), ceil(_measure(spec, "memory") / 2**20))
    except InvalidManifest:
        return None


def _measure(spec: Part, resource: str) -> Fraction:
    overhead = spec.quantities("overhead").get(resource, 0)
    whole = spec.child("resources").quantities("requests").get(resource)
    if whole is not None:
        return whole + overhead
    parts = [(ContainerKind.ORDINARY, each) for each in spec.children("containers")]
    parts += [(get_kind(each), each) for each in spec.children("initContainers")]
    unit = 1000 if resource == "cpu" else 1
    needs = [
        (kind, ceil(each.child("resources").quantities("requests").get(resource, 0) * unit)) for kind, each in parts
    ]
    return Fraction(combine(needs).total, unit) + overhead


def count_room(wishes: Sequence[Wish], nodes: Sequence[NodeView], uses: Iterable[Use]) -> dict[str, int]:
    """For how many pods of each profile there is room, at most as many as are wanted; no room counts twice."""
    left = {node.name: [node.cpu_millis, node.memory_mib] for node in nodes}
    for use in uses:
        if use.node in left:
            left[use.node][0] -= use.cpu_millis
            left[use.node][1] -= use.memory_mib
    found = {}
    for wish in wishes:
        chunk, count = wish.chunk, 0
        for node in nodes:
            room = left[node.name]
            if not is_usable(node, chunk):
                continue
            fits = min(room[0] // chunk.cpu_millis, room[1] // chunk.memory_mib)
            taken = max(0, min(wish.allowed - count, fits))
            room[0] -= taken * chunk.cpu_millis
            room[1] -= taken * chunk.memory_mib
            count += taken
        found[wish.profile] = count
    return found
