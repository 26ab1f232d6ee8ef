"""A drill: which pods are interrupted as if the capacity were wanted elsewhere, and how.

Source: ECS developer guide, Fargate Spot (the words of the reason, SIGTERM at once, 120 seconds at most); AWS Fault
Injection Service (a share of the targets, rounded down). Which pods are chosen depends on the seed and their names
alone, so that a drill can be repeated, and tried beforehand: the pods of a StatefulSet are the same ones every time,
those of a Deployment as long as they exist.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from monopod.api.names import CAPACITY_PROVIDER_LABEL, FARGATE, FARGATE_SPOT
from monopod.kube.objects.fields import Part
from monopod.notices.rules.notice import INTERRUPTED, INTERRUPTION
from monopod.pods.rules.spot import compute_spot_terms
from monopod.pods.rules.state import get_mark, has_ended

_DISRUPTION: Final = "DisruptionTarget"


@dataclass(frozen=True, slots=True)
class Target:
    """A pod that can be interrupted.

    Attributes:
        provider: what it runs on.
        grace_seconds: between SIGTERM and SIGKILL.
    """

    namespace: str
    name: str
    uid: str
    profile: str
    provider: str
    grace_seconds: int

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def read_target(pod: Mapping[str, Any]) -> Target | None:
    """The pod as a target; None if it is no profile's, has no node yet, has ended or is on its way out.

    Raises:
        InvalidPod: a field holds what the API server would never store.
    """
    root = Part(pod)
    metadata = root.child("metadata")
    leaving = metadata.fields.get("deletionTimestamp") is not None
    if not get_mark(pod) or leaving or has_ended(pod) or not root.child("spec").text("nodeName"):
        return None
    on_spot = metadata.text_map("labels").get(CAPACITY_PROVIDER_LABEL) == FARGATE_SPOT
    return Target(
        metadata.text("namespace"), metadata.text("name"), metadata.text("uid"), get_mark(pod),
        FARGATE_SPOT if on_spot else FARGATE, compute_spot_terms(pod).grace_seconds,
    )  # fmt: skip


def choose_targets(targets: Iterable[Target], percent: int, seed: str) -> tuple[Target, ...]:
    """This share of the targets: rounded down, and at least one, if there is any.

    Args:
        targets: in any order.
        percent: 1 to 100.
        seed: the same one chooses the same pods.
    """
    drawn = sorted(targets, key=lambda target: (_draw(target, seed), str(target)))
    return tuple(sorted(drawn[: max(1, len(drawn) * percent // 100)], key=str))


def choose_one(targets: Iterable[Target], seed: str) -> Target | None:
    """The first of the targets by the same draw; None if there are none."""
    return min(targets, key=lambda target: (_draw(target, seed), str(target)), default=None)


def _draw(target: Target, seed: str) -> bytes:
    # Each pod's number is its own: pods that come or go change nothing about which of the others come first.
    return hashlib.sha256(f"{seed}/{target}".encode()).digest()


def build_condition(target: Target, now: str) -> dict[str, Any]:
    """What is applied to the pod's status: that it is disrupted, by which a Job's podFailurePolicy knows it.

    Without the time of the transition, kube-controller-manager takes the condition back at once; and after two minutes,
    if the pod isn't deleted meanwhile.
    """
    condition = {
        "type": _DISRUPTION,
        "status": "True",
        "reason": INTERRUPTION,
        "message": INTERRUPTED,
        "lastTransitionTime": now,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        # With the uid another pod of the name is refused.
        "metadata": {"name": target.name, "namespace": target.namespace, "uid": target.uid},
        "status": {"conditions": [condition]},
    }
