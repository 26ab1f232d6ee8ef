"""Two judges of a connection, one by SecurityGroups and one by a NetworkPolicy's rules, neither of them Monopod's code.

Both are written from what the documentation says, as plainly as possible. Of the product they share the data types of
security groups, and nothing that decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from monopod.isolation.rules.network_policies import Infrastructure
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

HOME = "home"
"""The namespace of the pod whose connections are judged."""


@dataclass(frozen=True)
class RemotePod:
    namespace: str
    namespace_labels: Mapping[str, str]
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Flow:
    """A connection from or to the pod: what is at the other end, and what names the destination gives its ports."""

    direction: str
    address: str
    protocol: str
    port: int
    pod: RemotePod | None = None
    port_names: Mapping[tuple[str, str], int] = field(default_factory=dict)


def is_open_by_groups(flow: Flow, groups: Sequence[SecurityGroup], infrastructure: Infrastructure) -> bool:
    for group in groups:
        for rule in group.ingress if flow.direction == "ingress" else group.egress:
            for peer in rule.peers:
                # Names are those that pods give their ports; an API server's has none.
                nameless = peer == EntityPeer("APIServer") and isinstance(rule.port, str)
                if not nameless and _rule_has_port(rule, flow) and _is_peer(peer, flow, infrastructure):
                    return True
    return False


def _rule_has_port(rule: Rule, flow: Flow) -> bool:
    if rule.protocol is None:
        return True
    if rule.protocol != flow.protocol:
        return False
    if rule.port is None:
        return True
    if isinstance(rule.port, str):
        return flow.port_names.get((rule.protocol, rule.port)) == flow.port
    return rule.port <= flow.port <= (rule.port if rule.end_port is None else rule.end_port)


METADATA_V4 = (
    "100.100.100.200/32",
    "168.63.129.16/32",
    "169.254.0.23/32",
    "169.254.42.42/32",
    "169.254.169.254/32",
    "192.0.0.192/32",
)
METADATA_V6 = (
    "fd00:42::42/128",
    "fd00:c1::a9fe:a9fe/128",
    "fd00:ec2::254/128",
    "fd00:a9fe:a9fe::1/128",
    "fd20:ce::254/128",
)
"""The metadata services of the clouds, in the order of their addresses."""

ON_LINK = ("fe80::/10", "ff00::/8", "224.0.0.0/4", "255.255.255.255/32")
"""On a pod's link there is only its node."""


def _is_in(address: str, cidr: str) -> bool:
    return _parse_address(address) in _parse_network(cidr)


@cache  # of the thousands of flows of a test most share their networks
def _parse_network(cidr: str) -> IPv4Network | IPv6Network:
    return ip_network(cidr)


@cache
def _parse_address(address: str) -> IPv4Address | IPv6Address:
    return ip_address(address)


def _is_peer(peer: Peer, flow: Flow, infrastructure: Infrastructure) -> bool:
    outward = flow.direction == "egress"
    by_address = not (outward and any(_is_in(flow.address, each) for each in infrastructure.metadata))
    match peer:
        case CidrPeer(cidr=cidr, excepts=excepts):
            one_address = cidr.endswith("/128") or ("." in cidr and cidr.endswith("/32"))
            node = any(_is_in(flow.address, each) for each in (*infrastructure.nodes, *ON_LINK))
            if outward and node and not one_address:
                return False
            return by_address and _is_in(flow.address, cidr) and not any(_is_in(flow.address, e) for e in excepts)
        case EntityPeer(entity="Nodes"):
            return by_address and any(_is_in(flow.address, each) for each in infrastructure.nodes)
        case EntityPeer():
            here = (flow.address, flow.port) in infrastructure.api_servers
            return by_address and outward and flow.protocol == "TCP" and here
        case GroupPeer(name=name):
            labels = flow.pod.labels if flow.pod else {}
            return "monopod.dev/profile" in labels and f"sg.monopod.dev/{name}" in labels
        case SelectorPeer(namespaces=namespaces, pods=pods):
            if flow.pod is None:
                return False
            if namespaces is None and flow.pod.namespace != HOME:
                return False
            if namespaces is not None and not _has(flow.pod.namespace_labels, namespaces):
                return False
            return pods is None or _has(flow.pod.labels, pods)


def _has(labels: Mapping[str, str], selector: LabelSelector) -> bool:
    answers = {
        "In": lambda key, values: labels.get(key) in values,
        "NotIn": lambda key, values: labels.get(key) not in values,
        "Exists": lambda key, values: key in labels,
        "DoesNotExist": lambda key, values: key not in labels,
    }
    return all(answers[each.operator](each.key, each.values) for each in selector.requirements)


def is_open_by_policy(flow: Flow, rules: Sequence[Mapping[str, Any]]) -> bool:
    """As Kubernetes' API reference describes NetworkPolicyIngressRule and NetworkPolicyEgressRule."""
    peers_field = "from" if flow.direction == "ingress" else "to"
    for rule in rules:
        unknown = set(rule) - {peers_field, "ports"}
        assert not unknown, unknown
        ports = rule.get("ports") or []
        peers = rule.get(peers_field) or []
        port_fits = not ports or any(_policy_port_fits(port, flow) for port in ports)
        peer_fits = not peers or any(_policy_peer_fits(peer, flow) for peer in peers)
        if port_fits and peer_fits:
            return True
    return False


def _policy_port_fits(port: Mapping[str, Any], flow: Flow) -> bool:
    if port.get("protocol", "TCP") != flow.protocol:
        return False
    number = port.get("port")
    if number is None:
        return True
    if isinstance(number, str):
        return flow.port_names.get((flow.protocol, number)) == flow.port
    return bool(number <= flow.port <= port.get("endPort", number))


def _policy_peer_fits(peer: Mapping[str, Any], flow: Flow) -> bool:
    if "ipBlock" in peer:
        assert set(peer) == {"ipBlock"}
        block = peer["ipBlock"]
        excepted = any(_is_in(flow.address, each) for each in block.get("except", []))
        return _is_in(flow.address, block["cidr"]) and not excepted
    assert peer, "the API server refuses a peer that says nothing"
    assert set(peer) <= {"podSelector", "namespaceSelector"}
    if flow.pod is None:
        return False
    if "namespaceSelector" in peer:
        if not selector_fits(peer["namespaceSelector"], flow.pod.namespace_labels):
            return False
    elif flow.pod.namespace != HOME:
        return False
    return selector_fits(peer.get("podSelector", {}), flow.pod.labels)


def selector_fits(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    assert set(selector) <= {"matchLabels", "matchExpressions"}
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for each in selector.get("matchExpressions", []):
        key, operator = each["key"], each["operator"]
        if operator == "Exists":
            fits = key in labels
        elif operator == "DoesNotExist":
            fits = key not in labels
        elif operator == "In":
            fits = labels.get(key) in each["values"]
        else:
            assert operator == "NotIn"
            fits = labels.get(key) not in each["values"]
        if not fits:
            return False
    return True
