"""Whether any node could take a pod at all: right by its labels, open to new pods, and large enough when empty.

What runs on a node already isn't known here, so a pod that passes may still have to wait. One that doesn't pass waits
for a node that doesn't exist yet, and whatever was evicted for it is gone meanwhile.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from monopod.kube.objects.fields import Part
from monopod.kube.objects.views import CORDONED, NodeView
from monopod.pods.rules.node_demand import NodeDemand, read_demand

Manifest = Mapping[str, Any]

NO_NODES: Final = "0/0 nodes are available."


def explain_unschedulable(pod: Manifest, nodes: Iterable[NodeView]) -> str:
    """Why none of the nodes could take the pod, in the scheduler's words; "" if one could.

    Args:
        pod: as admission leaves it, with its sandbox's node selector, tolerations and overhead.
        nodes: all of the cluster.
    """
    demand, tolerations = read_demand(pod), Part(pod).child("spec").children("tolerations")
    cpu_millis, memory_mib = measure_requests(pod)
    faults: Counter[str] = Counter()
    for node in nodes:
        fault = _find_fault(node, demand, tolerations) or (
            "Insufficient cpu"
            if node.cpu_millis < cpu_millis
            else "Insufficient memory"
            if node.memory_mib < memory_mib
            else ""
        )
        if not fault:
            return ""
        faults[fault] += 1
    if not faults:
        return NO_NODES
    total = faults.total()
    return f"0/{total} nodes are available: {', '.join(f'{count} {what}' for what, count in sorted(faults.items()))}."


def _find_fault(node: NodeView, demand: NodeDemand, tolerations: Iterable[Part]) -> str:
    if not demand.matches(node.name, node.labels):
        return "node(s) didn't match Pod's node affinity/selector"
    kept_out = [taint for taint in node.taints if not any(_tolerates(one, taint) for one in tolerations)]
    if CORDONED in kept_out:
        return "node(s) were unschedulable"
    return f"node(s) had untolerated taint {{{kept_out[0][0]}: {kept_out[0][1]}}}" if kept_out else ""


def _tolerates(toleration: Part, taint: tuple[str, str, str]) -> bool:
    key, value, effect = taint
    if toleration.text("effect") not in ("", effect) or toleration.text("key") not in ("", key):
        return False
    return toleration.text("operator") == "Exists" or (
        toleration.text("key") == key and toleration.text("value") == value
    )


def measure_requests(pod: Manifest) -> tuple[int, int]:
    """Millicores and MiB that the scheduler counts for a pod with pod-level resources, its overhead included."""
    spec = Part(pod).child("spec")
    requests, overhead = spec.child("resources").quantities("requests"), spec.quantities("overhead")
    cpu = requests.get("cpu", 0) + overhead.get("cpu", 0)
    memory = requests.get("memory", 0) + overhead.get("memory", 0)
    return int(cpu * 1000), int(memory / 2**20)
