"""What NetworkPolicies really allow for one pod, whose rules these are, and what they deny.

The policies are the truth: what they say is enforced, whatever the groups say by now. Each rule of Monopod's policies
is led back to the rules of the pod's groups. That doesn't need nodes, which few people may read: where a rule's
CIDR was cut, the cut one lies inside it; and addresses that no CIDR accounts for are those of an entity.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, assert_never

from monopod.api.names import DEFAULT_GROUP, GROUP_LABEL_PREFIX, POLICY_LABEL, TASKS_POLICY
from monopod.isolation.rules.addresses import Block, as_cidr, compute_address, compute_region, read_network, subtract
from monopod.isolation.rules.network_policies import METADATA, Infrastructure
from monopod.isolation.rules.over_permissive import ExtraAccess, build_utmost, find_beyond
from monopod.isolation.rules.policy_rules import (
    DIRECTIONS,
    Anyone,
    Pods,
    PolicyPeer,
    Unclear,
    closes,
    get_group,
    read_rules,
    selects,
)
from monopod.isolation.rules.ports import Ports, merge_ports
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

Policy = Mapping[str, Any]

METADATA_SERVICE: Final = "the metadata service"
NODE: Final = "its own node"


@dataclass(frozen=True, slots=True)
class RuleOfGroup:
    """A rule of a security group; `place` is where it stands there, `ingress[0]`."""

    group: str
    place: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class OpenRule:
    """What one policy opens to or from one peer.

    Attributes:
        ours: whether the policy is Monopod's.
        origins: of one of ours, the rules of groups that open it. None where the groups say otherwise by now, or
            couldn't be read.
    """

    policy: str
    ours: bool
    peer: PolicyPeer
    ports: tuple[Ports, ...]
    origins: tuple[RuleOfGroup, ...] = ()


class Decider(StrEnum):
    """Who decides in a direction."""

    SECURITY_GROUPS = "SecurityGroups"
    NETWORK_POLICIES = "NetworkPolicies"
    BOTH = "Both"
    NOBODY = "Nobody"


@dataclass(frozen=True, slots=True)
class OneWay:
    """A direction: denied but for the rules; or not denied at all, if no policy is about it.

    Attributes:
        decider: no one if no policy is about it. NetworkPolicies of others alone where no one chose the pod's group.
        owners: the names of the policies of others that are about it.
    """

    denied: bool
    rules: tuple[OpenRule, ...]
    decider: Decider
    owners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that should be out of a pod's reach, those of its addresses that are open, and the rules that do it."""

    what: str
    addresses: tuple[str, ...]
    allowed: tuple[str, ...]
    allowed_by: tuple[OpenRule, ...]
    denied: bool


@dataclass(frozen=True, slots=True)
class EffectiveRules:
    """All that holds for a pod.

    Attributes:
        base: whether the default-deny policy selects the pod, whatever becomes of the others.
        idle: rules of groups that no policy has: they open nothing, or are not enforced yet.
        over_permissive: what policies of others open beyond Monopod's, by their names.
        kept: what no group should open.
    """

    base: bool
    ingress: OneWay
    egress: OneWay
    idle: tuple[RuleOfGroup, ...]
    over_permissive: tuple[tuple[str, ExtraAccess], ...]
    kept: tuple[Kept, ...]


def compute_effective_rules(
    labels: Mapping[str, str],
    namespace: str,
    policies: Sequence[Policy],
    groups: Sequence[SecurityGroup],
    node: Sequence[str],
) -> EffectiveRules:
    """What the policies of the pod's namespace do to a pod with these labels.

    Args:
        labels: the pod's.
        namespace: the pod's.
        policies: all of the namespace.
        groups: those of the pod that exist and could be read.
        node: the addresses of the pod's node, as far as they are known.
    """
    known = [address for text in node if (address := compute_address(text))]
    selecting = sorted((each for each in policies if selects(each, labels)), key=_name)
    ours = [each for each in selecting if _kind(each)]
    is_default = [key for key in labels if key.startswith(GROUP_LABEL_PREFIX)] == [GROUP_LABEL_PREFIX + DEFAULT_GROUP]
    ways = {direction: _find_way(selecting, groups, direction, is_default) for direction in DIRECTIONS}
    nodes = tuple(as_cidr(address) for address in known)
    utmost = build_utmost(
        [direction for direction in DIRECTIONS if ways[direction].decider is Decider.NETWORK_POLICIES],
        Infrastructure(nodes),
    )
    over_permissive = tuple(
        (_name(policy), access)
        for policy in selecting
        if not _kind(policy)
        for access in find_beyond(policy, [*ours, utmost], nodes, namespace)
    )
    egress = ways["egress"]
    kept = [_keep(METADATA_SERVICE, METADATA, egress), *([_keep(NODE, known, egress)] if known else [])]
    return EffectiveRules(
        base=any(_kind(policy) == "base" for policy in selecting),
        ingress=ways["ingress"],
        egress=egress,
        idle=tuple(_compute_idle(groups, ways)),
        over_permissive=over_permissive,
        kept=tuple(kept),
    )


def _find_way(
    policies: Iterable[Policy], groups: Sequence[SecurityGroup], direction: Direction, is_default: bool
) -> OneWay:
    about = [policy for policy in policies if closes(policy, direction)]
    rules = [
        OpenRule(_name(policy), bool(_kind(policy)), peer, rule.ports)
        for policy in about
        for rule in read_rules(policy, direction)
        for peer in rule.peers
    ]
    led_back = (
        replace(rule, origins=_compute_origins(rule, groups, direction)) if rule.ours else rule for rule in rules
    )
    owners = tuple(_name(policy) for policy in about if not _kind(policy))
    if not about:
        decider = Decider.NOBODY
    elif not owners:
        decider = Decider.SECURITY_GROUPS
    elif is_default and not any(rule.ours and rule.policy != TASKS_POLICY for rule in rules):
        decider = Decider.NETWORK_POLICIES
    else:
        decider = Decider.BOTH
    return OneWay(bool(about), tuple(led_back), decider, owners)


def _compute_origins(
    opened: OpenRule, groups: Sequence[SecurityGroup], direction: Direction
) -> tuple[RuleOfGroup, ...]:
    rules = list(_each_rule(groups, direction))
    exact = [(place, rule) for place, rule in rules if any(_opens(peer, opened.peer) for peer in rule.peers)]
    covered = merge_ports(_ports_of(rule) for _, rule in exact)
    left = [ports for ports in opened.ports if not any(each.covers(ports) for each in covered)]
    # Of what no CIDR accounts for; an address may be opened by both, at different ports.
    by_entity = [
        (place, rule) for place, rule in rules if any(_may_open(peer, opened.peer, left) for peer in rule.peers)
    ]
    origins = (place for place, rule in exact if _share_ports(rule, opened.ports))
    return tuple(dict.fromkeys([*origins, *(place for place, rule in by_entity if _share_ports(rule, left))]))


def _compute_idle(groups: Sequence[SecurityGroup], ways: Mapping[Direction, OneWay]) -> Iterator[RuleOfGroup]:
    for direction, way in ways.items():
        if way.decider is Decider.NETWORK_POLICIES:
            continue
        ours = [rule for rule in way.rules if rule.ours]
        for place, rule in _each_rule(groups, direction):
            if not any(
                _share_ports(rule, opened.ports)
                and any(_opens(peer, opened.peer) or _may_open(peer, opened.peer, opened.ports) for peer in rule.peers)
                for opened in ours
            ):
                yield place


def _each_rule(groups: Iterable[SecurityGroup], direction: Direction) -> Iterator[tuple[RuleOfGroup, Rule]]:
    for group in groups:
        for number, rule in enumerate(group.ingress if direction == "ingress" else group.egress):
            yield RuleOfGroup(group.name, f"{direction}[{number}]", rule.description), rule


def _share_ports(rule: Rule, opened: Iterable[Ports]) -> bool:
    """Ports of several rules are merged in a policy, so each of these rules opens a part of them."""
    return any(_ports_of(rule).intersect(each) is not None for each in opened)


def _ports_of(rule: Rule) -> Ports:
    return Ports.of(rule.protocol, rule.port, rule.end_port)


def _opens(peer: Peer, opened: PolicyPeer) -> bool:
    """Whether a rule with this peer becomes one with the other."""
    match peer, opened:
        case CidrPeer(cidr=cidr, excepts=excepts), Block():
            same = read_network(cidr) == read_network(opened.cidr)
            return same and not subtract(compute_region(opened), compute_region(Block(cidr, excepts)))
        case GroupPeer(name=name), Pods():
            return get_group(opened) == name
        case SelectorPeer(namespaces=namespaces, pods=pods), Pods():
            return opened == Pods(namespaces, pods or LabelSelector())
        case _:
            return False


def _may_open(peer: Peer, opened: PolicyPeer, at: Iterable[Ports]) -> bool:
    """Whether the addresses may be those of an entity, which only the operator knows."""
    if not (isinstance(peer, EntityPeer) and isinstance(opened, Block)):
        return False
    # The API servers have one port of TCP each.
    one_port = any(ports.protocol == "TCP" and isinstance(ports.first, int) for ports in at)
    return peer.entity == "Nodes" or (one_port and read_network(opened.cidr).single)


def _keep(what: str, addresses: Sequence[str], egress: OneWay) -> Kept:
    opening = {rule: [each for each in addresses if _reaches(rule.peer, each)] for rule in egress.rules}
    reached = {each for several in opening.values() for each in several}
    opened = tuple(each for each in addresses if not egress.denied or each in reached)
    return Kept(what, tuple(addresses), opened, tuple(rule for rule, several in opening.items() if several), not opened)


def _reaches(peer: PolicyPeer, address: str) -> bool:
    match peer:
        case Anyone() | Unclear():
            return True
        case Block():
            network = read_network(address)
            return any(stretch.holds(network) for stretch in compute_region(peer))
        case Pods():
            return False
        case _:
            assert_never(peer)


def _name(policy: Policy) -> str:
    return str(policy["metadata"]["name"])


def _kind(policy: Policy) -> str:
    return str((policy["metadata"].get("labels") or {}).get(POLICY_LABEL) or "")
