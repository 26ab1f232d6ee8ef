"""Whether other people's NetworkPolicies open more for a pod than its security groups do, and what.

NetworkPolicies add up, so any policy of the namespace that selects a pod can open more for it. A rule is harmless only
if the groups provably open all of it; whatever can't be proved counts as over-permissive. The proof knows networks and
their exceptions exactly, and ranges of ports. It takes one selector for wider than another if each of its requirements
follows from one of the other's. It never takes addresses for pods, nor pods for addresses, nor a port's name for a
number.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never

from monopod.isolation.rules.addresses import Addresses, Block, Network, compute_region, list_cidrs, subtract
from monopod.isolation.rules.network_policies import METADATA, ON_LINK, Infrastructure, build_rules
from monopod.isolation.rules.policy_rules import (
    DIRECTIONS,
    Anyone,
    Pods,
    PolicyPeer,
    PolicyRule,
    Unclear,
    describe_peer,
    read_rules,
)
from monopod.isolation.rules.ports import EVERYTHING, Ports, merge_ports
from monopod.isolation.rules.security_group import CidrPeer, Direction, Rule, SecurityGroup, SelectorPeer
from monopod.kube.objects.fields import InvalidManifest
from monopod.kube.objects.label_selector import LabelSelector, Requirement
from monopod.kube.objects.text import list_names

_NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"
"""On every namespace, by the API server: its name."""

_EVERYWHERE: Final = (Block("0.0.0.0/0"), Block("::/0"))
_ALL_PODS: Final = Pods(LabelSelector(), LabelSelector())
_ANY_RULE: Final = Rule((CidrPeer("0.0.0.0/0"), CidrPeer("::/0"), SelectorPeer(LabelSelector(), LabelSelector())))
_UTMOST: Final = SecurityGroup("utmost", (_ANY_RULE,), (_ANY_RULE,))
_METADATA: Final = Addresses(METADATA).networks
_PREPOSITIONS: Final[Mapping[Direction, str]] = {"ingress": "from", "egress": "to"}


@dataclass(frozen=True, slots=True)
class ExtraAccess:
    """Something that a policy opens and that the groups don't, as far as is known."""

    direction: Direction
    text: str


def compute_extra_access(
    policy: Mapping[str, Any],
    groups: Sequence[SecurityGroup],
    infrastructure: Infrastructure,
    namespace: str,
    left: Collection[Direction] = (),
) -> tuple[ExtraAccess, ...]:
    """What the policy opens beyond the groups, for pods of this namespace that it selects.

    In directions that are `left` to such policies, only what no group should open counts.

    Raises:
        PolicyTooLarge: the groups' rules are more than a policy can hold.
    """
    ours = build_rules(groups, infrastructure)
    own = {"spec": {"ingress": list(ours.ingress), "egress": list(ours.egress)}}
    return find_beyond(policy, [own, build_utmost(left, infrastructure)], infrastructure.nodes, namespace)


def build_utmost(directions: Collection[Direction], infrastructure: Infrastructure) -> dict[str, Any]:
    """A policy that opens in these directions what a group's widest rules do: no nodes, and no metadata service."""
    rules = build_rules([_UTMOST], infrastructure)
    opened = {"ingress": list(rules.ingress), "egress": list(rules.egress)}
    return {"spec": {direction: opened[direction] for direction in directions}}


def find_beyond(
    policy: Mapping[str, Any], own: Iterable[Mapping[str, Any]], nodes: Sequence[str], namespace: str
) -> tuple[ExtraAccess, ...]:
    """What the policy opens beyond other policies of its namespace; `nodes` are known CIDRs of nodes, for the text."""
    own = list(own)
    found: list[ExtraAccess] = []
    for direction in DIRECTIONS:
        try:
            rules = read_rules(policy, direction)
        except InvalidManifest as problem:
            found.append(ExtraAccess(direction, f"isn't understood: {problem}"))
            continue
        cover = _Cover((rule for each in own for rule in read_rules(each, direction)), nodes, namespace)
        texts = dict.fromkeys(text for rule in rules for text in cover.find_beyond(rule, direction))
        found.extend(ExtraAccess(direction, text) for text in texts)
    return tuple(found)


class _Cover:
    """What the groups open in one direction."""

    def __init__(self, rules: Iterable[PolicyRule], nodes: Sequence[str], namespace: str) -> None:
        opened: defaultdict[PolicyPeer, list[Ports]] = defaultdict(list)
        for rule in rules:
            for peer in rule.peers:
                opened[peer].extend(rule.ports)
        self._opened = [(peer, merge_ports(ports)) for peer, ports in opened.items()]
        self._nodes = Addresses((*nodes, *ON_LINK)).networks
        self._namespace = namespace

    def find_beyond(self, rule: PolicyRule, direction: Direction) -> Iterator[str]:
        """What the rule opens beyond, as sentences without their subject."""
        for peer in rule.peers:
            beyond = [(ports, rest) for ports in rule.ports if (rest := self._find_rest(peer, ports)) is not None]
            if beyond:
                listed = ", ".join(str(ports) for ports, _ in beyond)
                what = "everything" if listed == str(EVERYTHING) else listed
                rest = next((text for _, text in beyond if text), "")
                of_that = f", of which the groups deny {rest}" if rest else ""
                yield f"opens {what} {_PREPOSITIONS[direction]} {describe_peer(peer)}{of_that}"

    def _find_rest(self, peer: PolicyPeer, ports: Ports) -> str | None:
        """None if all of it is open by the groups; else what isn't, as far as that can be said better than "all"."""
        match peer:
            case Anyone():
                rests = [self._find_rest(each, ports) for each in (*_EVERYWHERE, _ALL_PODS)]
                closed = list(dict.fromkeys(rest for rest in rests if rest is not None))
                return (" and ".join(closed) if all(closed) else "") if closed else None
            case Unclear():
                return ""
            case Pods():
                wider = (
                    opened for other, opened in self._opened if isinstance(other, Pods) and self._holds(other, peer)
                )
                several = merge_ports(each for opened in wider for each in opened)
                return None if any(each.covers(ports) for each in several) else ""
            case Block():
                return self._compute_closed_part(peer, ports)
            case _:
                assert_never(peer)

    def _compute_closed_part(self, block: Block, ports: Ports) -> str | None:
        left = asked = compute_region(block)
        for other, opened in self._opened:
            if isinstance(other, Block) and any(each.covers(ports) for each in opened):
                left = subtract(left, compute_region(other))
        if not left:
            return None
        return "" if left == asked else self._describe_closed(left)

    def _describe_closed(self, left: Sequence[Network]) -> str:
        parts = ["the metadata service"] if _meet(left, _METADATA) else []
        parts += ["nodes' addresses"] if _meet(left, self._nodes) else []
        others = list_cidrs(subtract(left, [*_METADATA, *self._nodes]))
        return " and ".join([*parts, list_names(others)] if others else parts)

    def _holds(self, wide: Pods, narrow: Pods) -> bool:
        return _follows(wide.pods, narrow.pods) and _follows(self._name(wide.namespaces), self._name(narrow.namespaces))

    def _name(self, namespaces: LabelSelector | None) -> LabelSelector:
        if namespaces is not None:
            return namespaces
        return LabelSelector((Requirement(_NAMESPACE_NAME, "In", (self._namespace,)),))


def _meet(some: Sequence[Network], others: Sequence[Network]) -> bool:
    return subtract(some, others) != list(some)


def _follows(wide: LabelSelector, narrow: LabelSelector) -> bool:
    """Whether everything that the narrow selector matches is matched by the wide one, as far as can be proved."""
    return all(any(_implies(each, wanted) for each in narrow.requirements) for wanted in wide.requirements)


def _implies(known: Requirement, wanted: Requirement) -> bool:
    if known.key != wanted.key:
        return False
    values, others = set(known.values), set(wanted.values)
    match wanted.operator, known.operator:
        case "In", "In":
            return values <= others
        case "Exists", "In" | "Exists":
            return True
        case "NotIn", "In":
            return not values & others
        case "NotIn", "NotIn":
            return others <= values
        case (("NotIn" | "DoesNotExist"), "DoesNotExist"):
            return True
        case _:
            return False
