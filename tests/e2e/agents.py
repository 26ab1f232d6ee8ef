"""Agents (agent.py) in pods, in the node's own network, and outside of the cluster, each asked over its stdin.

    outside: 198.51.100.10, .11, and 169.254.169.254 ──veth── node ──cali*── pods

The outside is a network namespace beside the node's. The node has no address in its network, or pods could mistake the
node for it. There, and on the node, agents run by the operator's image, which has a Python; kind's nodes have none.
"""

import contextlib
import json
import os
import select
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from image.engine import provide_operator_image
from image.layers import read_reference
from lab.cluster.provider import find_engine
from lab.places import cache_dir
from lab.shell import run
from tests.e2e.agent import ANYWHERE
from tests.e2e.connections import Ports
from tests.e2e.live import Live, Object
from tests.e2e.workloads import a_pod

PROGRAM = Path(__file__).with_name("agent.py").read_text()
ANSWER_SECONDS = 240

FRIEND, STRANGER, METADATA = "198.51.100.10", "198.51.100.11", "169.254.169.254"
OUTSIDE = "lab-outside"
SET_UP = f"""
ip netns add {OUTSIDE}
ip link add {OUTSIDE} type veth peer name eth0 netns {OUTSIDE}
sysctl -qw net.ipv4.conf.{OUTSIDE}.proxy_arp=1
ip link set {OUTSIDE} up
ip route add 198.51.100.0/24 dev {OUTSIDE}
ip route add {METADATA}/32 dev {OUTSIDE}
ip -n {OUTSIDE} link set lo up
ip -n {OUTSIDE} link set eth0 up
for address in {FRIEND} {STRANGER} {METADATA}; do ip -n {OUTSIDE} addr add $address/32 dev eth0; done
ip -n {OUTSIDE} route add 169.254.1.1 dev eth0
ip -n {OUTSIDE} route add default via 169.254.1.1 src {FRIEND}
"""
TEAR_DOWN = f"ip netns delete {OUTSIDE}"
IMAGE_FOLDER = "/run/agents"
"""On the node: the operator's image, unpacked."""

POOL = "ippools.crd.projectcalico.org"
NOT_MASQUERADED: Object = {
    "apiVersion": "crd.projectcalico.org/v1",
    "kind": "IPPool",
    "metadata": {"name": OUTSIDE},
    "spec": {"cidr": "198.51.100.0/24", "disabled": True},
}
"""No pod gets an address of it: it is Calico's way to say that pods keep their own addresses on their way there."""


class Agent:
    """A running agent. Its requests are the public methods of agent.Agent."""

    def __init__(self, command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [str(word) for word in command], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.ask("hello")

    def ask(self, request: str, **arguments: Any) -> Any:
        """One request; fails if there is no answer in time."""
        read, write = self._process.stdout, self._process.stdin
        assert read
        assert write
        write.write(json.dumps({"do": request, **arguments}).encode() + b"\n")
        write.flush()
        assert select.select([read], [], [], ANSWER_SECONDS)[0], f"{request}: no answer"
        line = read.readline()
        assert line, f"{request}: the agent has ended"
        return json.loads(line)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def an_agent_pod(name: str, namespace: str, labels: dict[str, str], ports: Ports) -> Object:
    """A pod with an agent that waits to be attached to, in the operator's image, which has a Python."""
    pod = a_pod(name, namespace, labels)
    pod["spec"]["containers"][0] |= {
        "image": find_image(),
        "command": ["python3", "-c", PROGRAM, _write_config({ANYWHERE: name}, ports)],
        "stdin": True,
        "ports": [
            {"name": each, "containerPort": number, "protocol": protocol}
            for (protocol, number), each in ports.items()
            if each
        ],
        "securityContext": {"runAsUser": 0},  # for SCTP's raw sockets
    }
    return pod


def attach(live: Live, *pods: Object) -> dict[str, Agent]:
    """The agents of running pods, by the pods' names."""
    env = {**os.environ, "KUBECONFIG": str(live.cluster.kubeconfig_path)}

    def attach_to(pod: Object) -> Agent:
        meta = pod["metadata"]
        return Agent(["kubectl", "attach", "-q", "-i", "-n", meta["namespace"], meta["name"]], env)

    with ThreadPoolExecutor() as pool:
        return dict(zip((pod["metadata"]["name"] for pod in pods), pool.map(attach_to, pods), strict=True))


@contextlib.contextmanager
def run_outside(live: Live, ports: Ports) -> Iterator[Agent]:
    """An agent outside of the cluster, with three addresses; each of them is its name."""
    live.apply(NOT_MASQUERADED)
    run(live.cluster.enter_node("sh", "-ec", SET_UP))
    names = {address: address for address in (FRIEND, STRANGER, METADATA)}
    try:
        with _run_agent(live, ["nsenter", f"--net=/run/netns/{OUTSIDE}", "--"], names, ports) as agent:
            yield agent
    finally:
        run(live.cluster.enter_node("sh", "-ec", TEAR_DOWN))
        live.kubectl("delete", POOL, OUTSIDE)


@contextlib.contextmanager
def run_on_node(live: Live, port: int) -> Iterator[Agent]:
    """An agent in the node's own network, on all its addresses of both families."""
    names = dict.fromkeys((ANYWHERE, "::"), "node")
    with _run_agent(live, [], names, {("TCP", port): ""}) as agent:
        yield agent


@contextlib.contextmanager
def _run_agent(live: Live, inside: Sequence[str], names: Mapping[str, str], ports: Ports) -> Iterator[Agent]:
    """An agent on the node, by a command that takes it elsewhere."""
    cluster = live.cluster
    if run(cluster.enter_node("test", "-e", f"{IMAGE_FOLDER}/usr"), check=False).returncode:
        run(cluster.enter_node("mkdir", "-p", IMAGE_FOLDER))
        run(cluster.enter_ctr("--namespace", "k8s.io", "images", "mount", find_image(), IMAGE_FOLDER))
    python = ["chroot", IMAGE_FOLDER, "python3", "-S", "-c", PROGRAM, _write_config(names, ports)]
    agent = Agent(cluster.enter_node(*inside, *python))
    try:
        yield agent
    finally:
        agent.close()


def find_image() -> str:
    """The operator's image, which all nodes have."""
    return read_reference(provide_operator_image(cache_dir() / "images", find_engine()))


def _write_config(names: Mapping[str, str], ports: Ports) -> str:
    numbers = {
        wanted.lower(): [number for protocol, number in ports if protocol == wanted]
        for wanted in ("TCP", "UDP", "SCTP")
    }
    return json.dumps({"names": dict(names), **numbers})
