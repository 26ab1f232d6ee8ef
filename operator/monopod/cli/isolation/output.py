"""What `kubectl fargate isolation` writes: as text for a person, as JSON for a script."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, assert_never

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from monopod.api.names import BASE_POLICY, TASKS_POLICY
from monopod.cli.isolation.findings import GroupState, Identity, PodIsolation
from monopod.cli.output.terminal import build_grid, print_all
from monopod.isolation.rules.addresses import Block
from monopod.isolation.rules.effective_rules import Decider, Kept, OneWay, OpenRule, RuleOfGroup
from monopod.isolation.rules.policy_rules import Pods, PolicyPeer, describe_peer, get_group
from monopod.kube.objects.text import list_names

Json = dict[str, Any]

_INDENT: Final = (0, 0, 0, 2)
_EXCEPTIONS_SHOWN: Final = 4
_PEERS_SHOWN: Final = 5
_ADDRESSES_SHOWN: Final = 2
_IDENTITIES: Final[Mapping[Identity, str]] = {
    Identity.GIVEN: "",
    Identity.NOT_NEEDED: "",
    Identity.MISSING: "It lacks the label monopod.dev/task, so the NetworkPolicy of its own doesn't select it yet. "
    "Monopod's operator writes it; if it stays so, the pod's events say why.",
}


def write(found: PodIsolation, output: str) -> None:
    """Writes it to stdout, as `text` or `json`."""
    if output == "json":
        click.echo(json.dumps(build_report(found), indent=2, ensure_ascii=False))
    else:
        print_all(lambda out: _write_text(found, out))


def build_report(found: PodIsolation) -> Json:
    """The object that is written as JSON."""
    rules = found.rules
    return {
        "pod": found.name,
        "namespace": found.namespace,
        "profile": found.profile,
        "identity": found.identity,
        "defaultDenyPolicy": rules.base,
        "securityGroups": [
            {"name": each.name, "state": each.state, "problem": each.problem or None} for each in found.groups
        ],
        "ingress": _build_way(rules.ingress),
        "egress": _build_way(rules.egress),
        "overPermissive": [
            {"policy": policy, "direction": each.direction, "message": each.text}
            for policy, each in rules.over_permissive
        ],
        "rulesWithoutEffect": [_build_origin(each) for each in rules.idle],
        "kept": [
            {
                "what": each.what,
                "addresses": list(each.addresses),
                "allowed": list(each.allowed),
                "denied": each.denied,
                "allowedBy": sorted({rule.policy for rule in each.allowed_by}),
            }
            for each in rules.kept
        ],
    }


def _build_way(way: OneWay) -> Json:
    return {
        "denied": way.denied,
        "decidedBy": way.decider,
        "networkPolicies": list(way.owners),
        "rules": [_build_rule(rule) for rule in way.rules],
    }


def _build_rule(rule: OpenRule) -> Json:
    return {
        "ports": [str(ports) for ports in rule.ports],
        "peer": describe_peer(rule.peer),
        **_build_peer(rule.peer),
        "policy": rule.policy,
        "foreign": not rule.ours,
        "origins": [_build_origin(origin) for origin in rule.origins],
    }


def _build_peer(peer: PolicyPeer) -> Json:
    match peer:
        case Block(cidr=cidr, excepts=excepts):
            return {"cidr": cidr, "except": list(excepts)}
        case Pods() if name := get_group(peer):
            return {"securityGroup": name}
        case Pods(namespaces=namespaces, pods=pods):
            return {
                "namespaceSelector": None if namespaces is None else namespaces.as_dict(),
                "podSelector": pods.as_dict(),
            }
        case _:
            return {}


def _build_origin(origin: RuleOfGroup) -> Json:
    return {"securityGroup": origin.group, "rule": origin.place, "description": origin.description or None}


def _write_text(found: PodIsolation, out: Console) -> None:
    names = ", ".join(each.name for each in found.groups) or "none"
    out.print(Text(f"Pod {found.name} in namespace {found.namespace}", "bold"))
    out.print(f"Profile {found.profile}, security groups: {names}.")
    for line in describe_troubles(found):
        out.print(Text(line, "bold red"))
    for title, way in (("Ingress", found.rules.ingress), ("Egress", found.rules.egress)):
        out.print()
        out.print(Text.assemble((title, "bold"), f": {describe_way(way)}"))
        if way.rules:
            out.print(Padding(_build_rules_table(way), _INDENT, expand=False))
    for heading, lines in _list_sections(found):
        out.print()
        out.print(Text(heading, "bold"))
        for line in lines:
            out.print(f"  {line}")


def describe_troubles(found: PodIsolation) -> Iterator[str]:
    """What is out of order, one sentence each."""
    if note := _IDENTITIES[found.identity]:
        yield note
    for each in found.groups:
        if each.state is GroupState.UNREADABLE:
            yield f"Group {each.name} {each.problem}, so its rules aren't told apart."
        elif each.problem:
            yield f"Group {each.name} {each.problem}, so all the pod's traffic is denied until it can be used."
    if not found.rules.base:
        yield f"NetworkPolicy {BASE_POLICY} is missing: nothing denies the pod's traffic but the policies below."


def describe_way(way: OneWay) -> str:
    """Who decides in a direction, and what holds."""
    state = "all denied except" if way.rules else "all denied"
    match way.decider:
        case Decider.NOBODY:
            return "open, because no NetworkPolicy is about it"
        case Decider.SECURITY_GROUPS:
            return f"security groups decide; {state}"
        case Decider.NETWORK_POLICIES:
            verb = "decides" if len(way.owners) == 1 else "decide"
            return f"NetworkPolicy {list_names(way.owners)} {verb} alone, as no one chose a security group; {state}"
        case Decider.BOTH:
            return f"security groups and NetworkPolicy {list_names(way.owners)} add up; {state}"
        case never:
            assert_never(never)


def _build_rules_table(way: OneWay) -> Table:
    """Rules that differ in their peers alone are one line: an entity may be hundreds of addresses."""
    together: dict[tuple[Any, ...], list[OpenRule]] = {}
    for rule in way.rules:
        together.setdefault((rule.policy, rule.origins, rule.ports), []).append(rule)
    table = build_grid(3)
    for rules in together.values():
        ports = ", ".join(str(each) for each in rules[0].ports)
        peers = list_names([_describe_briefly(rule.peer) for rule in rules], _PEERS_SHOWN)
        table.add_row(ports, peers, Text(describe_owner(rules[0]), "" if rules[0].ours else "yellow"))
    return table


def _describe_briefly(peer: PolicyPeer) -> str:
    if isinstance(peer, Block) and len(peer.excepts) > _EXCEPTIONS_SHOWN:
        return f"{peer.cidr} without {list_names(peer.excepts, _EXCEPTIONS_SHOWN)}"
    return describe_peer(peer)


def describe_owner(rule: OpenRule) -> str:
    """Whose rule it is."""
    if not rule.ours:
        return f"NetworkPolicy {rule.policy}, not Monopod's"
    if rule.policy == TASKS_POLICY:
        return f"NetworkPolicy {rule.policy}: the metadata of ECS tasks"
    origins = "; ".join(describe_origin(origin) for origin in rule.origins)
    return origins or f"NetworkPolicy {rule.policy}, by no rule that its groups have now"


def describe_origin(origin: RuleOfGroup) -> str:
    """A rule of a group, as its author finds it."""
    return f"group {origin.group} {origin.place}" + (f" ({origin.description})" if origin.description else "")


def _list_sections(found: PodIsolation) -> Iterator[tuple[str, list[str]]]:
    rules = found.rules
    if rules.over_permissive:
        lines = [f"NetworkPolicy {policy} {each.text}" for policy, each in rules.over_permissive]
        yield "More than its groups allow, because NetworkPolicies add up", lines
    if rules.idle:
        lines = [describe_origin(each) for each in rules.idle]
        yield "In no NetworkPolicy: these rules open nothing, or not yet", lines
    yield "Denied whatever the groups say", [describe_kept(each) for each in rules.kept]


def describe_kept(kept: Kept) -> str:
    """Whether something is out of reach, and if not, why."""
    listed = [address.partition("/")[0] for address in kept.allowed or kept.addresses]
    what = f"{kept.what} ({list_names(listed, _ADDRESSES_SHOWN)})"
    if kept.denied:
        return f"{what}: denied"
    owners = list(dict.fromkeys(describe_owner(rule) for rule in kept.allowed_by))
    return f"{what}: open, by {'; '.join(owners)}" if owners else f"{what}: open"
