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


def connect_nodes(cluster: str, subnet: Subnet, nodes: Sequence[Services]) -> None:
    """Wires this machine and the nodes to the bridge and routes between the nodes' pods."""
    first = nodes[0]
    _inside(first, "ip link add br0 type bridge", f"ip addr add {subnet.node(0)}/24 dev br0", "ip link set br0 up")
    host_end = host_interface(cluster)
    disconnect(cluster)
    run(["ip", "link", "add", host_end, "type", "veth", "peer", "name", "host", "netns", str(first.init_pid())])
    _inside(first, "ip link set host master br0 up")
    run(["ip", "addr", "add", f"{subnet.host}/24", "dev", host_end])
    run(["ip", "link", "set", host_end, "up"])
    for index, node in enumerate(nodes[1:], start=1):
        end = f"node-{index + 1}"
        _inside(first, f"ip link add {end} type veth peer name eth0 netns /proc/{node.init_pid()}/ns/net")
        _inside(first, f"ip link set {end} master br0 up")
        _inside(node, f"ip addr add {subnet.node(index)}/24 dev eth0", "ip link set eth0 up")
    for index, node in enumerate(nodes):
        _route(subnet, index, node, len(nodes))


def disconnect(cluster: str) -> None:
    """Takes this machine out of a cluster's network.

    The interface goes with the node's namespace, but that may linger for minutes: TCP connections that lost their peer
    hold it until they time out.
    """
    run(["ip", "link", "delete", host_interface(cluster)], check=False)


def host_interface(cluster: str) -> str:
    """Name of this machine's interface to a cluster."""
    return "mp" + hashlib.sha256(cluster.encode()).hexdigest()[:10]  # an interface's name has at most 15 characters


def _route(subnet: Subnet, index: int, node: Services, nodes: int) -> None:
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


def _inside(node: Services, *commands: str) -> None:
    pid = str(node.init_pid())
    for command in commands:
        # Only the network namespace: /proc/PID paths in a command mean this machine's processes.
        run(["nsenter", "--target", pid, "--net", "--", *command.split()])
