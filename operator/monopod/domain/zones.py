"""Where a profile's pods may run: the zones that its `subnets` name, merged with the node affinity that a pod has.

Source: EKS API reference, CreateFargateProfile (pods run in the profile's subnets, and so in their zones); Kubernetes'
node affinity. The terms of a pod's required node affinity are alternatives, so each of them must also require the
zones; a pod without any gets one. A term without any requirement matches no node in Kubernetes, and stays as it is.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from monopod.api.names import TOPOLOGY_ZONE
from monopod.domain.manifest import Part

REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"

Term = dict[str, Any]


def merge_terms(pod: Mapping[str, object], zones: Sequence[str]) -> list[Term]:
    """The terms of required node affinity that the pod is to have; the pod's own if the profile names no zones.

    Raises:
        InvalidPod: a field is of the wrong type.
    """
    terms = [_copy_term(term) for term in _find_terms(Part(pod))]
    if not zones:
        return terms
    requirement = {"key": TOPOLOGY_ZONE, "operator": "In", "values": list(zones)}
    if not terms:
        return [{"matchExpressions": [requirement]}]
    for term in terms:
        expressions = term.get("matchExpressions") or []
        if _selects_nodes(term) and requirement not in expressions:
            term["matchExpressions"] = [*expressions, requirement]
    return terms


def excludes_zones(pod: Mapping[str, object], zones: Sequence[str]) -> bool:
    """Whether the pod's own affinity leaves none of the zones, so that no node could ever run it.

    Only what a term says of the zone itself is looked at; its other requirements depend on the nodes that there are.

    Raises:
        InvalidPod: a field is of the wrong type.
    """
    terms = _find_terms(Part(pod))
    return bool(zones) and bool(terms) and not any(_allows_any(term, zones) for term in terms)


def _find_terms(pod: Part) -> tuple[Part, ...]:
    return pod.child("spec").child("affinity").child("nodeAffinity").child(REQUIRED).children("nodeSelectorTerms")


def _copy_term(term: Part) -> Term:
    return dict(term.fields)


def _selects_nodes(term: Mapping[str, object]) -> bool:
    return bool(term.get("matchExpressions") or term.get("matchFields"))


def _allows_any(term: Part, zones: Sequence[str]) -> bool:
    if not _selects_nodes(term.fields):
        return False
    about_zones = [each for each in term.children("matchExpressions") if each.text("key") == TOPOLOGY_ZONE]
    return any(all(_allows(requirement, zone) for requirement in about_zones) for zone in zones)


def _allows(requirement: Part, zone: str) -> bool:
    match requirement.text("operator"):
        case "In":
            return zone in requirement.texts("values")
        case "NotIn":
            return zone not in requirement.texts("values")
        case "DoesNotExist":
            return False
        case _:  # Exists; and Gt and Lt, which compare numbers and which no zone's name is made for
            return True
