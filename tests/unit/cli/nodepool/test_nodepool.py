"""`kubectl fargate nodepool`: what is read of the cluster, and what is said where something is missing."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from monopod.cli import live
from monopod.kube.client.api import ApiError
from tests.unit.builders import a_profile_resource
from tests.unit.capacity.builders import KATA_LABEL, a_sandbox
from tests.unit.cli.running import run

Json = dict[str, Any]

POOLS = "/apis/karpenter.sh/v1/nodepools"
DEPLOYMENTS = "/apis/apps/v1/deployments"
PROFILE = "/apis/monopod.dev/v1beta1/fargateprofiles/web"
RUNTIME_CLASS = "/apis/node.k8s.io/v1/runtimeclasses/kata-qemu"
KATA = a_sandbox("kata-qemu", KATA_LABEL)


def a_pool(kind: str = "EC2NodeClass", name: str = "default") -> Json:
    reference = {"group": "karpenter.k8s.aws", "kind": kind, "name": name}
    return {"spec": {"template": {"spec": {"nodeClassRef": reference}}}}


class FakeCluster(live.Cluster):
    """Objects and lists by path; what isn't there is answered with 404."""

    def __init__(self, objects: Mapping[str, Any]) -> None:
        self._objects = objects

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        if path not in self._objects:
            raise ApiError(404, "NotFound", "not found")
        return dict(self._objects[path])

    def list_items(self, path: str, query: Mapping[str, str] | None = None) -> list[Json]:
        if path not in self._objects:
            raise ApiError(404, "", "404 page not found")
        return list(self._objects[path])


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> Json:
    """A cluster with the profile web, its RuntimeClass and a NodePool."""
    profile = a_profile_resource("web", {"namespace": "prod"})
    found: Json = {PROFILE: {**profile, "status": {"runtimeClassName": "kata-qemu"}}, RUNTIME_CLASS: KATA}
    found[POOLS], found[DEPLOYMENTS] = [a_pool()], []
    monkeypatch.setattr(live.Cluster, "connect", lambda *_: FakeCluster(found))
    return found


def test_the_node_class_is_that_of_the_clusters_node_pools(objects: Json) -> None:
    result = run("nodepool", "web")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(
        "# Nodes for the pods of FargateProfile web, which run in RuntimeClass kata-qemu.\n"
    )
    (pool,) = yaml.safe_load_all(result.stdout)
    reference = {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "default"}
    assert pool["spec"]["template"]["spec"]["nodeClassRef"] == reference
    assert pool["spec"]["template"]["metadata"]["labels"] == KATA_LABEL


def test_options_say_class_architectures_and_limit(objects: Json) -> None:
    del objects[POOLS]
    options = ("--class", "KWOKNodeClass/x", "--arch", "arm", "--arch", "x86", "--max-vcpus", "8")
    result = run("nodepool", "web", *options)
    assert result.exit_code == 0, result.stderr
    spec = yaml.safe_load(result.stdout)["spec"]
    assert spec["limits"] == {"cpu": "8"}
    assert spec["template"]["spec"]["nodeClassRef"]["kind"] == "KWOKNodeClass"
    assert spec["template"]["spec"]["requirements"][0]["values"] == ["arm64", "amd64"]


def test_comments_leave_lines_whole_words(objects: Json) -> None:
    comments = [line for line in run("nodepool", "web").stdout.splitlines() if line.startswith("#")]
    assert len(comments) > 4
    assert max(map(len, comments)) <= 100
    assert "katacontainers.io/kata-runtime" in " ".join(comments)


def test_cluster_autoscaler_needs_no_class(objects: Json) -> None:
    del objects[POOLS]
    result = run("nodepool", "web", "--for", "cluster-autoscaler")
    assert result.exit_code == 0, result.stderr
    assert yaml.safe_load(result.stdout)["clusterAutoscaler"]["args"] == [
        "--startup-taint=katacontainers.io/kata-runtime"
    ]


@pytest.mark.parametrize(
    ("pools", "told"),
    [
        (None, "The cluster has no Karpenter, so no node class is known. Name it with --class"),
        ([], "There is no NodePool yet that uses one. Name it with --class"),
        (
            [a_pool(), a_pool(name="b")],
            "Which node class shall the nodes have? NodePools use EC2NodeClass/b, EC2NodeClass/default. Name it",
        ),
    ],
    ids=["no Karpenter", "none", "two"],
)
def test_a_node_class_that_cannot_be_chosen_has_to_be_named(objects: Json, pools: list[Json] | None, told: str) -> None:
    objects.pop(POOLS)
    objects.update({} if pools is None else {POOLS: pools})
    result = run("nodepool", "web")
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr


@pytest.mark.parametrize(
    ("change", "status", "told"),
    [
        ({PROFILE: None}, 1, "There is no FargateProfile web."),
        (
            {RUNTIME_CLASS: None},
            1,
            "There is no RuntimeClass kata-qemu, by which nodes for FargateProfile web would be",
        ),
        ({PROFILE: a_profile_resource("web", {"namespace": "prod"})}, 2, "Name it with --sandbox."),
        ({RUNTIME_CLASS: a_sandbox("kata-qemu", {"kubernetes.io/hostname": "a"})}, 1, "which no NodePool may name."),
    ],
    ids=["profile", "class", "no sandbox", "host"],
)
def test_what_is_missing_is_told(objects: Json, change: Json, status: int, told: str) -> None:
    objects.update(change)
    for path in [path for path, found in objects.items() if found is None]:
        del objects[path]
    result = run("nodepool", "web")
    assert (result.exit_code, result.stdout) == (status, "")
    assert told in result.stderr


def test_zones_that_contradict_are_told_for_both_autoscalers(objects: Json) -> None:
    objects[PROFILE]["spec"]["subnets"] = ["a"]
    objects[RUNTIME_CLASS] = a_sandbox("kata-qemu", {"topology.kubernetes.io/zone": "b"})
    for autoscaler in ("karpenter", "cluster-autoscaler"):
        result = run("nodepool", "web", "--for", autoscaler)
        assert (result.exit_code, "no node can take its pods" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--class", "default"), "'default' is no node class: write KIND/NAME"),
        (("--class", "EC2NodeClass/x", "--for", "cluster-autoscaler"), "--class goes with Karpenter only."),
        (("--max-vcpus", "0"), "0 is not in the range"),
        (("--arch", "riscv"), "'riscv' is not one of 'x86', 'arm'"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told(objects: Json, arguments: tuple[str, ...], told: str) -> None:
    result = run("nodepool", "web", *arguments)
    assert (result.exit_code, told in result.stderr) == (2, True), result.stderr


def put_on_spot(objects: Json, **spec: Any) -> None:
    strategy = [{"capacityProvider": "FARGATE_SPOT"}]
    objects[PROFILE]["spec"] = {**objects[PROFILE]["spec"], "capacityProviderStrategy": strategy, **spec}


def label_spot_nodes(objects: Json, label: str) -> None:
    container = {"name": "operator", "args": ["run", f"--spot-node-label={label}"]}
    objects[DEPLOYMENTS] = [{"spec": {"template": {"spec": {"containers": [container]}}}}]


def read_pool(*options: str) -> tuple[Json, Json, str]:
    """The capacity type that is required, the labels, and all that is printed."""
    result = run("nodepool", "web", *options)
    assert result.exit_code == 0, result.stderr
    template = yaml.safe_load(result.stdout)["spec"]["template"]
    required = {each["key"]: each["values"] for each in template["spec"]["requirements"]}
    return required, template["metadata"]["labels"], " ".join(result.stdout.replace("#", "").split())


def test_a_profile_on_demand_gets_nodes_on_demand_without_the_label_of_spots(objects: Json) -> None:
    label_spot_nodes(objects, "kind=spot")
    required, labels, text = read_pool()
    assert required["karpenter.sh/capacity-type"] == ["on-demand"]
    assert "kind" not in labels
    assert "pods of this profile avoid nodes with kind=spot" in text


def test_a_profile_on_spot_gets_spot_capacity_with_the_label_of_spots_nodes(objects: Json) -> None:
    put_on_spot(objects)
    label_spot_nodes(objects, "kind=spot")
    required, labels, text = read_pool()
    assert required["karpenter.sh/capacity-type"] == ["spot"]
    assert labels["kind"] == "spot"
    assert "name: spot-web" in text
    assert "have the label kind=spot" in text


def test_karpenters_own_label_of_spot_is_a_requirement_and_no_label(objects: Json) -> None:
    put_on_spot(objects)
    label_spot_nodes(objects, "karpenter.sh/capacity-type=spot")
    required, labels, _ = read_pool()
    assert required["karpenter.sh/capacity-type"] == ["spot"]
    assert labels == KATA_LABEL


def test_without_a_label_of_spots_nodes_it_says_what_follows(objects: Json) -> None:
    put_on_spot(objects)
    required, _, text = read_pool()
    assert required["karpenter.sh/capacity-type"] == ["spot"]
    assert "the chart's spot.nodeLabel is empty. Set it, to karpenter.sh/capacity-type=spot for instance" in text


def test_options_say_provider_and_label(objects: Json) -> None:
    required, labels, _ = read_pool("--capacity-provider", "FARGATE_SPOT", "--spot-node-label", "kind=spot")
    assert (required["karpenter.sh/capacity-type"], labels["kind"]) == (["spot"], "spot")
    result = run("nodepool", "web", "--spot-node-label", "spot")
    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("spot", "words"),
    [
        pytest.param({"podChoice": "Allow"}, "pods of this profile choose their capacity provider", id="pods choose"),
        pytest.param({"fallback": "OnDemand"}, "on demand for a while, where Spot has no room", id="pods fall back"),
    ],
)
def test_pods_that_may_run_on_both_need_a_pool_for_each(objects: Json, spot: Json, words: str) -> None:
    put_on_spot(objects, spot=spot)
    _, _, text = read_pool()
    assert words in text.replace("Pods of", "pods of")
    assert "`kubectl fargate nodepool web --capacity-provider FARGATE`" in text


def test_a_deployment_that_may_not_be_read_has_the_label_named(objects: Json) -> None:
    del objects[DEPLOYMENTS]
    result = run("nodepool", "web")
    assert result.exit_code == 2
    assert "--spot-node-label" in result.stderr
    assert run("nodepool", "web", "--spot-node-label", "").exit_code == 0


def test_a_sandbox_whose_nodes_are_spots_takes_no_pods_on_demand(objects: Json) -> None:
    label_spot_nodes(objects, "kind=spot")
    objects[RUNTIME_CLASS] = a_sandbox("kata-qemu", {"kind": "spot"})
    result = run("nodepool", "web")
    assert result.exit_code == 1
    assert "pods on demand run only on nodes without kind=spot" in result.stderr
    put_on_spot(objects)
    assert run("nodepool", "web").exit_code == 0


def test_node_groups_of_spot_register_its_label(objects: Json) -> None:
    put_on_spot(objects)
    label_spot_nodes(objects, "kind=spot")
    result = run("nodepool", "web", "--for", "cluster-autoscaler")
    group = yaml.safe_load(result.stdout)
    assert group["autoScalingGroup"]["tags"]["k8s.io/cluster-autoscaler/node-template/label/kind"] == "spot"
    assert "kind=spot" in group["kubelet"]["--node-labels"]
    label_spot_nodes(objects, "")
    assert "Set it, to the label that they have on your cloud, or pods on demand" in " ".join(
        run("nodepool", "web", "--for", "cluster-autoscaler").stdout.replace("#", "").split()
    )
