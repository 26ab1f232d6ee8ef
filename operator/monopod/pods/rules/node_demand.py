"""Which nodes a pod asks for, and whether a node is one of them: what kube-scheduler decides by a node's labels alone.

Source: Kubernetes' documentation of nodeSelector and node affinity. Taints, room and what else the scheduler looks at
have no place here: the question is whether the pod's own words leave it any node.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from monopod.kube.objects.fields import Part
from monopod.kube.objects.label_selector import Requirement
from monopod.pods.rules.nodes import read_terms

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
