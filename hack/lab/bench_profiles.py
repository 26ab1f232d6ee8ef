"""What many profiles cost: 1,000 of them, created one after the other in 1,000 namespaces, the operator beside.

A control plane without nodes and the operator as a process beside it: they and the benchmark share the machine's
cores, so the operator's own CPU time says more than the times do.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lab.bench_client import Client
from lab.bench_isolation import read_cpu_seconds, read_peak_memory
from lab.fleet import CROWD, CROWDED, build_namespaces, build_profiles
from lab.installation import run_beside
from lab.lab_cluster import LabCluster
from lab.progress import step
from lab.services import NotReady
from monopod.api.names import API_VERSION, QUOTA_CONFIGMAP, SYSTEM_NAMESPACE

Object = dict[str, Any]
COLLECTION = f"/apis/{API_VERSION}/fargateprofiles"
QUOTA = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/configmaps/{QUOTA_CONFIGMAP}"
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
    with _run_cluster(len(profiles) + 1) as cluster:
        client = Client(cluster.kubeconfig_path)
        with step(f"creating {len(namespaces)} namespaces", 10):
            _create_all(cluster, "/api/v1/namespaces", [{"metadata": {"name": name}} for name in namespaces])
        _wait_until(lambda: "data" in json.loads(client.get_text(QUOTA)), "the operator")
        operator = int((cluster.machines()[0].folder / "pids/monopod").read_text())
        before, began = read_cpu_seconds(operator), time.monotonic()
        with step(f"creating {len(profiles)} profiles", 20):
            _create_all(cluster, COLLECTION, profiles)
            created = time.monotonic() - began
        with step("waiting until all are ACTIVE", 60):
            _wait_until(lambda: _count_active(client) == len(profiles), "the last profile")
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


@contextmanager
def _run_cluster(quota: int) -> Iterator[LabCluster]:
    cluster = LabCluster(f"bench-profiles-{os.getpid()}", control_plane_only=True)
    cluster.create(tied_to_caller=True)
    try:
        run_beside(cluster, "--profile-quota", str(quota))
        yield cluster
    finally:
        cluster.delete()


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
    _wait_until(lambda: '"phase":"ACTIVE"' in client.get_text(f"{COLLECTION}/one-more"), "one more profile", 0.05)
    return time.monotonic() - began


def _wait_until(holds: Callable[[], bool], what: str, interval: float = 0.5) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise NotReady(f"{what} is not ready after {PATIENCE_SECONDS:.0f} s")
        time.sleep(interval)
