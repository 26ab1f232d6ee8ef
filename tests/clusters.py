"""The clusters that tests run on, made by hack/lab and gone with the test run."""

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.cluster.lab_cluster import LabCluster

KUBECTL_SECONDS = 120

_numbers = itertools.count(1)
"""Two of the same purpose at once are two clusters."""


@dataclass(frozen=True)
class ControlPlane:
    """A real kube-apiserver and etcd of their own; beside fake nodes also scheduler and controller manager."""

    lab: LabCluster

    @property
    def name(self) -> str:
        return self.lab.name

    @property
    def kubeconfig_path(self) -> Path:
        return self.lab.kubeconfig_path

    def kubectl(
        self,
        *args: str | Path,
        input: str | None = None,  # noqa: A002 - as subprocess names it
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Runs kubectl as the administrator; raises AssertionError with what it said if it fails and `check` is set."""
        # A cache of its own: another cluster may have had this port before, with other kinds.
        cache = f"--cache-dir={self.kubeconfig_path.parent}/kubectl-cache"
        command = [self.lab.kubectl_path, "--kubeconfig", self.kubeconfig_path, cache, *args]
        done = subprocess.run(
            [str(word) for word in command],
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=KUBECTL_SECONDS,
            check=False,
        )
        assert not check or done.returncode == 0, f"{' '.join(done.args[4:])}\n{done.stdout}{done.stderr}"
        return done


@contextmanager
def run_control_plane(purpose: str, *, fake_nodes: int = 0, autoscale: bool = False) -> Iterator[ControlPlane]:
    """A control plane for as long as the context, and no longer than this process.

    Args:
        purpose: A word of its name.
        fake_nodes: How many nodes of kwok's it has; with one, pods run.
        autoscale: Whether Karpenter makes such nodes for pods that find none.
    """
    name = f"test-{purpose}-{os.getpid()}-{next(_numbers)}"
    lab = LabCluster(name, control_plane_only=True, kwok=fake_nodes, autoscale=autoscale)
    lab.create(tied_to_caller=True)
    try:
        yield ControlPlane(lab)
    finally:
        lab.delete()
