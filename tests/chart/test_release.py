"""The chart's life on a real API server: installed, upgraded, uninstalled, and what each leaves behind."""

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.rendering import CHART, NAMESPACE, RELEASE, Refused, run_tool
from tests.clusters import ControlPlane

DEADLINE_SECONDS = 20
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
LABEL, ROWS = "monopod.dev/fargate", "monopod.dev/profiles"


class Helm:
    """Helm with this tier's cluster. There are no nodes, so it doesn't wait for the Deployment."""

    def __init__(self, cluster: ControlPlane) -> None:
        self.cluster = cluster

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
        return self.cluster.kubectl(*arguments, input=text, check=False).returncode == 0

    def apply(self, *objects: dict[str, Any]) -> None:
        """Applies the objects as soon as the API server takes them: a new kind or policy needs a moment."""
        text = yaml.safe_dump_all(objects)
        arguments = ("apply", "--server-side", "--field-manager", "monopod", "--filename", "-")
        poll(lambda: self.try_kubectl(*arguments, text=text), f"{text} is applied")

    def wait_for_policies(self) -> None:
        """Waits until the admission policies work: the label that only they may give is taken off a new namespace."""
        text = yaml.safe_dump(build_namespace("probe", labels={LABEL: "true"}))

        def is_taken_off() -> bool:
            answer = self.cluster.kubectl(
                "create", "--dry-run=server", "--output", "yaml", "--filename", "-", input=text, check=False
            )
            return answer.returncode == 0 and LABEL not in yaml.safe_load(answer.stdout)["metadata"]["labels"]

        poll(is_taken_off, "the policies are in force")


@pytest.fixture
def helm(release_cluster: ControlPlane) -> Iterator[Helm]:
    """Helm and a cluster on which Monopod isn't installed, neither before nor after."""
    yield Helm(release_cluster)
    with contextlib.suppress(Refused):
        Helm(release_cluster).uninstall()
    release_cluster.kubectl("delete", "crd", "fargateprofiles.monopod.dev", "--ignore-not-found")


def poll(check: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not check():  # each check runs a program, which is pause enough
        assert time.monotonic() < deadline, f"not after {DEADLINE_SECONDS} s: {what}"


def build_namespace(name: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **metadata}}


def test_the_api_server_takes_every_object_and_serves_profiles(helm: Helm) -> None:
    notes = helm.install()
    assert "kubectl get runtimeclass kata" in notes, "NOTES.txt says what to do next"
    helm.apply(PROFILE)
    assert len(helm.get(POLICY_KINDS)["items"]) >= 4


def test_an_installation_without_profiles_disturbs_nothing(helm: Helm) -> None:
    """Also before the operator's first start, when its ConfigMap is empty."""
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
    helm.cluster.kubectl("delete", "pod", "untouched", "--namespace", "untouched", "--force")


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
        return [name for name in names if "monopod" in name]

    poll(lambda: find_leftovers() == [], "nothing of Monopod is left")
    assert helm.get("all,configmap,role,rolebinding,serviceaccount", "--namespace", NAMESPACE)["items"] == []


def test_namespaces_stay_usable_after_an_uninstallation(helm: Helm) -> None:
    helm.apply(build_namespace("marked", labels={LABEL: "true"}, annotations={ROWS: "rows"}))
    helm.install()
    edit = ("label", "namespace", "marked", f"{LABEL}-")
    poll(lambda: not helm.try_kubectl(*edit, "--dry-run=server"), "the label is guarded")
    helm.uninstall()
    poll(lambda: helm.try_kubectl(*edit), "anybody with the right may remove the label")
    assert helm.try_kubectl("create", "namespace", "after", "--dry-run=server")


def test_namespaces_can_be_created_while_monopods_configmap_is_missing(helm: Helm) -> None:
    """Helm deletes it some moments before the policies that read it, and a person may delete it any time."""
    helm.install()
    helm.wait_for_policies()
    helm.cluster.kubectl("delete", "configmap", "monopod-namespaces", "--namespace", NAMESPACE)
    forged = yaml.safe_dump(build_namespace("probe", labels={LABEL: "true"}))
    arguments = ("create", "--dry-run=server", "--output", "yaml", "--filename", "-")
    # With the ConfigMap the label would be taken off; that it stays shows that the API server knows it is gone.
    poll(lambda: LABEL in helm.cluster.kubectl(*arguments, input=forged).stdout, "the API server has noticed")


def test_the_documented_commands_remove_what_a_deleted_namespace_leaves(helm: Helm) -> None:
    helm.install()
    guide = (CHART.parents[1] / "docs" / "how-to" / "install.md").read_text()
    commands = [line for line in guide.splitlines() if line.startswith("$ kubectl delete mutatingadmissionpol")]
    assert len(commands) == 2
    for command in commands:
        helm.cluster.kubectl(*command.split()[2:])
    assert helm.get(POLICY_KINDS)["items"] == []


def test_a_second_installation_in_the_cluster_is_refused(helm: Helm) -> None:
    helm.install()
    with pytest.raises(Refused, match="invalid ownership metadata"):
        helm.run("install", "second", CHART, "--create-namespace", namespace="second")
