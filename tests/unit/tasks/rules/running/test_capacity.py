from typing import Any

import pytest

from monopod.tasks.rules.running.capacity import choose_capacity, share_out
from monopod.tasks.rules.running.refusal import Refusal

BOTH = {"capacityProviders": ["FARGATE", "FARGATE_SPOT"]}


def an_item(provider: str = "FARGATE_SPOT", **fields: int) -> dict[str, Any]:
    return {"capacityProvider": provider, **fields}


@pytest.mark.parametrize(
    ("strategy", "shared"),
    [
        ([an_item(weight=1)], "SSSSSSSSSS"),
        ([an_item("FARGATE", weight=1), an_item(weight=1)], "FSFSFSFSFS"),
        ([an_item("FARGATE", base=3), an_item(weight=1)], "FFFSSSSSSS"),
        ([an_item("FARGATE", weight=1), an_item(weight=4)], "SSSFSSSSFS"),
        ([an_item("FARGATE", base=2, weight=1), an_item(weight=3)], "FFSSFSSSFS"),
        ([an_item("FARGATE", base=100), an_item(weight=1)], "FFFFFFFFFF"),
        ([an_item("FARGATE", weight=0), an_item(weight=1)], "SSSSSSSSSS"),
    ],
)
def test_the_base_goes_first_and_weights_share_the_rest(strategy: list[dict[str, Any]], shared: str) -> None:
    found = share_out(strategy, 10)
    assert "".join("S" if each == "FARGATE_SPOT" else "F" for each in found) == shared


def test_without_a_word_the_clusters_strategy_counts() -> None:
    default = {"defaultCapacityProviderStrategy": [an_item(weight=1)]}
    assert choose_capacity({}, BOTH | default, 2) == ["FARGATE_SPOT", "FARGATE_SPOT"]
    assert choose_capacity({"launchType": "FARGATE"}, BOTH | default, 2) == ["", ""]
    assert choose_capacity({"capacityProviderStrategy": []}, BOTH, 1) == [""]


@pytest.mark.parametrize(
    ("params", "cluster", "message"),
    [
        ({"launchType": "FARGATE", "capacityProviderStrategy": [an_item(weight=1)]}, BOTH, "Specify either Launch"),
        ({"launchType": "EC2"}, BOTH, "No Container Instances were found in your cluster."),
        ({"launchType": "EXTERNAL"}, BOTH, "No Container Instances were found in your cluster."),
        ({"launchType": "MANAGED_INSTANCES"}, BOTH, "launchType MANAGED_INSTANCES is not supported by Monopod"),
        ({"capacityProviderStrategy": [an_item(weight=1)]}, {}, "The specified capacity provider strategy cannot"),
        ({"capacityProviderStrategy": [an_item("mine", weight=1)]}, BOTH, "The specified capacity provider strategy"),
        ({"capacityProviderStrategy": [an_item()]}, BOTH, "At least one capacity provider must have a weight"),
        (
            {"capacityProviderStrategy": [an_item(weight=1)] * 21},
            BOTH,
            "The specified capacity provider strategy cannot contain more than 20",
        ),
        (
            {"capacityProviderStrategy": [an_item(weight=1)] * 2},
            BOTH,
            "The specified capacity provider strategy cannot contain dup",
        ),
        (
            {"capacityProviderStrategy": [an_item("FARGATE", base=1, weight=1), an_item(base=1)]},
            BOTH,
            "The specified capacity provider strategy cannot contain more than one capacity provider with a base",
        ),
        ({}, {"defaultCapacityProviderStrategy": [an_item(base=1)]}, "There are no capacity providers with a weight"),
    ],
)
def test_what_fargate_has_not_is_refused(params: dict[str, Any], cluster: dict[str, Any], message: str) -> None:
    with pytest.raises(Refusal) as refusal:
        choose_capacity(params, cluster, 1)
    assert refusal.value.message.startswith(message)
