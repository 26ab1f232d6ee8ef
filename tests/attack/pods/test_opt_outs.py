"""Pods that profiles leave alone: a DaemonSet's pod is one that the controller creates, not one that says so; and where
a profile refuses it, nobody opts out."""

from collections.abc import Iterator

import pytest

from monopod.api.names import COMPUTE_TYPE, EKS_PROFILE_LABEL, MIRROR_ANNOTATION, PROFILE_LABEL, UNSUPPORTED_GATE
from tests.attack.people import Person, bind_role
from tests.controlplane.operating.lab import Lab, OperatorProcess, eventually
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


@pytest.fixture(scope="module")
def kept(lab: Lab, operator: OperatorProcess) -> Iterator[str]:
    """A namespace whose profile refuses pods that opt out; another one, which takes them as well, doesn't."""
    lab.create_namespace("kept")
    lab.create_profile("kept", "kept", optOut="Refuse")
    lab.create_profile("lenient", "kept")
    lab.becomes_active("kept")
    lab.becomes_active("lenient")
    eventually(
        lambda: {"kept", "lenient"} <= {line.split("|")[0] for line in str(lab.namespace_marks("kept")[1]).split("\n")}
    )
    yield "kept"
    for name in ("kept", "lenient"):
        lab.delete("FargateProfile", name)


@pytest.fixture(scope="module")
def prisoner(lab: Lab, kept: str) -> Person:
    return bind_role(lab, "prisoner", "admin", kept)


WAYS_OUT: dict[str, PodBuilder] = {
    "the annotation": a_pod().annotated({COMPUTE_TYPE: "ec2"}),
    "a node": a_pod().with_spec(nodeName="kwok-node-0"),
    "a scheduler": a_pod().with_spec(schedulerName="mine"),
    "a lenient profile": a_pod().labelled({EKS_PROFILE_LABEL: "lenient"}).annotated({COMPUTE_TYPE: "ec2"}),
    "the words of a DaemonSet": a_pod().owned_by("DaemonSet").annotated({COMPUTE_TYPE: "ec2"}),
    "the words of a static pod": a_pod().annotated({MIRROR_ANNOTATION: "x"}).with_spec(nodeName="kwok-node-0"),
}


@pytest.mark.parametrize("pod", WAYS_OUT.values(), ids=WAYS_OUT)
def test_no_way_leads_out_of_a_profile_that_refuses_it(kept: str, prisoner: Person, pod: PodBuilder) -> None:
    answer = prisoner.try_pod(kept, pod.build())
    assert answer.status == 403
    assert f"Pods of Fargate profile {kept} must not opt out of it (optOut: Refuse)" in answer.message


def test_a_workloads_pods_are_refused_and_a_daemon_sets_pass(lab: Lab, kept: str) -> None:
    annotations = {COMPUTE_TYPE: "ec2"}
    run_workload(lab, "Deployment", kept, 1, "escape", annotations=annotations, await_ready=False)
    run_workload(lab, "DaemonSet", kept, 1, "agent", annotations=annotations)
    failures = eventually(lambda: [e for e in lab.list_all("Event", kept) if e["reason"] == "FailedCreate"])
    assert any("(optOut: Refuse)" in event["message"] for event in failures)
    assert pods_of(lab, kept, "escape") == []
    assert {pod["metadata"]["labels"].get(PROFILE_LABEL) for pod in pods_of(lab, kept, "agent")} == {None}
