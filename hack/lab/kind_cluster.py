"""kind, where Docker or Podman runs, through pytest-kind; with gVisor on its nodes.

kind's nodes come with containerd and with kindnet, which enforces NetworkPolicies. What they lack is a sandbox: the
same gVisor that the cluster of our own uses is copied into them.
"""

import functools
import json
import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from image.small import build_busybox_image
from lab.addons import SANDBOX_CLASS, build_runtime_class, to_list
from lab.node import SANDBOX_HANDLER
from lab.places import cache_dir, state_dir
from lab.progress import step
from lab.shell import run, run_kubectl
from lab.toolchain import build_tools

if TYPE_CHECKING:
    from pytest_kind.cluster import KindCluster

CONTAINERD_PATCH = f"""\
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.{SANDBOX_HANDLER}]
  runtime_type = "io.containerd.runsc.v1"
"""


@dataclass
class KindProvider:
    """A kind cluster.

    Attributes:
        name: The cluster's name.
        engine: `docker` or `podman`.
        nodes: Number of nodes; the first also runs the control plane.
    """

    name: str
    engine: str
    nodes: int = 1

    sandbox = SANDBOX_CLASS

    @property
    def kubeconfig_path(self) -> Path:
        """The administrator's kubeconfig."""
        return state_dir() / "kind" / self.name / "kubeconfig"

    @functools.cached_property
    def _kind(self) -> "KindCluster":
        from pytest_kind.cluster import KindCluster  # here: it imports a second Kubernetes client

        tools = build_tools("kubernetes", "kind")
        os.environ["KIND_EXPERIMENTAL_PROVIDER"] = self.engine
        self.kubeconfig_path.parent.mkdir(parents=True, exist_ok=True)
        # With its own defaults it would download a kind and a kubectl of 2022.
        return KindCluster(self.name, self.kubeconfig_path, None, tools["kind"], tools["kubectl"])

    def create(self, *, tied_to_caller: bool = False) -> None:
        """Creates the cluster with the node image that the pinned kind was released with.

        Args:
            tied_to_caller: Can't be had from kind: a run that was killed leaves the cluster for the next one.
        """
        if self.is_running():
            return
        programs = build_tools("gvisor")
        config = self.kubeconfig_path.with_name("kind.json")
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(json.dumps(self._config()))
        with step(f"creating kind cluster {self.name}", 90):
            self._kind.create(config)
            for node in run([self._kind.kind_path, "get", "nodes", "--name", self.name]).stdout.split():
                for program in ("runsc", "containerd-shim-runsc-v1"):
                    run([self.engine, "cp", programs[program], f"{node}:/usr/local/bin/{program}"])
        self.kubectl("apply", "--server-side", "-f", "-", stdin=to_list([build_runtime_class()]))
        self.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=180s")
        self.load_image_archive(build_busybox_image(cache_dir() / "images"))

    def delete(self) -> None:
        """Removes the cluster."""
        self._kind.delete()

    def is_running(self) -> bool:
        """Tells whether kind knows the cluster."""
        return self.kubeconfig_path.exists() and self.name in {c.name for c in find_kind_clusters(self.engine)}

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """Runs kubectl and returns what it prints.

        Raises:
            lab.shell.CommandFailed: If kubectl exits non-zero.
        """
        return run_kubectl(self._kind.kubectl_path, self.kubeconfig_path, *args, stdin=stdin)

    def load_image_archive(self, archive: Path) -> None:
        """Gives every node an image from an archive."""
        run([self._kind.kind_path, "load", "image-archive", archive, "--name", self.name], timeout=300)

    def port_forward(
        self, name: str, remote_port: int, *args: str, local_port: int | None = None
    ) -> AbstractContextManager[int]:
        """Forwards a local port to a pod or service for as long as the context lasts; gives the local port."""
        forward: AbstractContextManager[int] = self._kind.port_forward(name, remote_port, *args, local_port=local_port)
        return forward

    def _config(self) -> dict[str, object]:
        workers = [{"role": "worker"}] * (self.nodes - 1)
        return {
            "kind": "Cluster",
            "apiVersion": "kind.x-k8s.io/v1alpha4",
            "containerdConfigPatches": [CONTAINERD_PATCH],
            "nodes": [{"role": "control-plane"}, *workers],
        }


def find_kind_clusters(engine: str) -> list[KindProvider]:
    """The clusters that kind knows."""
    env = {**os.environ, "KIND_EXPERIMENTAL_PROVIDER": engine}
    known = run([build_tools("kind")["kind"], "get", "clusters"], env=env).stdout.split()
    return [KindProvider(name, engine) for name in known]
