"""What policies open for a pod, led back to the groups that they were made from."""

from random import Random
from typing import Any

import pytest

from monopod.api.ecs.names import ECS_TASK_LABEL
from monopod.api.names import DEFAULT_GROUP, GROUP_COUNT_LABEL, GROUP_LABEL_PREFIX, PROFILE_LABEL, TASK_LABEL
from monopod.isolation.rules.effective_rules import Decider, EffectiveRules, RuleOfGroup, compute_effective_rules
from monopod.isolation.rules.network_policies import (
    Infrastructure,
    build_base_policy,
    build_groups_policy,
    build_pod_policy,
    build_rules,
    compute_openings,
)
from monopod.isolation.rules.policy_rules import describe_peer
from monopod.isolation.rules.security_group import (
    CidrPeer,
    Direction,
    EntityPeer,
    GroupPeer,
    Peer,
    Rule,
    SecurityGroup,
)
from monopod.tasks.rules.pod.metadata import build_metadata_policy
from tests.unit.isolation.rules.random_groups import an_infrastructure, some_groups

NAMESPACE = "prod"
LABELS = {
    PROFILE_LABEL: "web",
    TASK_LABEL: "0123",
    "app": "shop",
    GROUP_COUNT_LABEL: "1",
    "sg.monopod.dev/web": "true",
}
NODES = Infrastructure(("10.0.0.4/32", "10.0.0.5/32"), (("10.0.0.4", 6443),))
BASE = build_base_policy(NAMESPACE)
WEB = SecurityGroup(
    "web",
    ingress=(Rule((CidrPeer("10.1.0.0/16"),), "TCP", 8080, description="the load balancer"),),
    egress=(Rule((CidrPeer("0.0.0.0/0"), GroupPeer("db")), "TCP", 5432),),
)


def own(*groups: SecurityGroup, infrastructure: Infrastructure = NODES) -> dict[str, Any]:
    names = [group.name for group in groups]
    return build_pod_policy(NAMESPACE, "pod", "01-23", names, build_rules(groups, infrastructure))


def foreign(name: str = "theirs", selector: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"podSelector": selector or {}, **spec}}


def find(
    *policies: dict[str, Any], groups: tuple[SecurityGroup, ...] = (WEB,), node: tuple[str, ...] = ()
) -> EffectiveRules:
    return compute_effective_rules(LABELS, NAMESPACE, policies, groups, node)


def test_rules_are_led_back_to_the_rules_of_the_groups() -> None:
    found = find(BASE, own(WEB))
    (ingress,) = found.ingress.rules
    assert ingress.origins == (RuleOfGroup("web", "ingress[0]", "the load balancer"),)
    assert {rule.origins for rule in found.egress.rules} == {(RuleOfGroup("web", "egress[0]"),)}
    assert (found.base, found.idle, found.over_permissive) == (True, (), ())


def test_a_shared_policy_counts_as_the_pods_own() -> None:
    shared = build_groups_policy(NAMESPACE, ["web"], build_rules([WEB], NODES))
    assert find(BASE, shared).ingress.rules[0].origins == (RuleOfGroup("web", "ingress[0]", "the load balancer"),)


def test_a_rule_that_two_groups_have_is_led_back_to_both() -> None:
    other = SecurityGroup("other", ingress=WEB.ingress)
    (rule,) = find(BASE, own(WEB, other), groups=(WEB, other)).ingress.rules
    assert [origin.group for origin in rule.origins] == ["web", "other"]


def test_ports_that_a_policy_has_merged_come_from_each_of_the_rules() -> None:
    peers: tuple[Peer, ...] = (CidrPeer("10.1.0.0/16"),)
    group = SecurityGroup("web", ingress=(Rule(peers, "TCP", 80), Rule(peers, "TCP", 81), Rule(peers, "UDP", 80)))
    (rule,) = find(own(group), groups=(group,)).ingress.rules
    assert [str(ports) for ports in rule.ports] == ["TCP 80-81", "UDP 80"]
    assert [origin.place for origin in rule.origins] == ["ingress[0]", "ingress[1]", "ingress[2]"]


def test_of_equal_cidrs_the_one_with_exceptions_does_not_account_for_the_one_without() -> None:
    narrow, wide = CidrPeer("10.8.0.0/16", ("10.8.7.0/24",)), CidrPeer("10.8.0.0/16")
    group = SecurityGroup("web", egress=(Rule((narrow,), "TCP", 1), Rule((wide,), "TCP", 1)))
    rules = find(own(group), groups=(group,)).egress.rules
    assert {describe_peer(rule.peer): [origin.place for origin in rule.origins] for rule in rules} == {
        "10.8.0.0/16": ["egress[1]"],
        "10.8.0.0/16 without 10.8.7.0/24": ["egress[0]", "egress[1]"],
    }


def test_addresses_that_no_cidr_accounts_for_are_an_entitys() -> None:
    group = SecurityGroup(
        "web",
        ingress=(Rule((EntityPeer("Nodes"),)),),
        egress=(Rule((CidrPeer("10.0.0.4/32"),), "TCP", 10250), Rule((EntityPeer("APIServer"),))),
    )
    found = find(own(group), groups=(group,))
    assert {origin.place for rule in found.ingress.rules for origin in rule.origins} == {"ingress[0]"}
    assert {origin.place for rule in found.egress.rules for origin in rule.origins} == {"egress[0]", "egress[1]"}


def test_what_the_groups_no_longer_say_has_no_origin_and_what_is_not_in_force_is_idle() -> None:
    changed = SecurityGroup("web", ingress=(Rule((CidrPeer("10.1.0.0/16"),), "TCP", 9090),), egress=WEB.egress)
    found = find(BASE, own(WEB), groups=(changed,))
    assert found.ingress.rules[0].origins == ()
    assert found.idle == (RuleOfGroup("web", "ingress[0]"),)


def test_a_pod_without_a_policy_of_its_own_is_closed() -> None:
    found = find(BASE)
    assert (found.ingress.denied, found.ingress.rules) == (True, ())
    assert (found.egress.denied, found.egress.rules) == (True, ())
    assert len(found.idle) == 2


def test_a_pod_that_no_policy_selects_is_open() -> None:
    elsewhere = foreign(selector={"matchLabels": {"app": "other"}}, policyTypes=["Ingress", "Egress"])
    found = find(elsewhere, node=("10.0.0.4",))
    assert (found.base, found.ingress.denied, found.egress.denied) == (False, False, False)
    assert [kept.denied for kept in found.kept] == [False, False]


def test_a_foreign_policy_closes_only_the_directions_that_it_is_about() -> None:
    found = find(foreign(policyTypes=["Ingress"]))
    assert (found.base, found.ingress.denied, found.egress.denied) == (False, True, False)


def test_a_foreign_policy_is_named_with_what_it_opens_beyond() -> None:
    theirs = foreign(ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}], policyTypes=["Ingress"])
    found = find(BASE, own(WEB), theirs)
    (rule,) = [rule for rule in found.ingress.rules if not rule.ours]
    assert (rule.policy, rule.origins) == ("theirs", ())
    ((name, access),) = found.over_permissive
    assert (name, access.direction, access.text) == ("theirs", "ingress", "opens everything from 10.0.0.0/8")


def test_a_foreign_policy_that_opens_no_more_than_the_groups_is_not_over_permissive() -> None:
    ports = [{"protocol": "TCP", "port": 8080}]
    theirs = foreign(
        ingress=[{"from": [{"ipBlock": {"cidr": "10.1.2.0/24"}}], "ports": ports}], policyTypes=["Ingress"]
    )
    assert find(BASE, own(WEB), theirs).over_permissive == ()


KEPT: dict[str, tuple[dict[str, Any], list[bool]]] = {
    "its own policy": (own(WEB), [True, True]),
    "metadata service by a foreign CIDR": (
        foreign(egress=[{"to": [{"ipBlock": {"cidr": "169.254.0.0/16"}}]}], policyTypes=["Egress"]),
        [False, True],
    ),
    "node by its address": (own(SecurityGroup("web", egress=(Rule((CidrPeer("10.0.0.4/32"),)),))), [True, False]),
    "everything by a rule without peers": (foreign(egress=[{}], policyTypes=["Egress"]), [False, False]),
    "pods alone": (foreign(egress=[{"to": [{"podSelector": {}}]}], policyTypes=["Egress"]), [True, True]),
    "everything but the node": (
        foreign(
            egress=[{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.4/32"]}}]}], policyTypes=["Egress"]
        ),
        [False, True],
    ),
}


@pytest.mark.parametrize(("policy", "denied"), KEPT.values(), ids=KEPT.keys())
def test_it_is_said_whether_the_metadata_service_and_the_node_are_closed(
    policy: dict[str, Any], denied: list[bool]
) -> None:
    found = find(BASE, policy, node=("10.0.0.4",))
    assert [kept.denied for kept in found.kept] == denied
    assert [bool(kept.allowed_by) for kept in found.kept] == [not each for each in denied]


@pytest.mark.parametrize("seed", range(24))
def test_whatever_groups_there_are_each_opening_has_an_origin_and_only_what_opens_nothing_is_idle(seed: int) -> None:
    random = Random(seed)
    seen = 0
    for _ in range(20):
        groups, infrastructure = tuple(some_groups(random)), an_infrastructure(random)
        found = find(own(*groups, infrastructure=infrastructure), groups=groups)
        rules = [*found.ingress.rules, *found.egress.rules]
        seen += len(rules)
        assert all(rule.origins for rule in rules), (groups, infrastructure)
        for group in groups:
            directions: tuple[tuple[Direction, tuple[Rule, ...]], ...] = (
                ("ingress", group.ingress),
                ("egress", group.egress),
            )
            for direction, of_group in directions:
                for number, rule in enumerate(of_group):
                    opens = any(compute_openings(rule, peer, direction, infrastructure) for peer in rule.peers)
                    idle = RuleOfGroup(group.name, f"{direction}[{number}]") in found.idle
                    assert not (opens and idle), (rule, infrastructure)
    assert seen > 50


def test_what_every_ecs_task_may_reach_leaves_the_decision_to_whom_it_is_left() -> None:
    labels = {
        PROFILE_LABEL: "ecs",
        TASK_LABEL: "0123",
        ECS_TASK_LABEL: "0a",
        f"{GROUP_LABEL_PREFIX}{DEFAULT_GROUP}": "true",
    }
    theirs = foreign(policyTypes=["Egress"])
    policies = (BASE, build_metadata_policy(NAMESPACE, "monopod-system"), theirs)
    assert compute_effective_rules(labels, NAMESPACE, policies, (), ()).egress.decider is Decider.NETWORK_POLICIES
