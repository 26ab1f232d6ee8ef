"""The operator as the chart installs it: what goes on without it, what it catches up with, and what it may do."""

import json
from collections.abc import Iterator

import pytest

from lab.cluster.installation import NAMESPACE as SYSTEM_NAMESPACE
from lab.shell import CommandFailed
from monopod.api.names import EKS_PROFILE_LABEL, UNSUPPORTED_ANNOTATION
from tests.e2e.conftest import PROFILE
from tests.e2e.live import OPERATOR, Live, Object, is_ready
from tests.e2e.workloads import SANDBOXED, a_pod, a_profile

ACCOUNT = f"system:serviceaccount:{SYSTEM_NAMESPACE}:monopod"
READY_SECONDS = 180


@pytest.fixture
def without_operator(live: Live, namespace: str) -> Iterator[None]:
    live.await_isolated(namespace)
    try:
        live.scale_operator(0)
        yield
    finally:
        live.scale_operator(2)


@pytest.mark.usefixtures("without_operator")
def test_without_the_operator_a_new_pod_is_sandboxed_all_the_same(live: Live, namespace: str) -> None:
    live.apply(a_pod("new", namespace, SANDBOXED))
    pod = live.await_ready(namespace)[0]
    assert pod["metadata"]["labels"][EKS_PROFILE_LABEL] == PROFILE
    node = live.get("node", pod["spec"]["nodeName"])
    assert live.run_in(pod, "uname -r") != node["status"]["nodeInfo"]["kernelVersion"]


@pytest.mark.usefixtures("without_operator")
def test_without_the_operator_an_unsupported_pod_stays_out(live: Live, namespace: str) -> None:
    live.apply(a_pod("odd", namespace, SANDBOXED, hostPID=True))
    pod = live.wait_for(lambda: _find_gated(live, "odd", namespace), "the gate")
    assert pod["metadata"]["annotations"][UNSUPPORTED_ANNOTATION].endswith("fields not supported: HostPID")


def test_a_profile_made_while_the_operator_was_away_is_picked_up(live: Live, namespace: str) -> None:
    labels = {"made": "meanwhile"}
    live.scale_operator(0)
    try:
        live.apply(a_profile("meanwhile", namespace, labels))
    finally:
        live.scale_operator(2)
    live.await_phase("meanwhile")
    live.apply(a_pod("pod", namespace, labels))
    assert live.get("pod", "pod", namespace)["metadata"]["labels"][EKS_PROFILE_LABEL] == "meanwhile"
    live.kubectl("delete", "fargateprofile", "meanwhile")


def test_another_replica_takes_over_from_a_leader_that_was_killed(live: Live, namespace: str) -> None:
    leader = live.await_leader()
    live.kubectl("delete", "pod", leader, "-n", SYSTEM_NAMESPACE, "--grace-period=0", "--force")
    live.await_leader(other_than=leader)
    live.apply(a_profile("after-takeover", namespace, {"made": "after"}))
    live.await_phase("after-takeover")
    live.kubectl("delete", "fargateprofile", "after-takeover")


def test_two_replicas_are_ready_and_one_leads(live: Live) -> None:
    def look() -> bool:
        pods = live.find("pods", SYSTEM_NAMESPACE, OPERATOR)
        return len(pods) == 2 and all(is_ready(pod) for pod in pods)

    live.wait_for(look, "two Ready replicas, and no other", READY_SECONDS)
    live.await_leader()


@pytest.mark.parametrize(
    "question",
    [
        "update pods",
        "deletecollection pods",
        "create pods --subresource=binding",
        "create pods --subresource=exec",
        "get secrets",
        "list secrets",
        "update fargateprofiles.monopod.dev",
        "create deployments.apps",
        "patch validatingadmissionpolicies.admissionregistration.k8s.io",
        "create clusterrolebindings.rbac.authorization.k8s.io",
        "impersonate users",
    ],
    ids=lambda question: question.replace(" --subresource=", "/").replace(" ", "-"),
)
def test_the_operator_may_not(live: Live, question: str) -> None:
    # `can-i` exits non-zero on "no", which is the answer that is wanted.
    with pytest.raises(CommandFailed, match=r"exit status 1\nno"):
        live.kubectl("auth", "can-i", *question.split(), "--all-namespaces", "--as", ACCOUNT)


def test_the_operator_deletes_no_namespace_but_those_of_ecs_clusters(live: Live, namespace: str) -> None:
    with pytest.raises(CommandFailed, match="ValidatingAdmissionPolicy"):
        live.kubectl("delete", "namespace", namespace, "--dry-run=server", "--as", ACCOUNT)


def test_the_operator_creates_no_pod_except_in_a_dry_run(live: Live, namespace: str) -> None:
    flags = ["run", "own", "-n", namespace, "--image=any", "--as", ACCOUNT]
    live.kubectl(*flags, "--dry-run=server")
    with pytest.raises(CommandFailed, match="dry"):
        live.kubectl(*flags)


def test_the_operator_changes_nothing_of_a_pod_but_its_gates(live: Live, namespace: str) -> None:
    live.apply(a_pod("own", namespace, SANDBOXED))
    metadata = {"name": "own", "namespace": namespace, "labels": {"new": "label"}}
    change = json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
    with pytest.raises(CommandFailed, match="may change nothing of a pod but remove the scheduling gates"):
        live.kubectl("apply", "--server-side", "--field-manager=new", "-f", "-", "--as", ACCOUNT, stdin=change)


def test_the_operators_pods_run_as_its_service_account(live: Live) -> None:
    accounts = {pod["spec"]["serviceAccountName"] for pod in live.find("pods", SYSTEM_NAMESPACE, OPERATOR)}
    assert accounts == {ACCOUNT.rpartition(":")[2]}


def _find_gated(live: Live, pod: str, namespace: str) -> Object | None:
    found = live.get("pod", pod, namespace)
    conditions = {c["type"]: c.get("reason") for c in found.get("status", {}).get("conditions", [])}
    return found if conditions.get("PodScheduled") == "SchedulingGated" else None
