"""Chooses the cluster: kind where Docker or Podman runs, otherwise the one of our own.

Both have pytest-kind's methods; `Cluster` lists what the demo, the tests and `hack/cluster` use of them.
"""

import os
import shutil
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from lab.cluster.kind_cluster import KindProvider, find_kind_clusters
from lab.cluster.kind_config import find_network_manifest
from lab.cluster.lab_cluster import LabCluster, find_clusters
from lab.shell import CommandFailed

ENGINES = ("docker", "podman")
ENGINE_VARIABLE = "MONOPOD_ENGINE"
NO_ENGINE = "none"


class Cluster(Protocol):
    """A cluster with a sandbox runtime and an enforcing network, that this project made."""

    name: str

    @property
    def sandbox(self) -> str:
        """Name of the RuntimeClass that gives a pod its own kernel."""

    @property
    def kubeconfig_path(self) -> Path:
        """The administrator's kubeconfig."""

    def create(self, *, tied_to_caller: bool = False) -> None:
        """Brings the cluster up; nothing happens when it is."""

    def delete(self) -> None:
        """Removes it and everything that it keeps."""

    def is_running(self) -> bool:
        """Tells whether it is up."""

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """Runs kubectl and returns what it prints."""

    def load_image_archive(self, archive: Path) -> None:
        """Gives every node an image."""

    def enter_node(self, *argv: str | Path) -> list[str | Path]:
        """The command that runs `argv` as root on the first node: in its network, with its files."""

    def enter_ctr(self, *argv: str | Path) -> list[str | Path]:
        """The command that runs containerd's ctr there."""

    def port_forward(
        self, name: str, remote_port: int, *args: str, local_port: int | None = None
    ) -> AbstractContextManager[int]:
        """Forwards a local port to a pod or service."""


def find_engine() -> str | None:
    """The container engine that `$MONOPOD_ENGINE` names (`none` is none), else one that answers.

    A client without its daemon is none. Podman has no daemon, so where it is installed it always answers.

    Raises:
        CommandFailed: If the variable names anything else.
    """
    chosen = os.environ.get(ENGINE_VARIABLE, "")
    if chosen not in ("", NO_ENGINE, *ENGINES):
        raise CommandFailed(f"{ENGINE_VARIABLE}={chosen}: it takes {', '.join(ENGINES)} or {NO_ENGINE}")
    if chosen:
        return None if chosen == NO_ENGINE else chosen
    for engine in ENGINES:
        if shutil.which(engine):
            try:
                asked = subprocess.run([engine, "info"], capture_output=True, timeout=20, check=False)
            except subprocess.TimeoutExpired:
                continue
            if asked.returncode == 0:
                return engine
    return None


def polices_first_packets() -> bool:
    """Whether a cluster's network holds its policies from a pod's first packet on, as Calico does: ours, or kind's."""
    return not find_engine() or bool(find_network_manifest())


def provide_cluster(name: str, *, nodes: int = 1, kwok: int = 0, autoscale: bool = False) -> Cluster:
    """A cluster with real nodes; it isn't created yet. kind's has no fake nodes, and none that come by themselves."""
    engine = find_engine()
    if engine:
        return KindProvider(name, engine, nodes=nodes)
    return LabCluster(name, nodes=nodes, kwok=kwok, autoscale=autoscale)


def find_all_clusters() -> list[LabCluster | KindProvider]:
    """The clusters that were created here, up or not; nobody else's."""
    engine = find_engine()
    return [*find_clusters(), *(find_kind_clusters(engine) if engine else [])]


def find_cluster(name: str) -> LabCluster | KindProvider | None:
    """The cluster of this name that was created here."""
    return next((cluster for cluster in find_all_clusters() if cluster.name == name), None)
