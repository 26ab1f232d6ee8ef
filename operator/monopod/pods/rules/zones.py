"""Where a profile's pods may run: its zones and the nodes of its capacity, merged with a pod's own node affinity.

Source: EKS API reference, CreateFargateProfile (pods run in the profile's subnets, and so in their zones); Kubernetes'
node affinity. The terms of a pod's required node affinity are alternatives, so each of them must also require what the
profile does; a pod without any gets one. A term without any requirement matches no node in Kubernetes, and stays as it
is. What terms say of the compute type is decided first (see `nodes`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from monopod.api.names import TOPOLOGY_ZONE
from monopod.kube.objects.fields import Part
from monopod.pods.rules.nodes import Term, read_terms, selects_nodes, settle_terms
from monopod.pods.rules.selection import Profile
from monopod.pods.rules.spot import build_node_requirement

Requirement = dict[str, Any]


def compute_requirements(profile: Profile) -> list[Requirement]:
    """What the profile requires of its pods' nodes."""
    zones = [{"key": TOPOLOGY_ZONE, "operator": "In", "values": list(profile.zones)}] if profile.zones else []
    label = profile.spot_node_label
    return [*zones, build_node_requirement(label, is_spot=profile.is_spot)] if label else zones


def merge_terms(pod: Mapping[str, object], requirements: Sequence[Requirement]) -> list[Term]:
    """The terms of required node affinity that the pod of a profile is to have; none: it requires nothing.

    Raises:
        InvalidPod: a field is of the wrong type.
    """
    terms = settle_terms(read_terms(pod))
    if not terms and requirements:
        return [{"matchExpressions": list(requirements)}]
    for term in terms:
        expressions = term.get("matchExpressions") or []
        missing = [each for each in requirements if each not in expressions]
        if selects_nodes(term) and missing:
            term["matchExpressions"] = [*expressions, *missing]
    return terms


def excludes_zones(pod: Mapping[str, object], zones: Sequence[str]) -> bool:
    """Whether the pod's own affinity leaves none of the zones, so that no node could ever run it.

    Only what a term says of the zone itself is looked at; its other requirements depend on the nodes that there are.

    Raises:
        InvalidPod: a field is of the wrong type.
    """
    terms = read_terms(pod)
    return bool(zones) and bool(terms) and not any(_allows_any(term, zones) for term in terms)


def _allows_any(term: Part, zones: Sequence[str]) -> bool:
    if not selects_nodes(term.fields):
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
