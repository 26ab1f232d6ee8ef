from typing import Any

import pytest

from monopod.pods.rules.node_demand import read_demand
from tests.unit.builders import PodBuilder, a_pod

LABELS = {"disk": "ssd", "kubernetes.io/os": "linux", "cores": "8"}


def need(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


def requiring(*expressions: dict[str, Any]) -> PodBuilder:
    return a_pod().requiring_nodes({"matchExpressions": list(expressions)})


def on_node(operator: str, name: str) -> PodBuilder:
    return a_pod().requiring_nodes({"matchFields": [need("metadata.name", operator, name)]})


DEMANDS: dict[str, tuple[PodBuilder, bool]] = {
    "nothing": (a_pod(), True),
    "the operating system": (a_pod().with_spec(nodeSelector={"kubernetes.io/os": "linux"}), True),
    "all of a nodeSelector": (a_pod().with_spec(nodeSelector={"disk": "ssd", "gpu": "yes"}), False),
    "another value": (a_pod().with_spec(nodeSelector={"disk": "hdd"}), False),
    "a nodeSelector and affinity": (requiring(need("disk", "In", "hdd")).with_spec(nodeSelector=LABELS), False),
    "In": (requiring(need("disk", "In", "hdd", "ssd")), True),
    "NotIn": (requiring(need("disk", "NotIn", "ssd")), False),
    "NotIn of a label that isn't there": (requiring(need("gpu", "NotIn", "x")), True),
    "Exists": (requiring(need("gpu", "Exists")), False),
    "DoesNotExist": (requiring(need("gpu", "DoesNotExist")), True),
    "more than": (requiring(need("cores", "Gt", "7")), True),
    "more than as many": (requiring(need("cores", "Gt", "8")), False),
    "less than": (requiring(need("cores", "Lt", "9")), True),
    "no number": (requiring(need("disk", "Lt", "9")), False),
    "a number of nothing": (requiring(need("gpu", "Gt", "0")), False),
    "an operator that nobody knows": (requiring(need("disk", "Like", "ssd")), False),
    "all of a term": (requiring(need("disk", "Exists"), need("gpu", "Exists")), False),
    "any of the terms": (
        a_pod().requiring_nodes(*({"matchExpressions": [need(key, "Exists")]} for key in ("gpu", "disk"))),
        True,
    ),
    "a term without anything": (a_pod().requiring_nodes({}), False),
    "its name": (on_node("In", "node-1"), True),
    "not its name": (on_node("NotIn", "node-1"), False),
}  # fmt: skip


@pytest.mark.parametrize(("pod", "matches"), DEMANDS.values(), ids=DEMANDS)
def test_a_node_is_what_a_pod_demands(pod: PodBuilder, matches: bool) -> None:
    assert read_demand(pod.build()).matches("node-1", LABELS) is matches


def test_replicas_demand_the_same() -> None:
    first, second = (
        requiring(need("disk", "In", "ssd")).with_spec(nodeSelector={"a": "b", "c": "d"}).labelled(pod=pod).build()
        for pod in ("first", "second")
    )
    assert {read_demand(first), read_demand(second)} == {read_demand(first)}
