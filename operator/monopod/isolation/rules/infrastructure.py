"""The addresses of a cluster's own machines, which rules of security groups are made with.

Where an administrator names the nodes' networks, these count and nodes may come and go without any rule changing.
Otherwise they are the addresses that the nodes tell, and the first address of each of their pod networks, which a
bridge on the node usually has.
"""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_network
from typing import Final

from monopod.isolation.rules.addresses import as_cidr, compute_address
from monopod.isolation.rules.network_policies import Infrastructure
from monopod.kube.objects.text import list_names
from monopod.kube.objects.views import Endpoints, NodeView

MAX_ADDRESSES: Final = 256
"""How many addresses of one node count. One that tells tens of thousands would make every policy too large."""

_LONGEST_SHOWN: Final = 60


def build_infrastructure(
    nodes: Iterable[NodeView], node_cidrs: Sequence[str], api_servers: Iterable[Endpoints], metadata: Sequence[str]
) -> Infrastructure:
    """What rules depend on; sorted, so that it changes only if an address does.

    What no rule could be written with is left out, or one odd address would have the API server refuse them all.
    """
    found = set(node_cidrs) or {as_cidr(address) for node in nodes for address in _get_usable(node)}
    servers = {
        (as_cidr(address), port)
        for endpoints in api_servers
        for text, port in endpoints
        if (address := compute_address(text))
    }
    return Infrastructure(tuple(sorted(found)), tuple(sorted(servers)), tuple(metadata))


def describe_odd_addresses(node: NodeView) -> str:
    """Which of a node's addresses don't count, as a sentence for the log; "" if all do."""
    odd = [text for text in node.addresses if not compute_address(text)]
    odd += [text for text in node.pod_networks if not _find_first(text)]
    if odd:
        shown = list_names([repr(text[:_LONGEST_SHOWN]) for text in odd])
        return f"tells {shown}, which no machine can have as its address; rules ignore that"
    if len(node.addresses) > MAX_ADDRESSES:
        return f"tells {len(node.addresses)} addresses, of which {MAX_ADDRESSES} count"
    return ""


def _get_usable(node: NodeView) -> Iterator[str]:
    for text in node.addresses[:MAX_ADDRESSES]:
        if address := compute_address(text):
            yield address
    for text in node.pod_networks:
        if address := _find_first(text):
            yield address


def _find_first(pod_network: str) -> str | None:
    """The first address of a network of pods, which a bridge on the node has."""
    try:
        network = ip_network(pod_network, strict=False)
    except ValueError:
        return None  # the API server doesn't check what a node gets later than at its creation
    return compute_address(str(network[1] if network.num_addresses > 1 else network[0]))
