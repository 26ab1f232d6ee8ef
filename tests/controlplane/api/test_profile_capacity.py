"""What a real API server accepts as a FargateProfile's `spec.capacity`, and what it refuses."""

import json
from typing import Any

import pytest

from tests.controlplane.builders import a_profile, create, refusals

REFUSED = {
    "capacity of nobody's": (
        a_profile(capacity={"provider": "Magic"}),
        'spec.capacity.provider: Unsupported value: "Magic": supported values: "Auto", "Karpenter", '
        '"ClusterAutoscaler", "None"',
    ),
    "node pools of cluster-autoscaler's": (
        a_profile(capacity={"provider": "ClusterAutoscaler", "nodePools": ["boxes"]}),
        "spec.capacity: Invalid value: only Karpenter has NodePools: leave nodePools out, or let provider be",
    ),
    "21 node pools": (
        a_profile(capacity={"nodePools": [f"pool-{number}" for number in range(21)]}),
        "spec.capacity.nodePools: Too many: 21: must have at most 20 items",
    ),
    "the same node pool twice": (
        a_profile(capacity={"nodePools": ["a", "a"]}),
        "spec.capacity.nodePools: Invalid value: the same NodePool is listed twice",
    ),
    "a node pool with a capital": (
        a_profile(capacity={"nodePools": ["Boxes"]}),
        'spec.capacity.nodePools[0]: Invalid value: "Boxes": the name of a NodePool consists of',
    ),
}

ACCEPTED = {
    "capacity of Karpenter's": a_profile(capacity={"provider": "Karpenter", "nodePools": ["boxes", "more.boxes"]}),
    "capacity without Karpenter": a_profile(capacity={"provider": "None"}),
}


@pytest.mark.parametrize(("profile", "reason"), REFUSED.values(), ids=REFUSED)
def test_capacity_is_refused_for_one_reason_that_names_field_and_rule(
    installed: Any, profile: dict[str, Any], reason: str
) -> None:
    answer = create(installed, profile, "--dry-run=server")
    assert answer.returncode != 0
    assert refusals(answer.stderr)[0].startswith(reason)


@pytest.mark.parametrize("profile", ACCEPTED.values(), ids=ACCEPTED)
def test_capacity_is_accepted_as_it_is(installed: Any, profile: dict[str, Any]) -> None:
    answer = create(installed, profile, "--dry-run=server", "-o", "json")
    assert answer.stderr == ""
    assert json.loads(answer.stdout)["spec"]["capacity"] == profile["spec"]["capacity"]
