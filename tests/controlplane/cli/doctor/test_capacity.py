"""`kubectl fargate doctor` on NodePools, RuntimeClasses and gates of a real API server, until they are right."""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from lab.build.toolchain import find_module
from monopod.api.names import API_VERSION, KUBE_SYSTEM, PROFILE_PLURAL, SYSTEM_NAMESPACE
from monopod.kube.objects.resources import BY_KIND, NODE_POOLS, PODS
from tests.clusters import ControlPlane
from tests.controlplane.operating.lab import eventually
from tests.controlplane.server import Server
from tests.unit.builders import a_profile_resource
from tests.unit.cli.running import run

Json = dict[str, Any]

CRD = "pkg/apis/crds/karpenter.sh_nodepools.yaml"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CLASSES = BY_KIND["RuntimeClass"].list_path()
DAEMON_SETS = BY_KIND["DaemonSet"].list_path("plain")
OPERATORS = BY_KIND["Deployment"].list_path(SYSTEM_NAMESPACE)
POOLS = NODE_POOLS.list_path()
PROFILES = f"/apis/{API_VERSION}/{PROFILE_PLURAL}"

NAME = "pooled"
"""Of the profile, its RuntimeClass and the NodePool."""

KEY = "katacontainers.io/kata-runtime"
GATE = "InPlacePodLevelResourcesVerticalScaling"
STARTUP = {"key": KEY, "effect": "NoSchedule"}
METAL = {"key": "karpenter.k8s.aws/instance-size", "operator": "In", "values": ["metal"]}
LABELLED = {"key": KEY, "operator": "In", "values": ["true"]}
FITS = ("OK", f"Karpenter makes nodes of NodePool {NAME} for pods of RuntimeClass {NAME}.", None)

CLASS: Json = {
    "metadata": {"name": NAME},
    "handler": "kata-qemu",
    "overhead": {"podFixed": {"cpu": "250m", "memory": "320Mi"}},
    "scheduling": {"nodeSelector": {KEY: "true"}, "tolerations": [{"key": "sandboxes", "operator": "Exists"}]},
}
POOL: Json = {
    "apiVersion": NODE_POOLS.api_version,
    "kind": NODE_POOLS.kind,
    "metadata": {"name": NAME},
    "spec": {
        "template": {
            "metadata": {"labels": {KEY: "true"}},
            "spec": {
                "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "default"},
                "requirements": [METAL],
                "taints": [{"key": "sandboxes", "effect": "NoSchedule"}],
                "startupTaints": [STARTUP],
            },
        }
    },
}


@dataclass(frozen=True)
class Scene:
    """A profile whose sandbox has no node, and what doctor says of it."""

    server: Server
    cluster: ControlPlane

    def put_pool(self, *, labels: Json | None = None, **fields: object) -> None:
        """The NodePool with other labels or fields of its nodes."""
        pool = deepcopy(POOL)
        template = pool["spec"]["template"]
        template["spec"] |= fields
        if labels is not None:
            template["metadata"]["labels"] = labels
        self.server.delete(f"{POOLS}/{NAME}")
        self.server.create(POOLS, pool).expect_ok()

    def change_class(self, **fields: object) -> None:
        self.server.patch(f"{CLASSES}/{NAME}", fields).expect_ok()

    def tell(self, check: str, about: str = NAME) -> list[tuple[str, str, str | None]]:
        """Level, message and action of the findings of a check that name this."""
        result = run("doctor", "-o", "json", "--kubeconfig", str(self.cluster.kubeconfig_path))
        findings = [each for each in json.loads(result.stdout)["findings"] if each["check"] == check]
        return [(each["level"], each["message"], each["action"]) for each in findings if about in each["message"]]


@pytest.fixture(scope="module")
def karpenter(server: Server, installed: ControlPlane) -> Iterator[None]:
    """Karpenter's NodePools, as far as the API server is concerned."""
    crd = yaml.safe_load((find_module("karpenter", "sigs.k8s.io/karpenter") / CRD).read_text())
    server.create(CRDS, crd).expect_ok()
    eventually(lambda: server.get(POOLS).ok)
    yield
    server.delete(f"{CRDS}/{crd['metadata']['name']}").expect_ok()
    eventually(lambda: server.get(POOLS).status == 404)


@pytest.fixture
def scene(server: Server, installed: ControlPlane, karpenter: None) -> Iterator[Scene]:
    server.create(CLASSES, CLASS).expect_ok()
    server.create(PROFILES, a_profile_resource(NAME, {"namespace": NAME}, runtimeClassName=NAME)).expect_ok()
    yield Scene(server, installed)
    for path in (f"{POOLS}/{NAME}", f"{PROFILES}/{NAME}", f"{CLASSES}/{NAME}"):
        server.delete(path)


def test_a_selector_that_the_node_pool_does_not_cover_is_told_until_a_requirement_covers_it(scene: Scene) -> None:
    scene.put_pool(labels={})
    ((level, message, action),) = scene.tell("Capacity")
    assert level == "Warning"
    assert f"nodes of NodePool {NAME} don't have {KEY}=true, which the profile's pods select" in message
    assert action == f"`kubectl fargate nodepool {NAME}` prints one that fits."

    scene.put_pool(labels={}, requirements=[METAL, LABELLED])
    assert scene.tell("Capacity") == [FITS]


def test_a_taint_that_the_sandbox_does_not_tolerate_is_told_until_it_does(scene: Scene) -> None:
    scene.put_pool(taints=[{"key": "sandboxes", "effect": "NoSchedule"}, {"key": "gpu", "effect": "NoSchedule"}])
    ((level, message, action),) = scene.tell("Capacity")
    assert level == "Warning"
    assert f"nodes of NodePool {NAME} have the taint gpu:NoSchedule, which the RuntimeClass doesn't tolerate" in message
    assert action == "Add it to the RuntimeClass's scheduling.tolerations, or take the NodePool's taint away."

    tolerations = [*CLASS["scheduling"]["tolerations"], {"key": "gpu", "operator": "Exists"}]
    scene.change_class(scheduling={"tolerations": tolerations})
    assert scene.tell("Capacity") == [FITS]


@pytest.fixture
def kata_deploy(server: Server, scene: Scene) -> Iterator[str]:
    """The path of the DaemonSet that installs the sandbox, and isn't told of any startup taint."""
    labels = {"name": "kata-deploy"}
    container = {"name": "kube-kata", "image": "quay.io/kata-containers/kata-deploy:4.1.0"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    server.create(DAEMON_SETS, {"metadata": {"name": "kata-deploy"}, "spec": spec}).expect_ok()
    yield f"{DAEMON_SETS}/kata-deploy"
    server.delete(f"{DAEMON_SETS}/kata-deploy").expect_ok()


def test_a_startup_taint_is_told_until_both_the_node_pool_and_the_installer_have_it(
    scene: Scene, kata_deploy: str
) -> None:
    scene.put_pool(startupTaints=[])
    (level, message, action), *_ = scene.tell("Capacity")
    assert level == "Warning"
    assert "so pods come before the sandbox is installed, and fail" in message
    assert f"Add {KEY}:NoSchedule to its startupTaints, and name it in kata-deploy's value startupTaints" in str(action)

    scene.put_pool()
    ((level, message, action),) = scene.tell("Capacity")
    assert level == "Problem"
    assert "kata-deploy isn't told to remove it" in message
    assert action == f"helm upgrade … --set 'startupTaints={{{KEY}}}' of kata-deploy."

    container = {"name": "kube-kata", "image": "kata-deploy", "env": [{"name": "STARTUP_TAINTS", "value": KEY}]}
    scene.server.patch(kata_deploy, {"spec": {"template": {"spec": {"containers": [container]}}}}).expect_ok()
    assert scene.tell("Capacity") == [FITS]


def test_instances_without_kvm_are_told_until_metal_is_required(scene: Scene) -> None:
    scene.put_pool(requirements=[{**METAL, "values": ["metal", "2xlarge"]}])
    ((level, message, action),) = scene.tell("Capacity")
    assert level == "Warning"
    assert f"may make instances without KVM, on which no pod of RuntimeClass {NAME} starts" in message
    assert "Let it require karpenter.k8s.aws/instance-size In [metal, …]" in str(action)

    scene.put_pool()
    assert scene.tell("Capacity") == [FITS]


@pytest.fixture
def operator(server: Server, scene: Scene) -> Iterator[str]:
    """The path of the operator's Deployment, as the chart has it."""
    server.create(OPERATORS, build_operator("--spot-reclaim=Preemption")).expect_ok()
    yield f"{OPERATORS}/monopod"
    server.delete(f"{OPERATORS}/monopod").expect_ok()


def build_operator(*arguments: str) -> Json:
    labels = {"app.kubernetes.io/name": "monopod"}
    container = {"name": "operator", "image": "operator", "args": ["run", *arguments]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": "monopod", "labels": labels}, "spec": spec}


def test_spot_that_gives_way_where_karpenter_makes_nodes_is_told_until_it_does_not(scene: Scene, operator: str) -> None:
    strategy = {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}]}
    scene.server.patch(f"{PROFILES}/{NAME}", {"spec": strategy}).expect_ok()
    assert not scene.tell("Spot"), "nothing makes nodes"

    scene.put_pool()
    ((level, message, action),) = scene.tell("Spot")
    assert level == "Warning"
    assert message.startswith(f"Karpenter makes nodes, and pods on Spot (profile {NAME}) give way to others before it")
    assert str(action).startswith("helm upgrade … --set spot.reclaim=None, and --set spot.nodeLabel=KEY=VALUE")

    told = build_operator("--spot-reclaim=None", "--spot-node-label=kind=spot")
    scene.server.patch(operator, {"spec": told["spec"]}).expect_ok()
    assert not scene.tell("Spot")


def test_a_missing_overhead_is_told_until_the_runtime_class_has_it(scene: Scene) -> None:
    scene.change_class(overhead=None)
    ((level, _, action),) = scene.tell("KataSizing", "overhead.podFixed")
    assert level == "Warning"
    assert action == "Set overhead.podFixed as kata-deploy does: cpu 250m, memory 320Mi (qemu) or 130Mi (clh, fc)."

    scene.change_class(overhead=CLASS["overhead"])
    assert not scene.tell("KataSizing", "overhead.podFixed")


def test_an_overhead_that_is_counted_twice_is_told_with_the_switch_until_it_is_set(scene: Scene) -> None:
    scheduler: Json = {
        "metadata": {"name": "kube-scheduler-one", "labels": {"component": "kube-scheduler"}},
        "spec": {"containers": [{"name": "kube-scheduler", "image": "kube-scheduler", "command": ["kube-scheduler"]}]},
    }
    pods = PODS.list_path(KUBE_SYSTEM)
    path = f"{pods}/kube-scheduler-one"
    try:
        scene.server.create(pods, scheduler).expect_ok()
        ((level, message, action),) = scene.tell("Overhead")
        assert level == "Warning"
        assert "counts the overhead of running pods twice" in message
        assert "kubernetes#139627) by the gates of kube-scheduler" in message
        assert action == f"Start kube-scheduler and the kubelets with --feature-gates={GATE}=false."

        scene.server.delete(path).expect_ok()
        scheduler["spec"]["containers"][0]["command"].append(f"--feature-gates={GATE}=false")
        scene.server.create(pods, scheduler).expect_ok()
        assert not scene.tell("Overhead")
    finally:
        scene.server.delete(path)
