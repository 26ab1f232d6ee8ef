"""The chart's life on a real API server: installed, upgraded, uninstalled, and what each leaves behind."""

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from monopod.api.crd import KINDS
from monopod.api.names import POLICY_LABEL, PROFILE_FINALIZER, PROFILE_LABEL
from monopod.kube.objects.resources import NODES, PODS, RUNTIME_CLASSES
from tests.chart.rendering import CHART, NAMESPACE, RELEASE, ROOT, Refused, run_tool
from tests.clusters import ControlPlane
from tests.controlplane.reach import reach
from tests.controlplane.server import Server
from tests.unit.builders import a_pod, a_profile, a_selector

DEADLINE_SECONDS = 120
GUIDE = ROOT / "docs" / "how-to" / "install.md"
PROFILE = {
    "apiVersion": "monopod.dev/v1beta1",
    "kind": "FargateProfile",
    "metadata": {"name": "kept"},
    "spec": {"selectors": [{"namespace": "kept"}]},
}
PATTERNS = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "monopod-namespaces", "namespace": NAMESPACE},
    "data": {"written-by": "the operator"},
}
POLICY_KINDS = (
    "mutatingadmissionpolicies,mutatingadmissionpolicybindings,"
    "validatingadmissionpolicies,validatingadmissionpolicybindings"
)
OPERATOR = f"system:serviceaccount:{NAMESPACE}:monopod"
SELECTS_FARGATE_PODS = {"podSelector": {"matchExpressions": [{"key": PROFILE_LABEL, "operator": "Exists"}]}}
OURS = "--selector=app.kubernetes.io/name=monopod"
LABEL, SELECTORS = "monopod.dev/fargate", "monopod.dev/profiles"


class Helm:
    """Helm with this tier's cluster. There are no nodes, so it doesn't wait for the Deployment."""

    def __init__(self, cluster: ControlPlane) -> None:
        self.cluster = cluster
        self.last_refusal = ""

    def run(self, *arguments: str | Path, namespace: str = NAMESPACE) -> str:
        return run_tool("helm", *arguments, "--namespace", namespace, "--kubeconfig", self.cluster.kubeconfig_path)

    def install(self, *flags: str | Path, chart: Path = CHART) -> str:
        return self.run("install", RELEASE, chart, "--create-namespace", *flags)

    def upgrade(self, *flags: str | Path) -> str:
        return self.run("upgrade", RELEASE, CHART, *flags)

    def uninstall(self) -> str:
        return self.run("uninstall", RELEASE)

    def get(self, *arguments: str) -> Any:
        return json.loads(self.cluster.kubectl("get", *arguments, "--output", "json").stdout)

    def try_kubectl(self, *arguments: str | Path, text: str | None = None) -> bool:
        """Whether it succeeds."""
        done = self.cluster.kubectl(*arguments, input=text, check=False)
        self.last_refusal = done.stderr if done.returncode else ""
        return done.returncode == 0

    def list_kinds(self) -> list[str]:
        """Names of CustomResourceDefinitions of ours that still exist.

        The API server may fail to delete a kind that is a second old ("storage is (re)initializing"), and then looks
        at it again when it changes. So it is changed.
        """
        left = self.cluster.kubectl("get", "crd", *CRDS, "--ignore-not-found", "-o", "name").stdout.split()
        if left:
            self.try_kubectl("annotate", "--overwrite", *left, f"seen={time.monotonic()}")
        return left

    def run_documented(self, *beginnings: str) -> None:
        """Runs the commands of the installation guide that begin so, in its order."""
        guide = GUIDE.read_text().replace("\\\n", "")
        typed = [line.removeprefix("$ ") for line in map(str.strip, guide.splitlines()) if line[:2] == "$ "]
        script = [line for line in typed if line.startswith(beginnings)]
        assert len(script) >= len(beginnings)
        environment = {**os.environ, "KUBECONFIG": str(self.cluster.kubeconfig_path)}
        subprocess.run(["bash", "-euc", "\n".join(script)], env=environment, check=True, timeout=DEADLINE_SECONDS)

    def apply(self, *objects: dict[str, Any]) -> None:
        """Applies the objects as soon as the API server takes them: a new kind or policy needs a moment."""
        text = yaml.safe_dump_all(objects)
        arguments = ("apply", "--server-side", "--field-manager", "monopod", "--filename", "-")
        poll(lambda: self.try_kubectl(*arguments, text=text), lambda: f"{text} is applied: {self.last_refusal}")

    def apply_as_operator(self, item: dict[str, Any]) -> None:
        """Applies an object that only the operator may write."""
        arguments = ("apply", "--server-side", "--as", OPERATOR, "--filename", "-")
        poll(
            lambda: self.try_kubectl(*arguments, text=yaml.safe_dump(item)),
            lambda: f"{item} is applied: {self.last_refusal}",
        )

    def describe_answer(self, path: str, user: str = "") -> str:
        """The answer's headers, which say what priority the request had, to the operator or another user."""
        return self.cluster.kubectl("get", "--raw", path, "--as", user or OPERATOR, "-v=8", check=False).stderr

    def create_labelled_namespace(self) -> str:
        """Tries to create a namespace with the label that only the policies may give; what came of it, or nothing."""
        text = yaml.safe_dump(build_namespace("probe", labels={LABEL: "true"}))
        arguments = ("create", "--dry-run=server", "--output", "yaml", "--filename", "-")
        return self.cluster.kubectl(*arguments, input=text, check=False).stdout

    def wait_for_policies(self) -> None:
        """Waits until the policies on new namespaces work, the last to do so as they also wait for the ConfigMap."""
        poll(lambda: LABEL not in (self.create_labelled_namespace() or LABEL), "the policies are in force")


@pytest.fixture
def helm(release_cluster: ControlPlane) -> Iterator[Helm]:
    """Helm and a cluster on which Monopod isn't installed, neither before nor after."""
    helm = Helm(release_cluster)
    yield helm
    with contextlib.suppress(Refused):
        helm.uninstall()
    # kubectl's own waiting has been seen not to come to an end.
    release_cluster.kubectl("delete", "crd", *CRDS, "--ignore-not-found", "--wait=false")
    poll(lambda: not helm.list_kinds(), "the kinds are gone")
    # Policies are in effect for a moment after they were deleted, and would write on the next test's namespaces.
    poll(lambda: LABEL in helm.create_labelled_namespace(), "the policies are no longer in effect")


CRDS = tuple(f"{kind.plural}.{kind.group}" for kind in KINDS)


def poll(check: Callable[[], bool], what: str | Callable[[], str], seconds: float = DEADLINE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not check():  # each check runs a program, which is pause enough
        assert time.monotonic() < deadline, f"not after {seconds} s: {what() if callable(what) else what}"


def build_namespace(name: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **metadata}}


def build_isolating_policy(name: str) -> dict[str, Any]:
    """A NetworkPolicy like those that the operator writes."""
    metadata = {"name": name, "namespace": "isolated", "labels": {POLICY_LABEL: "base"}}
    spec = SELECTS_FARGATE_PODS
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def test_the_api_server_takes_every_object_and_serves_profiles(helm: Helm) -> None:
    notes = helm.install()
    assert "Kata's or gVisor's, where their profile names no other" in notes, "NOTES.txt says what to do next"
    helm.apply(PROFILE)
    assert len(helm.get(POLICY_KINDS)["items"]) >= 4


def test_an_installation_without_profiles_disturbs_nothing(fresh_cluster: ControlPlane) -> None:
    """Neither before the operator's first start, when its ConfigMap is empty, nor when somebody deletes it."""
    helm = Helm(fresh_cluster)
    helm.install()
    helm.wait_for_policies()
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "untouched", "namespace": "untouched"},
        "spec": {"containers": [{"name": "main", "image": "busybox"}]},
    }
    helm.cluster.kubectl("create", "--filename", "-", input=yaml.safe_dump(build_namespace("untouched")))
    helm.cluster.kubectl("create", "--filename", "-", input=yaml.safe_dump(pod))
    created = helm.get("pod", "untouched", "--namespace", "untouched")
    assert "runtimeClassName" not in created["spec"]
    assert "labels" not in created["metadata"]

    helm.cluster.kubectl("delete", "configmap", "monopod-namespaces", "--namespace", NAMESPACE)
    # Without the ConfigMap nobody takes the label off: that it stays shows that the API server knows of the deletion.
    poll(lambda: LABEL in helm.create_labelled_namespace(), "a namespace is created without the policies")


def test_an_upgrade_keeps_what_the_operator_wrote_and_takes_new_values(helm: Helm) -> None:
    helm.install()
    helm.apply(PATTERNS)
    helm.upgrade("--set", "replicas=3")
    assert helm.get("configmap", "monopod-namespaces", "--namespace", NAMESPACE)["data"] == PATTERNS["data"]
    assert helm.get("deployment", "monopod", "--namespace", NAMESPACE)["spec"]["replicas"] == 3


def test_an_upgrade_upgrades_the_crd(helm: Helm, tmp_path: Path) -> None:
    earlier = tmp_path / "monopod"
    shutil.copytree(CHART, earlier)
    template = earlier / "templates" / "crds.yaml"
    assert "- fp\n" in template.read_text()
    template.write_text(template.read_text().replace("- fp\n", "- earlier\n"))
    helm.install(chart=earlier)
    helm.upgrade()
    assert helm.get("crd", "fargateprofiles.monopod.dev")["spec"]["names"]["shortNames"] == ["fp"]


def test_an_uninstallation_leaves_the_profiles_and_a_later_install_takes_them_over(helm: Helm) -> None:
    helm.install()
    helm.apply(PROFILE)
    helm.uninstall()
    left = helm.get("fargateprofile", "kept")
    helm.install()
    assert helm.get("fargateprofile", "kept")["metadata"]["uid"] == left["metadata"]["uid"]


def test_an_uninstallation_without_keep_leaves_nothing(helm: Helm) -> None:
    helm.install("--set", "crds.keep=false")
    helm.uninstall()
    kinds = f"crd,{POLICY_KINDS},clusterroles,clusterrolebindings"

    def find_leftovers() -> list[str]:
        names = [item["metadata"]["name"] for item in helm.get(kinds)["items"]]
        return [name for name in names if "monopod" in name or name in CRDS]

    poll(lambda: helm.list_kinds() + find_leftovers() == [], "nothing of Monopod is left")
    assert helm.get("all,configmap,role,rolebinding,serviceaccount", "--namespace", NAMESPACE)["items"] == []


def test_profiles_that_an_uninstallation_without_keep_leaves_behind_can_be_let_go_of(helm: Helm) -> None:
    notes = helm.install("--set", "crds.keep=false")
    assert "kubectl delete fargateprofiles --all" in notes
    helm.apply({**PROFILE, "metadata": {"name": "left-behind", "finalizers": [PROFILE_FINALIZER]}})
    helm.uninstall()

    def find_left() -> Any:
        assert helm.list_kinds(), "the kind stays as long as the profile does"
        return helm.get("fargateprofile", "left-behind")["metadata"]

    poll(lambda: "deletionTimestamp" in find_left(), "the profile is to go with its kind")
    assert find_left()["finalizers"] == [PROFILE_FINALIZER]
    helm.run_documented("kubectl get fargateprofiles --output name")
    poll(lambda: not helm.list_kinds(), "the kinds are gone")


def test_profiles_that_an_uninstallation_keeps_can_be_removed_as_documented(helm: Helm) -> None:
    helm.install()
    helm.apply({**PROFILE, "metadata": {"name": "kept", "finalizers": [PROFILE_FINALIZER]}})
    helm.uninstall()
    helm.run_documented(
        "kubectl get fargateprofiles --output name", "kubectl delete --wait=false customresourcedefinitions"
    )
    poll(lambda: not helm.list_kinds(), "the kinds are gone")


def test_namespaces_stay_usable_after_an_uninstallation(helm: Helm) -> None:
    helm.apply(build_namespace("marked", labels={LABEL: "true"}, annotations={SELECTORS: "selectors"}))
    helm.install()
    edit = ("label", "namespace", "marked", f"{LABEL}-")
    poll(lambda: not helm.try_kubectl(*edit, "--dry-run=server"), "the label is guarded")
    helm.uninstall()
    poll(lambda: helm.try_kubectl(*edit), "anybody with the right may remove the label")
    assert helm.try_kubectl("create", "namespace", "after", "--dry-run=server")


def test_network_policies_can_be_deleted_without_the_binding_and_after_an_uninstallation(helm: Helm) -> None:
    helm.install()
    helm.apply(build_namespace("isolated"))
    for name in ("first", "second"):
        helm.apply_as_operator(build_isolating_policy(name))
    delete = ("delete", "networkpolicy", "--namespace", "isolated")
    poll(lambda: not helm.try_kubectl(*delete, "first", "--dry-run=server"), "the policies are guarded")
    helm.cluster.kubectl("delete", "validatingadmissionpolicybinding", "monopod-network-policies")
    poll(lambda: helm.try_kubectl(*delete, "first"), "an administrator deletes one without the binding")
    helm.uninstall()
    poll(lambda: helm.try_kubectl(*delete, "second", "--dry-run=server"), "anybody with the right may delete them")
    helm.run_documented("kubectl delete networkpolicies")
    assert helm.get("networkpolicies", "--namespace", "isolated")["items"] == []


def test_the_operators_requests_have_priority(helm: Helm) -> None:
    helm.install()
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/monopod"
    for path, schema in ((lease, "monopod-lease"), ("/api/v1/pods", "monopod"), ("/apis", "monopod")):
        uid = helm.get("flowschema", schema)["metadata"]["uid"]
        poll(lambda path=path, uid=uid: uid in helm.describe_answer(path), f"{path} goes by {schema}")  # type: ignore[misc]  # mypy can't infer it
    theirs = helm.describe_answer("/apis", "system:serviceaccount:default:default")
    assert not any(item["metadata"]["uid"] in theirs for item in helm.get("flowschemas", OURS)["items"])


def test_the_documented_commands_remove_what_a_deleted_namespace_leaves(helm: Helm) -> None:
    helm.install()
    helm.run_documented('selector="--selector', "kubectl delete mutatingadmissionpol")
    assert helm.get(POLICY_KINDS)["items"] == []


def test_the_documented_commands_remove_the_marks_of_namespaces(helm: Helm) -> None:
    helm.apply(build_namespace("once", labels={LABEL: "true"}, annotations={SELECTORS: "selectors"}))
    edit = ("label", "namespace", "once", f"{LABEL}-", "--dry-run=server")
    poll(lambda: helm.try_kubectl(*edit), "no policy of an earlier installation is in force any more")
    helm.run_documented("kubectl label namespaces", "kubectl annotate namespaces")
    left = helm.get("namespace", "once")["metadata"]
    assert LABEL not in left["labels"]
    assert SELECTORS not in left.get("annotations", {})


def test_a_second_installation_in_the_cluster_is_refused(helm: Helm) -> None:
    helm.install()
    with pytest.raises(Refused, match="invalid ownership metadata"):
        helm.run("install", "second", CHART, "--create-namespace", namespace="second")


def test_an_upgrade_changes_whether_spot_gives_way_there_and_back_under_pods_that_run_on_it(
    fresh_cluster: ControlPlane,
) -> None:
    """The value of a PriorityClass can't change, so none does."""
    helm = Helm(fresh_cluster)
    helm.install()
    helm.wait_for_policies()
    server = Server(helm.cluster.kubeconfig_path)
    server.create(NODES.list_path(), {"metadata": {"name": "reclaimed"}}).expect_ok()
    server.create(RUNTIME_CLASSES.list_path(), {"metadata": {"name": "kata"}, "handler": "kata"})
    classes = read_spot_classes(helm)
    selector, label = a_selector("reclaimed"), "kind=spot"
    gives_way = a_profile("reclaimed", selector, spot=True)
    reach(server, "reclaimed", [gives_way])  # as the operator does with the chart's values
    assert run_pod(server, "first") == ("monopod-spot", -5)

    helm.upgrade("--set", f"spot.nodeLabel={label}", "--set", "spot.reclaim=None")
    assert "--spot-reclaim=None" in str(helm.get("deployment", "monopod", "--namespace", NAMESPACE)["spec"])
    assert read_spot_classes(helm) == classes
    reach(server, "reclaimed", [a_profile("reclaimed", selector, spot=True, spot_nodes=label, spot_reclaim="None")])
    assert run_pod(server, "second") == ("monopod-spot-kept", 0)
    assert read_place(server, "first") == ("monopod-spot", -5), "a pod that runs stays what it is"

    helm.upgrade("--set", "spot.reclaim=Preemption")
    assert read_spot_classes(helm) == classes
    reach(server, "reclaimed", [gives_way])
    assert run_pod(server, "third") == ("monopod-spot", -5)
    assert read_place(server, "second") == ("monopod-spot-kept", 0)
    for name in ("first", "second", "third"):
        labels = {"metadata": {"labels": {"seen": "yes"}}}
        pod = server.patch(PODS.path(name, "reclaimed"), labels).expect_ok()
        assert "deletionTimestamp" not in pod["metadata"]


def read_spot_classes(helm: Helm) -> dict[str, tuple[str, int]]:
    found = helm.get("priorityclasses", "monopod-spot", "monopod-spot-kept")["items"]
    return {item["metadata"]["name"]: (item["metadata"]["uid"], item["value"]) for item in found}


def run_pod(server: Server, name: str) -> tuple[str, int]:
    """A pod that has a node, and what the scheduler goes by."""
    server.create_pod("reclaimed", a_pod(name).build(), dry_run=False).expect_ok()
    target = {"metadata": {"name": name}, "target": {"kind": "Node", "name": "reclaimed"}}
    server.create(f"{PODS.path(name, 'reclaimed')}/binding", target).expect_ok()
    return read_place(server, name)


def read_place(server: Server, name: str) -> tuple[str, int]:
    spec = server.get(PODS.path(name, "reclaimed")).expect_ok()["spec"]
    return spec["priorityClassName"], spec["priority"]
