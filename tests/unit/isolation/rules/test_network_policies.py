import json
from copy import deepcopy
from typing import Any

import pytest

from monopod.api.names import GROUP_COUNT_LABEL, PROFILE_LABEL, TASK_LABEL
from monopod.isolation.rules.network_policies import (
    MAX_RULES_BYTES,
    Infrastructure,
    PolicyTooLarge,
    Rules,
    build_base_policy,
    build_groups_policy,
    build_pod_policy,
    build_rules,
    compute_void_peers,
    digest_spec,
    name_groups_policy,
    name_pod_policy,
)
from monopod.isolation.rules.security_group import (
    CidrPeer,
    EntityPeer,
    GroupPeer,
    Peer,
    Rule,
    SecurityGroup,
    SelectorPeer,
)
from monopod.kube.objects.label_selector import LabelSelector
from tests.unit.isolation.rules.verdicts import METADATA_V4, METADATA_V6

NODES = Infrastructure(nodes=("10.0.0.4/32", "10.0.0.5/32", "fd00::4/128"), api_servers=(("10.0.0.4", 6443),))
NOTHING = Infrastructure()
APPS = LabelSelector.from_dict({"matchLabels": {"app": "a"}})
EVERYONE = LabelSelector()


def outward(*peers: Peer, **port: Any) -> SecurityGroup:
    return SecurityGroup("web", egress=(Rule(peers, **port),))


def inward(*peers: Peer, **port: Any) -> SecurityGroup:
    return SecurityGroup("web", ingress=(Rule(peers, **port),))


def block(cidr: str, *excepts: str) -> dict[str, Any]:
    return {"ipBlock": {"cidr": cidr, **({"except": list(excepts)} if excepts else {})}}


OUTWARD: dict[str, tuple[Peer, Infrastructure, list[dict[str, Any]]]] = {
    "a CIDR without nodes in it": (CidrPeer("192.0.2.0/24"), NODES, [block("192.0.2.0/24")]),
    "everything of IPv4": (
        CidrPeer("0.0.0.0/0"),
        NODES,
        [block("0.0.0.0/0", "10.0.0.4/31", *METADATA_V4, "224.0.0.0/4", "255.255.255.255/32")],
    ),
    "everything of IPv6": (
        CidrPeer("::/0"),
        NODES,
        [block("::/0", "fd00::4/128", *METADATA_V6, "fe80::/10", "ff00::/8")],
    ),
    "exceptions of its own, merged with nodes": (
        CidrPeer("10.0.0.0/24", ("10.0.0.7/32", "10.0.0.6/32", "10.0.0.6/32")),
        NODES,
        [block("10.0.0.0/24", "10.0.0.4/30")],
    ),
    "one address of a node": (CidrPeer("10.0.0.4/32"), NODES, [block("10.0.0.4/32")]),
    "only nodes": (CidrPeer("10.0.0.4/31"), NODES, []),
    "one address of a network of nodes": (
        CidrPeer("10.0.0.9/32"),
        Infrastructure(("10.0.0.0/8",)),
        [block("10.0.0.9/32")],
    ),
    "inside a network of nodes": (CidrPeer("10.0.0.0/24"), Infrastructure(("10.0.0.0/8",)), []),
    "the metadata service": (CidrPeer("169.254.169.254/32"), NODES, []),
    "the metadata service of IPv6": (CidrPeer("fd00:ec2::254/128"), NODES, []),
    "the metadata service of Alibaba": (CidrPeer("100.100.100.200/32"), NODES, []),
    "Azure's WireServer": (CidrPeer("168.63.129.16/32"), NODES, []),
    "the metadata service of OpenStack, on the link": (CidrPeer("fe80::a9fe:a9fe/128"), NODES, []),
    "another address on the link, named alone": (CidrPeer("fe80::1/128"), NODES, [block("fe80::1/128")]),
    "the credentials of a pod's own": (CidrPeer("169.254.170.23/32"), NODES, [block("169.254.170.23/32")]),
    "a metadata service of the administrator's own": (
        CidrPeer("192.0.2.0/24"),
        Infrastructure(metadata=("192.0.2.9/32",)),
        [block("192.0.2.0/24", "192.0.2.9/32")],
    ),
    "the metadata service, where it is allowed": (
        CidrPeer("169.254.169.254/32"),
        Infrastructure(metadata=()),
        [block("169.254.169.254/32")],
    ),
    "everything, where the metadata service is allowed": (
        CidrPeer("0.0.0.0/0"),
        Infrastructure(metadata=()),
        [block("0.0.0.0/0", "224.0.0.0/4", "255.255.255.255/32")],
    ),
    "excepted as a whole": (CidrPeer("10.1.0.0/24", ("10.1.0.0/25", "10.1.0.128/25")), NODES, []),
    "nodes": (EntityPeer("Nodes"), NODES, [block("10.0.0.4/31"), block("fd00::4/128")]),
    "nodes, none known": (EntityPeer("Nodes"), NOTHING, []),
    "API servers, none known": (EntityPeer("APIServer"), NOTHING, []),
    "a group": (
        GroupPeer("db"),
        NODES,
        [
            {
                "namespaceSelector": {},
                "podSelector": {
                    "matchExpressions": [
                        {"key": "monopod.dev/profile", "operator": "Exists"},
                        {"key": "sg.monopod.dev/db", "operator": "Exists"},
                    ]
                },
            }
        ],
    ),
    "pods of the same namespace": (SelectorPeer(None, APPS), NODES, [{"podSelector": {"matchLabels": {"app": "a"}}}]),
    "all pods of the same namespace": (SelectorPeer(None, EVERYONE), NODES, [{"podSelector": {}}]),
    "all pods": (SelectorPeer(EVERYONE, None), NODES, [{"namespaceSelector": {}}]),
    "all pods, said twice": (SelectorPeer(EVERYONE, EVERYONE), NODES, [{"namespaceSelector": {}}]),
    "pods of some namespaces": (
        SelectorPeer(APPS, APPS),
        NODES,
        [{"namespaceSelector": {"matchLabels": {"app": "a"}}, "podSelector": {"matchLabels": {"app": "a"}}}],
    ),
    "no selector at all": (SelectorPeer(None, None), NODES, []),
}


@pytest.mark.parametrize(("peer", "infrastructure", "to"), OUTWARD.values(), ids=OUTWARD)
def test_peers_of_egress(peer: Peer, infrastructure: Infrastructure, to: list[dict[str, Any]]) -> None:
    assert build_rules([outward(peer)], infrastructure).egress == (({"to": to},) if to else ())


INWARD: dict[str, tuple[Peer, list[dict[str, Any]]]] = {
    "everything, nodes and metadata too": (CidrPeer("0.0.0.0/0"), [block("0.0.0.0/0")]),
    "only nodes": (CidrPeer("10.0.0.4/31"), [block("10.0.0.4/31")]),
    "nodes": (EntityPeer("Nodes"), [block("10.0.0.4/31"), block("fd00::4/128")]),
    "its own exceptions": (CidrPeer("10.0.0.0/24", ("10.0.0.4/32",)), [block("10.0.0.0/24", "10.0.0.4/32")]),
    "excepted as a whole": (CidrPeer("10.0.0.0/24", ("10.0.0.0/24",)), []),
    "API servers come from nowhere": (EntityPeer("APIServer"), []),
}


@pytest.mark.parametrize(("peer", "origin"), INWARD.values(), ids=INWARD)
def test_peers_of_ingress(peer: Peer, origin: list[dict[str, Any]]) -> None:
    assert build_rules([inward(peer)], NODES).ingress == (({"from": origin},) if origin else ())


PORTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "everything": ({}, {}),
    "a protocol": ({"protocol": "UDP"}, {"ports": [{"protocol": "UDP"}]}),
    "a port": ({"protocol": "SCTP", "port": 80}, {"ports": [{"protocol": "SCTP", "port": 80}]}),
    "a range": (
        {"protocol": "TCP", "port": 80, "end_port": 90},
        {"ports": [{"protocol": "TCP", "port": 80, "endPort": 90}]},
    ),
    "a range of one": (
        {"protocol": "TCP", "port": 80, "end_port": 80},
        {"ports": [{"protocol": "TCP", "port": 80}]},
    ),
    "a name": ({"protocol": "TCP", "port": "http"}, {"ports": [{"protocol": "TCP", "port": "http"}]}),
}


@pytest.mark.parametrize(("port", "written"), PORTS.values(), ids=PORTS)
def test_ports(port: dict[str, Any], written: dict[str, Any]) -> None:
    rules = build_rules([inward(GroupPeer("db"), **port)], NOTHING).ingress
    assert [{key: value for key, value in rule.items() if key != "from"} for rule in rules] == [written]


def test_the_api_server_is_open_at_its_own_port_only() -> None:
    rules = build_rules([outward(EntityPeer("APIServer"))], NODES)
    assert rules.egress == ({"to": [block("10.0.0.4/32")], "ports": [{"protocol": "TCP", "port": 6443}]},)


def test_a_rule_about_other_ports_doesnt_open_the_api_server() -> None:
    assert build_rules([outward(EntityPeer("APIServer"), protocol="TCP", port=443)], NODES) == Rules()
    assert build_rules([outward(EntityPeer("APIServer"), protocol="UDP")], NODES) == Rules()


def test_rules_of_several_groups_are_merged_by_peer_and_by_ports() -> None:
    web = SecurityGroup(
        "web",
        ingress=(
            Rule((GroupPeer("db"), CidrPeer("192.0.2.0/24")), "TCP", 80),
            Rule((GroupPeer("db"),), "TCP", "http"),
        ),
    )
    other = SecurityGroup(
        "other",
        ingress=(
            Rule((CidrPeer("192.0.2.0/24"), GroupPeer("db")), "TCP", 80, 85),
            Rule((CidrPeer("192.0.2.0/24"), GroupPeer("db")), "TCP", 86, 90),
            Rule((CidrPeer("192.0.2.0/24"),), "TCP", "http"),
            Rule((CidrPeer("198.51.100.0/24"),), "UDP", 53),
            Rule((CidrPeer("198.51.100.0/24"),), "UDP"),
            Rule((CidrPeer("203.0.113.0/24"),)),
            Rule((CidrPeer("203.0.113.0/24"),), "TCP", 1),
        ),
    )
    rules = build_rules([web, other], NOTHING)
    assert [rule.get("ports") for rule in rules.ingress] == [
        [{"protocol": "TCP", "port": 80, "endPort": 90}, {"protocol": "TCP", "port": "http"}],
        [{"protocol": "UDP"}],
        None,
    ]
    assert [len(rule["from"]) for rule in rules.ingress] == [2, 1, 1]
    assert rules == build_rules([other, web], NOTHING)


def test_groups_without_rules_open_nothing() -> None:
    assert build_rules([SecurityGroup("web"), SecurityGroup("db")], NODES) == Rules()
    assert build_rules([], NODES) == Rules()


def test_what_fits_is_written_and_what_doesnt_is_refused_with_a_sentence() -> None:
    nodes = tuple(f"10.{number // 128}.{number % 128 * 2}.1/32" for number in range(4000))
    everywhere = outward(CidrPeer("0.0.0.0/0"))
    written = build_rules([everywhere], Infrastructure(nodes))
    assert len(written.egress[0]["to"][0]["ipBlock"]["except"]) == 4008
    assert len(json.dumps(written.egress)) < MAX_RULES_BYTES
    parts = [outward(*(CidrPeer("0.0.0.0/0", (f"198.51.100.{part}/32",)) for part in range(30)))]
    with pytest.raises(
        PolicyTooLarge, match=r"the rules of web don't fit into one NetworkPolicy, .*isolation.nodeCIDRs"
    ):
        build_rules(parts, Infrastructure(nodes))


def test_the_largest_groups_with_many_nodes_are_refused_in_time() -> None:
    def peers(group: int, rule: int) -> tuple[Peer, ...]:
        return tuple(CidrPeer("0.0.0.0/0", (f"198.{group}.{rule}.{peer}/32",)) for peer in range(30))

    groups = [
        SecurityGroup(f"g{group}", (), tuple(Rule(peers(group, rule), "TCP", rule + 1) for rule in range(60)))
        for group in range(5)
    ]
    with pytest.raises(PolicyTooLarge, match="g0, g1, g2, g3, g4"):
        build_rules(groups, Infrastructure(tuple(f"10.0.{node}.1/32" for node in range(250))))


def test_rules_with_the_same_peers_but_other_ports_name_them_once() -> None:
    nodes = tuple(f"10.0.{number}.1/32" for number in range(250))
    rules = tuple(Rule((CidrPeer("0.0.0.0/0"),), "TCP", port * 10) for port in range(1, 61))
    (rule,) = build_rules([SecurityGroup("web", (), rules)], Infrastructure(nodes)).egress
    assert len(rule["to"]) == 1
    assert len(rule["ports"]) == 60


def test_the_base_policy_selects_all_fargate_pods_and_opens_nothing() -> None:
    policy = build_base_policy("prod")
    assert policy["metadata"] == {"name": "monopod-base", "namespace": "prod", "labels": {"monopod.dev/policy": "base"}}
    assert policy["spec"] == {
        "podSelector": {"matchExpressions": [{"key": PROFILE_LABEL, "operator": "Exists"}]},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [],
        "egress": [],
    }


def test_a_pods_policy_selects_its_task_and_goes_with_it() -> None:
    rules = build_rules([inward(GroupPeer("db")), outward(GroupPeer("db"))], NOTHING)
    policy = build_pod_policy("prod", "app-1", "a1b2-c3", ["web", "db"], rules)
    assert policy["metadata"] == {
        "name": "app-1.db.web",
        "namespace": "prod",
        "labels": {"monopod.dev/policy": "pod"},
        "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "app-1", "uid": "a1b2-c3"}],
    }
    marked = {"key": PROFILE_LABEL, "operator": "Exists"}
    assert policy["spec"]["podSelector"] == {"matchLabels": {TASK_LABEL: "a1b2c3"}, "matchExpressions": [marked]}
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert policy["spec"]["ingress"] == list(rules.ingress)
    assert policy["spec"]["egress"] == list(rules.egress)


def test_the_policy_of_groups_selects_fargate_pods_of_exactly_these_groups() -> None:
    policy = build_groups_policy("prod", ["web", "db", "web"], Rules())
    assert policy["metadata"]["name"] == "monopod-groups.db.web"
    assert policy["metadata"]["labels"] == {"monopod.dev/policy": "groups"}
    selector = LabelSelector.from_dict(policy["spec"]["podSelector"])
    member = {PROFILE_LABEL: "p", "sg.monopod.dev/web": "true", "sg.monopod.dev/db": "true", GROUP_COUNT_LABEL: "2"}
    assert selector.matches(member)
    assert not any(selector.matches({key: member[key] for key in member if key != left_out}) for left_out in member)
    assert not selector.matches({**member, GROUP_COUNT_LABEL: "3"})


def test_no_two_pods_or_sets_of_groups_share_a_policy() -> None:
    names = [
        name_pod_policy("a", ["b", "c"]),
        name_pod_policy("a.b", ["c"]),
        name_pod_policy("monopod-groups", ["b"]),
        name_groups_policy(["b"]),
        name_pod_policy("x" * 253, ["b"]),
        name_pod_policy("x" * 252 + "y", ["b"]),
        name_groups_policy([f"{letter}{'x' * 62}" for letter in "abcde"]),
        name_groups_policy([f"{letter}{'x' * 62}" for letter in "abcdf"]),
    ]
    assert len(set(names)) == len(names)
    assert names[0] == "a.b.c"
    assert names[3] == "monopod-groups.b"
    assert all(len(name) <= 253 for name in names)
    assert name_pod_policy("a", ["c", "b", "c"]) == names[0]


SAME: dict[str, Any] = {
    "what the API server adds": lambda policy: policy["metadata"].update(
        uid="1", resourceVersion="2", managedFields=[]
    ),
    "a label of somebody else": lambda policy: policy["metadata"]["labels"].update(team="a"),
    "empty lists left out": lambda policy: policy["spec"].pop("egress"),
    "an empty list in a rule": lambda policy: policy["spec"]["ingress"][1].update(ports=[]),
    "an empty matchLabels": lambda policy: policy["spec"]["ingress"][0]["from"][0]["namespaceSelector"].update(
        matchLabels={}
    ),
}
CHANGED: dict[str, Any] = {
    "a rule more": lambda policy: policy["spec"]["egress"].append({}),
    "a rule less": lambda policy: policy["spec"]["ingress"].pop(),
    "no peers, which are all": lambda policy: policy["spec"]["ingress"][0].update({"from": []}),
    "another selector of the same shape": lambda policy: policy["spec"]["podSelector"]["matchLabels"].update(a="b"),
    "all pods": lambda policy: policy["spec"].update(podSelector={}),
    "one direction": lambda policy: policy["spec"].update(policyTypes=["Ingress"]),
    "another port": lambda policy: policy["spec"]["ingress"][0]["ports"][0].update(port=81),
    "a wider selector": lambda policy: policy["spec"]["ingress"][0]["from"][0].pop("podSelector"),
    "no label": lambda policy: policy["metadata"].pop("labels"),
    "another owner": lambda policy: policy["metadata"]["ownerReferences"][0].update(uid="2"),
    "no owner": lambda policy: policy["metadata"].pop("ownerReferences"),
}


def a_policy() -> dict[str, Any]:
    group = SecurityGroup("web", (Rule((GroupPeer("db"),), "TCP", 80), Rule((CidrPeer("192.0.2.0/24"),))))
    return build_pod_policy("prod", "app-1", "a1", ["web"], build_rules([group], NOTHING))


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_a_digest_ignores(change: Any) -> None:
    policy = a_policy()
    change(policy)
    assert digest_spec(policy) == digest_spec(a_policy())


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_a_digest_notices(change: Any) -> None:
    policy = deepcopy(a_policy())
    change(policy)
    assert digest_spec(policy) != digest_spec(a_policy())


VOID: dict[str, tuple[SecurityGroup, str]] = {
    "its exceptions": (
        inward(GroupPeer("db"), CidrPeer("192.0.2.0/24", ("192.0.2.0/24",))),
        "ingress[0].from[1]: 192.0.2.0/24 allows nothing, because its exceptions cover all of it",
    ),
    "Azure's WireServer": (
        outward(CidrPeer("168.63.129.16/32")),
        "egress[0].to[0]: 168.63.129.16/32 allows nothing, because no pod may reach the metadata service",
    ),
    "the metadata service": (
        outward(CidrPeer("169.254.169.254/32")),
        "egress[0].to[0]: 169.254.169.254/32 allows nothing, because no pod may reach the metadata service",
    ),
    "nodes": (
        outward(CidrPeer("10.0.0.4/31")),
        "egress[0].to[0]: 10.0.0.4/31 allows nothing, because these are addresses of nodes; "
        "name the entity Nodes or one address",
    ),
    "link-local addresses": (
        outward(CidrPeer("fe80::/64")),
        "egress[0].to[0]: fe80::/64 allows nothing, because these are addresses of nodes; "
        "name the entity Nodes or one address",
    ),
    "multicast": (
        outward(CidrPeer("239.0.0.0/8")),
        "egress[0].to[0]: 239.0.0.0/8 allows nothing, because these are addresses of nodes; "
        "name the entity Nodes or one address",
    ),
}


@pytest.mark.parametrize(("group", "sentence"), VOID.values(), ids=VOID)
def test_a_peer_that_opens_nothing_is_told(group: SecurityGroup, sentence: str) -> None:
    assert compute_void_peers(group, NODES) == (sentence,)


def test_entities_without_known_addresses_are_told() -> None:
    group = outward(EntityPeer("Nodes"), EntityPeer("APIServer"))
    assert compute_void_peers(group, NOTHING) == (
        "egress[0].to[0]: Nodes allows nothing, because none of its addresses are known",
        "egress[0].to[1]: APIServer allows nothing, because none of its addresses are known",
    )
    assert compute_void_peers(group, NODES) == ()
