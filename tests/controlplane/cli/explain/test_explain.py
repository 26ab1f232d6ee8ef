"""`kubectl fargate explain` against a real API server: pods as admission and the scheduler leave them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from monopod.api.names import (
    API_VERSION,
    CAPACITY_ANNOTATION,
    COMPUTE_TYPE,
    EKS_PROFILE_LABEL,
    GROUP_POLICY_API_VERSION,
    GROUP_POLICY_PLURAL,
    ISOLATION_GATE,
    NAMESPACE_LABEL,
    NAMESPACE_LABEL_VALUE,
    PROFILE_PLURAL,
)
from monopod.pods.rules.selection import Profile
from tests.clusters import ControlPlane
from tests.controlplane.reach import OPERATOR, poll, reach
from tests.controlplane.server import Server
from tests.unit.builders import PodBuilder, a_pod, a_profile_resource
from tests.unit.cli.running import run

REACHED = "explain"
"""A namespace whose profiles admission knows."""
UNREACHED = "explain-before"
"""One whose profiles it doesn't know: pods there are as they were before the profiles came."""

POLICIES = f"/apis/{GROUP_POLICY_API_VERSION}/namespaces/{{}}/{GROUP_POLICY_PLURAL}"
SCHEDULER = "system:kube-scheduler"
RESOURCES = (
    a_profile_resource("explain-metal", {"namespace": "explain*", "labels": {"tier": "metal"}},
                       runtimeClassName="kata-on-metal"),
    a_profile_resource("explain-web", {"namespace": "explain*", "labels": {"tier": "web"}}, runtimeClassName="kata"),
    a_profile_resource("explain-zeta", {"namespace": "explain*", "labels": {"tier": "*"}}, runtimeClassName="bare"),
)  # fmt: skip


@pytest.fixture(scope="module")
def cluster(server: Server, installed: ControlPlane) -> Iterator[ControlPlane]:
    """The API server with three profiles; the operator's part is done by hand."""
    path = f"/apis/{API_VERSION}/{PROFILE_PLURAL}"
    for resource in RESOURCES:
        server.create(path, resource).expect_ok()
    reach(server, REACHED, [Profile.from_resource(resource, "kata") for resource in RESOURCES])
    server.create("/api/v1/namespaces", {"metadata": {"name": UNREACHED}}).expect_ok()
    yield installed
    for resource in RESOURCES:
        server.delete(f"{path}/{resource['metadata']['name']}").expect_ok()


def create(server: Server, namespace: str, name: str, pod: PodBuilder) -> None:
    manifest = pod.build()
    manifest["metadata"]["name"] = name
    server.create_pod(namespace, manifest, dry_run=False).expect_ok()


def schedule(server: Server, namespace: str, name: str) -> None:
    """Binds the pod to a node as the scheduler does."""
    binding = {"metadata": {"name": name}, "target": {"kind": "Node", "name": "node-1"}}
    server.create(f"/api/v1/namespaces/{namespace}/pods/{name}/binding", binding, user=SCHEDULER).expect_ok()


def explain_pod(cluster: ControlPlane, namespace: str, name: str) -> dict[str, Any]:
    result = run("explain", "pod", name, "-n", namespace, "-o", "json", "--kubeconfig", str(cluster.kubeconfig_path))
    assert result.exit_code == 0, result.stderr
    report: dict[str, Any] = json.loads(result.stdout)["pods"][0]
    return report


def explain_file(cluster: ControlPlane, tmp_path: Path, manifest: object, *options: str) -> dict[str, Any]:
    path = tmp_path / "manifest.yaml"
    path.write_text(yaml.safe_dump(manifest))
    arguments = ["-f", str(path), "-o", "json", "--kubeconfig", str(cluster.kubeconfig_path), *options]
    result = run("explain", *arguments)
    assert result.exit_code == 0, result.stderr
    report: dict[str, Any] = json.loads(result.stdout)["pods"][0]
    return report


def test_a_sandboxed_and_scheduled_pod_would_be_sandboxed_again(server: Server, cluster: ControlPlane) -> None:
    create(server, REACHED, "metal", a_pod().labelled(tier="metal").requesting(cpu="2", memory="2Gi"))
    schedule(server, REACHED, "metal")
    report = explain_pod(cluster, REACHED, "metal")
    assert report["admitted"] == {
        "profile": "explain-metal",
        "capacity": "2vCPU 4GB",
        "runtimeClass": "kata-on-metal",
        "unsupported": None,
        "ephemeralStorage": "20Gi",
        "waitsForClaims": [],
        "securityGroups": ["cluster"],
        "waitsForIsolation": False,
    }
    assert (report["decision"], report["profile"], report["capacity"]) == ("Sandboxed", "explain-metal", "2vCPU 4GB")
    assert not report["pinned"]


def test_a_size_from_the_manifests_own_pod_level_resources_is_kept(server: Server, cluster: ControlPlane) -> None:
    pod = a_pod().labelled(tier="web").requesting(cpu="1").with_pod_level(requests={"cpu": "3", "memory": "9Gi"})
    create(server, REACHED, "pod-level", pod)
    report = explain_pod(cluster, REACHED, "pod-level")
    assert (report["admitted"]["capacity"], report["capacity"]) == ("4vCPU 10GB", "4vCPU 10GB")


def a_small_pod(**labels: str) -> PodBuilder:
    return a_pod().labelled(labels).requesting(cpu="1").with_pod_level(requests={"cpu": "500m"})


BELOW_ITS_CONTAINERS: dict[str, tuple[PodBuilder, bool]] = {
    "taken": (a_small_pod(tier="web"), True),
    "unsupported": (a_small_pod(tier="web").with_spec(hostNetwork=True), False),
    "opted out": (a_small_pod(tier="web").annotated({COMPUTE_TYPE: "ec2"}), False),
    "of no profile": (a_small_pod(), False),
}


@pytest.mark.parametrize(("pod", "fits"), BELOW_ITS_CONTAINERS.values(), ids=BELOW_ITS_CONTAINERS)
def test_pod_level_resources_below_the_containers_are_refused_unless_admission_writes_over_them(
    server: Server, cluster: ControlPlane, tmp_path: Path, pod: PodBuilder, fits: bool
) -> None:
    manifest = pod.build()
    assert (server.create_pod(REACHED, manifest).status < 400) == fits
    path = tmp_path / "pod.yaml"
    path.write_text(yaml.safe_dump(manifest))
    config = ("--kubeconfig", str(cluster.kubeconfig_path))
    result = run("explain", "-f", str(path), "-n", REACHED, *config)
    assert (result.exit_code == 0) == fits, result.stderr
    assert fits or "must be greater than or equal to aggregate container requests" in result.stderr


def test_the_text_tells_then_and_now(server: Server, cluster: ControlPlane) -> None:
    create(server, REACHED, "web", a_pod().labelled(tier="web"))
    result = run("explain", "pod/web", "-n", REACHED, "--kubeconfig", str(cluster.kubeconfig_path))
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[:3] == [
        f"Pod/web in namespace {REACHED}",
        "When it was created: sandboxed by profile explain-web: 0.25vCPU 0.5GB, RuntimeClass kata. "
        "Its security groups: cluster.",
        "If it were created now: sandboxed by profile explain-web: 0.25vCPU 0.5GB, RuntimeClass kata.",
    ]


def test_a_pod_that_fargate_cannot_run_tells_why_it_pends(server: Server, cluster: ControlPlane) -> None:
    create(server, REACHED, "unsupported", a_pod().labelled(tier="web").with_spec(hostNetwork=True))
    report = explain_pod(cluster, REACHED, "unsupported")
    text = "Pod not supported on Fargate: fields not supported: HostNetwork"
    assert report["admitted"]["unsupported"] == text
    assert (report["decision"], report["message"]) == ("Unsupported", text)


def test_a_pod_that_was_left_alone_says_so(server: Server, cluster: ControlPlane) -> None:
    create(server, REACHED, "plain", a_pod())
    report = explain_pod(cluster, REACHED, "plain")
    assert (report["admitted"], report["decision"]) == (None, "Unmatched")


def test_the_clusters_policies_and_accounts_decide_on_the_groups(
    server: Server, cluster: ControlPlane, tmp_path: Path
) -> None:
    """The operator's part isn't done here, so the pod itself has the default group."""
    create(server, REACHED, "grouped", a_pod().labelled(tier="web").with_spec(serviceAccountName="builder"))
    by_account = {"serviceAccountSelector": {"matchLabels": {"team": "ci"}}, "securityGroups": {"groupIds": ["build"]}}
    path = POLICIES.format(REACHED)
    policy = {"apiVersion": GROUP_POLICY_API_VERSION, "kind": "SecurityGroupPolicy", "metadata": {"name": "deploy"}}
    server.create(path, {**policy, "spec": by_account}).expect_ok()
    unknown = explain_pod(cluster, REACHED, "grouped")["securityGroups"]
    assert (unknown["names"], unknown["unknownServiceAccount"]) == (["cluster"], "builder")
    accounts = f"/api/v1/namespaces/{REACHED}/serviceaccounts"
    server.create(accounts, {"metadata": {"name": "builder", "labels": {"team": "ci"}}}).expect_ok()
    report = explain_pod(cluster, REACHED, "grouped")
    assert report["admitted"]["securityGroups"] == ["cluster"]
    wanted = {"names": ["build"], "source": "SecurityGroupPolicy", "policies": ["deploy"]}
    assert report["securityGroups"] == {**wanted, "unknownServiceAccount": None, "refusal": None}
    file = explain_file(cluster, tmp_path, a_pod().labelled(tier="web").build(), "-n", REACHED)
    assert (file["securityGroups"]["source"], file["securityGroups"]["unknownServiceAccount"]) == ("Default", "default")
    server.delete(f"{path}/deploy").expect_ok()


def test_a_pod_that_waits_for_its_isolation_names_the_gate(server: Server, cluster: ControlPlane) -> None:
    reach(server, "explain-open", [Profile.from_resource(resource, "kata") for resource in RESOURCES], isolated=False)
    create(server, "explain-open", "early", a_pod().labelled(tier="web"))
    assert explain_pod(cluster, "explain-open", "early")["admitted"]["waitsForIsolation"]
    result = run("explain", "pod/early", "-n", "explain-open", "--kubeconfig", str(cluster.kubeconfig_path))
    assert f"It waits behind the gate {ISOLATION_GATE} until its namespace is isolated" in result.stdout


def test_who_may_not_read_policies_is_told_that_they_are_left_out(
    server: Server, cluster: ControlPlane, tmp_path: Path
) -> None:
    rules = [{"apiGroups": ["monopod.dev"], "resources": ["fargateprofiles"], "verbs": ["list"]}]
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    server.create(f"{rbac}/clusterroles", {"metadata": {"name": "explain-only"}, "rules": rules}).expect_ok()
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "explain-only"}
    reader = {"kind": "ServiceAccount", "name": "reader", "namespace": UNREACHED}
    binding = {"metadata": {"name": "explain-only"}, "roleRef": role, "subjects": [reader]}
    server.create(f"{rbac}/clusterrolebindings", binding).expect_ok()
    cluster.kubectl("create", "serviceaccount", "reader", "-n", UNREACHED)
    config = yaml.safe_load(cluster.kubeconfig_path.read_text())
    token = cluster.kubectl("create", "token", "reader", "-n", UNREACHED).stdout.strip()
    config["users"][0]["user"] = {"token": token}
    path = tmp_path / "pod.json"
    path.write_text(json.dumps(a_pod("x").labelled(tier="web").build()))
    result = run("explain", "-f", str(path), "-n", REACHED, "--kubeconfig", write_config(tmp_path, config))
    assert result.exit_code == 0, result.stderr
    assert "Note: the security groups may be others, as you may not list SecurityGroupPolicies." in result.stderr
    assert "cluster: the default" in result.stdout


@pytest.mark.eks("2.create-only")
def test_a_pod_older_than_its_profile_would_be_sandboxed_now(server: Server, cluster: ControlPlane) -> None:
    create(server, UNREACHED, "old", a_pod().labelled(tier="web"))
    schedule(server, UNREACHED, "old")
    report = explain_pod(cluster, UNREACHED, "old")
    assert (report["admitted"], report["decision"], report["profile"]) == (None, "Sandboxed", "explain-web")


def test_a_pod_whose_manifest_names_its_node_is_exempt_and_says_so(server: Server, cluster: ControlPlane) -> None:
    create(server, REACHED, "placed", a_pod().labelled(tier="web").with_spec(nodeName="node-1"))
    report = explain_pod(cluster, REACHED, "placed")
    assert (report["admitted"], report["decision"], report["reason"]) == (None, "Skipped", "NodeNameSet")


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(a_pod().labelled(tier="web"), id="no requests"),
        pytest.param(a_pod().labelled(tier="db"), id="by a wildcard"),
        pytest.param(a_pod().labelled({"tier": "web", EKS_PROFILE_LABEL: "explain-zeta"}), id="pinned"),
        pytest.param(
            a_pod().labelled(tier="web").limited_to(cpu="1").with_sidecar("s", memory="2Gi").with_init("i", cpu="3"),
            id="sidecar and init container",
        ),
        pytest.param(
            a_pod().labelled(tier="web").requesting(cpu="1").with_pod_level(limits={"cpu": "3", "memory": "9Gi"}),
            id="pod-level limits",
        ),
    ],
)
def test_a_file_is_explained_as_the_api_server_would_admit_it(
    server: Server, cluster: ControlPlane, tmp_path: Path, pod: PodBuilder
) -> None:
    report = explain_file(cluster, tmp_path, pod.build(), "-n", REACHED)
    admitted = server.create_pod(REACHED, pod.build()).expect_ok()
    assert report["decision"] == "Sandboxed"
    assert report["profile"] == admitted["metadata"]["labels"][EKS_PROFILE_LABEL]
    assert report["capacity"] == admitted["metadata"]["annotations"][CAPACITY_ANNOTATION]
    assert report["runtimeClassName"] == admitted["spec"]["runtimeClassName"]


def test_a_context_lends_its_namespace(cluster: ControlPlane, tmp_path: Path) -> None:
    config = yaml.safe_load(cluster.kubeconfig_path.read_text())
    config["contexts"].append({"name": "there", "context": {**config["contexts"][0]["context"], "namespace": REACHED}})
    kubeconfig = write_config(tmp_path, config)
    path = tmp_path / "pod.json"
    path.write_text(json.dumps(a_pod("x").labelled(tier="web").build()))
    result = run("explain", "-f", str(path), "--kubeconfig", kubeconfig, "--context", "there")
    assert result.stdout.startswith(f"Pod/x in namespace {REACHED}: sandboxed by profile explain-web")
    result = run("explain", "-f", str(path), "--kubeconfig", kubeconfig)
    assert result.stdout.startswith("Pod/x in namespace default: not on Fargate")


def test_the_kubeconfig_variable_is_followed(cluster: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig_path))
    result = run("explain", "pod", "nobody", "-n", REACHED)
    assert (result.exit_code, result.stderr) == (1, f"Error: There is no pod nobody in namespace {REACHED}.\n")


def test_a_profile_that_is_not_active_yet_is_noted(cluster: ControlPlane, tmp_path: Path) -> None:
    path = tmp_path / "pod.json"
    path.write_text(json.dumps(a_pod("x").build()))
    result = run("explain", "-f", str(path), "--kubeconfig", str(cluster.kubeconfig_path), "-o", "json")
    assert "Note: profile explain-web is new, so pods may pass it by for now" in result.stderr
    json.loads(result.stdout)


def test_profiles_from_a_file_replace_the_clusters(server: Server, cluster: ControlPlane, tmp_path: Path) -> None:
    # kata-on-metal adds a node selector, which must not read as the pod's own where another sandbox would be chosen.
    create(server, REACHED, "tried", a_pod().labelled(tier="metal"))
    path = tmp_path / "profiles.yaml"
    path.write_text(yaml.safe_dump(a_profile_resource("draft", {"namespace": REACHED}, runtimeClassName="gvisor")))
    arguments = ["pod", "tried", "-n", REACHED, "--profiles", str(path)]
    result = run("explain", *arguments, "--kubeconfig", str(cluster.kubeconfig_path))
    assert "When it was created: sandboxed by profile explain-metal" in result.stdout
    assert "If it were created now: sandboxed by profile draft: 0.25vCPU 0.5GB, RuntimeClass gvisor." in result.stdout


def test_a_user_without_rights_is_told_which_right_is_missing(cluster: ControlPlane, tmp_path: Path) -> None:
    config = yaml.safe_load(cluster.kubeconfig_path.read_text())
    config["users"][0]["user"] = {"token": "nonsense"}
    result = run("explain", "pod", "x", "--kubeconfig", write_config(tmp_path, config))
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: The API server refused: Unauthorized. Log in again, ")


def test_a_cluster_without_monopod_says_so(control_plane: ControlPlane, tmp_path: Path) -> None:
    path = tmp_path / "pod.json"
    path.write_text(json.dumps(a_pod("x").build()))
    result = run("explain", "-f", str(path), "--kubeconfig", str(control_plane.kubeconfig_path))
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: The cluster has no FargateProfiles: Monopod isn't installed. "
        "Give --profiles FILE to explain without a cluster.\n",
    )


def write_config(tmp_path: Path, config: object) -> str:
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return str(path)


def refuse_pods(server: Server, namespace: str) -> str:
    """A namespace that carries the label alone, as where the operator can't write more; what its pods are told."""
    server.create("/api/v1/namespaces", {"metadata": {"name": namespace}}).expect_ok()
    mark = {"metadata": {"labels": {NAMESPACE_LABEL: NAMESPACE_LABEL_VALUE}}}
    server.patch(f"/api/v1/namespaces/{namespace}", mark, user=OPERATOR).expect_ok()
    answer = poll(lambda: server.create_pod(namespace, a_pod().build()), lambda answer: answer.status == 403)
    return answer.message.partition(" denied request: ")[2]


def test_in_a_namespace_that_could_not_be_written_pods_are_told_that_they_are_refused(
    server: Server, cluster: ControlPlane, tmp_path: Path
) -> None:
    told = refuse_pods(server, "explain-refused")
    assert told.startswith("Fargate profiles reach namespace explain-refused, but")
    pod = a_pod().in_namespace("explain-refused").labelled(tier="web").build()
    report = explain_file(cluster, tmp_path, {"apiVersion": "v1", "kind": "Pod", **pod})
    assert report["notes"] == [f"The API server refuses it for now: {told}"]
    opted_out = {**pod, "spec": {**pod["spec"], "schedulerName": "volcano"}}
    assert explain_file(cluster, tmp_path, {"apiVersion": "v1", "kind": "Pod", **opted_out})["notes"] == report["notes"]
    template = {"metadata": {"labels": {"tier": "web"}}, "spec": pod["spec"]}
    spec = {"selector": {"matchLabels": {"tier": "web"}}, "template": template}
    agent = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": pod["metadata"], "spec": spec}
    assert explain_file(cluster, tmp_path, agent)["notes"] == []
    elsewhere = {"apiVersion": "v1", "kind": "Pod", **a_pod().in_namespace(REACHED).build()}
    assert explain_file(cluster, tmp_path, elsewhere)["notes"] == []
