"""What a NetworkPolicy says, whoever wrote it: whom it selects, and which peers it opens at which ports.

What isn't understood is kept as such (`Unclear`), because it may open anything; nothing is passed over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, assert_never

from monopod.api.names import GROUP_LABEL_PREFIX, PROFILE_LABEL
from monopod.isolation.rules.addresses import MAPPED, Block, read_network
from monopod.isolation.rules.ports import EVERYTHING, Ports, merge_ports
from monopod.isolation.rules.security_group import Direction
from monopod.kube.objects.fields import InvalidManifest, Part
from monopod.kube.objects.label_selector import LabelSelector, Requirement

DIRECTIONS: Final[tuple[Direction, ...]] = ("ingress", "egress")

_FIELDS: Final[Mapping[Direction, str]] = {"ingress": "from", "egress": "to"}


@dataclass(frozen=True, slots=True)
class Anyone:
    """No peers are named, so everything is meant."""


@dataclass(frozen=True, slots=True)
class Pods:
    """Pods by labels; without `namespaces` those of the policy's own namespace."""

    namespaces: LabelSelector | None
    pods: LabelSelector


@dataclass(frozen=True, slots=True)
class Unclear:
    """A peer that isn't understood, and why."""

    problem: str


PolicyPeer = Anyone | Pods | Block | Unclear


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """One rule: any of the peers at any of the ports."""

    peers: tuple[PolicyPeer, ...]
    ports: tuple[Ports, ...]


def selects(policy: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether the policy is about pods with these labels; so it is taken if its selector can't be read."""
    try:
        return LabelSelector.from_dict(Part(policy).child("spec").child("podSelector").fields).matches(labels)
    except InvalidManifest:
        return True


def closes(policy: Mapping[str, Any], direction: Direction) -> bool:
    """Whether the policy is about the direction: what it selects is denied there, but for what policies allow."""
    spec = Part(policy).child("spec")
    types = spec.texts("policyTypes")
    # Without types, a policy is about egress only if it has rules for it.
    return direction.capitalize() in types if types else direction == "ingress" or bool(spec.children(direction))


def read_rules(policy: Mapping[str, Any], direction: Direction) -> tuple[PolicyRule, ...]:
    """The rules of the policy in one direction; none if it closes the direction, or isn't about it."""
    if not closes(policy, direction):
        return ()
    return tuple(_read_rule(rule, direction) for rule in Part(policy).child("spec").children(direction))


def describe_peer(peer: PolicyPeer) -> str:
    """The peer in a few words, for messages and tables."""
    match peer:
        case Anyone():
            return "anything"
        case Block(cidr=cidr, excepts=excepts):
            return f"{cidr} without {', '.join(excepts)}" if excepts else cidr
        case Unclear(problem=problem):
            return f"something that isn't understood ({problem})"
        case Pods():
            group = get_group(peer)
            return f"security group {group}" if group else _describe_pods(peer)
        case _:
            assert_never(peer)


def get_group(peer: PolicyPeer) -> str | None:
    """The security group whose members the peer means, if it is one of Monopod's own."""
    match peer:
        case Pods(
            namespaces=LabelSelector(requirements=()),
            pods=LabelSelector(
                requirements=(Requirement(key=mark, operator="Exists"), Requirement(key=key, operator="Exists"))
            ),
        ) if mark == PROFILE_LABEL and key.startswith(GROUP_LABEL_PREFIX):
            return key.removeprefix(GROUP_LABEL_PREFIX)
        case _:
            return None


def describe_selector(selector: LabelSelector) -> str:
    """The selector as kubectl's `-l` writes one."""
    return ",".join(_describe_requirement(each) for each in selector.requirements)


def _read_rule(rule: Part, direction: Direction) -> PolicyRule:
    field = _FIELDS[direction]
    unknown = sorted(set(rule.fields) - {field, "ports"})
    peers: tuple[PolicyPeer, ...] = tuple(_read_peer(peer) for peer in rule.children(field)) or (Anyone(),)
    if unknown:
        peers = (Unclear(f"{rule.path_of(unknown[0])} isn't known"),)
    ports = merge_ports(_read_ports(port) for port in rule.children("ports"))
    return PolicyRule(peers, ports or (EVERYTHING,))


def _read_ports(part: Part) -> Ports:
    port: Any = part.fields.get("port")
    end_port = part.number("endPort") or None
    return Ports.of(part.text("protocol") or "TCP", port, end_port)


def _read_peer(part: Part) -> PolicyPeer:
    try:
        part.refuse_unknown("ipBlock", "namespaceSelector", "podSelector")
        if part.fields.get("ipBlock") is not None:
            return _read_block(part.child("ipBlock"))
        namespaces = part.fields.get("namespaceSelector")
        if namespaces is None and part.fields.get("podSelector") is None:
            return Unclear(f"{part.path} names nothing")
        return Pods(
            None if namespaces is None else LabelSelector.from_dict(part.child("namespaceSelector").fields),
            LabelSelector.from_dict(part.child("podSelector").fields),
        )
    except ValueError as problem:
        return Unclear(str(problem))


def _read_block(part: Part) -> PolicyPeer:
    cidr, excepts = part.text("cidr"), part.texts("except")
    for each in (cidr, *excepts):
        # Programs written in Go may take such a network for one of IPv4.
        if MAPPED.holds(read_network(each)):
            return Unclear(f"{each} is an IPv4 address in IPv6's form")
    return Block(str(read_network(cidr)), tuple(sorted(str(read_network(each)) for each in excepts)))


def _describe_pods(peer: Pods) -> str:
    pods = f"pods {describe_selector(peer.pods)}" if peer.pods.requirements else "all pods"
    if peer.namespaces is None:
        return f"{pods} of the namespace"
    if not peer.namespaces.requirements:
        return f"{pods} of all namespaces" if peer.pods.requirements else "all pods"
    return f"{pods} of namespaces {describe_selector(peer.namespaces)}"


def _describe_requirement(requirement: Requirement) -> str:
    key, values = requirement.key, requirement.values
    match requirement.operator:
        case "In":
            return f"{key}={values[0]}" if len(values) == 1 else f"{key} in ({','.join(values)})"
        case "NotIn":
            return f"{key}!={values[0]}" if len(values) == 1 else f"{key} notin ({','.join(values)})"
        case "Exists":
            return key
        case "DoesNotExist":
            return f"!{key}"
