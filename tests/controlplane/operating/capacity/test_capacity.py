"""What profiles and pods say of room for them: nodes, Karpenter's real kind NodePool, and pods that find no node."""

import datetime
import itertools
import json
from collections.abc import Iterator

import pytest
import yaml

from lab.build.toolchain import find_module
from monopod.api.names import SYSTEM_NAMESPACE
from monopod.capacity.rules.report import UNAVAILABLE
from monopod.kube.objects.resources import NODE_POOLS
from tests.controlplane.operating.conftest import StartOperator
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, eventually
from tests.unit.cli.running import run

CRD = "pkg/apis/crds/karpenter.sh_nodepools.yaml"
LOOKS = 'monopod_controller_reconciles_total{controller="capacity",result="ok"}'
NAMES = itertools.count()
BOX = {"box": "yes"}
CLASS: Json = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": "boxed"},
    "handler": "kata-qemu",
    "scheduling": {"nodeSelector": BOX, "tolerations": [{"key": "box", "operator": "Exists"}]},
}


@pytest.fixture
def profile(lab: Lab, operator: OperatorProcess) -> Iterator[str]:
    """An active profile whose sandbox selects nodes that there are not."""
    name = f"roomy-{next(NAMES)}"
    lab.create(CLASS).expect_ok()
    lab.create_namespace(name)
    lab.create_profile(name, name, runtimeClassName="boxed")
    lab.becomes_active(name)
    yield name
    lab.delete("Node", "box-1")
    lab.delete("RuntimeClass", "boxed")


@pytest.fixture
def karpenter(lab: Lab) -> Iterator[None]:
    """Karpenter's NodePools, as far as the API server is concerned."""
    crd = yaml.safe_load((find_module("karpenter", "sigs.k8s.io/karpenter") / CRD).read_text())
    lab.create(crd).expect_ok()
    eventually(lambda: not lab.kubectl("get", "nodepools", check=False).returncode)
    yield
    lab.delete("CustomResourceDefinition", crd["metadata"]["name"])


def find_no_node(lab: Lab, profile: str, pod: str, minutes: int = 2) -> None:
    """What kube-scheduler writes of a pod, some minutes ago."""
    since = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=minutes)
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes are available: 1 Insufficient cpu.",
        "lastTransitionTime": since.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    patch_status(lab, "pod", pod, {"phase": "Pending", "conditions": [condition]}, "-n", profile)


def patch_status(lab: Lab, kind: str, name: str, status: Json, *where: str) -> None:
    told = json.dumps({"status": status})
    lab.kubectl("patch", kind, name, *where, "--subresource=status", "--type=merge", "-p", told)


def says(lab: Lab, profile: str, reason: str, **fields: object) -> None:
    def check() -> bool:
        condition, capacity = lab.condition(profile, "CapacityAvailable"), lab.status(profile).get("capacity") or {}
        assert (condition.get("reason"), {key: capacity.get(key) for key in fields}) == (reason, fields), condition
        return True

    eventually(check)


def has_event(lab: Lab, namespace: str, pod: str, cause: str) -> bool:
    messages = [event["message"] for event in lab.events(namespace, pod)]
    return f"{UNAVAILABLE} {cause}" in messages


def test_a_profile_says_whether_its_pods_have_nodes_and_pods_why_not(lab: Lab, profile: str) -> None:
    says(lab, profile, "NoSandboxNodes", provider="None", nodes=0, pendingPods=0)
    assert (lab.phase(profile), lab.condition(profile, "Ready")["status"]) == ("ACTIVE", "True")

    lab.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "box-1", "labels": BOX}}).expect_ok()
    # The API server taints each new node.
    lab.kubectl("taint", "node", "box-1", "node.kubernetes.io/not-ready-")
    says(lab, profile, "CapacityAvailable", nodes=1)

    lab.create_pod(profile, "web-1")
    find_no_node(lab, profile, "web-1")
    says(lab, profile, "NodesFull", nodes=1, pendingPods=1)
    full = "The nodes of the sandbox are full, and nothing makes more."
    eventually(lambda: has_event(lab, profile, "web-1", full))
    assert len(lab.events(profile, "web-1")) == 1

    lab.patch("FargateProfile", profile, {"spec": {"capacity": {"provider": "ClusterAutoscaler"}}})
    says(lab, profile, "Growing", provider="ClusterAutoscaler", pendingPods=1)
    lab.kubectl("delete", "pod", "web-1", "-n", profile, "--force", "--grace-period=0")
    says(lab, profile, "CapacityAvailable", pendingPods=0)


def test_a_pod_that_waits_has_one_event_however_often_the_operator_starts(
    lab: Lab, profile: str, operator: OperatorProcess, start: StartOperator
) -> None:
    lab.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "box-1", "labels": BOX}}).expect_ok()
    lab.kubectl("taint", "node", "box-1", "node.kubernetes.io/not-ready-")
    says(lab, profile, "CapacityAvailable", nodes=1)
    lab.create_pod(profile, "web-1")
    find_no_node(lab, profile, "web-1")
    full = "The nodes of the sandbox are full, and nothing makes more."
    eventually(lambda: has_event(lab, profile, "web-1", full))
    before = lab.events(profile, "web-1")
    assert [(event["type"], event["reason"], event["count"]) for event in before] == [
        ("Warning", "FailedScheduling", 1)
    ]

    replicas = [operator]
    for _ in range(2):
        replicas[-1].kill()
        lab.delete("Lease", "monopod", SYSTEM_NAMESPACE)
        replicas.append(start())
        eventually(lambda: replicas[-1].metric(LOOKS) >= 2)
        assert lab.events(profile, "web-1") == before
    says(lab, profile, "NodesFull", nodes=1, pendingPods=1)


@pytest.mark.usefixtures("karpenter")
def test_a_node_pool_that_does_not_fit_is_told_and_the_printed_one_does(lab: Lab, profile: str) -> None:
    printed = run("nodepool", profile, "--class", "KWOKNodeClass/x", "--kubeconfig", str(lab.kubeconfig_path)).stdout
    pool = yaml.safe_load(printed)
    template = {"spec": {**pool["spec"]["template"]["spec"], "taints": []}}
    wrong = {**pool, "metadata": {"name": "wrong"}, "spec": {**pool["spec"], "template": template}}
    lab.kubectl("apply", "-f", "-", input=json.dumps(wrong))
    says(lab, profile, "NodePoolLabelMissing", nodes=0)
    assert f"kubectl fargate nodepool {profile}" in lab.condition(profile, "CapacityAvailable")["message"]

    lab.kubectl("apply", "-f", "-", input=printed)
    says(lab, profile, "CapacityAvailable", provider="Karpenter", nodes=0)
    lab.create_pod(profile, "web-1")
    find_no_node(lab, profile, "web-1")
    says(lab, profile, "Growing", pendingPods=1)
    eventually(lambda: has_event(lab, profile, "web-1", "Karpenter is to make a node."))

    patch_status(lab, "nodepool", pool["metadata"]["name"], {"resources": {"cpu": "100"}})
    says(lab, profile, "LimitReached", pendingPods=1)

    lab.patch("FargateProfile", profile, {"spec": {"capacity": {"nodePools": ["wrong", "gone"]}}})
    says(lab, profile, "NodePoolNotFound")
    lab.kubectl("delete", "crd", f"{NODE_POOLS.plural}.{NODE_POOLS.group}")
    says(lab, profile, "KarpenterNotServed")
