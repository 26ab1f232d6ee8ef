"""What a SecurityGroup says: rules in both directions, each with its peers, protocol and ports.

Everything that isn't understood is an error, never skipped: a skipped `except` or an unknown kind of peer would open
more than was meant. Says nothing about how rules become NetworkPolicies (`network_policies`), nor which groups a
pod has (`membership`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final, Literal, get_args

from monopod.kube.objects.fields import InvalidGroup, Part
from monopod.kube.objects.label_selector import LabelSelector
from monopod.kube.objects.names import is_dns_label

Protocol = Literal["TCP", "UDP", "SCTP"]
Entity = Literal["Nodes", "APIServer"]
Direction = Literal["ingress", "egress"]

_PROTOCOLS: Final[Mapping[str, Protocol]] = {protocol: protocol for protocol in get_args(Protocol)}
_ENTITIES: Final[Mapping[str, Entity]] = {entity: entity for entity in get_args(Entity)}
_PEERS: Final[Mapping[Direction, str]] = {"ingress": "from", "egress": "to"}

_PORT_NAME: Final = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?")
_CIDR: Final = re.compile(r"[0-9A-Fa-f.:]+/(0|[1-9][0-9]{0,2})")
_MAPPED: Final = ip_network("::ffff:0:0/96")
MAX_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class CidrPeer:
    """Addresses: a network without those of other networks inside it. Written as `ipaddress` writes them."""

    cidr: str
    excepts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupPeer:
    """The pods of a security group, in all namespaces."""

    name: str


@dataclass(frozen=True, slots=True)
class SelectorPeer:
    """Pods by labels, Fargate's or not; without `namespaces` those of the pod's own namespace."""

    namespaces: LabelSelector | None
    pods: LabelSelector | None


@dataclass(frozen=True, slots=True)
class EntityPeer:
    """Something whose addresses the operator knows: the cluster's nodes, or the API server (egress only)."""

    entity: Entity


Peer = CidrPeer | GroupPeer | SelectorPeer | EntityPeer


@dataclass(frozen=True, slots=True)
class Rule:
    """Connections from or to any of the peers; without a protocol all of them, without a port all ports."""

    peers: tuple[Peer, ...]
    protocol: Protocol | None = None
    port: int | str | None = None
    end_port: int | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    """What the pods of the group may accept (`ingress`) and open (`egress`); nothing else."""

    name: str
    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()
    description: str = ""

    @classmethod
    def from_resource(cls, resource: Mapping[str, object]) -> "SecurityGroup":
        """Reads a SecurityGroup as the API server sends it.

        Raises:
            InvalidGroup: anything in it isn't understood, or would have been refused by the API server.
        """
        root = Part(resource, error=InvalidGroup)
        name = root.child("metadata").text("name")
        if not is_group_name(name):
            raise root.fail("metadata.name", f"{name!r} isn't the name of a security group")
        spec = root.child("spec")
        spec.refuse_unknown("description", "ingress", "egress")
        return cls(name, _read_rules(spec, "ingress"), _read_rules(spec, "egress"), spec.text("description"))

    def compute_peer_groups(self) -> frozenset[str]:
        """The names of the groups that its rules speak of."""
        peers = (peer for rule in (*self.ingress, *self.egress) for peer in rule.peers)
        return frozenset(peer.name for peer in peers if isinstance(peer, GroupPeer))


def is_group_name(name: str) -> bool:
    """Whether a security group can have this name: a DNS label, because it becomes part of a label's key."""
    return is_dns_label(name)


def _read_rules(spec: Part, direction: Direction) -> tuple[Rule, ...]:
    return tuple(_read_rule(part, direction) for part in spec.children(direction))


def _read_rule(part: Part, direction: Direction) -> Rule:
    field = _PEERS[direction]
    part.refuse_unknown("description", "protocol", "port", "endPort", field)
    protocol = _PROTOCOLS.get(part.text("protocol"))
    if protocol is None and part.fields.get("protocol") is not None:
        raise part.fail("protocol", f"must be TCP, UDP or SCTP, not {part.text('protocol')!r}")
    port, end_port = _read_ports(part, protocol)
    peers = tuple(_read_peer(peer, direction) for peer in part.children(field))
    if not peers:
        raise part.fail(field, "is required; anywhere is the cidr 0.0.0.0/0 and the cidr ::/0")
    if protocol and EntityPeer("APIServer") in peers:
        raise part.fail("protocol", "isn't possible in a rule to the APIServer, whose port is known")
    return Rule(peers, protocol, port, end_port, part.text("description"))


def _read_ports(part: Part, protocol: Protocol | None) -> tuple[int | str | None, int | None]:
    port = part.fields.get("port")
    if port is not None and protocol is None:
        raise part.fail("port", "needs a protocol")
    match port:
        case None:
            pass
        case str():
            if not _PORT_NAME.fullmatch(port):
                raise part.fail("port", f"{port!r} is neither a number nor the name of a port")
        case _:
            port = part.number("port")
            if not 1 <= port <= MAX_PORT:
                raise part.fail("port", f"must be between 1 and {MAX_PORT}, not {port}")
    if part.fields.get("endPort") is None:
        return port, None
    end_port = part.number("endPort")
    if not isinstance(port, int):
        raise part.fail("endPort", "needs a port that is a number")
    if not port <= end_port <= MAX_PORT:
        raise part.fail("endPort", f"must be between {port} and {MAX_PORT}, not {end_port}")
    return port, end_port


def _read_peer(part: Part, direction: Direction) -> Peer:
    part.refuse_unknown("cidr", "except", "securityGroup", "namespaceSelector", "podSelector", "entity")
    given = [key for key, value in part.fields.items() if value is not None]
    match sorted(given):
        case ["cidr"] | ["cidr", "except"]:
            return _read_cidr_peer(part)
        case ["securityGroup"]:
            name = part.text("securityGroup")
            if not is_group_name(name):
                raise part.fail("securityGroup", f"{name!r} isn't the name of a security group")
            return GroupPeer(name)
        case ["entity"]:
            return _read_entity(part, direction)
        case ["namespaceSelector"] | ["podSelector"] | ["namespaceSelector", "podSelector"]:
            return SelectorPeer(_read_selector(part, "namespaceSelector"), _read_selector(part, "podSelector"))
        case _:
            raise part.error(
                f"{part.path}: must be one of cidr, securityGroup, entity, "
                f"or namespaceSelector and podSelector, not {', '.join(given) or 'nothing'}"
            )


def _read_cidr_peer(part: Part) -> CidrPeer:
    network = _read_cidr(part, "cidr", part.text("cidr"))
    excepts = []
    for index, text in enumerate(part.texts("except")):
        excepted = _read_cidr(part, f"except[{index}]", text)
        if not _contains(network, excepted):
            raise part.fail(f"except[{index}]", f"{text!r} isn't inside {network}")
        excepts.append(str(excepted))
    return CidrPeer(str(network), tuple(excepts))


def _read_cidr(part: Part, key: str, text: str) -> IPv4Network | IPv6Network:
    if not _CIDR.fullmatch(text):
        raise part.fail(key, f"{text!r} isn't a CIDR such as 10.0.0.0/8 or fd00::/8")
    try:
        network = ip_network(text)
    except ValueError as problem:
        raise part.fail(key, str(problem)) from None
    if isinstance(network, IPv6Network) and network.network_address in _MAPPED:
        raise part.fail(key, f"{text!r} is an IPv4 address in IPv6's form; write it as IPv4")
    return network


def _contains(outer: IPv4Network | IPv6Network, inner: IPv4Network | IPv6Network) -> bool:
    # Spelt out for the type checker: networks of different families can't be compared.
    if isinstance(outer, IPv4Network):
        return isinstance(inner, IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and inner.subnet_of(outer)


def _read_entity(part: Part, direction: Direction) -> EntityPeer:
    entity = _ENTITIES.get(part.text("entity"))
    if entity is None:
        raise part.fail("entity", f"must be Nodes or APIServer, not {part.text('entity')!r}")
    if entity == "APIServer" and direction == "ingress":
        raise part.fail("entity", "APIServer is a peer of egress only; for its webhooks' calls name Nodes or a cidr")
    return EntityPeer(entity)


def _read_selector(part: Part, key: str) -> LabelSelector | None:
    source: Any = part.fields.get(key)
    if source is None:
        return None
    return LabelSelector.from_dict(part.child(key).fields, part.path_of(key), part.error)
