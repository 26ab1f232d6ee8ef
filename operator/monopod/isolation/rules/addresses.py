"""Networks of addresses, as an `ipBlock` of a NetworkPolicy holds them: a CIDR, and what is taken out of it.

Knows nothing of rules or groups. What is taken out is always merged, sorted, and strictly inside the CIDR, because the
API server refuses everything else; a CIDR of which nothing is left is no block at all.

Networks are numbers here, because thousands of nodes may have to be taken out of a CIDR, and `ipaddress` is slow.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network, summarize_address_range
from typing import Any, Final, NamedTuple

_BITS: Final = {4: 32, 6: 128}
_BROADCAST: Final = IPv4Address("255.255.255.255")


class Network(NamedTuple):
    """The addresses that share a prefix, by the first and the last of them as numbers; sorted by family, then place."""

    version: int
    first: int
    last: int

    @property
    def single(self) -> bool:
        """Whether it is one address."""
        return self.first == self.last

    def holds(self, other: "Network") -> bool:
        """Whether every address of the other is in it."""
        return self.version == other.version and self.first <= other.first and other.last <= self.last

    def __str__(self) -> str:
        return _write_network(self)


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
        self.networks = merge_networks(read_network(cidr) for cidr in cidrs)

    def find_inside(self, network: Network) -> list[Network]:
        """Those in the network; the network itself if it is wholly in the set."""
        # Networks are nested or apart, so only the one that starts at or before it can hold it.
        before = bisect_right(self.networks, (network.version, network.first, 1 << 128)) - 1
        if before >= 0 and self.networks[before].holds(network):
            return [network]
        start = bisect_left(self.networks, (network.version, network.first, 0))
        return self.networks[start : bisect_right(self.networks, (network.version, network.last, network.last))]


@lru_cache(maxsize=1 << 14)
def read_network(cidr: str) -> Network:
    """The network; an address alone is a network of one.

    Raises:
        ValueError: it is neither.
    """
    network = ip_network(cidr)
    return Network(network.version, int(network.network_address), int(network.broadcast_address))


MAPPED: Final = read_network("::ffff:0:0/96")
"""IPv4 in IPv6's form. No `ipBlock` may hold it, and no packet carries it."""


def read_block_cidr(text: str) -> str:
    """The CIDR as an `ipBlock` takes it.

    Raises:
        ValueError: no `ipBlock` takes it; the text says so.
    """
    network = read_network(text)
    if MAPPED.holds(network):
        raise ValueError(f"{text!r} is an IPv4 network in IPv6's form")
    if "%" in text:
        raise ValueError(f"{text!r} has a zone, which says something on one machine only")
    return str(network)


def compute_address(text: str) -> str | None:
    """The address that a machine tells, as an `ipBlock` takes it; None if none takes it, or no machine has it.

    The API server takes any text for a node's address, but refuses the whole NetworkPolicy that repeats some of them,
    such as IPv4 in IPv6's form.
    """
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address):
        parsed = parsed.ipv4_mapped or IPv6Address(int(parsed))  # without its zone
    if parsed.is_unspecified or parsed.is_loopback or parsed.is_multicast or parsed == _BROADCAST:
        return None
    return str(parsed)


def as_cidr(address: str) -> str:
    """An address alone as a CIDR."""
    return str(read_network(address))


def compute_block(cidr: str, excepts: Iterable[str], denied: Addresses) -> Block | None:
    """What is left of a CIDR without its exceptions and the denied addresses; None if that is nothing."""
    network = read_network(cidr)
    shut = denied.find_inside(network)
    own = Addresses(excepts).find_inside(network)
    taken = merge_networks([*own, *shut]) if own and shut else own or shut
    return None if taken == [network] else Block(str(network), tuple(str(each) for each in taken))


def merge_networks(networks: Iterable[Network]) -> list[Network]:
    """The fewest networks that hold the same addresses, in order."""
    merged: list[Network] = []
    # Of networks that start at the same address the largest comes first, and holds the others.
    for network in sorted(networks, key=lambda each: (each.version, each.first, -each.last)):
        if merged and merged[-1].holds(network):
            continue
        left = network
        while merged and (both := _join(merged[-1], left)):
            merged.pop()
            left = both
        merged.append(left)
    return merged


def compute_region(block: Block) -> list[Network]:
    """The addresses of a block, as stretches from a first to a last address."""
    return subtract([read_network(block.cidr)], [read_network(each) for each in block.excepts])


def subtract(stretches: Iterable[Network], taken: Iterable[Network]) -> list[Network]:
    """What is left of some stretches of addresses without others; the same stretches, if nothing is taken."""
    holes = sorted(taken)
    left = []
    for stretch in stretches:
        first = stretch.first
        for hole in holes:
            if hole.version != stretch.version or hole.last < first or hole.first > stretch.last:
                continue
            if hole.first > first:
                left.append(Network(stretch.version, first, hole.first - 1))
            first = hole.last + 1
        if first <= stretch.last:
            left.append(Network(stretch.version, first, stretch.last))
    return left


def list_cidrs(stretches: Iterable[Network]) -> list[str]:
    """The stretches as the fewest CIDRs."""
    return [
        str(network)
        for version, first, last in stretches
        for network in (
            summarize_address_range(IPv4Address(first), IPv4Address(last))
            if version == 4
            else summarize_address_range(IPv6Address(first), IPv6Address(last))
        )
    ]


def _join(one: Network, other: Network) -> Network | None:
    """The network that both are the halves of, if there is one."""
    size = one.last - one.first + 1
    if one.version != other.version or other.last - other.first + 1 != size:
        return None
    halves = one.last + 1 == other.first and one.first % (2 * size) == 0
    return Network(one.version, one.first, other.last) if halves else None


@lru_cache(maxsize=1 << 14)
def _write_network(network: Network) -> str:
    address = IPv4Address(network.first) if network.version == 4 else IPv6Address(network.first)
    return f"{address}/{_BITS[network.version] - (network.last - network.first).bit_length()}"
