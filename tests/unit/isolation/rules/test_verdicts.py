"""The rules of policies against the groups that they were made from: both judged, by judges of their own."""

from ipaddress import ip_network
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from monopod.isolation.rules.network_policies import Infrastructure, Rules, build_rules
from tests.unit.isolation.rules.random_groups import a_flow, an_infrastructure, some_groups
from tests.unit.isolation.rules.verdicts import Flow, is_open_by_groups, is_open_by_policy

ROUNDS = range(32)


def judge(flow: Flow, rules: Rules) -> bool:
    return is_open_by_policy(flow, rules.ingress if flow.direction == "ingress" else rules.egress)


@pytest.mark.parametrize("seed", ROUNDS)
def test_a_policy_opens_exactly_what_its_groups_open(seed: int) -> None:
    random = Random(seed)
    opened = 0
    for _ in range(20):
        groups, infrastructure = some_groups(random), an_infrastructure(random)
        rules = build_rules(groups, infrastructure)
        for _ in range(40):
            flow = a_flow(random, groups)
            expected = is_open_by_groups(flow, groups, infrastructure)
            opened += expected
            assert judge(flow, rules) == expected, (flow, groups, infrastructure, rules)
    assert 80 < opened < 720, "flows that are nearly all open, or all closed, show nothing"


@pytest.mark.parametrize("seed", ROUNDS)
def test_the_order_of_what_was_given_changes_nothing(seed: int) -> None:
    random = Random(seed)
    for _ in range(15):
        groups, infrastructure = some_groups(random), an_infrastructure(random)
        shuffled = [
            type(group)(group.name, *(_shuffle(random, rules) for rules in (group.ingress, group.egress)))
            for group in _shuffle(random, [*groups, groups[0]])
        ]
        mixed = Infrastructure(
            _shuffle(random, [*infrastructure.nodes, *infrastructure.nodes]),
            _shuffle(random, infrastructure.api_servers),
            _shuffle(random, infrastructure.metadata),
        )
        assert build_rules(shuffled, mixed) == build_rules(groups, infrastructure)


@pytest.mark.parametrize("seed", ROUNDS)
def test_nothing_is_written_that_the_api_server_refuses_or_reads_as_everything(seed: int) -> None:
    random = Random(seed)
    for _ in range(40):
        rules = build_rules(some_groups(random), an_infrastructure(random))
        for field, several in (("from", rules.ingress), ("to", rules.egress)):
            for rule in several:
                assert rule[field]
                assert rule.get("ports", ["all"])
                for peer in rule[field]:
                    assert peer
                    _check_block(peer.get("ipBlock"))


def _check_block(block: dict[str, Any] | None) -> None:
    if block is None:
        return
    outer: Any = ip_network(block["cidr"])
    excepts: list[Any] = [ip_network(each) for each in block.get("except", [])]
    assert block.get("except", ["some"])
    assert all(inner.subnet_of(outer) and inner != outer for inner in excepts)
    assert all(one.broadcast_address < other.network_address for one, other in pairwise(excepts))


def _shuffle(random: Random, several: Any) -> Any:
    return tuple(random.sample(several, len(several)))
