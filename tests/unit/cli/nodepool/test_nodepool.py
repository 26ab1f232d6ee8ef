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
    found[POOLS] = [a_pool()]
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
