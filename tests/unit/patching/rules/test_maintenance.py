"""Which nodes are about to go."""

import pytest

from monopod.kube.objects.views import read_node
from monopod.patching.rules.maintenance import find_leaving
from tests.unit.builders import Manifest as Json

SIGNS: dict[str, Json] = {
    "a cordon": {"spec": {"unschedulable": True}},
    "Karpenter": {"spec": {"taints": [{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}]}},
    "AWS": {"spec": {"taints": [{"key": "aws-node-termination-handler/spot-itn", "effect": "NoSchedule"}]}},
    "an administrator": {"status": {"conditions": [{"type": "MaintenancePlanned", "status": "True"}]}},
}


@pytest.mark.parametrize("sign", SIGNS)
def test_a_node_tells_that_it_is_about_to_go(sign: str) -> None:
    going, staying = {"metadata": {"name": "going"}, **SIGNS[sign]}, {"metadata": {"name": "staying"}}
    assert find_leaving(map(read_node, (going, staying))) == {"going"}


def test_other_taints_and_conditions_say_nothing() -> None:
    spec = {"taints": [{"key": "dedicated", "effect": "NoSchedule"}]}
    conditions = [{"type": "Ready", "status": "True"}, {"type": "MaintenancePlanned", "status": "False"}]
    node = {"metadata": {"name": "n"}, "spec": spec, "status": {"conditions": conditions}}
    assert find_leaving([read_node(node)]) == frozenset()
