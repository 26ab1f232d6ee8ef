"""Which addresses count as the cluster's own."""

import pytest

from monopod.domain.infrastructure import Endpoints, NodeView, build_infrastructure
from monopod.domain.isolation import Infrastructure


def build(
    *nodes: NodeView, node_cidrs: tuple[str, ...] = (), api_servers: tuple[Endpoints, ...] = ()
) -> Infrastructure:
    return build_infrastructure(nodes, node_cidrs, api_servers, metadata_allowed=False)


NODE = NodeView("a", ("192.0.2.7", "2001:db8::7", "a.example.com"), ("10.244.1.0/24", "fd00:1::/64"))


def test_a_nodes_addresses_are_those_it_tells_and_the_first_of_its_pods_networks() -> None:
    assert build(NODE).nodes == ("10.244.1.1/32", "192.0.2.7/32", "2001:db8::7/128", "fd00:1::1/128")


def test_networks_that_an_administrator_names_count_instead() -> None:
    assert build(NODE, node_cidrs=("192.0.2.0/24",)).nodes == ("192.0.2.0/24",)


@pytest.mark.parametrize("endpoints", [(("api.example.com", 443), ("192.0.2.1", 6443)), (("192.0.2.1", 6443),)])
def test_the_api_servers_names_are_no_addresses(endpoints: Endpoints) -> None:
    assert build(api_servers=(endpoints,)).api_servers == (("192.0.2.1/32", 6443),)
