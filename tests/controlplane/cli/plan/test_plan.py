"""`kubectl fargate plan` and `rollout` against a real API server: pods, and what controls them, as they are stored."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from monopod.api.names import API_VERSION, NAMESPACE_LABEL, NAMESPACE_LABEL_VALUE, PROFILE_PLURAL
from monopod.selectors.publication import describe_refused_pods
from tests.clusters import ControlPlane
from tests.controlplane.operating.lab import eventually
from tests.controlplane.reach import OPERATOR
from tests.controlplane.server import Server
from tests.unit.builders import a_pod, a_profile_resource
from tests.unit.cli.running import run

NAMESPACE = "planned"
CORE = f"/api/v1/namespaces/{NAMESPACE}"
APPS = f"/apis/apps/v1/namespaces/{NAMESPACE}"
PROFILES = f"/apis/{API_VERSION}/{PROFILE_PLURAL}"
PROFILE = a_profile_resource("planned", {"namespace": f"{NAMESPACE}*", "labels": {"tier": "web"}})
WEB = {"tier": "web", "app": "web"}

Json = dict[str, Any]


@pytest.fixture(scope="module")
def cluster(server: Server, installed: ControlPlane) -> Iterator[ControlPlane]:
    """A Deployment's two pods, one of a StatefulSet with a budget that is exhausted, and one that nothing controls.

    Nobody runs controllers here, so what they would make is made by hand.
    """
    server.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}}).expect_ok()
    template = a_pod().labelled(WEB).requesting(cpu="500m").build()
    spec = {"selector": {"matchLabels": WEB}, "template": {"metadata": template["metadata"], "spec": template["spec"]}}
    deployment = server.create(f"{APPS}/deployments", build("Deployment", "web", spec, replicas=2)).expect_ok()
    made_by = [owner_of(deployment, "Deployment")]
    replica_set = server.create(f"{APPS}/replicasets", build("ReplicaSet", "web-1", spec, made_by)).expect_ok()
    database = server.create(f"{APPS}/statefulsets", build("StatefulSet", "db", spec, serviceName="db")).expect_ok()
    for name, labels, owner in (
        ("web-1-a", WEB, owner_of(replica_set, "ReplicaSet")),
        ("web-1-b", WEB, owner_of(replica_set, "ReplicaSet")),
        ("db-0", {**WEB, "app": "db"}, owner_of(database, "StatefulSet")),
        ("bare", WEB, None),
        ("other", {"tier": "cache"}, None),
    ):
        pod = a_pod(name).labelled(labels).build()
        pod["metadata"] |= {"ownerReferences": [owner]} if owner else {}
        server.create_pod(NAMESPACE, pod, dry_run=False).expect_ok()
        status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        server.patch(f"{CORE}/pods/{name}/status", {"status": status}).expect_ok()
    budgets = f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets"
    budget = {"metadata": {"name": "db"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "db"}}}}
    server.create(budgets, budget).expect_ok()
    node = {"metadata": {"name": "planned"}, "status": {"allocatable": {"cpu": "8", "memory": "16Gi"}}}
    server.create("/api/v1/nodes", node).expect_ok()
    # The API server taints new nodes as not ready.
    server.patch("/api/v1/nodes/planned", {"spec": {"taints": None}}).expect_ok()
    yield installed
    server.delete("/api/v1/nodes/planned").expect_ok()
    server.delete(f"/api/v1/namespaces/{NAMESPACE}").expect_ok()


def build(kind: str, name: str, spec: Json, owners: list[Json] | None = None, **more: object) -> Json:
    metadata = {"name": name, "ownerReferences": owners or []}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": {**spec, **more}}


def owner_of(resource: Json, kind: str) -> Json:
    metadata = resource["metadata"]
    owner = {"apiVersion": "apps/v1", "kind": kind, "name": metadata["name"], "uid": metadata["uid"]}
    return {**owner, "controller": True}


@pytest.fixture
def profile_file(tmp_path: Path) -> str:
    path = tmp_path / "profile.yaml"
    path.write_text(yaml.safe_dump(PROFILE))
    return str(path)


def plan(cluster: ControlPlane, *arguments: str) -> Json:
    result = run("plan", *arguments, "-o", "json", "--kubeconfig", str(cluster.kubeconfig_path))
    assert result.exit_code == 0, result.stderr
    report: Json = json.loads(result.stdout)
    return report


EXPECTED = {
    "web-1-a": ("Deployment/web", "Moves", None, "0.5vCPU 1GB"),
    "web-1-b": ("Deployment/web", "Moves", None, "0.5vCPU 1GB"),
    "db-0": ("StatefulSet/db", "Blocked", "BudgetExhausted", "0.5vCPU 1GB"),
    "bare": (None, "Left", "BarePodsLeft", None),
}


def find_fates(report: Json) -> Json:
    fields = ("workload", "fate", "reason", "capacity")
    return {each["pod"]: tuple(each[field] for field in fields) for each in report["pods"]}


def test_a_profile_in_a_file_is_planned_as_if_it_were_applied(cluster: ControlPlane, profile_file: str) -> None:
    report = plan(cluster, "-f", profile_file)
    assert find_fates(report) == EXPECTED
    assert report["summary"] | {"hourlyPrice": None} == {"moves": 2, "blocked": 1, "left": 1, "hourlyPrice": None}


REFUSALS: dict[str, tuple[Json, list[str], str]] = {
    "Pod Security": ({}, ["web-1-a", "web-1-b"], 'violates PodSecurity "restricted:latest"'),
    "a quota without room": ({"requests.memory": "600Mi"}, ["web-1-a", "web-1-b"], "exceeded quota: full"),
    "a quota with room for one": ({"requests.memory": "1800Mi"}, ["web-1-b"], "quota full has no requests.memory left"),
}


def may_come(server: Server) -> bool:
    """Whether a pod as large as a replacement would be created."""
    return server.create_pod(NAMESPACE, a_pod("another").requesting(memory="1Gi").build()).ok


@pytest.mark.parametrize(("hard", "blocked", "words"), REFUSALS.values(), ids=REFUSALS)
def test_what_could_not_be_created_again_is_told_beforehand(
    server: Server, cluster: ControlPlane, profile_file: str, hard: Json, blocked: list[str], words: str
) -> None:
    labels = {} if hard else {"pod-security.kubernetes.io/enforce": "restricted"}
    server.patch(f"/api/v1/namespaces/{NAMESPACE}", {"metadata": {"labels": labels}}).expect_ok()
    if hard:
        server.create(f"{CORE}/resourcequotas", {"metadata": {"name": "full"}, "spec": {"hard": hard}}).expect_ok()
        status = {"status": {"hard": hard, "used": dict.fromkeys(hard, "0")}}
        server.patch(f"{CORE}/resourcequotas/full/status", status).expect_ok()
    try:
        # Admission hears of it in a moment, and of its end.
        eventually(lambda: may_come(server) == (len(blocked) == 1))
        report = plan(cluster, "-f", profile_file, "--sandbox", "kata")
    finally:
        server.patch(f"/api/v1/namespaces/{NAMESPACE}", {"metadata": {"labels": dict.fromkeys(labels)}}).expect_ok()
        server.delete(f"{CORE}/resourcequotas/full")
        eventually(lambda: may_come(server))
    found = {each["pod"]: each["message"] for each in report["pods"] if each["reason"] == "ReplacementRefused"}
    assert sorted(found) == blocked
    assert all(words in message for message in found.values())


def test_namespaces_and_pods_that_admission_refuses_altogether_are_noted(
    server: Server, cluster: ControlPlane, profile_file: str
) -> None:
    assert plan(cluster, "-f", profile_file)["notes"] == []
    server.create("/api/v1/namespaces", {"metadata": {"name": "planned-refused"}}).expect_ok()
    mark = {"metadata": {"labels": {NAMESPACE_LABEL: NAMESPACE_LABEL_VALUE}}}
    server.patch("/api/v1/namespaces/planned-refused", mark, user=OPERATOR).expect_ok()
    server.create("/api/v1/namespaces", {"metadata": {"name": "planned-large"}}).expect_ok()
    large = a_pod("large").labelled({f"label-{number}": "x" for number in range(101)})
    server.create_pod("planned-large", large.build(), dry_run=False).expect_ok()
    try:
        notes = plan(cluster, "-f", profile_file)["notes"]
        text = run("plan", "-f", profile_file, "--kubeconfig", str(cluster.kubeconfig_path)).stdout
    finally:
        server.delete("/api/v1/namespaces/planned-refused").expect_ok()
        server.delete("/api/v1/namespaces/planned-large/pods/large").expect_ok()
    assert notes == [
        "Pod/large in namespace planned-large would be refused if it were created again: metadata.labels has 101 "
        "labels; a pod may have at most 100 in a namespace that a Fargate profile reaches.",
        f"The API server refuses new pods for now: {describe_refused_pods('planned-refused')}",
    ]
    assert all(f"Note: {note}" in text.splitlines() for note in notes)


def test_without_a_node_for_the_sandbox_nothing_would_move(cluster: ControlPlane, profile_file: str) -> None:
    report = plan(cluster, "-f", profile_file, "--sandbox", "kata-on-fargate")
    (message,) = {each["message"] for each in report["pods"] if each["reason"] == "ReplacementUnschedulable"}
    assert message.startswith("no node could take a replacement: 0/1 nodes are available")
    assert report["summary"]["moves"] == 0


def test_to_those_who_may_not_create_pods_it_is_said_that_nothing_was_tried(
    server: Server, cluster: ControlPlane, profile_file: str, tmp_path: Path
) -> None:
    role = {
        "metadata": {"name": "plan-reader"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["list", "get"]}],
    }
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": NAMESPACE}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "plan-reader"}
    accounts, rbac = f"{CORE}/serviceaccounts", "/apis/rbac.authorization.k8s.io/v1"
    server.create(accounts, {"metadata": {"name": "reader"}}).expect_ok()
    server.create(f"{rbac}/clusterroles", role).expect_ok()
    binding = {"metadata": {"name": "plan-reader"}, "roleRef": reference, "subjects": [subject]}
    server.create(f"{rbac}/clusterrolebindings", binding).expect_ok()
    token = server.create(f"{accounts}/reader/token", {"spec": {}}).expect_ok()["status"]["token"]
    config = yaml.safe_load(cluster.kubeconfig_path.read_text())
    config["users"][0]["user"] = {"token": token}
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    try:
        result = run("plan", "-f", profile_file, "--kubeconfig", str(path))
    finally:
        server.delete(f"{rbac}/clusterrolebindings/plan-reader").expect_ok()
        server.delete(f"{rbac}/clusterroles/plan-reader").expect_ok()
    assert result.exit_code == 0, result.stderr
    assert f"Note: replacements in namespace {NAMESPACE} weren't checked:" in result.stderr
    assert "2 pods of 1 workload would move" in result.stdout


@pytest.fixture
def applied(server: Server, cluster: ControlPlane) -> Iterator[ControlPlane]:
    """The same with the profile, which no operator looks after."""
    server.create(PROFILES, PROFILE).expect_ok()
    yield cluster
    server.delete(f"{PROFILES}/planned").expect_ok()


def test_a_profile_of_the_cluster_is_planned(applied: ControlPlane) -> None:
    assert find_fates(plan(applied, "planned")) == EXPECTED


def test_what_admission_does_not_sandbox_although_the_profile_is_ready_would_not_move(
    server: Server, applied: ControlPlane
) -> None:
    now = "2026-01-01T00:00:00Z"
    ready = {"type": "Ready", "status": "True", "reason": "Active", "message": "", "lastTransitionTime": now}
    status = {"runtimeClassName": "kata", "conditions": [ready]}
    server.patch(f"{PROFILES}/planned/status", {"status": status}, user=OPERATOR).expect_ok()
    found = {each["message"] for each in plan(applied, "planned")["pods"] if each["workload"] == "Deployment/web"}
    (message,) = found
    assert message.startswith("a replacement wouldn't be sandboxed: it has no label monopod.dev/profile")


def test_a_profile_that_comes_first_by_name_takes_the_pods(
    server: Server, applied: ControlPlane, profile_file: str
) -> None:
    other = a_profile_resource("another", {"namespace": NAMESPACE})
    server.create(PROFILES, other).expect_ok()
    try:
        assert find_fates(plan(applied, "planned")) == {}
        assert find_fates(plan(applied, "-f", profile_file)) == {}
        assert set(find_fates(plan(applied, "another"))) == {*EXPECTED, "other"}
    finally:
        server.delete(f"{PROFILES}/another").expect_ok()


def test_a_paused_profile_is_planned_with_a_note(server: Server, applied: ControlPlane) -> None:
    server.patch(f"{PROFILES}/planned", {"spec": {"paused": True}}).expect_ok()
    result = run("plan", "planned", "--kubeconfig", str(applied.kubeconfig_path))
    assert result.exit_code == 0
    assert "Note: profile planned is paused, so nothing moves; below is what would." in result.stderr
    assert "2 pods of 1 workload would move" in result.stdout


@pytest.mark.parametrize("command", ["plan", "rollout"])
def test_a_profile_that_does_not_exist_is_named(cluster: ControlPlane, command: str) -> None:
    result = run(command, "nobody", "--kubeconfig", str(cluster.kubeconfig_path))
    assert (result.exit_code, result.stderr) == (
        {"plan": 1, "rollout": 2}[command],
        "Error: There is no FargateProfile nobody.\n",
    )


def test_a_profile_is_paused_and_resumed(server: Server, applied: ControlPlane) -> None:
    for option, expected in (("--pause", True), ("--resume", False)):
        result = run("rollout", "planned", option, "--kubeconfig", str(applied.kubeconfig_path))
        assert result.exit_code == 0, result.stderr
        assert server.get(f"{PROFILES}/planned").expect_ok()["spec"]["paused"] is expected


def test_a_profile_that_no_operator_has_seen_is_unknown_and_not_done(applied: ControlPlane) -> None:
    result = run("rollout", "planned", "-o", "json", "--kubeconfig", str(applied.kubeconfig_path))
    assert json.loads(result.stdout)["state"] == "Unknown"
