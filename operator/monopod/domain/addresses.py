"""Networks of addresses, as an `ipBlock` of a NetworkPolicy holds them: a CIDR, and what is taken out of it.

Knows nothing of rules or groups. What is taken out is always merged, sorted, and strictly inside the CIDR, because the
API server refuses everything else; a CIDR of which nothing is left is no block at all.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, order=True)
class Block:
    """The addresses of a CIDR without those of its exceptions."""

    cidr: str
    excepts: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The block as a peer of a NetworkPolicy's rule."""
        return {"ipBlock": {"cidr": self.cidr, **({"except": list(self.excepts)} if self.excepts else {})}}


class Addresses:
    """A set of addresses of both families: the fewest networks that hold them, in order."""

    def __init__(self, cidrs: Iterable[str] = ()) -> None:
        networks = [read_network(cidr) for cidr in cidrs]
        self._families: dict[int, tuple[list[Network], list[int]]] = {}
        for version in (4, 6):
            merged = merge_networks(network for network in networks if network.version == version)
            self._families[version] = merged, [int(network.network_address) for network in merged]

    def list_cidrs(self) -> tuple[str, ...]:
        """All of them, IPv4 first."""
        return tuple(str(network) for networks, _ in self._families.values() for network in networks)

    def find_inside(self, network: Network) -> list[Network]:
        """Those in the network; the network itself if it is wholly in the set."""
        networks, starts = self._families[network.version]
        first, last = int(network.network_address), int(network.broadcast_address)
        before = bisect_right(starts, first) - 1
        if before >= 0 and int(networks[before].broadcast_address) >= last:
            return [network]
        return networks[bisect_left(starts, first) : bisect_right(starts, last)]

    def holds(self, network: Network) -> bool:
        """Whether every address of the network is in the set."""
        return self.find_inside(network) == [network]


def read_network(cidr: str) -> Network:
    """The network; an address alone is a network of one.

    Raises:
        ValueError: it is neither.
    """
    return ip_network(cidr)


def is_single(network: Network) -> bool:
    """Whether it is one address."""
    return network.prefixlen == network.max_prefixlen


def find_block(cidr: str, excepts: Iterable[str], closed: Addresses) -> Block | None:
    """What is left of a CIDR without its exceptions and the closed addresses; None if that is nothing."""
    network = read_network(cidr)
    shut = closed.find_inside(network)
    own = Addresses(excepts).find_inside(network)
    taken = merge_networks([*own, *shut]) if own and shut else own or shut
    return None if taken == [network] else Block(str(network), tuple(str(each) for each in taken))


def merge_networks(networks: Iterable[Network]) -> list[Network]:
    """The fewest networks that hold the same addresses, in order; all must be of one family."""
    # The cast that typing needs: the function is declared for either family, not for a union of both.
    family: Any = list(networks)
    return list(collapse_addresses(family))
