"""From nothing to thousands of running pods: no node takes them, Karpenter makes nodes, the scheduler binds them.

Two clusters, one after the other: a control plane with Karpenter, whose nodes are kwok's, once with Monopod and once
without. The pods are of one Deployment and equally large on both: with Monopod an ordinary manifest becomes a size of
Fargate's in a sandbox, and without it the manifest says the same itself.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lab.autoscale.karpenter import NODE_CLASS_WORD
from lab.bench.client import Client
from lab.bench.cluster import LEASE_SECONDS, find_operator, find_process, wait_until
from lab.bench.isolation import read_cpu_seconds
from lab.cluster.addons import SANDBOX_CLASS, to_list
from lab.cluster.installation import run_beside
from lab.cluster.lab_cluster import LabCluster
from lab.progress import step
from monopod.api.names import API_VERSION
from monopod.capacity.rules.node_class import parse_node_class
from monopod.capacity.rules.node_pool import build_node_pool
from monopod.capacity.rules.node_shape import Unfit, compute_shape
from monopod.capacity.rules.sandbox import Sandbox
from monopod.kube.objects.resources import DEPLOYMENTS, NAMESPACES, NODES, PROFILES, SERVICE_ACCOUNTS

Object = dict[str, Any]

NAME = "scale"
MAX_VCPUS = 10_000
STARTUP_TAINT_FREE: Object = {"startupTaints": []}
"""kwok's nodes have no installer of a sandbox that would take the taint away."""

CPU, MEMORY_MIB = 250, 512
PATIENCE_SECONDS = 3600.0
LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Ramp:
    """A Deployment's way from no pod to all.

    Attributes:
        half: Seconds from its creation until half of its pods are Ready.
        all: The same for all of them.
        nodes: How many nodes Karpenter has made.
        server: The API server's CPU time until all were Ready, in seconds for each pod. Other work on the machine makes
            pods wait, but hardly makes this longer.
    """

    half: float
    all: float
    nodes: int
    server: float


@dataclass(frozen=True)
class ScaleFigures:
    """The same pods with Monopod and without.

    Attributes:
        pods: How many there were.
        plain: Without.
        monopod: With it.
        cpu: The operator's CPU time until all were Ready, in seconds for each pod.
    """

    pods: int
    plain: Ramp
    monopod: Ramp
    cpu: float


def measure_scale(count: int) -> ScaleFigures:
    """Scales from nothing to so many pods on each of the two clusters."""
    with _run("plain") as cluster:
        client = Client(cluster.kubeconfig_path)
        _prepare(cluster, client)
        plain = _scale(cluster, client, build_deployment(count, by_hand=True), "without Monopod")
    with _run("monopod") as cluster:
        run_beside(cluster, "--lease-seconds", str(LEASE_SECONDS))
        client = Client(cluster.kubeconfig_path)
        _prepare(cluster, client)
        _create_profile(client)
        operator = find_operator(cluster)
        before = read_cpu_seconds(operator)
        monopod = _scale(cluster, client, build_deployment(count, by_hand=False), "with Monopod")
        cpu = (read_cpu_seconds(operator) - before) / count
    return ScaleFigures(count, plain, monopod, cpu)


@contextmanager
def _run(purpose: str) -> Iterator[LabCluster]:
    cluster = LabCluster(f"bench-scale-{purpose}-{os.getpid()}", control_plane_only=True, autoscale=True)
    cluster.create(tied_to_caller=True)
    try:
        yield cluster
    finally:
        cluster.delete()


def _prepare(cluster: LabCluster, client: Client) -> None:
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=to_list([cluster.runtime_class]))
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(build_pool(cluster.runtime_class)))
    cluster.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "nodepool", "--all")
    client.post(NAMESPACES.list_path(), {"metadata": {"name": NAME}})
    accounts = SERVICE_ACCOUNTS.list_path(NAME)
    wait_until(lambda: '"name":"default"' in client.get_text(accounts), "an account", PATIENCE_SECONDS)


def build_pool(runtime_class: Object) -> Object:
    """The NodePool that `kubectl fargate nodepool` prints, for nodes of kwok's.

    Raises:
        ValueError: No node could take the sandbox's pods.
    """
    sandbox = Sandbox.from_resource(runtime_class)
    shape = compute_shape(sandbox, (), ("amd64",))
    if isinstance(shape, Unfit):
        raise ValueError(shape.reason)
    pool = build_node_pool(NAME, sandbox, shape, parse_node_class(NODE_CLASS_WORD), MAX_VCPUS)
    if isinstance(pool, Unfit):
        raise ValueError(pool.reason)
    pool.manifest["spec"]["template"]["spec"] |= STARTUP_TAINT_FREE
    return pool.manifest


def _create_profile(client: Client) -> None:
    profile = {
        "apiVersion": API_VERSION,
        "kind": "FargateProfile",
        "metadata": {"name": NAME},
        "spec": {"selectors": [{"namespace": NAME}]},
    }
    client.post(PROFILES.list_path(), profile)
    wait_until(lambda: '"ACTIVE"' in client.get_text(PROFILES.path(NAME)), "the profile", PATIENCE_SECONDS)


def build_deployment(replicas: int, *, by_hand: bool) -> Object:
    """The Deployment.

    Args:
        replicas: How many pods.
        by_hand: Whether its manifest says itself what Monopod makes of it.
    """
    container: Object = {"name": "app", "image": "registry.example.com/app:1"}
    pod: Object = {"containers": [container]}
    if by_hand:
        container["resources"] = {"requests": {"cpu": f"{CPU}m", "memory": f"{MEMORY_MIB}Mi"}}
        pod["runtimeClassName"] = SANDBOX_CLASS
    labels = {"app": NAME}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def _scale(cluster: LabCluster, client: Client, deployment: Object, title: str) -> Ramp:
    count, server = deployment["spec"]["replicas"], find_process(cluster, "kube-apiserver")
    before = read_cpu_seconds(server)
    with step(f"from nothing to {count} pods {title}", count / 15):
        began = time.monotonic()
        client.post(DEPLOYMENTS.list_path(NAME), deployment)
        wait_until(lambda: _count_ready(client) >= count / 2, "half of the pods", PATIENCE_SECONDS, LOOK_SECONDS)
        half = time.monotonic() - began
        wait_until(lambda: _count_ready(client) == count, "the last pod", PATIENCE_SECONDS, LOOK_SECONDS)
        taken = time.monotonic() - began
    used = read_cpu_seconds(server) - before
    return Ramp(half, taken, len(json.loads(client.get_text(NODES.list_path()))["items"]), used / count)


def _count_ready(client: Client) -> int:
    return int(json.loads(client.get_text(DEPLOYMENTS.path(NAME, NAME)))["status"].get("readyReplicas", 0))
