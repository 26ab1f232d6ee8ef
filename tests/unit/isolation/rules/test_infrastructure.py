"""Which addresses count as the cluster's own."""

import pytest

from monopod.isolation.rules.infrastructure import build_infrastructure, describe_odd_addresses
from monopod.isolation.rules.network_policies import METADATA, Infrastructure
from monopod.kube.objects.views import Endpoints, NodeView, read_node


def build(
    *nodes: NodeView, node_cidrs: tuple[str, ...] = (), api_servers: tuple[Endpoints, ...] = ()
) -> Infrastructure:
    return build_infrastructure(nodes, node_cidrs, api_servers, METADATA)


NODE = NodeView("a", ("192.0.2.7", "2001:db8::7", "a.example.com"), ("10.244.1.0/24", "fd00:1::/64"))


def test_a_nodes_addresses_are_those_it_tells_and_the_first_of_its_pods_networks() -> None:
    assert build(NODE).nodes == ("10.244.1.1/32", "192.0.2.7/32", "2001:db8::7/128", "fd00:1::1/128")


def test_the_address_that_calico_gives_a_node_in_its_tunnels_is_one_of_the_nodes() -> None:
    tunnels = {"projectcalico.org/IPv4IPIPTunnelAddr": "10.244.82.0", "projectcalico.org/IPv4Address": "192.0.2.7/24"}
    addresses = [{"type": "InternalIP", "address": "192.0.2.7"}, {"type": "Hostname", "address": "a"}]
    node = {"metadata": {"name": "a", "annotations": tunnels}, "status": {"addresses": addresses}}
    assert build(read_node(node)).nodes == ("10.244.82.0/32", "192.0.2.7/32")


def test_networks_that_an_administrator_names_count_instead() -> None:
    assert build(NODE, node_cidrs=("192.0.2.0/24",)).nodes == ("192.0.2.0/24",)


ODD = {
    "IPv4 in IPv6's form": ("::ffff:192.0.2.8", ["192.0.2.8/32"]),
    "the same in hexadecimal": ("::ffff:c000:208", ["192.0.2.8/32"]),
    "with a zone": ("fe80::1%eth0", ["fe80::1/128"]),
    "IPv4 in an older form of IPv6's": ("::192.0.2.8", ["::c000:208/128"]),
    "IPv4 behind NAT64": ("64:ff9b::192.0.2.8", ["64:ff9b::c000:208/128"]),
    "link-local": ("169.254.7.7", ["169.254.7.7/32"]),
    "none": ("0.0.0.0", []),  # noqa: S104 nothing is bound
    "none of IPv6": ("::", []),
    "none, in IPv6's form": ("::ffff:0.0.0.0", []),
    "loopback": ("127.0.0.1", []),
    "loopback of IPv6": ("::1", []),
    "multicast": ("224.0.0.1", []),
    "broadcast": ("255.255.255.255", []),
    "leading zeros": ("010.1.1.1", []),
    "a network": ("192.0.2.0/24", []),
    "a name": ("a.example.com", []),
    "nothing": ("", []),
    "an address between spaces": (" 192.0.2.8", []),
    "a zone without a name": ("fe80::1%", []),
}


@pytest.mark.parametrize(("text", "cidrs"), ODD.values(), ids=ODD.keys())
def test_an_odd_address_is_written_as_rules_need_it_or_left_out_and_told(text: str, cidrs: list[str]) -> None:
    node = NodeView("a", (text,), ())
    assert list(build(node).nodes) == cidrs
    assert build(api_servers=(((text, 6443),),)).api_servers == tuple((each, 6443) for each in cidrs)
    told = describe_odd_addresses(node)
    assert told == ("" if cidrs else f"tells {text!r}, which no machine can have as its address; rules ignore that")


@pytest.mark.parametrize("network", ["nonsense", "", "127.0.0.0/8", "10.0.0.0/99"])
def test_an_odd_network_of_pods_is_left_out_and_told(network: str) -> None:
    node = NodeView("a", ("192.0.2.7",), (network,))
    assert build(node).nodes == ("192.0.2.7/32",)
    assert repr(network) in describe_odd_addresses(node)


def test_an_odd_network_of_pods_of_ipv4_in_ipv6s_form_is_one_of_ipv4() -> None:
    assert build(NodeView("a", (), ("::ffff:10.244.1.0/120",))).nodes == ("10.244.1.1/32",)


def test_of_a_node_that_tells_thousands_of_addresses_some_count() -> None:
    node = NodeView("a", tuple(f"10.{number >> 8}.{number % 256}.2" for number in range(2000)), ())
    assert len(build(node).nodes) == 256
    assert describe_odd_addresses(node) == "tells 2000 addresses, of which 256 count"


def test_what_is_told_of_odd_addresses_is_short() -> None:
    node = NodeView("a", tuple("x" * 5000 + str(number) for number in range(50)), ())
    assert describe_odd_addresses(node).count("x" * 60) == 3
    assert len(describe_odd_addresses(node)) < 300


@pytest.mark.parametrize("endpoints", [(("api.example.com", 443), ("192.0.2.1", 6443)), (("192.0.2.1", 6443),)])
def test_the_api_servers_names_are_no_addresses(endpoints: Endpoints) -> None:
    assert build(api_servers=(endpoints,)).api_servers == (("192.0.2.1/32", 6443),)
