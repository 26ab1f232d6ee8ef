"""The NetworkPolicies that isolate pods: what they select, and the rules that security groups amount to.

NetworkPolicies only ever allow, and they add up. So a namespace has one that selects all Fargate pods and allows
nothing (the default-deny policy), and each pod, or each set of groups, has one with the rules of the groups. What no
group may allow is taken out of every CIDR.

An empty list of peers means *everything* in a NetworkPolicy. So a rule of which no peer is left is left out altogether,
never written with an empty list.

Equal groups, in any order, give equal policies; everything is sorted and merged, and defaults are written out.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, assert_never

from monopod.api.names import (
    BASE_POLICY,
    GROUP_COUNT_LABEL,
    GROUP_LABEL_PREFIX,
    POLICY_LABEL,
    PROFILE_LABEL,
    TASK_LABEL,
)
from monopod.isolation.rules.addresses import Addresses, Block, compute_block, read_network
from monopod.isolation.rules.ports import EVERYTHING, Ports, merge_ports
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
from monopod.kube.objects.text import list_names

METADATA: Final = (
    "169.254.169.254/32",  # AWS, Azure, Google, OpenStack, Oracle, DigitalOcean, Hetzner and most others
    "fd00:ec2::254/128",  # AWS
    "fd20:ce::254/128",  # Google
    "fd00:c1::a9fe:a9fe/128",  # Oracle
    "192.0.0.192/32",  # Oracle, classic
    "168.63.129.16/32",  # Azure's WireServer, which hands out a node's secrets; its DNS server, too
    "100.100.100.200/32",  # Alibaba
    "169.254.0.23/32",  # Tencent
    "169.254.42.42/32",  # Scaleway
    "fd00:42::42/128",  # Scaleway
    "fd00:a9fe:a9fe::1/128",  # Akamai
    "fe80::a9fe:a9fe/128",  # OpenStack; denied as link-local anyway, but to a rule that names it alone
)
"""Where the clouds' metadata services listen, unless the administrator names other addresses: with a node's identity
and credentials. No pod on Fargate reaches them. Addresses that hand a pod credentials of its own against its token
aren't among them (169.254.170.2, 169.254.170.23, fd00:ec2::23), nor those of time and name servers."""

ON_LINK: Final = ("fe80::/10", "ff00::/8", "224.0.0.0/4", "255.255.255.255/32")
"""Link-local, multicast and broadcast addresses. At the other end of a pod's link is its node and no one else, so these
are addresses of nodes too, whether or not pods have other IPv6 addresses: what listens there on `[::]`, and for UDP on
`0.0.0.0`, hears what is sent to them. Nodes need no other entry for it: link-local addresses of IPv4 aren't the node's,
and some are useful (169.254.20.10 is where a DNS cache on the node listens)."""

MAX_RULES_BYTES: Final = 1_000_000
"""How large the rules of one policy may be, as JSON. etcd refuses objects beyond 1.5 MiB."""

MAX_NAME: Final = 253

GROUPS_POLICY: Final = "monopod-groups"

_FIELDS: Final[Mapping[Direction, str]] = {"ingress": "from", "egress": "to"}

Policy = dict[str, Any]


class PolicyTooLarge(ValueError):
    """The groups' rules don't fit into one NetworkPolicy; its text says so in a sentence."""


@dataclass(frozen=True, slots=True)
class Infrastructure:
    """What rules depend on apart from the groups.

    Attributes:
        nodes: the nodes' addresses, as CIDRs.
        api_servers: the API servers' addresses with their ports.
        metadata: the metadata services' addresses, as CIDRs; none where pods may reach them.
    """

    nodes: tuple[str, ...] = ()
    api_servers: tuple[tuple[str, int], ...] = ()
    metadata: tuple[str, ...] = METADATA


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a NetworkPolicy's spec, in both directions."""

    ingress: tuple[dict[str, Any], ...] = ()
    egress: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Opening:
    """One peer of a NetworkPolicy (as JSON, which compares and hashes), and the ports that are open to or from it."""

    peer: str
    ports: Ports


def build_rules(groups: Collection[SecurityGroup], infrastructure: Infrastructure) -> Rules:
    """The rules that the groups amount to together.

    Raises:
        PolicyTooLarge: no NetworkPolicy can hold them.
    """
    rules = Rules(
        tuple(_merge_rules("ingress", groups, infrastructure)), tuple(_merge_rules("egress", groups, infrastructure))
    )
    if len(_dump([rules.ingress, rules.egress])) > MAX_RULES_BYTES:
        raise _fail_too_large(groups)
    return rules


def compute_openings(
    rule: Rule, peer: Peer, direction: Direction, infrastructure: Infrastructure
) -> tuple[Opening, ...]:
    """What one peer of a rule opens: nothing, if all its addresses are denied, or none are known."""
    ports = Ports.of(rule.protocol, rule.port, rule.end_port)
    match peer:
        case CidrPeer(cidr=cidr, excepts=excepts):
            block = compute_open_block(cidr, excepts, direction, infrastructure)
            return () if block is None else (Opening(_dump(block.as_dict()), ports),)
        case GroupPeer(name=name):
            return (Opening(_dump(build_group_peer(name)), ports),)
        case SelectorPeer(namespaces=None, pods=None):
            return ()  # no selector at all is a mistake, and must not become an empty one
        case SelectorPeer():
            return (Opening(_dump(_build_selector_peer(peer)), ports),)
        case EntityPeer(entity=entity):
            if entity == "Nodes":
                nodes = _compute_nodes(direction, infrastructure)
                return tuple(Opening(_dump(block.as_dict()), ports) for block in nodes)
            return tuple(_compute_api_servers(ports, direction, infrastructure))
        case _:
            assert_never(peer)


def compute_open_block(
    cidr: str, excepts: Sequence[str], direction: Direction, infrastructure: Infrastructure
) -> Block | None:
    """What a rule opens that names the CIDR; None if nothing.

    Nodes are taken out of what pods may reach, because kubelet and all else that listens on a node would answer. One
    address alone is not an oversight, so whoever names it gets it. Nothing is taken out of where connections may come
    from: a node that connects to its pods (kubelet's probes) lets no pod escape.
    """
    if direction == "ingress":
        return compute_block(cidr, excepts, Addresses())
    everywhere, never = _compute_denied(infrastructure)
    return compute_block(cidr, excepts, never if read_network(cidr).single else everywhere)


def build_group_peer(name: str) -> dict[str, Any]:
    """The pods of a group, in all namespaces. Anyone may put a group's label on a pod; PROFILE_LABEL only admission."""
    exist = [{"key": key, "operator": "Exists"} for key in sorted((PROFILE_LABEL, GROUP_LABEL_PREFIX + name))]
    return {"namespaceSelector": {}, "podSelector": {"matchExpressions": exist}}


def compute_void_peers(group: SecurityGroup, infrastructure: Infrastructure) -> tuple[str, ...]:
    """The peers of a group that open nothing, each with the reason as a sentence."""
    directions: tuple[tuple[Direction, Sequence[Rule]], ...] = (("ingress", group.ingress), ("egress", group.egress))
    return tuple(
        f"{direction}[{number}].{_FIELDS[direction]}[{index}]: {_explain_void(peer, infrastructure)}"
        for direction, rules in directions
        for number, rule in enumerate(rules)
        for index, peer in enumerate(rule.peers)
        if not compute_openings(rule, peer, direction, infrastructure)
    )


def build_base_policy(namespace: str) -> Policy:
    """The policy that denies all traffic of a namespace's Fargate pods, but for what other policies allow."""
    return _build_policy(namespace, BASE_POLICY, "base", {"matchExpressions": [_exists(PROFILE_LABEL)]}, Rules())


def build_task_id(pod_uid: str) -> str:
    """The task id of a pod, by which its own policy selects it."""
    return pod_uid.replace("-", "")


def build_pod_policy(namespace: str, pod_name: str, pod_uid: str, groups: Sequence[str], rules: Rules) -> Policy:
    """The policy of one pod, which goes when the pod goes. It selects by what no other pod has, whatever its name.

    Pods that no profile takes may copy the task id, but not the mark.
    """
    selector = {"matchLabels": {TASK_LABEL: build_task_id(pod_uid)}, "matchExpressions": [_exists(PROFILE_LABEL)]}
    policy = _build_policy(namespace, name_pod_policy(pod_name, groups), "pod", selector, rules)
    policy["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "Pod", "name": pod_name, "uid": pod_uid}]
    return policy


def build_groups_policy(namespace: str, names: Sequence[str], rules: Rules, without: Sequence[str] = ()) -> Policy:
    """The policy of all pods of a namespace that belong to exactly these groups, but for those of some task ids."""
    keys = sorted((PROFILE_LABEL, *(GROUP_LABEL_PREFIX + name for name in set(names))))
    selector = {
        "matchLabels": {GROUP_COUNT_LABEL: str(len(set(names)))},
        "matchExpressions": [*map(_exists, keys), *_not_one_of(TASK_LABEL, without)],
    }
    return _build_policy(namespace, name_groups_policy(names), "groups", selector, rules)


def name_pod_policy(pod: str, names: Collection[str]) -> str:
    """The name of a pod's policy: the pod's, then its groups', `web-1.cluster.db`.

    A pod `a.b` of the group `c` must not get the policy of a pod `a` of the groups `b` and `c`, nor a pod the policy of
    a set of groups, so names that could be mistaken carry a hash.
    """
    return _join_name(pod, names, ambiguous="." in pod or pod == GROUPS_POLICY)


def name_groups_policy(names: Collection[str]) -> str:
    """The name of the policy of a set of groups: `monopod-groups.cluster.db`."""
    return _join_name(GROUPS_POLICY, names, ambiguous=False)


def digest_spec(policy: Mapping[str, Any]) -> str:
    """A short text that is equal for policies that do the same, as they were written or as the API server has them.

    One that is on its way out, or that somebody's finalizer could hold, is never like one of ours: those that someone
    made before us under our name become ours, and may have either.
    """
    metadata = policy.get("metadata") or {}
    owners = sorted(str(owner.get("uid")) for owner in metadata.get("ownerReferences") or ())
    content = {
        "label": (metadata.get("labels") or {}).get(POLICY_LABEL),
        "owners": owners,
        "finalizers": metadata.get("finalizers") or [],
        "ends": metadata.get("deletionTimestamp"),
        "spec": _drop_empty(policy.get("spec") or {}),
    }
    return hashlib.sha256(_dump(content).encode()).hexdigest()[:32]


def _merge_rules(
    direction: Direction, groups: Collection[SecurityGroup], infrastructure: Infrastructure
) -> Iterator[dict[str, Any]]:
    """Each peer once, with all its ports; peers with the same ports together in one rule."""
    opened: defaultdict[str, set[Ports]] = defaultdict(set)
    size = 0
    for group in groups:
        for rule in group.ingress if direction == "ingress" else group.egress:
            for opening in (
                each for peer in rule.peers for each in compute_openings(rule, peer, direction, infrastructure)
            ):
                # Every peer is written at least once, so what is too large already can be given up at once.
                size += 0 if opening.peer in opened else len(opening.peer)
                if size > MAX_RULES_BYTES:
                    raise _fail_too_large(groups)
                opened[opening.peer].add(opening.ports)
    together: defaultdict[tuple[Ports, ...], list[str]] = defaultdict(list)
    for peer, several in opened.items():
        together[merge_ports(several)].append(peer)
    for ports in sorted(together, key=lambda key: [str(each) for each in key]):
        limited = {} if ports == (EVERYTHING,) else {"ports": [each.as_dict() for each in ports]}
        yield {_FIELDS[direction]: [json.loads(peer) for peer in sorted(together[ports])], **limited}


@lru_cache(maxsize=8)
def _compute_denied(infrastructure: Infrastructure) -> tuple[Addresses, Addresses]:
    """What is left out of every CIDR of egress, and what even rules that name a single address don't allow."""
    never = infrastructure.metadata
    return Addresses((*infrastructure.nodes, *never, *ON_LINK)), Addresses(never)


def _compute_nodes(direction: Direction, infrastructure: Infrastructure) -> Iterator[Block]:
    denied = Addresses() if direction == "ingress" else _compute_denied(infrastructure)[1]
    for network in Addresses(infrastructure.nodes).networks:
        block = compute_block(str(network), (), denied)
        if block is not None:
            yield block


def _compute_api_servers(ports: Ports, direction: Direction, infrastructure: Infrastructure) -> Iterator[Opening]:
    """The API servers' own ports, never all ports of the machines that they run on."""
    for address, number in infrastructure.api_servers if direction == "egress" else ():
        both = ports.intersect(Ports.of("TCP", number))
        block = compute_block(address, (), _compute_denied(infrastructure)[1])
        if both is not None and block is not None:
            yield Opening(_dump(block.as_dict()), both)


def _build_selector_peer(peer: SelectorPeer) -> dict[str, Any]:
    """As in a NetworkPolicy. All pods of some namespaces are said in one way only."""
    fields = {}
    if peer.namespaces is not None:
        fields["namespaceSelector"] = peer.namespaces.as_dict()
    if peer.pods is not None and (peer.pods.requirements or peer.namespaces is None):
        fields["podSelector"] = peer.pods.as_dict()
    return fields


def _explain_void(peer: Peer, infrastructure: Infrastructure) -> str:
    match peer:
        case CidrPeer(cidr=cidr, excepts=excepts):
            if compute_block(cidr, excepts, Addresses()) is None:
                return f"{cidr} allows nothing, because its exceptions cover all of it"
            if compute_block(cidr, excepts, _compute_denied(infrastructure)[1]) is None:
                return f"{cidr} allows nothing, because no pod may reach the metadata service"
            return f"{cidr} allows nothing, because these are addresses of nodes; name the entity Nodes or one address"
        case EntityPeer(entity=entity):
            return f"{entity} allows nothing, because none of its addresses are known"
        case GroupPeer() | SelectorPeer():
            return "allows nothing"
        case _:
            assert_never(peer)


def _build_policy(namespace: str, name: str, kind: str, selector: dict[str, Any], rules: Rules) -> Policy:
    # Both lists are written even if they are empty, so that an apply takes away what somebody else put there.
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace, "labels": {POLICY_LABEL: kind}},
        "spec": {
            "podSelector": selector,
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [dict(rule) for rule in rules.ingress],
            "egress": [dict(rule) for rule in rules.egress],
        },
    }


def _exists(key: str) -> dict[str, str]:
    return {"key": key, "operator": "Exists"}


def _not_one_of(key: str, values: Collection[str]) -> list[dict[str, Any]]:
    named = sorted(value for value in values if value)
    return [{"key": key, "operator": "NotIn", "values": named}] if named else []


def _join_name(first: str, names: Collection[str], *, ambiguous: bool) -> str:
    groups = sorted(set(names))
    name = ".".join((first, *groups))
    if not ambiguous and len(name) <= MAX_NAME:
        return name
    digest = hashlib.sha256(json.dumps([first, groups]).encode()).hexdigest()[:16]
    # With a dot, as in all names of pods' policies: by that admission knows what the operator may take over.
    return f"{name[: MAX_NAME - len(digest) - 1].rstrip('.-')}.{digest}"


def _drop_empty(value: Any) -> Any:
    """Without what the API server doesn't keep. An empty selector stays: it selects everything, and none nothing."""
    match value:
        case Mapping():
            kept = {key: _drop_empty(each) for key, each in value.items() if each is not None and each != []}
            if kept.get("matchLabels") == {}:
                del kept["matchLabels"]
            return kept
        case [*entries]:
            return [_drop_empty(each) for each in entries]
        case _:
            return value


def _fail_too_large(groups: Collection[SecurityGroup]) -> PolicyTooLarge:
    listed = list_names(sorted({group.name for group in groups}), most=5)
    return PolicyTooLarge(
        f"the rules of {listed} don't fit into one NetworkPolicy, which may have {MAX_RULES_BYTES // 1000} kB: "
        "name fewer or larger CIDRs, and the nodes' networks by the chart's isolation.nodeCIDRs"
    )


def _dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
