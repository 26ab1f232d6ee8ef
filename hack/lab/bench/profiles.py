"""What many profiles cost: 1,000 of them, created one after the other in 1,000 namespaces, the operator beside.

A control plane without nodes and the operator as a process beside it: they and the benchmark share the machine's
cores, so the operator's own CPU time says more than the times do.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from lab.bench.client import Client
from lab.bench.cluster import find_operator, run_operated, wait_until
from lab.bench.fleet import CROWD, CROWDED, build_namespaces, build_profiles
from lab.bench.isolation import read_cpu_seconds, read_peak_memory
from lab.cluster.lab_cluster import LabCluster
from lab.progress import step
from monopod.api.names import API_VERSION, QUOTA_CONFIGMAP, SYSTEM_NAMESPACE
from monopod.kube.objects.resources import CONFIG_MAPS, NAMESPACES, PROFILES

Object = dict[str, Any]
COLLECTION = PROFILES.list_path()
QUOTA = CONFIG_MAPS.path(QUOTA_CONFIGMAP, SYSTEM_NAMESPACE)
WRITERS = 8
PATIENCE_SECONDS = 600.0
IDLE_SECONDS = 60.0


@dataclass(frozen=True)
class ProfileFigures:
    """A cluster full of profiles.

    Attributes:
        profiles: How many were created.
        namespaces: How many the cluster has.
        crowded: How many profiles there are on the namespace that has the most of its own.
        created: Seconds that it took to create the profiles.
        active: Seconds from the first one's creation until the last one was ACTIVE.
        one_more: The same for one more profile, in the namespace with the most.
        cpu: The operator's CPU time until all were ACTIVE, in seconds.
        idle: Its CPU time in the minute after that, in seconds.
        memory: The most memory that it held, in bytes.
    """

    profiles: int
    namespaces: int
    crowded: int
    created: float
    active: float
    one_more: float
    cpu: float
    idle: float
    memory: int


def measure_profiles() -> ProfileFigures:
    """Creates the namespaces, then the profiles, and follows these until they are ACTIVE."""
    profiles, namespaces = build_profiles(), build_namespaces()
    with run_operated("profiles", "--profile-quota", str(len(profiles) + 1)) as cluster:
        client = Client(cluster.kubeconfig_path)
        with step(f"creating {len(namespaces)} namespaces", 10):
            _create_all(cluster, NAMESPACES.list_path(), [{"metadata": {"name": name}} for name in namespaces])
        wait_until(lambda: "data" in json.loads(client.get_text(QUOTA)), "the operator", PATIENCE_SECONDS)
        operator = find_operator(cluster)
        before, began = read_cpu_seconds(operator), time.monotonic()
        with step(f"creating {len(profiles)} profiles", 20):
            _create_all(cluster, COLLECTION, profiles)
            created = time.monotonic() - began
        with step("waiting until all are ACTIVE", 60):
            wait_until(lambda: _count_active(client) == len(profiles), "the last profile", PATIENCE_SECONDS)
            active = time.monotonic() - began
        cpu = read_cpu_seconds(operator) - before
        with step("leaving the operator alone", IDLE_SECONDS):
            before = read_cpu_seconds(operator)
            time.sleep(IDLE_SECONDS)
            idle = read_cpu_seconds(operator) - before
        return ProfileFigures(
            profiles=len(profiles),
            namespaces=len(namespaces),
            crowded=CROWDED,
            created=created,
            active=active,
            one_more=_time_one_more(client),
            cpu=cpu,
            idle=idle,
            memory=read_peak_memory(operator),
        )


def _create_all(cluster: LabCluster, path: str, items: list[Object]) -> None:
    clients = [Client(cluster.kubeconfig_path) for _ in range(WRITERS)]

    def write(first: int) -> None:
        for item in items[first::WRITERS]:
            clients[first].post(path, item)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))


def _count_active(client: Client) -> int:
    items = json.loads(client.get_text(COLLECTION))["items"]
    return sum(1 for item in items if item.get("status", {}).get("phase") == "ACTIVE")


def _time_one_more(client: Client) -> float:
    began = time.monotonic()
    spec = {"selectors": [{"namespace": CROWD, "labels": {"app": "one-more"}}]}
    client.post(
        COLLECTION,
        {"apiVersion": API_VERSION, "kind": "FargateProfile", "metadata": {"name": "one-more"}, "spec": spec},
    )
    path = f"{COLLECTION}/one-more"
    wait_until(lambda: '"phase":"ACTIVE"' in client.get_text(path), "one more profile", PATIENCE_SECONDS, 0.05)
    return time.monotonic() - began
