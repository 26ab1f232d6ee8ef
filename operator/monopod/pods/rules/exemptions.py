"""Pods that Fargate leaves alone even though a profile matches them.

Source: EKS user guide, Fargate considerations (DaemonSets, static pods), and the annotation and fields by which a pod
names its node or its scheduler itself. A nodeSelector exempts no pod: Fargate's nodes have labels, too.

Whoever may create pods may write any owner and any annotation on them. So what exempts a DaemonSet's pod, or a mirror
pod, is who creates it: only the controller, or the kubelet, is believed.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from monopod.api.names import COMPUTE_TYPE, COMPUTE_TYPE_EC2, CONTROLLER_MANAGER, MIRROR_ANNOTATION, PROFILE_LABEL
from monopod.kube.objects.fields import Part
from monopod.pods.rules.nodes import DEFAULT_SCHEDULER, FARGATE_SCHEDULER

SCHEDULERS: Final = ("", DEFAULT_SCHEDULER, FARGATE_SCHEDULER)
"""Schedulers that keep no pod out of its profile."""

DAEMON_SET_API: Final = "apps/v1"
DAEMON_SET_CONTROLLER: Final = "system:serviceaccount:kube-system:daemon-set-controller"
DAEMON_SET_CONTROLLERS: Final = (DAEMON_SET_CONTROLLER, CONTROLLER_MANAGER)
"""Who creates the pods of DaemonSets."""

_KUBELET: Final = "system:node:"


class Skip(StrEnum):
    """Why a matching pod is left as it is."""

    DAEMON_SET = "DaemonSetPod"
    MIRROR_POD = "MirrorPod"
    COMPUTE_TYPE_EC2 = "ComputeTypeEC2"
    NODE_NAME = "NodeNameSet"
    SCHEDULER = "OtherScheduler"

    @property
    def sentence(self) -> str:
        """The reason in one sentence."""
        return _SENTENCES[self]

    @property
    def is_opt_out(self) -> bool:
        """Whether the pod's author has chosen it, and a profile may refuse that."""
        return self in OPT_OUTS


OPT_OUTS: Final[Mapping[Skip, str]] = {
    Skip.COMPUTE_TYPE_EC2: f"metadata.annotations[{COMPUTE_TYPE}]",
    Skip.NODE_NAME: "spec.nodeName",
    Skip.SCHEDULER: "spec.schedulerName",
}
"""Reasons that are the author's choice, with the field that says so."""

REFUSAL: Final = "Pods of Fargate profile {} must not opt out of it (optOut: Refuse), and this one does. Remove {}."

_SENTENCES: Final[Mapping[Skip, str]] = {
    Skip.DAEMON_SET: "The pod belongs to a DaemonSet, and DaemonSets don't run on Fargate.",
    Skip.MIRROR_POD: "The pod mirrors a static pod that a kubelet already runs.",
    Skip.COMPUTE_TYPE_EC2: f"The pod opts out with the annotation {COMPUTE_TYPE}: {COMPUTE_TYPE_EC2}.",
    Skip.NODE_NAME: "The pod names its node in spec.nodeName.",
    Skip.SCHEDULER: "The pod names a scheduler of its own in spec.schedulerName.",
}


def compute_skip(pod: Mapping[str, object], username: str = "") -> Skip | None:
    """The first reason to leave the pod alone, or None.

    Args:
        pod: the pod as it is created, before scheduling has filled in spec.nodeName.
        username: who creates it; only a kubelet makes a mirror pod, and only its controller a DaemonSet's pod.

    Raises:
        InvalidPod: a field is of the wrong type.
    """
    root = Part(pod)
    return next((skip for skip, applies in _RULES if applies(root, username)), None)


def describe_refusal(pod: Mapping[str, object], profile: str) -> str:
    """What a pod reads that opts out of a profile that refuses it: every field that it has to do without."""
    root = Part(pod)
    fields = (OPT_OUTS[skip] for skip, applies in _RULES if skip.is_opt_out and applies(root, ""))
    return REFUSAL.format(profile, ", ".join(fields))


def guess_creator(pod: Mapping[str, object]) -> str:
    """Who created a pod of the cluster, as far as that decides: only these pods go unmarked through admission."""
    root = Part(pod)
    if PROFILE_LABEL in root.child("metadata").text_map("labels"):
        return ""
    if MIRROR_ANNOTATION in root.child("metadata").text_map("annotations"):
        return _KUBELET
    return DAEMON_SET_CONTROLLER if _names_daemon_set(root) else ""


def _belongs_to_daemon_set(pod: Part, username: str) -> bool:
    return _names_daemon_set(pod) and username in DAEMON_SET_CONTROLLERS


def _names_daemon_set(pod: Part) -> bool:
    return any(
        owner.text("kind") == "DaemonSet" and owner.text("apiVersion") == DAEMON_SET_API and owner.flag("controller")
        for owner in pod.child("metadata").children("ownerReferences")
    )


def _mirrors_static_pod(pod: Part, username: str) -> bool:
    # Anyone can write the annotation; it exempts only pods that a kubelet reports.
    return MIRROR_ANNOTATION in pod.child("metadata").text_map("annotations") and username.startswith(_KUBELET)


def _opts_out(pod: Part, _: str) -> bool:
    return pod.child("metadata").text_map("annotations").get(COMPUTE_TYPE) == COMPUTE_TYPE_EC2


def _has_node_name(pod: Part, _: str) -> bool:
    return bool(pod.child("spec").text("nodeName"))


def _has_other_scheduler(pod: Part, _: str) -> bool:
    return pod.child("spec").text("schedulerName") not in SCHEDULERS


_RULES: Final[tuple[tuple[Skip, Callable[[Part, str], bool]], ...]] = (
    (Skip.DAEMON_SET, _belongs_to_daemon_set),
    (Skip.MIRROR_POD, _mirrors_static_pod),
    (Skip.COMPUTE_TYPE_EC2, _opts_out),
    (Skip.NODE_NAME, _has_node_name),
    (Skip.SCHEDULER, _has_other_scheduler),
)
