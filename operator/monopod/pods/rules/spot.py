"""What it means for a pod to run on Spot (FARGATE_SPOT): it costs less, and gives way.

Source: ECS developer guide, Fargate capacity providers: SIGTERM at once, SIGKILL after the stop timeout, 30 seconds by
default and 120 at most. EKS has no Spot on Fargate; here it is made of what Kubernetes has. Such pods have a priority
below that of all others, so that the scheduler takes room from them for pods on demand; and a grace period of at most
120 seconds, so that it has the room in time. Where some nodes are Spot's (the chart's `spot.nodeLabel`) they run on
those, and pods on demand on the others.

A priority class that the author chose gives way, as it does on EKS, where all pods of Fargate have the same: with one
of its own a pod would have Spot's price and someone else's place.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from monopod.api.names import CAPACITY_PROVIDER_ANNOTATION, FARGATE, FARGATE_SPOT, SPOT_CLASSES
from monopod.cel.compiled_selectors import ON_DEMAND_SEPARATOR, ON_DEMAND_UNTIL, OWNER_SEPARATOR
from monopod.kube.objects.fields import Part
from monopod.pods.rules.selection import Profile

SPOT_PRIORITY: Final = -5
"""Below every pod that has no priority class, and above the -10 of pods that only keep room warm: these go first. At
-10 and below the cluster autoscaler takes a pod for one that needs no node."""

SPOT_KEPT_PRIORITY: Final = 0
"""Where pods on Spot have nodes of their own and don't give way to others: that of pods without a priority class."""

SPOT_PREEMPTION: Final = "PreemptLowerPriority"

MAX_GRACE_SECONDS: Final = 120
DEFAULT_GRACE_SECONDS: Final = 30
"""Kubernetes' own default, and ECS's."""


UNKNOWN_PROVIDER: Final = (
    f"metadata.annotations[{CAPACITY_PROVIDER_ANNOTATION}] must be {FARGATE} or {FARGATE_SPOT}: by it a pod of this "
    "profile chooses its capacity provider. Leave it out for the one that the profile's capacityProviderStrategy says."
)


def refuse_provider(pod: Mapping[str, object], profile: Profile) -> str:
    """Why a pod that chooses its capacity provider is refused; "" if it isn't."""
    chosen = _get_choice(pod)
    unknown = chosen is not None and chosen not in (FARGATE, FARGATE_SPOT)
    return UNKNOWN_PROVIDER if unknown and profile.pod_choice == "Allow" else ""


def choose_provider(pod: Mapping[str, object], profile: Profile, on_demand: str = "") -> Profile:
    """The profile, with the capacity provider that the pod runs on: what it chose, where it may, or the profile's.

    Args:
        pod: the pod.
        profile: the one that takes it.
        on_demand: the namespace's annotation with the workloads that run on demand while Spot lacks room for them.
    """
    chosen = _apply_choice(pod, profile)
    return (
        replace(chosen, capacity_provider="FARGATE")
        if chosen.is_spot and _is_on_demand(pod, chosen, on_demand)
        else chosen
    )


def _is_on_demand(pod: Mapping[str, object], profile: Profile, on_demand: str) -> bool:
    """Whether the pod's workload runs on demand for a while."""
    text = ON_DEMAND_SEPARATOR + on_demand
    return any(
        f"{ON_DEMAND_SEPARATOR}{profile.name}{OWNER_SEPARATOR}{owner.text('uid')}{ON_DEMAND_UNTIL}" in text
        for owner in Part(pod).child("metadata").children("ownerReferences")
        if owner.flag("controller")
    )


def _apply_choice(pod: Mapping[str, object], profile: Profile) -> Profile:
    match _get_choice(pod) if profile.pod_choice == "Allow" else None:
        case "FARGATE" | "FARGATE_SPOT" as chosen:
            return replace(profile, capacity_provider=chosen)
        case _:
            return profile


def describe_ignored_choice(pod: Mapping[str, object], profile: Profile) -> str:
    """That a pod chooses its capacity provider in vain, as a sentence; "" if it doesn't."""
    if _get_choice(pod) is None or profile.pod_choice == "Allow":
        return ""
    return (
        f"The annotation {CAPACITY_PROVIDER_ANNOTATION} has no effect, as profile {profile.name} doesn't say "
        "spot.podChoice: Allow."
    )


def _get_choice(pod: Mapping[str, object]) -> str | None:
    return Part(pod).child("metadata").text_map("annotations").get(CAPACITY_PROVIDER_ANNOTATION)


@dataclass(frozen=True, slots=True)
class SpotTerms:
    """What Spot makes of a pod.

    Attributes:
        grace_seconds: between SIGTERM and SIGKILL.
        asked_seconds: what the pod asked for.
        replaced_class: the author's priority class that gives way; "" if there is none.
    """

    grace_seconds: int
    asked_seconds: int
    replaced_class: str

    def describe_changes(self) -> Iterator[str]:
        """What becomes different from the manifest, as the end of a sentence about the pod."""
        if self.asked_seconds > self.grace_seconds:
            yield f"terminationGracePeriodSeconds of {self.asked_seconds} becomes {self.grace_seconds}"
        if self.replaced_class:
            yield f"priorityClassName {self.replaced_class} gives way to that of Spot"


def compute_spot_terms(pod: Mapping[str, object]) -> SpotTerms:
    """What Spot makes of a pod.

    Raises:
        InvalidPod: a field is of the wrong type.
    """
    spec = Part(pod).child("spec")
    asked = spec.number("terminationGracePeriodSeconds") if "terminationGracePeriodSeconds" in spec.fields else None
    seconds = DEFAULT_GRACE_SECONDS if asked is None else asked
    own = spec.text("priorityClassName")
    return SpotTerms(min(seconds, MAX_GRACE_SECONDS), seconds, "" if own in SPOT_CLASSES else own)


def build_node_requirement(node_label: str, *, is_spot: bool) -> dict[str, Any]:
    """What a pod requires of its node where Spot's nodes have a label, `key=value`: to be one of them, or to be none.

    Args:
        node_label: the label.
        is_spot: whether the pod runs on Spot.
    """
    key, _, value = node_label.partition("=")
    return {"key": key, "operator": "In" if is_spot else "NotIn", "values": [value]}
