"""The addresses of a cluster's own machines, which rules of security groups are made with.

Where an administrator names the nodes' networks, these count and nodes may come and go without any rule changing.
Otherwise they are the addresses that the nodes tell, and the first address of each of their pod networks, which a
bridge on the node usually has.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from monopod.domain.isolation import Infrastructure


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node's addresses and the networks of its pods."""

    name: str
    addresses: tuple[str, ...]
    pod_networks: tuple[str, ...]


Endpoints = tuple[tuple[str, int], ...]
"""Addresses and ports."""


def build_infrastructure(
    nodes: Iterable[NodeView], node_cidrs: Sequence[str], api_servers: Iterable[Endpoints], *, metadata_allowed: bool
) -> Infrastructure:
    """What rules depend on; sorted, so that it changes only if an address does."""
    found = set(node_cidrs) or {cidr for node in nodes for cidr in _find_addresses(node)}
    servers = {(cidr, port) for endpoints in api_servers for address, port in endpoints if (cidr := _as_cidr(address))}
    return Infrastructure(tuple(sorted(found)), tuple(sorted(servers)), metadata_allowed)


def _find_addresses(node: NodeView) -> Iterator[str]:
    for address in node.addresses:
        if cidr := _as_cidr(address):
            yield cidr
    for network in node.pod_networks:
        first = ip_network(network, strict=False)
        yield _as_cidr(str(first[1] if first.num_addresses > 1 else first[0]))


def _as_cidr(address: str) -> str:
    """The address alone as a CIDR; "" for what isn't one (a name)."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    return f"{parsed}/{parsed.max_prefixlen}"
