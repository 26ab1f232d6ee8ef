"""What admission makes of pods on Spot, on a real API server with its own PriorityClasses."""

from typing import Any

import pytest

from monopod.api.names import (
    CAPACITY_PROVIDER_ANNOTATION,
    CAPACITY_PROVIDER_LABEL,
    COMPUTE_TYPE,
    FARGATE_SPOT,
    ON_DEMAND_ANNOTATION,
    PROFILE_LABEL,
    SPOT_KEPT_CLASS,
    SPOT_PRIORITY_CLASS,
)
from monopod.kube.objects.resources import NAMESPACES, PODS
from monopod.pods.rules.nodes import REQUIRED
from monopod.pods.rules.spot import SPOT_PRIORITY, UNKNOWN_PROVIDER
from tests.controlplane.conftest import PRIORITY_CLASS, PRIORITY_CLASSES
from tests.controlplane.reach import OPERATOR, poll, reach
from tests.controlplane.server import Manifest, Server
from tests.unit.builders import PodBuilder, a_pod, a_profile, a_selector

SPOT = (SPOT_PRIORITY_CLASS, SPOT_PRIORITY, "PreemptLowerPriority")
ORDINARY = (None, 0, "PreemptLowerPriority")
LABEL = "karpenter.sh/capacity-type=spot"
ON_SPOT = {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["spot"]}
ELSEWHERE = {**ON_SPOT, "operator": "NotIn"}
SSD = {"key": "disk", "operator": "In", "values": ["ssd"]}


@pytest.fixture(scope="module")
def spotted(server: Server) -> Server:
    """The API server with a namespace on Spot, and one with a profile of each sort, where Spot's nodes have a label."""
    reach(server, "spot", [a_profile("web", a_selector("spot"), spot=True)])
    labelled = [
        a_profile("cheap", a_selector("spot-nodes", tier="batch"), spot=True, spot_nodes=LABEL),
        a_profile("dear", a_selector("spot-nodes", tier="web"), spot_nodes=LABEL, zones=("eu-1a",)),
    ]
    reach(server, "spot-nodes", labelled)
    choosing = [
        a_profile("cheap", a_selector("choice", tier="batch"), spot=True, pod_choice="Allow", spot_nodes=LABEL),
        a_profile("dear", a_selector("choice", tier="web"), pod_choice="Allow", spot_nodes=LABEL),
        a_profile("strict", a_selector("choice", tier="strict"), spot=True),
    ]
    reach(server, "choice", choosing)
    return server


def read_priority(pod: Manifest) -> tuple[str | None, int, str]:
    spec = pod["spec"]
    return spec.get("priorityClassName"), spec["priority"], spec["preemptionPolicy"]


def read_requirements(pod: Manifest) -> list[list[Manifest]]:
    terms = pod["spec"]["affinity"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]
    return [term["matchExpressions"] for term in terms]


@pytest.mark.parametrize(
    ("spec", "grace"),
    [
        pytest.param({}, 30, id="30 seconds where nothing is said"),
        pytest.param({"terminationGracePeriodSeconds": 0}, 0, id="none"),
        pytest.param({"terminationGracePeriodSeconds": 120}, 120, id="the most"),
        pytest.param({"terminationGracePeriodSeconds": 600}, 120, id="more than the most"),
        pytest.param({"priorityClassName": PRIORITY_CLASS}, 30, id="a class of its own gives way"),
        pytest.param({"priorityClassName": SPOT_PRIORITY_CLASS}, 30, id="Spot's class"),
        pytest.param({"hostPID": True, "terminationGracePeriodSeconds": 600}, 120, id="what Fargate can't run"),
    ],
)
def test_a_pod_on_spot_is_marked_gives_way_and_has_two_minutes_at_most(
    spotted: Server, spec: dict[str, Any], grace: int
) -> None:
    once = spotted.create_pod("spot", a_pod().with_spec(**spec).build()).expect_ok()
    again = {"metadata": {"name": "again", "labels": once["metadata"]["labels"]}, "spec": once["spec"]}
    again["metadata"]["annotations"] = once["metadata"]["annotations"]
    for pod in (once, spotted.create_pod("spot", again).expect_ok()):
        assert pod["metadata"]["labels"][CAPACITY_PROVIDER_LABEL] == FARGATE_SPOT
        assert read_priority(pod) == SPOT
        assert pod["spec"]["terminationGracePeriodSeconds"] == grace


def test_a_class_that_is_the_clusters_default_gives_way_too(spotted: Server) -> None:
    path = f"{PRIORITY_CLASSES}/usual"
    spotted.create(PRIORITY_CLASSES, {"metadata": {"name": "usual"}, "value": 7, "globalDefault": True}).expect_ok()
    try:
        poll(lambda: spotted.create_pod("plain", a_pod().build()), lambda one: one.body["spec"].get("priority") == 7)
        pod = spotted.create_pod("spot", a_pod().build()).expect_ok()
        assert read_priority(pod) == SPOT
        del pod["metadata"]["managedFields"], pod["metadata"]["uid"]
        copied = spotted.create_pod("fargate", {**pod, "metadata": {**pod["metadata"], "namespace": "fargate"}})
        assert read_priority(copied.expect_ok()) == ("usual", 7, "PreemptLowerPriority")
    finally:
        spotted.delete(path)
        poll(lambda: spotted.create_pod("plain", a_pod().build()), lambda one: one.body["spec"].get("priority") == 0)


def test_pods_on_demand_keep_their_class_and_their_grace(spotted: Server) -> None:
    slow = a_pod().with_spec(terminationGracePeriodSeconds=600, priorityClassName=PRIORITY_CLASS)
    pod = spotted.create_pod("fargate", slow.build()).expect_ok()
    assert read_priority(pod) == (PRIORITY_CLASS, 1000, "PreemptLowerPriority")
    assert pod["spec"]["terminationGracePeriodSeconds"] == 600
    assert CAPACITY_PROVIDER_LABEL not in pod["metadata"]["labels"]


@pytest.mark.parametrize("value", [FARGATE_SPOT, "FARGATE", ""])
def test_a_mark_of_spot_that_isnt_admissions_is_taken_off(spotted: Server, value: str) -> None:
    forged = a_pod().labelled({CAPACITY_PROVIDER_LABEL: value})
    pod = spotted.create_pod("fargate", forged.build()).expect_ok()
    assert CAPACITY_PROVIDER_LABEL not in pod["metadata"]["labels"]
    assert read_priority(pod) == ORDINARY
    pod = spotted.create_pod("fargate", forged.with_spec(priorityClassName=SPOT_PRIORITY_CLASS).build()).expect_ok()
    assert read_priority(pod) == ORDINARY, "the copy of one that ran on Spot"
    humble = a_pod().with_spec(priorityClassName=SPOT_PRIORITY_CLASS)
    assert read_priority(spotted.create_pod("fargate", humble.build()).expect_ok()) == SPOT, "its author's own choice"


@pytest.mark.parametrize("namespace", ["spot", "fargate"])
@pytest.mark.parametrize("value", [None, "FARGATE", FARGATE_SPOT])
def test_the_mark_stays_as_it_is(spotted: Server, namespace: str, value: str | None) -> None:
    path, name = PODS.list_path(namespace), f"kept-{str(value).lower().replace('_', '-')}"
    before = spotted.create_pod(namespace, a_pod(name).build(), dry_run=False).expect_ok()
    try:
        patch = {"metadata": {"labels": {CAPACITY_PROVIDER_LABEL: value}}}
        answer = spotted.patch(f"{path}/{name}?dryRun=All", patch)
        mark = before["metadata"]["labels"].get(CAPACITY_PROVIDER_LABEL)
        if value in (None, mark):
            assert answer.expect_ok()["metadata"]["labels"].get(CAPACITY_PROVIDER_LABEL) == mark
        else:
            assert f"metadata.labels[{CAPACITY_PROVIDER_LABEL}] says that this pod runs on Spot" in answer.message
        binding = {"metadata": {"name": name, "labels": {CAPACITY_PROVIDER_LABEL: "x"}}, "target": {"name": "node"}}
        bound = spotted.create(f"{path}/{name}/binding", binding, dry_run=True)
        assert "A Binding can't carry Monopod's marks" in bound.message
    finally:
        spotted.delete(f"{path}/{name}")


NODES: dict[str, tuple[PodBuilder, list[list[Manifest]]]] = {
    "on Spot": (a_pod().labelled(tier="batch"), [[ON_SPOT]]),
    "on Spot, with an affinity of its own": (
        a_pod().labelled(tier="batch").requiring_nodes({"matchExpressions": [SSD]}, {"matchExpressions": [ON_SPOT]}),
        [[SSD, ON_SPOT], [ON_SPOT]],
    ),
    "on demand": (
        a_pod().labelled(tier="web"),
        [[{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["eu-1a"]}, ELSEWHERE]],
    ),
}


@pytest.mark.parametrize(("pod", "required"), NODES.values(), ids=NODES)
def test_where_nodes_are_spots_pods_on_spot_run_there_and_others_do_not(
    spotted: Server, pod: PodBuilder, required: list[list[Manifest]]
) -> None:
    once = spotted.create_pod("spot-nodes", pod.build()).expect_ok()
    assert read_requirements(once) == required
    again = {"metadata": {"name": "again", "labels": once["metadata"]["labels"]}, "spec": once["spec"]}
    again["metadata"]["annotations"] = once["metadata"]["annotations"]
    assert read_requirements(spotted.create_pod("spot-nodes", again).expect_ok()) == required


def test_a_pod_that_opts_out_after_all_loses_spots_priority_and_nodes(spotted: Server) -> None:
    once = spotted.create_pod("spot-nodes", a_pod().labelled(tier="batch").build()).expect_ok()
    copied = {"metadata": {"name": "copy", "labels": once["metadata"]["labels"]}, "spec": once["spec"]}
    copied["metadata"]["annotations"] = {**once["metadata"]["annotations"], COMPUTE_TYPE: "ec2"}
    pod = spotted.create_pod("spot-nodes", copied).expect_ok()
    assert read_priority(pod) == ORDINARY
    assert {PROFILE_LABEL, CAPACITY_PROVIDER_LABEL}.isdisjoint(pod["metadata"]["labels"])
    assert REQUIRED not in pod["spec"].get("affinity", {}).get("nodeAffinity", {})


def choosing(tier: str, provider: str) -> PodBuilder:
    return a_pod().labelled(tier=tier).annotated({CAPACITY_PROVIDER_ANNOTATION: provider})


@pytest.mark.parametrize("tier", ["batch", "web"])
def test_a_pod_chooses_its_capacity_provider_where_its_profile_lets_it(spotted: Server, tier: str) -> None:
    pod = spotted.create_pod("choice", choosing(tier, FARGATE_SPOT).build()).expect_ok()
    assert pod["metadata"]["labels"][CAPACITY_PROVIDER_LABEL] == FARGATE_SPOT
    assert read_priority(pod) == SPOT
    assert read_requirements(pod) == [[ON_SPOT]]
    # A copy of it that chooses otherwise is as if it had never been on Spot.
    once = {"metadata": {"name": "copy", "labels": pod["metadata"]["labels"]}, "spec": pod["spec"]}
    once["spec"]["affinity"] = {}
    once["metadata"]["annotations"] = {**pod["metadata"]["annotations"], CAPACITY_PROVIDER_ANNOTATION: "FARGATE"}
    for each in (once, choosing(tier, "FARGATE").build()):
        pod = spotted.create_pod("choice", each).expect_ok()
        assert CAPACITY_PROVIDER_LABEL not in pod["metadata"]["labels"]
        assert read_priority(pod) == ORDINARY
        assert read_requirements(pod) == [[ELSEWHERE]]


@pytest.mark.parametrize("provider", ["SPOT", "fargate", ""])
def test_a_capacity_provider_that_there_is_not_is_refused_or_ignored(spotted: Server, provider: str) -> None:
    answer = spotted.create_pod("choice", choosing("web", provider).build())
    assert (answer.status, UNKNOWN_PROVIDER in answer.message) == (403, True)
    pod = spotted.create_pod("choice", choosing("strict", provider).build()).expect_ok()
    assert read_priority(pod) == SPOT


def test_where_pods_have_no_choice_the_profile_decides(spotted: Server) -> None:
    pod = spotted.create_pod("choice", choosing("strict", "FARGATE").build()).expect_ok()
    assert pod["metadata"]["labels"][CAPACITY_PROVIDER_LABEL] == FARGATE_SPOT
    pod = spotted.create_pod("choice", a_pod().labelled(tier="web").build()).expect_ok()
    assert read_priority(pod) == ORDINARY


ON_DEMAND = "cheap/1=2026-01-01T00:10:00Z,1 strict/11=2026-01-01T00:10:00Z,1 strict/12~2026-01-01T00:10:00Z,1"


def test_a_workload_that_spot_lacks_room_for_runs_on_demand_and_no_other_does(spotted: Server) -> None:
    profiles = [
        a_profile("cheap", a_selector("fallback", tier="batch"), pod_choice="Allow", spot=True, spot_nodes=LABEL),
        a_profile("strict", a_selector("fallback"), spot=True, spot_nodes=LABEL),
    ]
    reach(spotted, "fallback", profiles, on_demand=ON_DEMAND)

    def create(uid: str, *, controller: bool = True, **labels: str) -> Manifest:
        pod = a_pod().labelled(labels).annotated({CAPACITY_PROVIDER_ANNOTATION: FARGATE_SPOT}).build()
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": uid, "controller": controller}
        pod["metadata"]["ownerReferences"] = [owner]
        return spotted.create_pod("fallback", pod).expect_ok()

    for pod in (create("1", tier="batch"), create("11")):
        assert CAPACITY_PROVIDER_LABEL not in pod["metadata"]["labels"]
        assert (read_priority(pod), read_requirements(pod)) == (ORDINARY, [[ELSEWHERE]])
    others = (
        create("11", tier="batch"),
        create("1"),
        create("12"),
        create("2026-01-01T00:10:00Z,1 strict/11"),
        create("11", controller=False),
        spotted.create_pod("fallback", a_pod().build()).expect_ok(),
    )
    for pod in others:
        assert (read_priority(pod), read_requirements(pod)) == (SPOT, [[ON_SPOT]])


def test_nobody_but_the_operator_says_what_runs_on_demand(spotted: Server) -> None:
    path = NAMESPACES.path("spot")
    patch = {"metadata": {"annotations": {ON_DEMAND_ANNOTATION: ON_DEMAND}}}
    answer = spotted.patch(f"{path}?dryRun=All", patch)
    assert (answer.status, f"metadata.annotations[{ON_DEMAND_ANNOTATION}] is written by" in answer.message) == (
        403,
        True,
    )
    assert spotted.patch(f"{path}?dryRun=All", patch, user=OPERATOR).ok
    new = {"metadata": {"name": "born-on-demand", **patch["metadata"]}}
    born = spotted.create(NAMESPACES.list_path(), new, dry_run=True).expect_ok()
    assert ON_DEMAND_ANNOTATION not in born["metadata"].get("annotations", {})


def test_where_spot_does_not_give_way_its_pods_have_the_priority_of_others(spotted: Server) -> None:
    kept = a_profile("kept", a_selector("kept"), spot=True, spot_nodes=LABEL, spot_reclaim="None", pod_choice="Allow")
    reach(spotted, "kept", [kept])
    once = spotted.create_pod("kept", a_pod().with_spec(priorityClassName=PRIORITY_CLASS).build()).expect_ok()
    assert read_priority(once) == (SPOT_KEPT_CLASS, 0, "PreemptLowerPriority")
    assert once["metadata"]["labels"][CAPACITY_PROVIDER_LABEL] == FARGATE_SPOT
    # A copy of it elsewhere, and one of a pod that gives way: both are as their own profile says.
    for namespace, wanted in (("spot", SPOT), ("fargate", ORDINARY)):
        copy = {"metadata": {"name": "copy", "labels": once["metadata"]["labels"]}, "spec": {**once["spec"]}}
        copy["metadata"]["annotations"] = once["metadata"]["annotations"]
        assert read_priority(spotted.create_pod(namespace, copy).expect_ok()) == wanted
    giving = spotted.create_pod("spot", a_pod().build()).expect_ok()
    copy = {"metadata": {"name": "copy", "labels": giving["metadata"]["labels"]}, "spec": giving["spec"]}
    copy["metadata"]["annotations"] = giving["metadata"]["annotations"]
    assert read_priority(spotted.create_pod("kept", copy).expect_ok())[:2] == (SPOT_KEPT_CLASS, 0)
