"""How far a profile's pods are isolated, in numbers, and what its status says of it."""

from dataclasses import dataclass

from monopod.api.reasons import ConditionType, Reason
from monopod.kube.objects.conditions import Finding, Severity
from monopod.kube.objects.text import list_names


@dataclass(frozen=True, slots=True)
class Isolation:
    """What isn't as security groups say; pods are counted, and causes named.

    Attributes:
        closed: pods that have a group that can't be used.
        groups: those groups.
        widened: pods that NetworkPolicies of others may open further.
        policies: those policies, `NAMESPACE/NAME`.
        unwritten: pods whose policies or labels can't be written.
    """

    closed: int = 0
    groups: tuple[str, ...] = ()
    widened: int = 0
    policies: tuple[str, ...] = ()
    unwritten: int = 0


def describe_isolation(found: Isolation) -> Finding:
    """Whether pods' networks do what their groups say. A warning: the profile is enforced either way."""
    closed = f"{count_pods(found.closed)} closed: {list_names(found.groups)} can't be used" if found.closed else ""
    widened = (
        f"{count_pods(found.widened)} opened further by NetworkPolicy {list_names(found.policies)}"
        if found.widened
        else ""
    )
    refused = (
        f"{count_pods(found.unwritten)} not as security groups say, which can't be written; events say why"
        if found.unwritten
        else ""
    )
    message = "; ".join(part for part in (widened, refused, closed) if part)
    resources = (
        *(f"NetworkPolicy/{name}" for name in found.policies),
        *(f"SecurityGroup/{name}" for name in found.groups),
    )
    if widened:
        reason = Reason.PODS_OVER_PERMISSIVE
    elif refused:
        reason = Reason.POLICIES_NOT_WRITTEN
    elif closed:
        reason = Reason.PODS_DENIED
    else:
        reason = Reason.PODS_ISOLATED
        message = "no pod is closed or opened by anything but its security groups"
    well = reason is Reason.PODS_ISOLATED
    return Finding(ConditionType.ISOLATED, well, reason, message, resources, Severity.REMARK)


def count_pods(number: int) -> str:
    """`1 pod is`, `2 pods are`."""
    return "1 pod is" if number == 1 else f"{number} pods are"
