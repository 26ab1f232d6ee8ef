"""Random security groups, infrastructures and flows, from few addresses, ports and labels, so that they often meet."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from random import Random
from typing import Any

from monopod.isolation.rules.network_policies import METADATA, Infrastructure
from monopod.isolation.rules.security_group import (
    CidrPeer,
    Direction,
    EntityPeer,
    GroupPeer,
    Peer,
    Protocol,
    Rule,
    SecurityGroup,
    SelectorPeer,
)
from monopod.kube.objects.label_selector import LabelSelector
from tests.unit.isolation.rules.verdicts import HOME, Flow, RemotePod

GROUPS = ("cluster", "db", "web")
PORT_NAMES = ("http", "dns")
PROTOCOLS: Sequence[Protocol] = ("TCP", "TCP", "UDP", "SCTP")
_V4_BASES = ("0.0.0.0/0", "10.0.0.0/27", "169.254.169.248/29", "224.0.0.0/3")
_V6_BASES = ("::/0", "fd00::/122", "fd00:ec2::250/124", "fe80::/9", "ff02::/16")
_KEYS = ("app", "tier", "sg.monopod.dev/web", "monopod.dev/profile")
_VALUES = ("a", "b", "")


def a_network(random: Random, inside: str | None = None) -> str:
    """A network with no bits of a host: one of the known ones, or a part of it."""
    base: Any = ip_network(inside or random.choice(_V4_BASES + _V6_BASES))
    length = random.choice([base.prefixlen, base.prefixlen + 1, base.max_prefixlen, base.max_prefixlen - 1])
    length = min(max(length, base.prefixlen), base.max_prefixlen)
    span = 1 << (base.max_prefixlen - base.prefixlen)
    offset = random.choice([0, span - 1, random.randrange(min(span, 64)), random.randrange(span)])
    address = int(base.network_address) + offset
    family: Any = IPv4Network if base.version == 4 else IPv6Network
    return str(family((address >> (base.max_prefixlen - length) << (base.max_prefixlen - length), length)))


def an_address(random: Random) -> str:
    network: Any = ip_network(a_network(random))
    return str(random.choice([network.network_address, network.broadcast_address]))


def an_infrastructure(random: Random) -> Infrastructure:
    nodes = tuple(a_network(random, random.choice(["10.0.0.0/28", "fd00::/124"])) for _ in range(random.randrange(6)))
    servers = tuple((f"10.0.0.{random.randrange(4)}", random.choice([443, 6443])) for _ in range(random.randrange(3)))
    return Infrastructure(nodes, servers, a_metadata_list(random))


def a_metadata_list(random: Random) -> tuple[str, ...]:
    return random.choice([METADATA, METADATA, METADATA, ("169.254.0.0/16",), ()])


def a_selector(random: Random) -> LabelSelector:
    expressions = []
    for _ in range(random.choice([0, 1, 1, 2])):
        operator = random.choice(["In", "NotIn", "Exists", "DoesNotExist"])
        values = {"values": random.sample(_VALUES, random.choice([1, 2]))} if operator in ("In", "NotIn") else {}
        expressions.append({"key": random.choice(_KEYS), "operator": operator, **values})
    return LabelSelector.from_dict({"matchExpressions": expressions})


def a_peer(random: Random, direction: Direction) -> Peer:
    match random.randrange(6):
        case 0:
            return GroupPeer(random.choice(GROUPS))
        case 1:
            namespaces = a_selector(random) if random.random() < 0.5 else None
            pods = a_selector(random) if namespaces is None or random.random() < 0.5 else None
            return SelectorPeer(namespaces, pods)
        case 2:
            return EntityPeer(random.choice(["Nodes", "APIServer"]) if direction == "egress" else "Nodes")
        case _:
            cidr = a_network(random)
            excepts = tuple(a_network(random, cidr) for _ in range(random.choice([0, 0, 1, 3])))
            return CidrPeer(cidr, excepts)


def a_rule(random: Random, direction: Direction) -> Rule:
    peers = tuple(a_peer(random, direction) for _ in range(random.choice([1, 1, 2, 3])))
    protocol = random.choice([*PROTOCOLS, None])
    port: int | str | None = None if protocol is None else random.choice([None, 80, 443, 8080, 65535, *PORT_NAMES])
    end_port = (
        min(port + random.choice([0, 1, 400]), 65535) if isinstance(port, int) and random.random() < 0.5 else None
    )
    return Rule(peers, protocol, port, end_port)


def a_group(random: Random, name: str) -> SecurityGroup:
    ingress = tuple(a_rule(random, "ingress") for _ in range(random.randrange(4)))
    egress = tuple(a_rule(random, "egress") for _ in range(random.randrange(4)))
    return SecurityGroup(name, ingress, egress)


def some_groups(random: Random) -> list[SecurityGroup]:
    return [a_group(random, name) for name in random.sample(GROUPS, random.choice([1, 1, 2, 3]))]


def _some_labels(random: Random) -> dict[str, str]:
    return {key: random.choice(_VALUES) for key in _KEYS if random.random() < 0.5}


def a_flow(random: Random, groups: Sequence[SecurityGroup] = ()) -> Flow:
    """A connection: often one that a rule of the groups may be about, at the edge of what it says."""
    direction: Direction = random.choice(["ingress", "egress"])
    address, protocol = an_address(random), random.choice(PROTOCOLS)
    port = random.choice([79, 80, 81, 443, 480, 6443, 8080, 8081, 65535])
    rules = [rule for group in groups for rule in getattr(group, direction)]
    if rules and random.random() < 0.8:
        rule = random.choice(rules)
        protocol = rule.protocol or protocol
        if isinstance(rule.port, int):
            port = random.choice([rule.port, rule.port, rule.end_port or rule.port, (rule.end_port or rule.port) + 1])
        peer = random.choice(rule.peers)
        if isinstance(peer, CidrPeer):
            network: Any = ip_network(random.choice([peer.cidr, peer.cidr, *peer.excepts]))
            address = str(random.choice([network.network_address, network.broadcast_address]))
    pod = None
    if random.random() < 0.5:
        pod = RemotePod(random.choice([HOME, "away"]), _some_labels(random), _some_labels(random))
    names: dict[tuple[str, str], int] = {
        (random.choice(PROTOCOLS), name): random.choice([80, 443, 480, port]) for name in PORT_NAMES
    }
    return Flow(direction, address, protocol, min(port, 65535), pod, names)
