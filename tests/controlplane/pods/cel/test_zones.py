"""A profile's subnets as node affinity, on a real API server."""

import copy
from typing import Any

import pytest

from monopod.api.names import POD_GROUPS_ANNOTATION, TOPOLOGY_ZONE, UNSUPPORTED_ANNOTATION
from monopod.pods.rules.nodes import REQUIRED
from tests.controlplane.reach import reach
from tests.controlplane.server import Manifest, Server
from tests.unit.builders import a_pod, a_profile, a_selector

IN_ZONES = {"key": TOPOLOGY_ZONE, "operator": "In", "values": ["eu-1a", "eu-1b"]}
ELSEWHERE = {"key": TOPOLOGY_ZONE, "operator": "In", "values": ["us-1a"]}
SSD = {"key": "disk", "operator": "In", "values": ["ssd"]}
NODE = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]}
ANTI = {"podAntiAffinity": {REQUIRED: [{"topologyKey": TOPOLOGY_ZONE, "labelSelector": {"matchLabels": {"a": "b"}}}]}}
PREFERRED = {
    "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": {"matchExpressions": [SSD]}}]
}


@pytest.fixture(scope="module")
def zoned(server: Server) -> Server:
    """The API server with a namespace `zoned`, whose profile names two zones, and a strict one."""
    for name, unsupported in (("zoned", "Pend"), ("zoned-strict", "Reject")):
        profile = a_profile("web", a_selector(name), zones=("eu-1a", "eu-1b"), unsupported=unsupported)  # type: ignore[arg-type]  # one of the two literals
        reach(server, name, [profile])
    return server


def requiring(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": list(terms)}}}


OWN_TERM = {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [IN_ZONES]}]}}

MERGED: dict[str, tuple[dict[str, Any] | None, dict[str, Any]]] = {
    "no affinity": (None, {"nodeAffinity": OWN_TERM}),
    "an empty affinity": ({}, {"nodeAffinity": OWN_TERM}),
    "affinity to pods": (ANTI, {**ANTI, "nodeAffinity": OWN_TERM}),
    "preferred nodes": ({"nodeAffinity": PREFERRED}, {"nodeAffinity": {**PREFERRED, **OWN_TERM}}),
    "required nodes": (requiring({"matchExpressions": [SSD]}), requiring({"matchExpressions": [SSD, IN_ZONES]})),
    "alternatives": (
        requiring({"matchExpressions": [SSD]}, NODE, {"matchExpressions": [ELSEWHERE]}),
        requiring(
            {"matchExpressions": [SSD, IN_ZONES]},
            {**NODE, "matchExpressions": [IN_ZONES]},
            {"matchExpressions": [ELSEWHERE, IN_ZONES]},
        ),
    ),
    "an alternative that matches nothing": (
        requiring({}, {"matchExpressions": [SSD]}),
        requiring({}, {"matchExpressions": [SSD, IN_ZONES]}),
    ),
    "what is there already": (requiring({"matchExpressions": [IN_ZONES]}), requiring({"matchExpressions": [IN_ZONES]})),
}


@pytest.mark.eks("1.subnets")
@pytest.mark.parametrize(("affinity", "merged"), MERGED.values(), ids=MERGED)
def test_the_zones_are_required_beside_what_the_pod_requires(
    zoned: Server, affinity: dict[str, Any] | None, merged: dict[str, Any]
) -> None:
    once = zoned.create_pod("zoned", a_pod().with_spec(affinity=affinity).build()).expect_ok()
    assert once["spec"]["affinity"] == merged
    again = copy.deepcopy({"metadata": {"name": "again"}, "spec": once["spec"]})
    again["metadata"]["labels"] = once["metadata"]["labels"]
    again["metadata"]["annotations"] = once["metadata"]["annotations"]
    assert zoned.create_pod("zoned", again).expect_ok()["spec"]["affinity"] == merged


def test_a_profile_without_zones_leaves_affinity_alone(zoned: Server) -> None:
    admitted = zoned.create_pod("fargate", a_pod().with_spec(affinity=ANTI).build()).expect_ok()
    assert admitted["spec"]["affinity"] == ANTI
    assert "affinity" not in zoned.create_pod("fargate", a_pod().build()).expect_ok()["spec"]


def test_a_pod_that_requires_other_zones_waits_and_says_why(zoned: Server) -> None:
    pod = a_pod().requiring_nodes({"matchExpressions": [ELSEWHERE]})
    admitted: Manifest = zoned.create_pod("zoned", pod.build()).expect_ok()
    text = "Pod not supported on Fargate: subnets not supported: the pod requires zones other than eu-1a, eu-1b"
    assert admitted["metadata"]["annotations"] == {UNSUPPORTED_ANNOTATION: text, POD_GROUPS_ANNOTATION: "cluster"}
    assert admitted["spec"]["affinity"] == requiring({"matchExpressions": [ELSEWHERE]})
    answer = zoned.create_pod("zoned-strict", pod.build())
    assert (answer.status, answer.message.endswith(text)) == (403, True)
