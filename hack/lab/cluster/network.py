"""The network of a cluster's nodes: one bridge, inside the first node's network namespace.

    this machine  host veth ─┐
    node-1        br0 ───────┴──────┬─ …      10.213.N.1; N is the cluster's own
    node-2        eth0 ─────────────┘         10.213.N.2

Nothing here has a route to the outside: what pods send stays in these namespaces, and a deleted node takes its
interfaces with it.
"""

import hashlib
import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass

from lab.cluster.controlplane import SERVICE_CIDR
from lab.services import Services
from lab.shell import run

CALICO_GATEWAY = "169.254.1.1"
CLUSTERS = ipaddress.IPv4Network("10.213.0.0/16")


@dataclass(frozen=True)
class Subnet:
    """The addresses of one cluster's nodes."""

    network: ipaddress.IPv4Network

    def node(self, index: int) -> str:
        """Address of a node; the first is 0."""
        return str(self.network[index + 1])

    @property
    def host(self) -> str:
        """This machine's address in the cluster's network."""
        return str(self.network[-2])


def pod_cidr(index: int) -> str:
    """Addresses of the pods on a node."""
    return f"10.244.{index}.0/24"


def find_free_subnet() -> Subnet:
    """Finds a /24 that no interface or route of this machine uses."""
    taken = []
    for route in json.loads(run(["ip", "-json", "route", "show", "table", "all"]).stdout or "[]"):
        try:
            taken.append(ipaddress.ip_network(route.get("dst", ""), strict=False))
        except ValueError:
            continue  # "default"
    ipv4 = [net for net in taken if isinstance(net, ipaddress.IPv4Network) and net.prefixlen]
    for candidate in CLUSTERS.subnets(new_prefix=24):
        if not any(candidate.overlaps(net) for net in ipv4):
            return Subnet(candidate)
    raise RuntimeError(f"no free network left in {CLUSTERS}; take clusters down with hack/cluster down")


def connect_nodes(cluster: str, subnet: Subnet, nodes: Sequence[Services], spare: int = 0) -> None:
    """Wires this machine and the nodes to the bridge and routes between the nodes' pods.

    Args:
        cluster: The cluster's name.
        subnet: Its nodes' addresses.
        nodes: The nodes.
        spare: How many more may be connected later.
    """
    first = nodes[0].init_pid()
    # With an address of its own: otherwise it has that of one of its ports, and another when nodes come and go, which
    # those who have asked for it before don't hear of.
    _inside(first, f"ip link add br0 address {_get_card(subnet, 0)} type bridge")
    _inside(first, f"ip addr add {subnet.node(0)}/24 dev br0", "ip link set br0 up")
    host_end = host_interface(cluster)
    disconnect(cluster)
    run(["ip", "link", "add", host_end, "type", "veth", "peer", "name", "host", "netns", str(first)])
    _inside(first, "ip link set host master br0 up")
    run(["ip", "addr", "add", f"{subnet.host}/24", "dev", host_end])
    run(["ip", "link", "set", host_end, "up"])
    total = len(nodes) + spare
    _route(subnet, 0, first, total)
    for index, node in enumerate(nodes[1:], start=1):
        connect_node(subnet, first, index, node.init_pid(), total)


def connect_node(subnet: Subnet, first: int, index: int, node: int, total: int) -> None:
    """Wires a node to the bridge, in place of one that had its number before.

    Args:
        subnet: The nodes' addresses.
        first: A process of the first node.
        index: The node's number.
        node: A process of it.
        total: How many nodes there may be.
    """
    end = f"node-{index + 1}"
    disconnect_node(first, index)
    card = _get_card(subnet, index)
    _inside(first, f"ip link add {end} type veth peer name eth0 address {card} netns /proc/{node}/ns/net")
    _inside(first, f"ip link set {end} master br0 up")
    _inside(node, f"ip addr add {subnet.node(index)}/24 dev eth0", "ip link set eth0 up")
    _route(subnet, index, node, total)


def disconnect_node(first: int, index: int) -> None:
    """Takes a node from the bridge, whose namespace may linger."""
    run([*_enter(first), "ip", "link", "delete", f"node-{index + 1}"], check=False)


def disconnect(cluster: str) -> None:
    """Takes this machine out of a cluster's network.

    The interface goes with the node's namespace, but that may linger for minutes: TCP connections that lost their peer
    hold it until they time out.
    """
    run(["ip", "link", "delete", host_interface(cluster)], check=False)


def host_interface(cluster: str) -> str:
    """Name of this machine's interface to a cluster."""
    return "mp" + hashlib.sha256(cluster.encode()).hexdigest()[:10]  # an interface's name has at most 15 characters


def _route(subnet: Subnet, index: int, node: int, nodes: int) -> None:
    device = "br0" if index == 0 else "eth0"
    _inside(
        node,
        "sysctl -qw net.ipv4.ip_forward=1",
        # Packets to a pod that is gone end here instead of circling.
        f"ip route replace blackhole {pod_cidr(index)} metric 4096",
        # Only so that the node's own programs find a route to Services; kube-proxy rewrites the address first.
        f"ip route replace {SERVICE_CIDR} dev {device}",
        # Pods ask who has this gateway of Calico's, and the kernel answers for it (proxy ARP) only with a route to it.
        f"ip route replace {CALICO_GATEWAY}/32 dev {device}",
        *(f"ip route replace {pod_cidr(i)} via {subnet.node(i)}" for i in range(nodes) if i != index),
    )


def _get_card(subnet: Subnet, index: int) -> str:
    """The hardware address of a node: the same for each that has its number, as others remember it."""
    return f"02:00:{ipaddress.IPv4Address(subnet.node(index)).packed.hex(':')}"


def _inside(process: int, *commands: str) -> None:
    for command in commands:
        run([*_enter(process), *command.split()])


def _enter(process: int) -> list[str]:
    # Only the network namespace: /proc/PID paths in a command mean this machine's processes.
    return ["nsenter", "--target", str(process), "--net", "--"]
