"""Which nodes are about to go."""

import datetime

import pytest

from monopod.kube.objects.views import read_node
from monopod.patching.rules.maintenance import find_leaving, leaves
from tests.unit.builders import Manifest as Json

SINCE = "2026-03-05T00:00:00Z"
PLANNED = {"type": "MaintenancePlanned", "status": "True", "lastTransitionTime": SINCE}

SIGNS: dict[str, Json] = {
    "a cordon": {"spec": {"unschedulable": True}},
    "Karpenter": {"spec": {"taints": [{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}]}},
    "AWS": {"spec": {"taints": [{"key": "aws-node-termination-handler/spot-itn", "effect": "NoSchedule"}]}},
    "an administrator": {"status": {"conditions": [PLANNED]}},
}


@pytest.mark.parametrize("sign", SIGNS)
def test_a_node_tells_that_it_is_about_to_go(sign: str) -> None:
    going, staying = {"metadata": {"name": "going"}, **SIGNS[sign]}, {"metadata": {"name": "staying"}}
    assert find_leaving(map(read_node, (going, staying))).keys() == {"going"}


def test_other_taints_and_conditions_say_nothing() -> None:
    spec = {"taints": [{"key": "dedicated", "effect": "NoSchedule"}]}
    conditions = [{"type": "Ready", "status": "True"}, {"type": "MaintenancePlanned", "status": "False"}]
    node = {"metadata": {"name": "n"}, "spec": spec, "status": {"conditions": conditions}}
    assert find_leaving([read_node(node)]) == {}


EXISTS: Json = {"operator": "Exists"}
CORDON_ONLY: Json = {"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}


@pytest.mark.parametrize(
    ("sign", "tolerations", "minutes", "goes"),
    [
        ("a cordon", [], 5, True),
        ("a cordon", [EXISTS], -5, False),
        ("a cordon", [CORDON_ONLY], -5, False),
        ("Karpenter", [CORDON_ONLY], -5, True),
        ("an administrator", [], -5, True),
        ("an administrator", [], 5, False),
        ("both", [], 5, True),
        ("both", [EXISTS], 5, False),
    ],
)
def test_a_pod_whose_replacement_might_come_back_stays(
    sign: str, tolerations: list[Json], minutes: int, goes: bool
) -> None:
    """Or it would be evicted again and again."""
    signs = {**SIGNS, "both": {**SIGNS["a cordon"], **SIGNS["an administrator"]}}
    (node,) = find_leaving([read_node({"metadata": {"name": "n"}, **signs[sign]})]).values()
    started = datetime.datetime.fromisoformat(SINCE) + datetime.timedelta(minutes=minutes)
    assert leaves({"spec": {"tolerations": tolerations}}, started, node) is goes


def test_a_condition_that_does_not_say_since_when_says_nothing() -> None:
    node = {"metadata": {"name": "n"}, "status": {"conditions": [{"type": "MaintenancePlanned", "status": "True"}]}}
    assert find_leaving([read_node(node)]) == {}
