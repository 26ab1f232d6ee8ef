"""`kubectl fargate doctor` against a real API server: what it reads is where it looks for it."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from monopod.api.names import API_VERSION, PATTERNS_CONFIGMAP, PROFILE_PLURAL, SYSTEM_NAMESPACE
from monopod.cel.compiled_selectors import PATTERNS_KEY
from monopod.kube.objects.resources import CONFIG_MAPS, NAMESPACES
from monopod.pods.rules.selection import Profile
from monopod.selectors.compile import compile_namespace_patterns
from tests.clusters import ControlPlane
from tests.controlplane.operating.lab import eventually
from tests.controlplane.server import Server
from tests.unit.builders import a_profile, a_profile_resource, a_selector
from tests.unit.cli.running import run

PROFILES = f"/apis/{API_VERSION}/{PROFILE_PLURAL}"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM_NAMESPACE}/leases"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{SYSTEM_NAMESPACE}/deployments"
CONFIGMAPS = CONFIG_MAPS.list_path(SYSTEM_NAMESPACE)
RBAC = "/apis/rbac.authorization.k8s.io/v1"
PATTERNS = f"{CONFIGMAPS}/{PATTERNS_CONFIGMAP}"
COMING = a_profile("coming", a_selector("coming-*"))
LABELS = {"app.kubernetes.io/name": "monopod"}


@pytest.fixture(scope="module")
def cluster(server: Server, installed: ControlPlane) -> Iterator[ControlPlane]:
    """The API server with a profile whose sandbox wants certain nodes, and no operator."""
    profile = a_profile_resource("doctor", {"namespace": "doctor"}, runtimeClassName="kata-on-metal")
    server.create(PROFILES, profile).expect_ok()
    yield installed
    server.delete(f"{PROFILES}/doctor").expect_ok()


@pytest.fixture
def running(server: Server, cluster: ControlPlane) -> Iterator[ControlPlane]:
    """The same with what an operator that leads leaves behind, and with a node."""
    container = {"name": "operator", "image": "operator", "args": ["run", "--sandbox=bare"]}
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": LABELS}, "template": template}
    deployment = {"metadata": {"name": "monopod", "labels": LABELS}, "spec": spec}
    renewed = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    hold = {"holderIdentity": "one", "renewTime": renewed, "leaseDurationSeconds": 600}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}
    node = {
        "metadata": {"name": "metal-1", "labels": {"metal": "yes"}},
        "status": {
            "conditions": [ready],
            "nodeInfo": {"kubeletVersion": "v1.36.0"},
            "runtimeHandlers": [{"name": "kata"}],
        },
    }
    server.create(DEPLOYMENTS, deployment).expect_ok()
    server.create(LEASES, {"metadata": {"name": "monopod"}, "spec": hold}).expect_ok()
    server.create("/api/v1/nodes", node).expect_ok()
    # The API server puts a taint on each new node, which a controller takes off once the node is ready.
    cluster.kubectl("taint", "node", "metal-1", "node.kubernetes.io/not-ready-")
    yield cluster
    for path in (f"{DEPLOYMENTS}/monopod", f"{LEASES}/monopod", "/api/v1/nodes/metal-1"):
        server.delete(path).expect_ok()


def examine(kubeconfig: Path, status: int) -> dict[str, list[tuple[str, str]]]:
    """The findings by check: level and message."""
    result = run("doctor", "-o", "json", "--kubeconfig", str(kubeconfig))
    assert result.exit_code == status, result.stderr
    findings: dict[str, list[tuple[str, str]]] = {}
    for finding in json.loads(result.stdout)["findings"]:
        findings.setdefault(finding["check"], []).append((finding["level"], finding["message"]))
    return findings


def test_an_installation_without_operator_and_nodes_says_so(cluster: ControlPlane) -> None:
    findings = examine(cluster.kubeconfig_path, 1)
    for fine in ("KubernetesVersion", "MutatingAdmissionPolicy", "PodLevelResources", "Installation"):
        assert [level for level, _ in findings[fine]] == ["OK"], findings[fine]
    ((level, message),) = findings["AdmissionPolicies"]
    assert level == "OK", message
    assert [level for check in ("Operator", "Leader") for level, _ in findings[check]] == ["Problem", "Problem"]
    assert ("Warning", "Profile doctor is not looked at by the operator yet.") in findings["Profiles"]
    assert ("OK", "RuntimeClass kata-on-metal exists, handler kata (profile doctor).") in findings["RuntimeClass"]
    assert any(message.startswith("No node labelled metal=yes is ready") for _, message in findings["Nodes"])
    assert findings["KataSizing"]


def test_an_operator_that_leads_and_a_node_that_serves_are_found(running: ControlPlane) -> None:
    findings = examine(running.kubeconfig_path, 1)
    ((level, message),) = findings["Leader"]
    assert level == "OK", message
    assert message.startswith("one leads and renewed its Lease ")
    # Nothing starts pods here, so the replica is never ready.
    ((level, message),) = findings["Operator"]
    assert message.startswith("0 of 1 replicas of Deployment monopod are ready.")
    assert ("OK", "RuntimeClass kata-on-metal: 1 of 1 nodes labelled metal=yes can take its pods.") in findings["Nodes"]
    message = "RuntimeClass bare's handler runc is no sandbox: pods share the node's kernel (the default sandbox)."
    assert ("Problem", message) in findings["RuntimeClass"]


@pytest.fixture
def coming(server: Server, cluster: ControlPlane) -> Iterator[Server]:
    """An active profile of namespaces to come, and the ConfigMap from which these are marked, as yet without it."""
    server.create(PROFILES, a_profile_resource(COMING.name, {"namespace": "coming-*"})).expect_ok()
    server.patch(f"{PROFILES}/coming/status", {"status": {"phase": "ACTIVE"}}).expect_ok()
    server.create(CONFIGMAPS, {"metadata": {"name": PATTERNS_CONFIGMAP}})
    yield server
    server.delete(f"{PROFILES}/coming").expect_ok()
    publish(server)


def test_a_forged_mark_is_tried_where_profiles_name_no_new_namespace(server: Server, cluster: ControlPlane) -> None:
    server.create(CONFIGMAPS, {"metadata": {"name": PATTERNS_CONFIGMAP}})
    publish(server)
    assert eventually(lambda: tells_of_new_namespaces(cluster, "OK", "lost the mark that it must not have"))


def publish(server: Server, *profiles: Profile) -> None:
    none = {PATTERNS_KEY: ""}
    server.patch(PATTERNS, {"data": none | compile_namespace_patterns(profiles, ())}).expect_ok()


def tells_of_new_namespaces(cluster: ControlPlane, level: str, *words: str) -> bool:
    """Whether doctor says this once the policies have seen the ConfigMap."""
    (found,) = examine(cluster.kubeconfig_path, 1)["NewNamespaces"]
    assert found[0] == level, found
    assert all(word in found[1] for word in words), found
    return True


def test_a_new_namespace_without_its_mark_is_a_problem(coming: Server, cluster: ControlPlane) -> None:
    publish(coming)
    words = ("which profile coming reaches, came back without the profile's mark and selectors.",)
    assert eventually(lambda: tells_of_new_namespaces(cluster, "Problem", *words))
    publish(coming, COMING)
    assert eventually(lambda: tells_of_new_namespaces(cluster, "OK", "a dry run of coming-doctor-"))


def test_what_a_user_may_not_read_is_a_warning(cluster: ControlPlane, tmp_path: Path) -> None:
    cluster.kubectl("create", "serviceaccount", "nobody", "-n", "plain")
    try:
        token = cluster.kubectl("create", "token", "nobody", "-n", "plain").stdout.strip()
        findings = examine(write_kubeconfig(cluster, tmp_path, token), 0)
    finally:
        cluster.kubectl("delete", "serviceaccount", "nobody", "-n", "plain")
    unread = {check for check, found in findings.items() if found[0][0] == "Warning"}
    assert unread == {
        *("PodLevelResources", "AdmissionPolicies", "Operator", "Leader", "Profiles", "RuntimeClass"),
        *("NetworkPlugin", "Autoscalers", "Capacity", "NewNamespaces"),
    }
    assert "forbidden" in findings["Profiles"][0][1]


@pytest.fixture
def reader(server: Server, cluster: ControlPlane, tmp_path: Path) -> Iterator[Path]:
    """The kubeconfig of someone who may only read, and create namespaces, as a dry run of one wants."""
    rules = [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]},
        {"nonResourceURLs": ["*"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["create"]},
    ]
    account = {"kind": "ServiceAccount", "name": "reader", "namespace": "plain"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"}
    cluster.kubectl("create", "serviceaccount", "reader", "-n", "plain")
    server.create(f"{RBAC}/clusterroles", {"metadata": {"name": "reader"}, "rules": rules}).expect_ok()
    binding = {"metadata": {"name": "reader"}, "subjects": [account], "roleRef": role}
    server.create(f"{RBAC}/clusterrolebindings", binding).expect_ok()
    yield write_kubeconfig(
        cluster, tmp_path, cluster.kubectl("create", "token", "reader", "-n", "plain").stdout.strip()
    )
    cluster.kubectl("delete", "clusterrolebinding/reader", "clusterrole/reader")
    cluster.kubectl("delete", "serviceaccount", "reader", "-n", "plain")


def name_namespaces(server: Server) -> dict[str, str]:
    """Each with its version."""
    found = server.get(NAMESPACES.list_path()).expect_ok()["items"]
    return {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in found}


def test_who_may_write_nothing_but_a_namespace_learns_all_and_nothing_is_written(
    coming: Server, running: ControlPlane, reader: Path
) -> None:
    publish(coming, COMING)
    eventually(lambda: tells_of_new_namespaces(running, "OK", "a dry run of coming-doctor-"))
    before = name_namespaces(coming)
    findings = examine(reader, 1)
    assert name_namespaces(coming) == before
    assert not [found for found in findings.values() if any("forbidden" in message for _, message in found)]
    everything = examine(running.kubeconfig_path, 1)
    assert levels(findings) == levels(everything)
    assert levels(findings)["NewNamespaces"] == ["OK"]


def levels(findings: dict[str, list[tuple[str, str]]]) -> dict[str, list[str]]:
    return {check: [level for level, _ in found] for check, found in findings.items()}


def test_an_interrupted_probe_deletes_its_namespace(cluster: ControlPlane) -> None:
    words = ["kubectl-fargate", "doctor", "--probe", "--kubeconfig", str(cluster.kubeconfig_path)]
    # There is no node, so it waits for its first pod.
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        told = process.stderr.readline()
        (name,) = re.findall(r"monopod-doctor-\w+", told)
        eventually(lambda: "server" in cluster.kubectl("get", "pods", "-n", name, "-o", "name").stdout)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=90) == 130
    left = json.loads(cluster.kubectl("get", "namespaces", "-o", "json").stdout)["items"]
    going = {each["metadata"]["name"]: "deletionTimestamp" in each["metadata"] for each in left}
    assert going.get(name, True), "it was deleted"


def test_an_unknown_user_ends_with_status_2(cluster: ControlPlane, tmp_path: Path) -> None:
    kubeconfig = write_kubeconfig(cluster, tmp_path, "nonsense")
    result = run("doctor", "--kubeconfig", str(kubeconfig))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: The API server refused: Unauthorized. Log in again, ")


def write_kubeconfig(cluster: ControlPlane, folder: Path, token: str) -> Path:
    config: dict[str, Any] = yaml.safe_load(cluster.kubeconfig_path.read_text())
    config["users"][0]["user"] = {"token": token}
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path
