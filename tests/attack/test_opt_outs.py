"""Pods that profiles leave alone: a DaemonSet's pod is one that the controller creates, not one that says so."""

import pytest

from monopod.api.names import PROFILE_LABEL, UNSUPPORTED_GATE
from tests.attack.people import Person, bind_role
from tests.controlplane.operating.lab import Lab, eventually
from tests.controlplane.operating.moving import pods_of, run_workload
from tests.unit.builders import PodBuilder, a_pod


@pytest.fixture(scope="module")
def tenant(lab: Lab, fargate: str) -> Person:
    return bind_role(lab, "forger", "admin", fargate)


FORGED = {
    "a DaemonSet as the controller": a_pod().owned_by("DaemonSet"),
    "a DaemonSet among owners": a_pod().owned_by("DaemonSet", controller=None),
    "a DaemonSet of no known version": a_pod().owned_by("DaemonSet", "apps/evil"),
    "a DaemonSet of another group": a_pod().owned_by("DaemonSet", "example.com/v1"),
}


@pytest.mark.eks("2.skip-daemonset")
@pytest.mark.parametrize("pod", FORGED.values(), ids=FORGED)
def test_a_forged_owner_keeps_no_pod_out(fargate: str, tenant: Person, pod: PodBuilder) -> None:
    pod.with_spec(hostNetwork=True).with_volume("root", hostPath={"path": "/"})
    admitted = tenant.try_pod(fargate, pod.build()).expect_ok()
    assert admitted["metadata"]["labels"][PROFILE_LABEL] == fargate
    assert {"name": UNSUPPORTED_GATE} in admitted["spec"]["schedulingGates"]


def test_the_controllers_own_pods_of_a_daemon_set_stay_outside(lab: Lab, fargate: str) -> None:
    run_workload(lab, "DaemonSet", fargate, 1, "agent")
    try:
        assert {pod["metadata"]["labels"].get(PROFILE_LABEL) for pod in pods_of(lab, fargate, "agent")} == {None}
    finally:
        lab.delete("DaemonSet", "agent", fargate)
        eventually(lambda: not pods_of(lab, fargate, "agent"))
