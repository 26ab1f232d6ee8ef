"""Which connections security groups and the namespaces' own policies open, to hold what happens against.

The judge is tests/unit/isolation/rules/verdicts.py, which shares no decision with Monopod: what NetworkPolicies the
operator writes, and which labels it finds on a pod, play no part.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monopod.isolation.rules.network_policies import Infrastructure
from monopod.isolation.rules.security_group import SecurityGroup
from tests.unit.isolation.rules.verdicts import (
    HOME,
    Flow,
    RemotePod,
    is_open_by_groups,
    is_open_by_policy,
    selector_fits,
)

Policies = Mapping[str, Sequence[Mapping[str, Any]]]
"""The specs of the NetworkPolicies that people have written, by namespace."""

Ports = Mapping[tuple[str, int], str]
"""Protocols and numbers of ports, with the names that a container gives them."""


@dataclass(frozen=True)
class NamespaceContext:
    """One end of connections.

    Attributes:
        groups: The security groups; None for what has none, because it is no Fargate pod.
        namespace: None outside of the cluster.
        ports: What it answers on; it can use the protocols of these.
        calls: Whether connections come from here too.
        chosen: Whether someone chose the groups.
    """

    name: str
    address: str
    ports: Ports
    groups: tuple[str, ...] | None = None
    namespace: str | None = None
    namespace_labels: Mapping[str, str] | None = None
    labels: Mapping[str, str] | None = None
    calls: bool = True
    chosen: bool = True


@dataclass(frozen=True, order=True)
class Cell:
    """A connection that is tried."""

    client: str
    server: str
    protocol: str
    port: int

    def __str__(self) -> str:
        return f"{self.client} → {self.server} {self.protocol} {self.port}"


def list_cells(places: Collection[NamespaceContext]) -> Iterator[Cell]:
    """All connections in which a pod takes part."""
    for client in places:
        for server in places:
            if client is not server and client.calls and (client.namespace or server.namespace):
                spoken = {protocol for protocol, _ in client.ports}
                for protocol, port in server.ports:
                    if protocol in spoken:
                        yield Cell(client.name, server.name, protocol, port)


def judge(
    places: Collection[NamespaceContext],
    groups: Mapping[str, Mapping[str, Any]],
    infrastructure: Infrastructure,
    policies: Policies | None = None,
) -> dict[Cell, bool]:
    """Which connections are open: those that both ends allow. `groups` are SecurityGroups by name."""
    named = {place.name: place for place in places}
    read = {name: SecurityGroup.from_resource(group) for name, group in groups.items()}

    def is_open(cell: Cell) -> bool:
        client, server = named[cell.client], named[cell.server]
        port_names = {(protocol, name): number for (protocol, number), name in server.ports.items() if name}
        for pod, other, direction in ((client, server, "egress"), (server, client, "ingress")):
            if pod.namespace is not None:
                flow = Flow(direction, other.address, cell.protocol, cell.port, _see(other, pod), port_names)
                own = (policies or {}).get(pod.namespace, ())
                about = [spec for spec in own if _is_about(spec, pod, direction)]
                by_policies = any(is_open_by_policy(flow, spec.get(direction, [])) for spec in about)
                if pod.groups is None:
                    allowed = by_policies or not about
                elif about and not pod.chosen:
                    allowed = by_policies
                else:
                    by_groups = is_open_by_groups(flow, [read[name] for name in pod.groups], infrastructure)
                    allowed = by_groups or by_policies
                if not allowed:
                    return False
        return True

    return {cell: is_open(cell) for cell in list_cells(places)}


def _is_about(spec: Mapping[str, Any], pod: NamespaceContext, direction: str) -> bool:
    return direction.capitalize() in spec["policyTypes"] and selector_fits(spec["podSelector"], pod.labels or {})


def _see(place: NamespaceContext, pod: NamespaceContext) -> RemotePod | None:
    """A place as the rules of a pod see it."""
    if place.namespace is None:
        return None
    labels = dict(place.labels or {})
    if place.groups is not None:
        labels |= {"monopod.dev/profile": "any", **{f"sg.monopod.dev/{name}": "member" for name in place.groups}}
    namespace = HOME if place.namespace == pod.namespace else place.namespace
    return RemotePod(namespace, place.namespace_labels or {}, labels)
