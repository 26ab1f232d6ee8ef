"""What a security group's status says, from the facts; and the group that the operator makes."""

from dataclasses import replace
from typing import Any

import pytest

from monopod.api.security_group import SecurityGroup as Resource
from monopod.isolation.rules.default_group import build_default_group
from monopod.isolation.rules.group_status import GroupFacts, decide_group_status
from monopod.isolation.rules.network_policies import Infrastructure, build_rules
from monopod.isolation.rules.security_group import SecurityGroup
from tests.unit.isolation.rules.verdicts import Flow, RemotePod, is_open_by_policy

NOW, BEFORE = "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"
FACTS = GroupFacts(generation=3, group=SecurityGroup("web"), pods=2, users=("FargateProfile/web",))

REASONS = [
    pytest.param(FACTS, "True", "RulesEnforced", "its rules are in the NetworkPolicies of its pods", id="all is well"),
    pytest.param(
        replace(FACTS, group="SecurityGroup web can't be read (spec: x)"),
        "False",
        "GroupInvalid",
        "SecurityGroup web can't be read (spec: x); its pods are denied all traffic",
        id="unreadable",
    ),
    pytest.param(
        replace(FACTS, unknown_peers=("a", "b", "c", "d")),
        "False",
        "PeerNotFound",
        "its rules name groups that don't exist: a, b, c and 1 more; they allow nothing there",
        id="unknown peers",
    ),
    pytest.param(
        replace(FACTS, void_peers=("egress[0].to[0]: allows nothing",)),
        "False",
        "PeerOpensNothing",
        "egress[0].to[0]: allows nothing",
        id="void peers",
    ),
]


@pytest.mark.parametrize(("facts", "status", "reason", "message"), REASONS)
def test_the_condition_says_what_is_wrong(facts: GroupFacts, status: str, reason: str, message: str) -> None:
    (condition,) = decide_group_status(facts, {}, NOW)["conditions"]
    assert condition == {
        "type": "Ready",
        "status": status,
        "observedGeneration": 3,
        "lastTransitionTime": NOW,
        "reason": reason,
        "message": message,
    }


def test_pods_are_counted_and_users_named() -> None:
    status = decide_group_status(FACTS, {}, NOW)
    assert (status["pods"], status["usedBy"], status["observedGeneration"]) == (2, ["FargateProfile/web"], 3)


def test_of_very_many_users_some_are_named_because_one_is_enough_to_keep_the_group() -> None:
    users = tuple(f"FargateProfile/p{number:03}" for number in range(500))
    assert decide_group_status(replace(FACTS, users=users), {}, NOW)["usedBy"] == list(users[:100])


@pytest.mark.parametrize(
    ("before", "time"),
    [("True", BEFORE), ("False", NOW), (None, NOW)],
    ids=["the same status", "another status", "none yet"],
)
def test_the_time_of_the_transition_changes_with_the_status_alone(before: str | None, time: str) -> None:
    known = {"type": "Ready", "status": before, "reason": "Other", "lastTransitionTime": BEFORE}
    (condition,) = decide_group_status(FACTS, {"conditions": [known] if before else []}, NOW)["conditions"]
    assert condition["lastTransitionTime"] == time


DEFAULT = build_default_group()
NODES = Infrastructure(("10.0.0.4/32", "fd00::4/128"), (("10.0.0.4", 6443),))
STRANGER = RemotePod("elsewhere", {}, {})
FLOWS: dict[str, tuple[Flow, bool]] = {
    "in from any pod": (Flow("ingress", "10.244.0.9", "TCP", 80, STRANGER), True),
    "in from a node": (Flow("ingress", "10.0.0.4", "TCP", 80), True),
    "in from outside": (Flow("ingress", "192.0.2.1", "TCP", 80), False),
    "out to any pod": (Flow("egress", "10.244.0.9", "UDP", 53, STRANGER), True),
    "out to the internet": (Flow("egress", "192.0.2.1", "TCP", 443), True),
    "out by IPv6": (Flow("egress", "2001:db8::1", "TCP", 443), True),
    "out to the metadata service": (Flow("egress", "169.254.169.254", "TCP", 80), False),
    "out to the metadata service by IPv6": (Flow("egress", "fd00:ec2::254", "TCP", 80), False),
    "out to a node's kubelet": (Flow("egress", "10.0.0.4", "TCP", 10250), False),
    "out to a node by IPv6": (Flow("egress", "fd00::4", "TCP", 10250), False),
    "out to the API server": (Flow("egress", "10.0.0.4", "TCP", 6443), True),
}


@pytest.mark.eks("2.metadata-service", case="out to the metadata service")
@pytest.mark.eks("2.metadata-service", case="out to the metadata service by IPv6")
@pytest.mark.parametrize(("flow", "opened"), FLOWS.values(), ids=FLOWS.keys())
def test_the_default_group_opens_the_cluster_and_the_world_but_neither_nodes_nor_metadata(
    flow: Flow, opened: bool
) -> None:
    rules = build_rules([SecurityGroup.from_resource(DEFAULT)], NODES)
    assert is_open_by_policy(flow, rules.ingress if flow.direction == "ingress" else rules.egress) is opened


def test_the_default_group_is_one_that_the_api_takes() -> None:
    parsed: Any = Resource.model_validate(DEFAULT)
    assert parsed.metadata == {"name": "cluster"}
