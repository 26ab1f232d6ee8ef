"""How far a profile's pods are isolated, in numbers, and what its status says of it."""

from dataclasses import dataclass

from monopod.api.reasons import ConditionType, Reason
from monopod.kube.objects.conditions import Finding, Severity
from monopod.kube.objects.text import list_names


@dataclass(frozen=True, slots=True)
class Isolation:
    """What isn't as security groups say; pods are counted, and causes named.

    Attributes:
        denied: pods that have a group that can't be used.
        groups: those groups.
        over_permissive: pods that NetworkPolicies of others may allow more.
        policies: those policies, `NAMESPACE/NAME`.
        unwritten: pods whose policies or labels can't be written.
    """

    denied: int = 0
    groups: tuple[str, ...] = ()
    over_permissive: int = 0
    policies: tuple[str, ...] = ()
    unwritten: int = 0


def describe_isolation(found: Isolation) -> Finding:
    """Whether pods' networks do what their groups say. A warning: the profile is enforced either way."""
    denied = (
        f"{count_pods(found.denied)} denied all traffic: {list_names(found.groups)} can't be used"
        if found.denied
        else ""
    )
    over_permissive = (
        f"{count_pods(found.over_permissive)} allowed more by NetworkPolicy {list_names(found.policies)}"
        if found.over_permissive
        else ""
    )
    refused = (
        f"{count_pods(found.unwritten)} not as security groups say, which can't be written; events say why"
        if found.unwritten
        else ""
    )
    message = "; ".join(part for part in (over_permissive, refused, denied) if part)
    resources = (
        *(f"NetworkPolicy/{name}" for name in found.policies),
        *(f"SecurityGroup/{name}" for name in found.groups),
    )
    if over_permissive:
        reason = Reason.PODS_OVER_PERMISSIVE
    elif refused:
        reason = Reason.POLICIES_NOT_WRITTEN
    elif denied:
        reason = Reason.PODS_DENIED
    else:
        reason = Reason.PODS_ISOLATED
        message = "the network of each pod does what its security groups say"
    well = reason is Reason.PODS_ISOLATED
    return Finding(ConditionType.ISOLATED, well, reason, message, resources, Severity.REMARK)


def count_pods(number: int) -> str:
    """`1 pod is`, `2 pods are`."""
    return "1 pod is" if number == 1 else f"{number} pods are"
