"""`kubectl fargate nodepool` against a real API server: Karpenter's own schema takes what is printed, as it stands."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from lab.build.toolchain import find_module
from monopod.kube.objects.resources import NODE_POOLS, PROFILES, RUNTIME_CLASSES
from monopod.pods.rules.spot import build_node_requirement
from tests.clusters import ControlPlane
from tests.controlplane.reach import poll
from tests.controlplane.server import Server
from tests.unit.builders import a_profile_resource
from tests.unit.capacity.builders import KATA_LABEL, a_node_of, a_sandbox
from tests.unit.cli.running import run

Json = dict[str, Any]

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CRD = "pkg/apis/crds/karpenter.sh_nodepools.yaml"

SANDBOXES: dict[str, Json] = {
    "np-plain": a_sandbox("runsc"),
    "np-kata": a_sandbox(
        "kata-qemu",
        {**KATA_LABEL, "kubernetes.io/arch": "amd64", "x": ""},
        {"key": "sandbox", "operator": "Exists"},
        {"key": "team", "value": "a", "effect": "NoExecute"},
        {"operator": "Exists", "effect": "PreferNoSchedule"},
    ),
    "np-known": a_sandbox(
        "runsc",
        {
            "kubernetes.io/os": "linux",
            "node.kubernetes.io/instance-type": "c8i.metal",
            "karpenter.sh/capacity-type": "spot",
            "karpenter.sh/nodepool": "np-known",
            "karpenter.k8s.aws/instance-family": "c8i",
        },
    ),
    "np-gvisor": a_sandbox("runsc", {"monopod.dev/gvisor": "true", "topology.kubernetes.io/zone": "b"}),
    "np-spot": a_sandbox("runsc", {"monopod.dev/gvisor": "true"}),
}
"""RuntimeClasses, each of a profile of the same name."""
STRATEGIES = {"np-spot": {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}]}}
SPOT_LABELS = ("karpenter.sh/capacity-type=spot", "kind=spot", "eks.amazonaws.com/capacityType=SPOT", "")


@pytest.fixture(scope="module")
def cluster(server: Server, installed: ControlPlane) -> Iterator[ControlPlane]:
    """The API server with the kind NodePool, and a profile for each of SANDBOXES."""
    crd = yaml.safe_load((find_module("karpenter", "sigs.k8s.io/karpenter") / CRD).read_text())
    server.create(CRDS, crd).expect_ok()
    poll(lambda: server.get(NODE_POOLS.list_path()), lambda answer: answer.ok)
    for name, sandbox in SANDBOXES.items():
        server.create(RUNTIME_CLASSES.list_path(), {**sandbox, "metadata": {"name": name}}).expect_ok()
        spec = {"runtimeClassName": name, "subnets": ["a", "b"], **STRATEGIES.get(name, {})}
        profile = a_profile_resource(name, {"namespace": name}, **spec)
        server.create(PROFILES.list_path(), profile).expect_ok()
    yield installed
    for name in SANDBOXES:
        server.delete(PROFILES.path(name)).expect_ok()
        server.delete(RUNTIME_CLASSES.path(name)).expect_ok()
    server.delete(f"{CRDS}/{crd['metadata']['name']}").expect_ok()
    poll(lambda: server.get(NODE_POOLS.list_path()), lambda answer: answer.status == 404)  # others serve it, too


@pytest.fixture
def store(server: Server) -> Iterator[Callable[[Json], None]]:
    """Stores a NodePool for this test."""
    stored: list[str] = []

    def create(pool: Json) -> None:
        server.create(NODE_POOLS.list_path(), pool).expect_ok()
        stored.append(pool["metadata"]["name"])

    yield create
    for name in stored:
        server.delete(NODE_POOLS.path(name)).expect_ok()


def show(cluster: ControlPlane, profile: str, *options: str) -> str:
    result = run("nodepool", profile, *options, "--kubeconfig", str(cluster.kubeconfig_path))
    assert result.exit_code == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("node_class", ["EC2NodeClass/default", "KWOKNodeClass/default", "Other.example.com/a"])
@pytest.mark.parametrize("profile", SANDBOXES)
def test_karpenters_schema_takes_it(cluster: ControlPlane, profile: str, node_class: str) -> None:
    text = show(cluster, profile, "--class", node_class, "--arch", "x86", "--arch", "arm")
    applied = cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", "-o", "json", input=text)
    stored, printed = yaml.safe_load(applied.stdout), yaml.safe_load(text)
    # The schema's defaults are added and nothing is dropped.
    budgets = stored["spec"]["disruption"].pop("budgets")
    assert budgets == [{"nodes": "10%"}]
    assert stored["spec"] == printed["spec"]


@pytest.mark.parametrize("label", SPOT_LABELS)
@pytest.mark.parametrize("profile", ["np-spot", "np-plain"])
def test_a_pod_may_run_on_the_nodes_that_its_profiles_pool_makes(
    cluster: ControlPlane, server: Server, profile: str, label: str
) -> None:
    """The pool's nodes are what admission has pods require, on Spot and on demand."""
    pool = yaml.safe_load(show(cluster, profile, "--class", "KWOKNodeClass/default", "--spot-node-label", label))
    server.create(NODE_POOLS.list_path(), pool, dry_run=True).expect_ok()
    spot = profile == "np-spot"
    node = a_node_of(pool).labels
    assert node["karpenter.sh/capacity-type"] == ("spot" if spot else "on-demand")
    if label:
        need = build_node_requirement(label, is_spot=spot)
        assert (node.get(need["key"]) in need["values"]) == spot


def test_what_the_schema_refuses_is_refused_before(cluster: ControlPlane, server: Server) -> None:
    """Each label that is refused here is one that the schema would refuse: none is refused for nothing."""
    pool = yaml.safe_load(show(cluster, "np-plain", "--class", "KWOKNodeClass/default"))
    for key in ("kubernetes.io/hostname", "karpenter.sh/registered", "x.karpenter.sh/y"):
        pool["spec"]["template"]["metadata"] = {"labels": {key: "true"}}
        assert "is restricted" in server.create(NODE_POOLS.list_path(), pool, dry_run=True).message


def test_the_class_of_the_clusters_pools_is_taken(cluster: ControlPlane, store: Callable[[Json], None]) -> None:
    first = yaml.safe_load(show(cluster, "np-plain", "--class", "KWOKNodeClass/default"))
    store(first)
    second = yaml.safe_load(show(cluster, "np-gvisor"))
    reference = {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "default"}
    assert second["spec"]["template"]["spec"]["nodeClassRef"] == reference


def test_doctor_judges_the_pools_that_there_are(cluster: ControlPlane, store: Callable[[Json], None]) -> None:
    pool = yaml.safe_load(show(cluster, "np-kata", "--class", "KWOKNodeClass/default"))
    del pool["spec"]["template"]["spec"]["startupTaints"]
    store(pool)
    report = json.loads(run("doctor", "-o", "json", "--kubeconfig", str(cluster.kubeconfig_path)).stdout)
    told = [each["message"] for each in report["findings"] if each["check"] == "Capacity"]
    early = f"nodes of NodePool {pool['metadata']['name']} have the label katacontainers.io/kata-runtime from birth"
    assert any(message.startswith(f"Profile np-kata: {early}") for message in told), told
