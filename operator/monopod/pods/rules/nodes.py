"""What a pod asks of its node, where being on Fargate answers it: the compute type, and the scheduler.

Source: EKS user guide and issues of users. Fargate's nodes have the label `eks.amazonaws.com/compute-type: fargate`,
and pods ask for it in their nodeSelector or their node affinity. A pod of a profile is on Fargate, whatever labels the
nodes of its sandbox have, so what asks for that is satisfied and left out, and what rules it out can't be met on any
node. All else stays, and the scheduler compares it with the nodes.

The terms of required node affinity are alternatives. One that only asked for Fargate holds on every node that comes
into question, so nothing is required any more: an empty term would match no node instead.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from monopod.api.names import COMPUTE_TYPE, COMPUTE_TYPE_FARGATE, PROFILE_LABEL
from monopod.kube.objects.fields import Part

DEFAULT_SCHEDULER: Final = "default-scheduler"
FARGATE_SCHEDULER: Final = "fargate-scheduler"
"""AWS's, whose name EKS writes on the pods of its profiles. Here the cluster's own scheduler places them."""

REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"

Term = dict[str, Any]

ON_FARGATE: Final[Mapping[str, Any]] = {"key": COMPUTE_TYPE, "operator": "In", "values": [COMPUTE_TYPE_FARGATE]}


def choose_node_selector(pod: Mapping[str, object]) -> dict[str, str]:
    """The nodeSelector that a pod of a profile is to have.

    On a pod that is marked already, what asks for Fargate's nodes is its RuntimeClass's own, which finds the nodes of
    the sandbox by it.

    Raises:
        InvalidPod: a field is of the wrong type.
    """
    root = Part(pod)
    selector = root.child("spec").text_map("nodeSelector")
    is_marked = PROFILE_LABEL in root.child("metadata").text_map("labels")
    if selector.get(COMPUTE_TYPE) == COMPUTE_TYPE_FARGATE and not is_marked:
        del selector[COMPUTE_TYPE]
    return selector


def read_terms(pod: Mapping[str, object]) -> tuple[Part, ...]:
    """The terms of the pod's required node affinity.

    Raises:
        InvalidPod: a field is of the wrong type.
    """
    affinity = Part(pod).child("spec").child("affinity").child("nodeAffinity")
    return affinity.child(REQUIRED).children("nodeSelectorTerms")


def settle_terms(terms: Sequence[Part]) -> list[Term]:
    """The terms with what they say of the compute type decided; none if one of them holds on all of Fargate's nodes.

    A term that rules Fargate out stays, and asks for Fargate besides, so that it matches no node: nodes of sandboxes
    need not have the label, and those without it are not ruled out by `NotIn`.
    """
    settled = []
    for term in terms:
        expressions = term.children("matchExpressions")
        about = [each for each in expressions if each.text("key") == COMPUTE_TYPE]
        copy: Term = dict(term.fields)
        if all(_holds(each) for each in about):
            if about:
                copy["matchExpressions"] = [each.fields for each in expressions if each not in about]
                if not selects_nodes(copy):
                    return []
        elif not any(each.fields == ON_FARGATE for each in about):
            copy["matchExpressions"] = [*(each.fields for each in expressions), ON_FARGATE]
        settled.append(copy)
    return settled


def rules_out_fargate(pod: Mapping[str, object]) -> bool:
    """Whether what the pod says of the compute type leaves it no node of Fargate, whatever nodes there are.

    Raises:
        InvalidPod: a field is of the wrong type.
    """
    terms = read_terms(pod)
    return choose_node_selector(pod).get(COMPUTE_TYPE, COMPUTE_TYPE_FARGATE) != COMPUTE_TYPE_FARGATE or (
        bool(terms) and not any(_leaves_fargate(term) for term in terms)
    )


def _leaves_fargate(term: Part) -> bool:
    about = (each for each in term.children("matchExpressions") if each.text("key") == COMPUTE_TYPE)
    return selects_nodes(term.fields) and all(_holds(each) for each in about)


def selects_nodes(term: Mapping[str, object]) -> bool:
    """Whether the term requires anything; one that doesn't matches no node."""
    return bool(term.get("matchExpressions") or term.get("matchFields"))


def _holds(requirement: Part) -> bool:
    """Whether a requirement holds on nodes of Fargate."""
    match requirement.text("operator"):
        case "In":
            return COMPUTE_TYPE_FARGATE in requirement.texts("values")
        case "NotIn":
            return COMPUTE_TYPE_FARGATE not in requirement.texts("values")
        case operator:  # Gt and Lt compare numbers
            return operator == "Exists"
