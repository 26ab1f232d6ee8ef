"""Which nodes a pod asks for, whether a node is one of them, and whether any node could take it at all.

Source: Kubernetes' documentation of nodeSelector and node affinity. The first question goes by labels alone: whether
the pod's own words leave it any node. The second goes by taints and the size of empty nodes, too. What runs on a node
already isn't known here, so a pod that passes may still have to wait. One that doesn't pass waits for a node that
doesn't exist yet, and whatever was evicted for it is gone meanwhile.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from monopod.kube.objects.fields import Part
from monopod.kube.objects.label_selector import Requirement
from monopod.kube.objects.views import CORDONED, NodeView
from monopod.pods.rules.nodes import read_terms

Manifest = Mapping[str, Any]

NO_NODES: Final = "0/0 nodes are available."
UNSATISFIED: Final = (
    "MatchNodeSelector failed: Fargate profile {} cannot satisfy pod's node selector/affinity requirements"
)
"""AWS's words about a pod of a profile, whose name goes in."""

_NAME_FIELD: Final = "metadata.name"


@dataclass(frozen=True, slots=True)
class NodeRequirement:
    """One condition on a label of a node, or on its name."""

    key: str
    operator: str
    values: tuple[str, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels fulfil it."""
        match self.operator:
            case "In" | "NotIn" | "Exists" | "DoesNotExist" as operator:
                return Requirement(self.key, operator, self.values).matches(labels)
            case "Gt":
                return self._compare(labels) > 0
            case "Lt":
                return self._compare(labels) < 0
            case _:
                return False

    def _compare(self, labels: Mapping[str, str]) -> int:
        """Whether the label's number is larger (1) or smaller (-1) than the value's; 0 if either is none."""
        try:
            number, bound = int(labels[self.key]), int(self.values[0])
        except (KeyError, IndexError, ValueError):
            return 0
        return (number > bound) - (number < bound)


@dataclass(frozen=True, slots=True)
class NodeTerm:
    """Conditions that must hold together; a term without any matches no node."""

    expressions: tuple[NodeRequirement, ...]
    fields: tuple[NodeRequirement, ...]

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether a node fulfils all of them."""
        return bool(self.expressions or self.fields) and (
            all(each.matches(labels) for each in self.expressions)
            and all(each.matches({_NAME_FIELD: name}) for each in self.fields)
        )


@dataclass(frozen=True, slots=True)
class NodeDemand:
    """A pod's nodeSelector, and the alternatives of its required node affinity, if it has any."""

    selector: frozenset[tuple[str, str]]
    terms: tuple[NodeTerm, ...]

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether the pod may run on a node of this name with these labels."""
        return self.selector <= labels.items() and (
            not self.terms or any(term.matches(name, labels) for term in self.terms)
        )


def read_demand(pod: Mapping[str, object]) -> NodeDemand:
    """Reads what a pod demands.

    Raises:
        InvalidPod: a field is of the wrong type. Stored pods never raise.
    """
    terms = read_terms(pod)
    return NodeDemand(
        frozenset(Part(pod).child("spec").text_map("nodeSelector").items()),
        tuple(NodeTerm(_read(term, "matchExpressions"), _read(term, "matchFields")) for term in terms),
    )


def _read(term: Part, key: str) -> tuple[NodeRequirement, ...]:
    return tuple(
        NodeRequirement(need.text("key"), need.text("operator"), need.texts("values")) for need in term.children(key)
    )


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
    kept_out = list_untolerated(node, tolerations)
    if CORDONED in kept_out:
        return "node(s) were unschedulable"
    return f"node(s) had untolerated taint {{{kept_out[0][0]}: {kept_out[0][1]}}}" if kept_out else ""


def list_untolerated(node: NodeView, tolerations: Iterable[Part]) -> list[tuple[str, str, str]]:
    """The node's taints that keep a pod with these tolerations away."""
    known = tuple(tolerations)
    return [taint for taint in node.taints if not any(_tolerates(one, taint) for one in known)]


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
