"""How much room nodes have for a profile's next pods."""

from typing import Any

import pytest

from monopod.capacity.rules.sandbox import Sandbox
from monopod.capacity.rules.warm.room import Use, count_room, is_usable, measure_use
from tests.unit.builders import a_pod
from tests.unit.capacity.builders import a_sandbox
from tests.unit.capacity.rules.warm.wishes import BOXES, a_node, a_wish

ANYTHING = Sandbox.from_resource(a_sandbox("kata", {}, {"operator": "Exists"}))


@pytest.mark.parametrize(
    ("node", "chunk", "expected"),
    [
        (a_node(), {}, True),
        (a_node("x", "boxes"), {}, True),
        (a_node("x", "other"), {}, False),
        (a_node("x", labels={}), {}, False),
        (a_node("x", "node.kubernetes.io/not-ready"), {"sandbox": ANYTHING}, False),
        (a_node("x", "monopod.dev/gvisor"), {"sandbox": ANYTHING}, False),
        (a_node("x", "node.kubernetes.io/unschedulable"), {}, False),
        (a_node(), {"zones": ("a",)}, False),
        (a_node("x", labels={**BOXES, "topology.kubernetes.io/zone": "a"}), {"zones": ("a",)}, True),
        (a_node(), {"spot_label": "spot=yes"}, True),
        (a_node(), {"spot_label": "spot=yes", "is_spot": True}, False),
        (a_node("x", labels={**BOXES, "spot": "yes"}), {"spot_label": "spot=yes", "is_spot": True}, True),
    ],
)
def test_a_node_counts_if_a_pod_could_start_there_now(node: Any, chunk: dict[str, Any], expected: bool) -> None:
    assert is_usable(node, a_wish(**chunk).chunk) is expected


def test_no_room_counts_twice() -> None:
    wishes = [a_wish("a", 2), a_wish("b", 4)]  # each takes 1250m
    assert count_room(wishes, [a_node(cpu=4000)], []) == {"a": 2, "b": 1}
    assert count_room(wishes, [a_node(cpu=4000), a_node("box-2")], [Use("box-1", 4000, 0)]) == {"a": 2, "b": 1}


def test_memory_counts_as_well_and_a_full_node_has_no_room() -> None:
    assert count_room([a_wish(wanted=5)], [a_node(memory=5000)], []) == {"web": 2}
    assert count_room([a_wish()], [a_node()], [Use("box-1", 9000, 0)]) == {"web": 0}


def test_a_pod_takes_what_the_scheduler_counts() -> None:
    pod = a_pod().requesting(cpu="500m", memory="1Gi").with_spec(nodeName="box-1").build()
    assert measure_use(pod) == Use("box-1", 500, 1024)
    pod["spec"] |= {"resources": {"requests": {"cpu": "1", "memory": "2Gi"}}, "overhead": {"cpu": "250m"}}
    assert measure_use(pod) == Use("box-1", 1250, 2048)


def test_a_pod_without_a_node_or_at_its_end_takes_nothing() -> None:
    pod = a_pod().requesting(cpu="1").build()
    assert measure_use(pod) is None
    pod["spec"]["nodeName"] = "box-1"
    assert measure_use({**pod, "status": {"phase": "Succeeded"}}) is None


@pytest.mark.parametrize("level", ["containers", "pod"])
def test_a_pod_may_ask_for_more_than_there_is_of_anything(level: str) -> None:
    """The API server takes any number, and the scheduler isn't asked about a pod that names its node."""

    def ask(amount: str) -> Use | None:
        asked = {"requests": {"cpu": amount, "memory": amount}}
        spec: dict[str, Any] = {"containers": [{"name": "app", "resources": asked}]}
        spec = spec if level == "containers" else {"containers": [{"name": "app"}], "resources": asked}
        return measure_use({"spec": {**spec, "nodeName": "box-1"}})

    huge = ask("1e400")
    assert huge is not None
    assert count_room([a_wish()], [a_node()], [huge]) == {"web": 0}
    assert ask("1" + "0" * 2000) is None
