"""What is written for warm capacity."""

from typing import Any

import pytest

from monopod.capacity.rules.sandbox import Sandbox
from monopod.capacity.rules.warm.objects import (
    build_balloons,
    build_buffer,
    build_template,
    contains,
)
from monopod.pods.rules.spot import SPOT_PRIORITY
from tests.unit.capacity.builders import a_sandbox
from tests.unit.capacity.rules.warm.wishes import BOXES, KATA, a_wish

IMAGE = "pause:3"


def build(**chunk: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The Deployment, and the spec of its pods."""
    deployment = build_balloons(a_wish(**chunk), IMAGE, "monopod-system", "uid")
    return deployment, deployment["spec"]["template"]["spec"]


def test_a_balloon_is_as_large_as_a_pod_in_its_sandbox() -> None:
    _, pod = build()
    amounts = {"cpu": "1250m", "memory": "2178Mi"}
    assert pod["containers"][0]["resources"] == {"requests": amounts, "limits": amounts}
    assert "runtimeClassName" not in pod


def test_it_gives_way_and_can_do_nothing() -> None:
    _, pod = build()
    assert (pod["priorityClassName"], pod["terminationGracePeriodSeconds"]) == ("monopod-balloon", 0)
    assert pod["automountServiceAccountToken"] is False
    assert "volumes" not in pod
    assert SPOT_PRIORITY > -10


def test_it_goes_where_the_profiles_pods_go() -> None:
    _, pod = build(zones=("a", "b"), spot_label="spot=yes", is_spot=True)
    assert pod["nodeSelector"] == BOXES
    assert pod["tolerations"][0] == {"key": "boxes", "operator": "Exists"}
    [term] = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [
        {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a", "b"]},
        {"key": "spot", "operator": "In", "values": ["yes"]},
    ]
    assert "affinity" not in build()[1]


def test_on_demand_it_keeps_off_spots_nodes() -> None:
    _, pod = build(spot_label="spot=yes")
    [term] = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": "spot", "operator": "NotIn", "values": ["yes"]}]


def test_a_toleration_that_ends_ends_soon() -> None:
    short = {"key": "x", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 600}
    _, pod = build(sandbox=Sandbox.from_resource(a_sandbox("kata", {}, short)))
    assert pod["tolerations"][0] == {**short, "tolerationSeconds": 30}


def test_no_profile_takes_it_and_nothing_of_the_operators_selects_it() -> None:
    deployment, _ = build()
    template = deployment["spec"]["template"]["metadata"]
    assert template["annotations"]["eks.amazonaws.com/compute-type"] == "ec2"
    assert template["labels"] == {"app.kubernetes.io/name": "monopod-warm", "monopod.dev/warm": "web"}
    assert deployment["metadata"]["ownerReferences"][0]["kind"] == "PriorityClass"


def test_a_buffers_template_is_a_pod_as_admission_leaves_it() -> None:
    template = build_template(a_wish(), IMAGE, "monopod-system", "uid")["template"]["spec"]
    amounts = {"cpu": "1", "memory": "2Gi"}
    assert template["resources"] == {"requests": amounts, "limits": amounts}
    assert template["overhead"] == {"cpu": "250m", "memory": "130Mi"}
    assert template["runtimeClassName"] == KATA.name
    assert "resources" not in template["containers"][0]
    bare = Sandbox.from_resource(a_sandbox("runsc"))
    assert "overhead" not in build_template(a_wish(sandbox=bare), IMAGE, "x", "uid")["template"]["spec"]


def test_a_buffer_names_it() -> None:
    spec = build_buffer(a_wish(wanted=5, allowed=3), "monopod-system", "uid")["spec"]
    assert spec == {"podTemplateRef": {"name": "warm-web"}, "replicas": 3}


@pytest.mark.parametrize(
    ("live", "wanted", "expected"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, False),
        ({"a": [{"b": 1, "c": 2}]}, {"a": [{"b": 1}]}, True),
        ({"a": [1, 2]}, {"a": [1]}, False),
        ({}, {"a": None}, True),
        ({"a": "x"}, {"a": ["x"]}, False),
    ],
)
def test_an_object_is_written_only_if_it_lacks_something(live: object, wanted: object, expected: bool) -> None:
    assert contains(live, wanted) is expected
