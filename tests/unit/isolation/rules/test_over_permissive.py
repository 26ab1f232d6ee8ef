"""Whether other people's policies open more than the groups: proved, or taken for over-permissive."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from monopod.isolation.rules.network_policies import METADATA, Infrastructure, build_rules
from monopod.isolation.rules.over_permissive import compute_extra_access
from monopod.isolation.rules.policy_rules import describe_peer, read_rules, selects
from monopod.isolation.rules.security_group import (
    CidrPeer,
    Direction,
    EntityPeer,
    GroupPeer,
    Peer,
    Rule,
    SecurityGroup,
    SelectorPeer,
)
from monopod.kube.objects.label_selector import LabelSelector
from tests.unit.isolation.rules.random_groups import a_flow, an_infrastructure, some_groups
from tests.unit.isolation.rules.verdicts import HOME, is_open_by_groups, is_open_by_policy

NODES = Infrastructure(("10.0.0.4/32",), (("10.0.0.4", 6443),))
EVERY_POD = SelectorPeer(LabelSelector(), None)
APP_A = LabelSelector.from_dict({"matchLabels": {"app": "a"}})

Policy = Mapping[str, Any]


def inward(*peers: Peer, **port: Any) -> SecurityGroup:
    return SecurityGroup("web", ingress=(Rule(peers, **port),))


def outward(*peers: Peer, **port: Any) -> SecurityGroup:
    return SecurityGroup("web", egress=(Rule(peers, **port),))


def ingress(*peers: Any, ports: Any = None) -> Policy:
    rule = {**({"from": list(peers)} if peers else {}), **({"ports": ports} if ports else {})}
    return {"spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [rule]}}


def egress(*peers: Any, ports: Any = None) -> Policy:
    rule = {**({"to": list(peers)} if peers else {}), **({"ports": ports} if ports else {})}
    return {"spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [rule]}}


def block(cidr: str, *excepts: str) -> dict[str, Any]:
    return {"ipBlock": {"cidr": cidr, **({"except": list(excepts)} if excepts else {})}}


def tcp(port: int | str, end: int | None = None) -> list[dict[str, Any]]:
    return [{"protocol": "TCP", "port": port, **({"endPort": end} if end else {})}]


def find(policy: Policy, *groups: SecurityGroup, infrastructure: Infrastructure = NODES) -> list[str]:
    return [each.text for each in compute_extra_access(policy, groups, infrastructure, HOME)]


HARMLESS: dict[str, tuple[Policy, SecurityGroup]] = {
    "closes": ({"spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}, inward(CidrPeer("10.0.0.0/8"))),
    "is about the other direction": (
        {"spec": {"podSelector": {}, "policyTypes": ["Egress"], "ingress": [{}]}},
        outward(CidrPeer("10.0.0.0/8")),
    ),
    "part of a network": (ingress(block("10.1.0.0/16")), inward(CidrPeer("10.0.0.0/8"))),
    "a network that two make up": (
        ingress(block("10.0.0.0/8")),
        inward(CidrPeer("10.0.0.0/9"), CidrPeer("10.128.0.0/9")),
    ),
    "a network without what is excepted": (
        ingress(block("10.0.0.0/8", "10.7.0.0/16")),
        inward(CidrPeer("10.0.0.0/8", ("10.7.1.0/24",))),
    ),
    "some of the ports": (
        ingress(block("10.1.0.0/16"), ports=tcp(80, 90)),
        inward(CidrPeer("10.0.0.0/8"), protocol="TCP"),
    ),
    "ports that two rules make up": (
        ingress(block("10.1.0.0/16"), ports=tcp(80, 81)),
        SecurityGroup("web", ingress=tuple(Rule((CidrPeer("10.0.0.0/8"),), "TCP", port) for port in (80, 81))),
    ),
    "the same named port": (
        ingress(block("10.1.0.0/16"), ports=tcp("http")),
        inward(CidrPeer("10.0.0.0/8"), protocol="TCP", port="http"),
    ),
    "some of all pods": (ingress({"podSelector": {"matchLabels": {"app": "a"}}}), inward(EVERY_POD)),
    "pods of the namespace by its name": (
        ingress({"podSelector": {}}),
        inward(SelectorPeer(LabelSelector.from_dict({"matchLabels": {"kubernetes.io/metadata.name": HOME}}), None)),
    ),
    "a narrower selector": (
        ingress({"podSelector": {"matchLabels": {"app": "a", "tier": "b"}}}),
        inward(SelectorPeer(None, APP_A)),
    ),
    "the node, from which all may come in": (ingress(block("10.0.0.4/32")), inward(EntityPeer("Nodes"))),
}


@pytest.mark.parametrize(("policy", "group"), HARMLESS.values(), ids=HARMLESS.keys())
def test_what_the_groups_open_anyway_is_not_over_permissive(policy: Policy, group: SecurityGroup) -> None:
    assert find(policy, group) == []


OVER_PERMISSIVE: dict[str, tuple[Policy, SecurityGroup, list[str]]] = {
    "a rule that says nothing": (ingress(), inward(CidrPeer("10.0.0.0/8")), ["opens everything from anything"]),
    "a larger network": (
        ingress(block("10.0.0.0/8")),
        inward(CidrPeer("10.0.0.0/9")),
        ["opens everything from 10.0.0.0/8, of which the groups deny 10.128.0.0/9"],
    ),
    "what the group excepts": (
        ingress(block("10.7.0.0/16")),
        inward(CidrPeer("10.0.0.0/8", ("10.7.0.0/16",))),
        ["opens everything from 10.7.0.0/16"],
    ),
    "another port": (
        ingress(block("10.1.0.0/16"), ports=[*tcp(80), *tcp(81)]),
        inward(CidrPeer("10.0.0.0/8"), protocol="TCP", port=80),
        ["opens TCP 80-81 from 10.1.0.0/16"],
    ),
    "another protocol": (
        ingress(block("10.1.0.0/16"), ports=[{"protocol": "UDP", "port": 80}]),
        inward(CidrPeer("10.0.0.0/8"), protocol="TCP", port=80),
        ["opens UDP 80 from 10.1.0.0/16"],
    ),
    "a name for a number": (
        ingress(block("10.1.0.0/16"), ports=tcp("http")),
        inward(CidrPeer("10.0.0.0/8"), protocol="TCP", port=80),
        ["opens TCP http from 10.1.0.0/16"],
    ),
    "addresses for pods": (ingress(block("10.1.0.0/16")), inward(EVERY_POD), ["opens everything from 10.1.0.0/16"]),
    "pods for addresses": (
        ingress({"podSelector": {}}),
        inward(CidrPeer("0.0.0.0/0"), CidrPeer("::/0")),
        ["opens everything from all pods of the namespace"],
    ),
    "pods at another port": (
        ingress({"podSelector": {}}, ports=tcp(81)),
        inward(EVERY_POD, protocol="TCP", port=80),
        ["opens TCP 81 from all pods of the namespace"],
    ),
    "pods of one more value": (
        ingress({"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]}}),
        inward(SelectorPeer(None, APP_A)),
        ["opens everything from pods app in (a,b) of the namespace"],
    ),
    "pods of another namespace": (
        ingress({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}),
        inward(SelectorPeer(None, LabelSelector())),
        ["opens everything from all pods of namespaces kubernetes.io/metadata.name=other"],
    ),
    "pods that carry a label against pods of Fargate's": (
        ingress(
            {
                "namespaceSelector": {},
                "podSelector": {"matchExpressions": [{"key": "sg.monopod.dev/web", "operator": "Exists"}]},
            }
        ),
        inward(GroupPeer("web")),
        ["opens everything from pods sg.monopod.dev/web of all namespaces"],
    ),
    "the metadata service": (
        egress(block("0.0.0.0/0")),
        outward(CidrPeer("0.0.0.0/0")),
        ["opens everything to 0.0.0.0/0, of which the groups deny the metadata service and nodes' addresses"],
    ),
    "egress without any rule of the groups": (egress(ports=tcp(443)), inward(EVERY_POD), ["opens TCP 443 to anything"]),
    "an IPv4 network in IPv6's form": (
        ingress(block("::ffff:10.0.0.0/104")),
        inward(CidrPeer("::/0")),
        [
            "opens everything from something that isn't understood "
            "(::ffff:10.0.0.0/104 is an IPv4 address in IPv6's form)"
        ],
    ),
    "a field that isn't known": (
        {"spec": {"podSelector": {}, "ingress": [{"from": [block("10.1.0.0/16")], "unless": []}]}},
        inward(CidrPeer("10.0.0.0/8")),
        ["opens everything from something that isn't understood (spec.ingress[0].unless isn't known)"],
    ),
}


@pytest.mark.parametrize(("policy", "group", "texts"), OVER_PERMISSIVE.values(), ids=OVER_PERMISSIVE.keys())
def test_what_the_groups_leave_closed_is_named(policy: Policy, group: SecurityGroup, texts: list[str]) -> None:
    assert find(policy, group) == texts


def test_without_any_group_everything_that_is_opened_is_over_permissive() -> None:
    assert find(ingress(block("10.1.0.0/16"))) == ["opens everything from 10.1.0.0/16"]


@pytest.mark.parametrize("seed", range(16))
def test_nothing_that_a_policy_opens_beyond_the_groups_is_passed_over(seed: int) -> None:
    """Judged by judges of their own: where no extra access is found, no connection is open by the policy alone."""
    random = Random(seed)
    harmless = 0
    for _ in range(20):
        groups, infrastructure = some_groups(random), an_infrastructure(random)
        # Others write the same kinds of rules, often from the same parts.
        wider = [*some_groups(random), *groups] if random.random() < 0.4 else some_groups(random)
        others = wider if random.random() < 0.6 else groups[:1]
        rules = build_rules(others, replace(infrastructure, metadata=random.choice([METADATA, ()])))
        opening = {"ingress": list(rules.ingress), "egress": list(rules.egress)}
        policy = {"spec": {"podSelector": {}, **opening}}
        directions = {each.direction for each in compute_extra_access(policy, groups, infrastructure, HOME)}
        silent: list[Direction] = [each for each in ("ingress", "egress") if each not in directions]
        for _ in range(40):
            flow = a_flow(random, others)
            if flow.direction in silent:
                opened = is_open_by_policy(flow, opening[flow.direction])
                harmless += opened
                assert not opened or is_open_by_groups(flow, groups, infrastructure), (flow, policy, groups)
    assert harmless > 0, "policies that open nothing show nothing"


LEFT: dict[str, tuple[Policy, list[str]]] = {
    "from anywhere": (ingress(), []),
    "from a network": (ingress(block("198.51.100.0/24"), ports=tcp(80)), []),
    "to a network without nodes": (egress(block("198.51.100.0/24")), []),
    "to anything": (
        egress(),
        ["opens everything to anything, of which the groups deny the metadata service and nodes' addresses"],
    ),
    "to the metadata service": (egress(block("169.254.169.254/32")), ["opens everything to 169.254.169.254/32"]),
    "to a node": (egress(block("10.0.0.4/32"), ports=tcp(22)), ["opens TCP 22 to 10.0.0.4/32"]),
}


@pytest.mark.parametrize("case", LEFT)
def test_in_a_direction_that_is_left_to_a_policy_only_what_no_group_should_open_counts(case: str) -> None:
    policy, texts = LEFT[case]
    found = compute_extra_access(policy, [SecurityGroup("cluster")], NODES, HOME, left=("ingress", "egress"))
    assert [each.text for each in found] == texts
    assert find(policy, SecurityGroup("cluster")), "not left, all of it counts"


def test_what_is_left_in_one_direction_is_not_in_the_other() -> None:
    left: Direction = "ingress"
    assert compute_extra_access(egress(block("198.51.100.0/24")), [], NODES, HOME, left=[left])


def test_a_policy_whose_selector_is_not_understood_is_taken_to_select_every_pod() -> None:
    odd = {"spec": {"podSelector": {"matchExpressions": [{"key": "app", "operator": "Like"}]}}}
    assert selects(odd, {})
    assert not selects({"spec": {"podSelector": {"matchLabels": {"app": "a"}}}}, {"app": "b"})


def test_a_peer_is_described_as_a_person_would_look_for_it() -> None:
    peers = [
        {"podSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a", "b"]}]}},
        {"namespaceSelector": {"matchLabels": {"team": "x"}}, "podSelector": {"matchLabels": {"app": "a"}}},
        block("10.0.0.0/8", "10.1.0.0/16"),
    ]
    (rule,) = read_rules(ingress(*peers), "ingress")
    assert [describe_peer(peer) for peer in rule.peers] == [
        "pods app notin (a,b) of the namespace",
        "pods app=a of namespaces team=x",
        "10.0.0.0/8 without 10.1.0.0/16",
    ]
