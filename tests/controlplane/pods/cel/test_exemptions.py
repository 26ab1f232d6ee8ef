"""Pods that admission leaves alone although a profile matches them, on a real API server."""

import pytest

from monopod.api.names import COMPUTE_TYPE, EKS_PROFILE_LABEL, MIRROR_ANNOTATION, PROFILE_LABEL
from monopod.pods.rules.exemptions import DAEMON_SET_CONTROLLER, DAEMON_SET_CONTROLLERS
from tests.controlplane.reach import reach
from tests.controlplane.server import Manifest, Server
from tests.unit.builders import PodBuilder, a_pod, a_profile, a_selector

KUBELET = "system:node:node-1"
_, MANAGER = DAEMON_SET_CONTROLLERS
OTHER_CONTROLLER = "system:serviceaccount:kube-system:replicaset-controller"
MIRROR = {MIRROR_ANNOTATION: "0123"}


def admit(server: Server, pod: PodBuilder, user: str = "", namespace: str = "fargate") -> Manifest:
    return server.create_pod(namespace, pod.build(), user=user).expect_ok()


def is_marked(pod: Manifest) -> bool:
    return PROFILE_LABEL in pod["metadata"].get("labels", {})


SKIPPED = {
    "a DaemonSet's pod": (a_pod().owned_by("DaemonSet"), DAEMON_SET_CONTROLLER),
    "a DaemonSet's pod where controllers share an identity": (a_pod().owned_by("DaemonSet"), MANAGER),
    "a DaemonSet among other owners": (
        a_pod().owned_by("ReplicaSet", controller=None).owned_by("DaemonSet"),
        DAEMON_SET_CONTROLLER,
    ),
    "a kubelet's mirror pod": (a_pod().annotated(MIRROR).with_spec(nodeName="node-1"), KUBELET),
    "compute-type ec2": (a_pod().annotated({COMPUTE_TYPE: "ec2"}), ""),
    "nodeName": (a_pod().with_spec(nodeName="node-1"), ""),
    "another scheduler": (a_pod().with_spec(schedulerName="volcano"), ""),
    "privileged, but a DaemonSet's": (
        a_pod().owned_by("DaemonSet").secured(privileged=True),
        DAEMON_SET_CONTROLLER,
    ),
}


@pytest.mark.eks("2.skip-daemonset", case="a DaemonSet's pod")
@pytest.mark.eks("2.skip-mirror", case="a kubelet's mirror pod")
@pytest.mark.eks("2.skip-ec2", case="compute-type ec2")
@pytest.mark.eks("2.skip-node-name", case="nodeName")
@pytest.mark.eks("2.skip-scheduler", case="another scheduler")
@pytest.mark.parametrize(("pod", "user"), SKIPPED.values(), ids=SKIPPED)
def test_left_alone(server: Server, pod: PodBuilder, user: str) -> None:
    admitted = admit(server, pod, user)
    assert not is_marked(admitted)
    assert "resources" not in admitted["spec"]
    assert admitted["spec"].get("runtimeClassName") == pod.build()["spec"].get("runtimeClassName")


TAKEN = {
    "a ReplicaSet's pod": (a_pod().owned_by("ReplicaSet"), DAEMON_SET_CONTROLLER),
    "somebody else's DaemonSet": (a_pod().owned_by("DaemonSet", "example.com/v1"), DAEMON_SET_CONTROLLER),
    "a DaemonSet of no known version": (a_pod().owned_by("DaemonSet", "apps/evil"), DAEMON_SET_CONTROLLER),
    "a DaemonSet that isn't its controller": (a_pod().owned_by("DaemonSet", controller=False), DAEMON_SET_CONTROLLER),
    "a forged DaemonSet": (a_pod().owned_by("DaemonSet"), "eve"),
    "a DaemonSet's pod from another controller": (a_pod().owned_by("DaemonSet"), OTHER_CONTROLLER),
    "compute-type fargate": (a_pod().annotated({COMPUTE_TYPE: "fargate"}), ""),
    "compute-type as a label": (a_pod().labelled({COMPUTE_TYPE: "ec2"}), ""),
    "a nodeSelector": (a_pod().with_spec(nodeSelector={"a": "b"}), ""),
    "a nodeSelector and another class": (a_pod().with_spec(nodeSelector={"a": "b"}, runtimeClassName="bare"), ""),
    "an empty nodeName": (a_pod().with_spec(nodeName=""), ""),
    "the default scheduler by name": (a_pod().with_spec(schedulerName="default-scheduler"), ""),
    "affinity": (a_pod().with_spec(affinity={"podAntiAffinity": {}}), ""),
    "another class with a nodeSelector of its own": (a_pod().with_spec(runtimeClassName="other-on-metal"), ""),
    "AWS's scheduler": (a_pod().with_spec(schedulerName="fargate-scheduler"), ""),
}


@pytest.mark.eks("2.skip-daemonset", case="somebody else's DaemonSet")
@pytest.mark.eks("2.skip-ec2", case="compute-type fargate")
@pytest.mark.eks("2.node-selector", case="a nodeSelector")
@pytest.mark.eks("2.skip-node-name", case="an empty nodeName")
@pytest.mark.eks("2.skip-scheduler", case="the default scheduler by name")
@pytest.mark.eks("2.scheduler-name", case="AWS's scheduler")
@pytest.mark.eks("2.affinity", case="affinity")
@pytest.mark.parametrize(("pod", "user"), TAKEN.values(), ids=TAKEN)
def test_taken(server: Server, pod: PodBuilder, user: str) -> None:
    assert is_marked(admit(server, pod, user))


@pytest.mark.eks("2.skip-mirror")
def test_a_kubelets_word_is_needed_for_a_mirror_pod(server: Server) -> None:
    """Kubernetes lets mirror pods name only a node, which exempts them anyway; the annotation alone doesn't."""
    answer = server.create_pod("fargate", a_pod().annotated(MIRROR).build(), user="eve")
    assert "must set spec.nodeName if mirror pod annotation is set" in answer.message


OPT_OUTS = {
    "the annotation": (
        a_pod().annotated({COMPUTE_TYPE: "ec2"}),
        "metadata.annotations[eks.amazonaws.com/compute-type]",
    ),
    "a node": (a_pod().with_spec(nodeName="node-1"), "spec.nodeName"),
    "a scheduler": (a_pod().with_spec(schedulerName="volcano"), "spec.schedulerName"),
    "all of them": (
        a_pod().annotated({COMPUTE_TYPE: "ec2"}).with_spec(nodeName="node-1", schedulerName="volcano"),
        "metadata.annotations[eks.amazonaws.com/compute-type], spec.nodeName, spec.schedulerName",
    ),
    "another profile, which allows it": (
        a_pod().labelled({EKS_PROFILE_LABEL: "web"}).annotated({COMPUTE_TYPE: "ec2"}),
        "metadata.annotations[eks.amazonaws.com/compute-type]",
    ),
    "a DaemonSet that others name, and a node": (
        a_pod().owned_by("DaemonSet").with_spec(nodeName="node-1"),
        "spec.nodeName",
    ),
}


@pytest.fixture(scope="module")
def kept(server: Server) -> str:
    """A namespace that one profile takes as a whole, and another one keeps its pods from opting out of."""
    profiles = [
        a_profile("keep", a_selector("kept", tier="web"), opt_out="Refuse"),
        a_profile("web", a_selector("kept")),
    ]
    reach(server, "kept", profiles)
    return "kept"


@pytest.mark.parametrize(("pod", "fields"), OPT_OUTS.values(), ids=OPT_OUTS)
def test_a_profile_may_refuse_pods_that_opt_out(server: Server, kept: str, pod: PodBuilder, fields: str) -> None:
    manifest = pod.build()
    manifest["metadata"].setdefault("labels", {})["tier"] = "web"
    answer = server.create_pod(kept, manifest, user="eve")
    text = f"Pods of Fargate profile keep must not opt out of it (optOut: Refuse), and this one does. Remove {fields}."
    assert (answer.status, answer.message.endswith(text)) == (403, True), answer.message
    del manifest["metadata"]["labels"]["tier"]
    assert not is_marked(server.create_pod(kept, manifest, user="eve").expect_ok()), "only what it matches is refused"


def test_pods_that_no_author_keeps_out_are_not_refused(server: Server, kept: str) -> None:
    for pod, user in (
        (a_pod().owned_by("DaemonSet").annotated({COMPUTE_TYPE: "ec2"}), DAEMON_SET_CONTROLLER),
        (a_pod().owned_by("DaemonSet"), MANAGER),
        (a_pod().annotated(MIRROR).with_spec(nodeName="node-1"), KUBELET),
    ):
        assert not is_marked(admit(server, pod.labelled(tier="web"), user, kept))
    assert is_marked(admit(server, a_pod().labelled(tier="web"), "eve", kept))
