"""Every connection between pods, peers and the outside is as the security groups say, also after they change.

What is expected is worked out from the SecurityGroups by a judge of the tests' own (connections.py). Nothing is looked
up in NetworkPolicies: only connections count.
"""

import json
import sys
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from ipaddress import IPv4Address

import pytest

from lab.cluster.provider import polices_first_packets
from lab.shell import run
from tests.e2e.agents import FRIEND, METADATA, Agent, run_on_node
from tests.e2e.connections import Cell
from tests.e2e.live import Live, Object
from tests.e2e.network import OTHER_WEB, PEER, WEB, Change, Network, build_network

pytestmark = pytest.mark.skipif(not polices_first_packets(), reason="kindnet: MONOPOD_KIND_NETWORK=calico runs it")

CHANGE_SECONDS = 2.0
"""Within this, a change is to hold: the project's own promise."""

TRIES = 3
"""Once of so many a busy machine has to have the time for it."""

NODE_PORT = 9999
API_SERVER_PORT = 6443
KUBELET_PORT = 10250
HEARD = ("connected", "ECONNREFUSED")
NO_ROUTE = ("EADDRNOTAVAIL", "ENETUNREACH")
Target = tuple[str, str, str, int]
LISTENING = "0A"
"""In /proc/net/tcp."""


@pytest.fixture(scope="module")
def network(live: Live) -> Iterator[Network]:
    with build_network(live) as network:
        yield network


def test_every_connection_is_as_the_groups_say(network: Network) -> None:
    expected = network.expect()
    opened = sum(expected.values())
    assert len(expected) > 500
    assert 100 < opened < len(expected) - 100, "connections that are nearly all open, or all closed, show little"
    assert network.find_deviations() == []


def test_a_change_of_a_group_holds_for_running_pods_within_two_seconds(network: Network) -> None:
    there, back = network.change_group("net-web", OTHER_WEB), network.change_group("net-web", WEB)
    assert_quick(network, there, back)


def test_a_pods_other_groups_hold_for_it_within_two_seconds(network: Network) -> None:
    assert_quick(network, network.move("web", "net-db"), network.move("web", "net-web"))


def test_where_nobody_chose_a_group_the_namespaces_own_policies_decide(live: Live, network: Network) -> None:
    """A denial of ingress for all pods, then allow-lists in both directions for some, of which some chose groups."""
    namespace = network.places["plain"].namespace
    assert namespace
    friends = [{"protocol": "TCP", "port": 8080}]
    denial = {"podSelector": {}, "policyTypes": ["Ingress"]}
    lists = {
        "podSelector": {"matchExpressions": [{"key": "net", "operator": "Exists"}]},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [{"namespaceSelector": {}, "podSelector": PEER}], "ports": friends}],
        "egress": [{"to": [{"ipBlock": {"cidr": f"{FRIEND}/32"}}], "ports": friends}],
    }
    before = network.expect()
    with owned(live, network, namespace, denial):
        closed = [cell for cell in before if before[cell] and not network.expect()[cell]]
        assert {cell.server for cell in closed} == {"plain", "shared", "visitor"}
        network.settle()
    with owned(live, network, namespace, lists):
        after = network.expect()
        assert after[Cell("peer", "plain", "TCP", 8080)]
        assert after[Cell("shared", FRIEND, "TCP", 8080)]
        assert not after[Cell("plain", "peer", "TCP", 8080)]
        network.settle()
    network.settle()


def test_a_connection_that_is_open_when_its_rule_goes_stays_open(network: Network) -> None:
    """As the tracked connections of AWS's security groups do; new ones are closed."""
    web, db = network.agents["web"], network.places["db"]
    assert web.ask("hold", key="held", address=db.address, port=8080) == "db"
    with reverted(network, network.change_group("net-web", WEB)):
        network.send(network.change_group("net-web", {"ingress": WEB["ingress"], "egress": []}))
        network.settle()
        assert web.ask("probe", targets=[["TCP", "", db.address, 8080]]) == [""]
        assert web.ask("say", key="held", text="still here") == "still here"


@pytest.mark.eks("2.metadata-service")
def test_no_group_opens_the_metadata_service(network: Network) -> None:
    """One names it and its network, another everything."""
    tried = network.try_all(network.expect())
    reaching = {cell.client for cell, answer in tried.items() if cell.server == METADATA and answer}
    assert reaching == {"peer", "visitor"}, "only pods that aren't Fargate's"


def test_of_the_node_a_pod_reaches_the_api_server_and_nothing_else(live: Live, network: Network) -> None:
    """All ports that the node listens on, kubelet's 10250 among them, at all its addresses of both families."""
    with run_on_node(live, NODE_PORT):
        addresses, ports = find_node_addresses(live), find_node_ports(live)
        assert {NODE_PORT, KUBELET_PORT, API_SERVER_PORT} <= ports
        targets = [("SYN", "", address, port) for address in addresses for port in sorted(ports)]
        # Calico gives kind's node another address, in its tunnels, where the API server is no more open than the
        # kubelet.
        api_servers = {(address.removesuffix("/32"), API_SERVER_PORT) for address in network.infrastructure.nodes}
        more = {(address, NODE_PORT) for address in addresses if ":" not in address}
        more |= {(address, KUBELET_PORT) for address, _ in api_servers}
        there = {"plain": api_servers, "web": set[tuple[str, int]](), "closed": set(), "peer": api_servers | more}
        answers = {name: probe(network.agents[name], targets, expected) for name, expected in there.items()}
    reached = {name: {target[2:] for target in found if found[target] in HEARD} for name, found in answers.items()}
    assert reached["plain"] == api_servers
    assert reached["web"] == reached["closed"] == set()
    # The control, an ordinary pod of the same node: all of it is there to be reached.
    without_ipv6 = {target[2] for target, said in answers["peer"].items() if said in NO_ROUTE and ":" in target[2]}
    assert {(address, NODE_PORT) for address in set(addresses) - without_ipv6} | api_servers <= reached["peer"]
    assert any(port == KUBELET_PORT for _, port in reached["peer"])


def assert_quick(network: Network, there: Change, back: Change) -> None:
    """A change, and the one back, hold in time."""
    seen = []
    with reverted(network, back):
        for _ in range(TRIES):
            took = network.measure(there)
            network.settle()
            seen.append((took, network.measure(back)))
            network.settle()
            if max(seen[-1]) <= CHANGE_SECONDS:
                return
    pytest.fail(f"not within {CHANGE_SECONDS} s: {seen}")


@contextmanager
def owned(live: Live, network: Network, namespace: str, spec: Object) -> Iterator[None]:
    """The namespace's owners have a NetworkPolicy."""
    metadata = {"name": "owners", "namespace": namespace}
    live.apply({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec})
    network.policies = {namespace: [spec]}
    try:
        yield
    finally:
        live.kubectl("delete", "networkpolicy", "owners", "-n", namespace)
        network.policies = {}


@contextmanager
def reverted(network: Network, back: Change) -> Iterator[None]:
    try:
        yield
    finally:
        network.send(back)
        network.settle()


def probe(agent: Agent, targets: Sequence[Target], expected: Set[tuple[str, int]]) -> dict[Target, str]:
    """What each target says; asked again if some are silent that are expected to be heard."""
    answers = dict.fromkeys(targets, "")
    for _ in range(TRIES):
        silent = [target for target in targets if answers[target] not in HEARD]
        answers |= zip(silent, agent.ask("probe", targets=silent), strict=True)
        if {target[2:] for target in targets if answers[target] in HEARD} >= expected:
            break
    return answers


def find_node_addresses(live: Live) -> list[str]:
    """The node's own addresses that a pod has a way to: at the other end of its link there is a link-local one."""
    links = json.loads(run(live.cluster.enter_node("ip", "-json", "address")).stdout)
    found = {
        f"{one['local']}%eth0" if one["scope"] == "link" and one["family"] == "inet6" else one["local"]
        for link in links
        for one in link["addr_info"]
        if link["ifname"].startswith("cali") or (one["scope"] == "global" and one["family"] == "inet")
    }
    return sorted(found)


def find_node_ports(live: Live) -> set[int]:
    """The TCP ports that the node listens on, other than on loopback."""
    tables = run(live.cluster.enter_node("cat", "/proc/net/tcp", "/proc/net/tcp6")).stdout
    rows = [line.split() for line in tables.splitlines()]
    sockets = [row[1].split(":") for row in rows if len(row) > 3 and row[3] == LISTENING]
    return {int(port, 16) for address, port in sockets if not is_loopback(address)}


def is_loopback(address: str) -> bool:
    """Whether an address of /proc/net/tcp is; the kernel writes IPv4 as a number of this machine's byte order."""
    if len(address) == 8:
        return IPv4Address(int(address, 16).to_bytes(4, sys.byteorder)).is_loopback
    return address == "00000000000000000000000001000000"
