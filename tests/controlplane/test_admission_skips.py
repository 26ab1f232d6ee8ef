"""Pods that admission leaves alone although a profile matches them, on a real API server."""

import pytest

from monopod.api.names import COMPUTE_TYPE, MIRROR_ANNOTATION, PROFILE_LABEL
from monopod.domain.skips import DAEMON_SET_CONTROLLER, DAEMON_SET_CONTROLLERS
from tests.controlplane.server import Manifest, Server
from tests.unit.builders import PodBuilder, a_pod

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
