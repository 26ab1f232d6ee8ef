"""Where a profile's pods may run: the zones that its `subnets` name, merged with the node affinity that a pod has.

Source: EKS API reference, CreateFargateProfile (pods run in the profile's subnets, and so in their zones); Kubernetes'
node affinity. The terms of a pod's required node affinity are alternatives, so each of them must also require the
zones; a pod without any gets one. A term without any requirement matches no node in Kubernetes, and stays as it is.
What terms say of the compute type is decided first (see `nodes`).
"""

from collections.abc import Mapping, Sequence

from monopod.api.names import TOPOLOGY_ZONE
from monopod.kube.objects.fields import Part
from monopod.pods.rules.nodes import Term, read_terms, selects_nodes, settle_terms


def merge_terms(pod: Mapping[str, object], zones: Sequence[str]) -> list[Term]:
    """The terms of required node affinity that the pod of a profile is to have; none: it requires nothing.

    Raises:
        InvalidPod: a field is of the wrong type.
    """
    terms = settle_terms(read_terms(pod))
    if not zones:
        return terms
    requirement = {"key": TOPOLOGY_ZONE, "operator": "In", "values": list(zones)}
    if not terms:
        return [{"matchExpressions": [requirement]}]
    for term in terms:
        expressions = term.get("matchExpressions") or []
        if selects_nodes(term) and requirement not in expressions:
            term["matchExpressions"] = [*expressions, requirement]
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
