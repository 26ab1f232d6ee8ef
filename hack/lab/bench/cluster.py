"""What benchmarks share: a cluster with nodes, a control plane with the operator beside it, and waiting."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lab.cluster.installation import run_beside
from lab.cluster.lab_cluster import LabCluster
from lab.cluster.provider import Cluster, provide_cluster
from lab.services import NotReady

LEASE_SECONDS = 60
"""On a busy machine an operator would lose a shorter Lease, and a new process is none whose CPU time is compared."""


@contextmanager
def run_cluster(purpose: str) -> Iterator[Cluster]:
    """A cluster whose nodes run pods, as this machine can have it."""
    cluster = provide_cluster(f"bench-{purpose}-{os.getpid()}")
    cluster.create(tied_to_caller=True)
    try:
        yield cluster
    finally:
        cluster.delete()


@contextmanager
def run_operated(purpose: str, *flags: str, fake_nodes: int = 0) -> Iterator[LabCluster]:
    """A control plane, with fake nodes if there are to be any, and the operator with these flags as a process."""
    cluster = LabCluster(f"bench-{purpose}-{os.getpid()}", control_plane_only=True, kwok=fake_nodes)
    cluster.create(tied_to_caller=True)
    try:
        run_beside(cluster, "--lease-seconds", str(LEASE_SECONDS), *flags)
        yield cluster
    finally:
        cluster.delete()


def find_operator(cluster: LabCluster) -> int:
    """The operator's process."""
    return find_process(cluster, "monopod")


def find_process(cluster: LabCluster, service: str) -> int:
    """The process of a service of a control plane, such as kube-apiserver."""
    return int((cluster.machines()[0].folder / "pids" / service).read_text())


def wait_until(holds: Callable[[], bool], what: str, patience: float, interval: float = 0.5) -> None:
    """Waits until it holds.

    Raises:
        NotReady: It doesn't within `patience` seconds.
    """
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            raise NotReady(f"{what} is not ready after {patience:.0f} s")
        time.sleep(interval)
