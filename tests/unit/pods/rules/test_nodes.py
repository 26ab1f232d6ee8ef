from typing import Any

import pytest

from monopod.api.names import COMPUTE_TYPE, PROFILE_LABEL
from monopod.kube.objects.fields import InvalidPod
from monopod.pods.rules.decision import Sandboxed, decide
from monopod.pods.rules.nodes import ON_FARGATE as REQUIREMENT
from monopod.pods.rules.nodes import choose_node_selector
from monopod.pods.rules.size import format_capacity
from monopod.pods.rules.zones import merge_terms
from tests.controlplane.pods.cel.test_nodes import PUBLISHED
from tests.unit.builders import PodBuilder, a_pod, a_profile, a_selector

ON_FARGATE = dict(REQUIREMENT)
SSD = {"key": "disk", "operator": "In", "values": ["ssd"]}
NODE = {"key": "metadata.name", "operator": "In", "values": ["node-1"]}


def asking(operator: str, *values: str) -> dict[str, Any]:
    return {"key": COMPUTE_TYPE, "operator": operator, **({"values": list(values)} if values else {})}


def term(*expressions: dict[str, Any]) -> dict[str, Any]:
    return {"matchExpressions": list(expressions)}


SELECTORS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "none": ({}, {}),
    "Fargate": ({COMPUTE_TYPE: "fargate"}, {}),
    "Fargate and more": ({COMPUTE_TYPE: "fargate", "disk": "ssd"}, {"disk": "ssd"}),
    "another type": ({COMPUTE_TYPE: "ec2"}, {COMPUTE_TYPE: "ec2"}),
    "something else": ({"kubernetes.io/os": "linux"}, {"kubernetes.io/os": "linux"}),
}


@pytest.mark.parametrize(("selector", "left"), SELECTORS.values(), ids=SELECTORS)
def test_a_node_selector_without_what_being_on_fargate_satisfies(
    selector: dict[str, str], left: dict[str, str]
) -> None:
    pod = a_pod().with_spec(nodeSelector=selector).build()
    assert choose_node_selector(pod) == left
    assert pod["spec"]["nodeSelector"] == selector


def test_on_a_marked_pod_the_compute_type_is_its_runtime_classs() -> None:
    pod = a_pod().labelled({PROFILE_LABEL: "web"}).with_spec(nodeSelector={COMPUTE_TYPE: "fargate"})
    assert choose_node_selector(pod.build()) == {COMPUTE_TYPE: "fargate"}


def test_a_node_selector_of_another_type_names_its_field() -> None:
    with pytest.raises(InvalidPod, match=r"spec\.nodeSelector\.a: must be a string"):
        choose_node_selector(a_pod().with_spec(nodeSelector={"a": True}).build())


SETTLED: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "In": ([term(asking("In", "fargate"))], []),
    "In, among others": ([term(asking("In", "ec2", "fargate"), SSD)], [term(SSD)]),
    "NotIn": ([term(SSD, asking("NotIn", "ec2", "auto"))], [term(SSD)]),
    "Exists": ([term(asking("Exists"))], []),
    "one alternative holds anyway, so nothing is required": ([term(SSD), term(asking("Exists"))], []),
    "each alternative is looked at": (
        [term(SSD, asking("Exists")), term(asking("In", "ec2"))],
        [term(SSD), term(asking("In", "ec2"), ON_FARGATE)],
    ),
    "beside fields": (
        [{"matchFields": [NODE], **term(asking("In", "fargate"))}],
        [{"matchFields": [NODE], "matchExpressions": []}],
    ),
    "not on Fargate": ([term(asking("NotIn", "fargate"))], [term(asking("NotIn", "fargate"), ON_FARGATE)]),
    "on no node with a type": ([term(asking("DoesNotExist"))], [term(asking("DoesNotExist"), ON_FARGATE)]),
    "a number": ([term(asking("Gt", "1"))], [term(asking("Gt", "1"), ON_FARGATE)]),
    "both ways, once": (
        [term(asking("NotIn", "fargate"), ON_FARGATE)],
        [term(asking("NotIn", "fargate"), ON_FARGATE)],
    ),
    "an alternative that matches nothing": (
        [{}, term(asking("In", "ec2"))],
        [{}, term(asking("In", "ec2"), ON_FARGATE)],
    ),
    "only an alternative that matches nothing": ([{}], [{}]),
    "something else": ([term(SSD)], [term(SSD)]),
}


@pytest.mark.parametrize(("terms", "settled"), SETTLED.values(), ids=SETTLED)
def test_terms_of_node_affinity_with_the_compute_type_decided(
    terms: list[dict[str, Any]], settled: list[dict[str, Any]]
) -> None:
    pod = a_pod().requiring_nodes(*terms).build()
    assert merge_terms(pod, ()) == settled
    assert merge_terms(a_pod().requiring_nodes(*settled).build(), ()) == settled, "a second time changes nothing"
    assert pod == a_pod().requiring_nodes(*terms).build()


def test_a_term_that_only_asked_for_fargate_makes_room_for_the_zones() -> None:
    pod = a_pod().requiring_nodes(term(asking("Exists")), term(SSD)).build()
    zones = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a"]}
    assert merge_terms(pod, [zones]) == [term(zones)]


@pytest.mark.parametrize(("pod", "capacity", "left"), PUBLISHED.values(), ids=PUBLISHED)
def test_published_pods_that_choose_their_nodes_are_taken_at_their_size(
    pod: PodBuilder, capacity: str, left: dict[str, str]
) -> None:
    decision = decide(pod.build(), "prod", [a_profile("web", a_selector("prod"))])
    assert isinstance(decision, Sandboxed)
    assert format_capacity(decision.size.row) == capacity
    assert choose_node_selector(pod.build()) == left
