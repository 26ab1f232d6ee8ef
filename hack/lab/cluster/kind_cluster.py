"""kind, where Docker or Podman runs, through pytest-kind; with gVisor on its nodes.

kind's nodes come with containerd and with kindnet, which enforces NetworkPolicies but for a new pod's first packets;
`MONOPOD_KIND_NETWORK=calico` installs Calico in its place. What they lack is a sandbox: the
same gVisor that the cluster of our own uses is copied into them.

    kind.json written ──create()──► known to kind ──► ready ──delete()──► gone

A folder of ours is what makes a kind cluster ours: one without is somebody else's, and is neither used nor deleted. A
cluster of ours that never became ready (creation was interrupted) is deleted and created again.
"""

import contextlib
import functools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from image.engine import provide_busybox_image
from lab.build.toolchain import build_kubectl, build_tools
from lab.cluster.addons import SANDBOX_CLASS, build_runtime_class, to_list
from lab.cluster.kind_config import RUNSC_CONFIG_PATH, build_cluster_config, find_network_manifest, find_node_image
from lab.cluster.node import RUNSC_CONFIG
from lab.cluster.port_forward import forward_port
from lab.places import cache_dir, state_dir
from lab.progress import step
from lab.services import NotReady
from lab.shell import CommandFailed, run, run_kubectl

if TYPE_CHECKING:
    from pytest_kind.cluster import KindCluster

SANDBOX_PROGRAMS = ("runsc", "containerd-shim-runsc-v1")
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


class NameTaken(NotReady):
    """Kind has a cluster of this name that this project didn't make."""


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
    def folder(self) -> Path:
        """Everything that is kept of this cluster apart from kind's containers."""
        return kind_state_dir() / self.name

    @property
    def kubeconfig_path(self) -> Path:
        """The administrator's kubeconfig."""
        return self.folder / "kubeconfig"

    @functools.cached_property
    def _kind(self) -> "KindCluster":
        from pytest_kind.cluster import KindCluster  # here: it imports a second Kubernetes client

        os.environ["KIND_EXPERIMENTAL_PROVIDER"] = self.engine
        self.folder.mkdir(parents=True, exist_ok=True)
        # It makes a folder `.pytest-kind` wherever one is; and with its own defaults it would download a kind and a
        # kubectl of 2022.
        with contextlib.chdir(self.folder):
            kind = build_tools("kind")["kind"]
            return KindCluster(self.name, self.kubeconfig_path, find_node_image(), kind, build_kubectl())

    def create(self, *, tied_to_caller: bool = False) -> None:
        """Brings the cluster up, or leaves it as it is when it is up.

        Args:
            tied_to_caller: Kind can't end a cluster with this process, so the next creation of any cluster does, once
                this process is gone.

        Raises:
            NameTaken: If kind has a cluster of this name that wasn't made here.
            CommandFailed: If kind fails, with what it said.
        """
        sweep(self.engine)
        if self.is_running():
            return
        if self.name in list_known(self.engine) and not self._config_path.exists():
            raise NameTaken(
                f"kind already has a cluster {self.name}, which wasn't made here: choose another name by --name, or "
                f"remove it by `kind delete cluster --name {self.name}`"
            )
        self.delete()  # what an interrupted creation left
        self.folder.mkdir(parents=True)
        if tied_to_caller:
            (self.folder / "owner").write_text(f"{os.getpid()}")
        network = find_network_manifest()
        self._config_path.write_text(json.dumps(build_cluster_config(self.nodes, own_network=not network)))
        with step(f"creating kind cluster {self.name}", 90):
            with _as_command_failed():
                self._kind.create(self._config_path)
            self._install_sandbox()
            if network:
                self.kubectl("apply", "--server-side", "-f", network)
        self._prepare()
        (self.folder / "ready").touch()

    def _install_sandbox(self) -> None:
        programs = build_tools("gvisor")
        config = self.folder / "runsc.toml"
        config.write_text(RUNSC_CONFIG)
        for node in run([self._kind.kind_path, "get", "nodes", "--name", self.name]).stdout.split():
            for program in SANDBOX_PROGRAMS:
                run([self.engine, "cp", programs[program], f"{node}:/usr/local/bin/{program}"])
            run([self.engine, "cp", config, f"{node}:{RUNSC_CONFIG_PATH}"])

    def _prepare(self) -> None:
        self.kubectl("apply", "--server-side", "-f", "-", stdin=to_list([build_runtime_class()]))
        self.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=170s")
        if self.nodes > 1:
            # kind does so by itself only for a single node. Without the selector kubectl fails on the other nodes.
            self.kubectl("taint", "nodes", "-l", CONTROL_PLANE, f"{CONTROL_PLANE}:NoSchedule-")
        self.load_image_archive(provide_busybox_image(cache_dir() / "images", self.engine))

    def delete(self) -> None:
        """Removes the cluster and everything that is kept of it; nothing happens when there is nothing."""
        if self._config_path.exists():
            with _as_command_failed():
                self._kind.delete()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.__dict__.pop("_kind", None)  # its folder is gone

    def is_running(self) -> bool:
        """Tells whether the cluster was finished here and kind still knows it."""
        return (self.folder / "ready").exists() and self.name in list_known(self.engine)

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """Runs kubectl and returns what it prints.

        Raises:
            lab.shell.CommandFailed: If kubectl exits non-zero.
        """
        return run_kubectl(build_kubectl(), self.kubeconfig_path, *args, stdin=stdin)

    def load_image_archive(self, archive: Path) -> None:
        """Gives every node an image from an archive."""
        run([self._kind.kind_path, "load", "image-archive", archive, "--name", self.name], timeout=300)

    def enter_node(self, *argv: str | Path) -> list[str | Path]:
        """The command that runs `argv` as root on the first node: in its network, with its files."""
        return [self.engine, "exec", "--interactive", f"{self.name}-control-plane", *argv]

    def enter_ctr(self, *argv: str | Path) -> list[str | Path]:
        """The command that runs containerd's ctr there."""
        return self.enter_node("ctr", *argv)

    def port_forward(
        self, name: str, remote_port: int, *args: str, local_port: int | None = None
    ) -> AbstractContextManager[int]:
        """Forwards a local port to a pod or service for as long as the context lasts; gives the local port."""
        return forward_port(build_kubectl(), self.kubeconfig_path, name, remote_port, *args, local_port=local_port)

    @property
    def _config_path(self) -> Path:
        """Written before kind is asked for anything: with it the cluster is ours."""
        return self.folder / "kind.json"

    def is_abandoned(self) -> bool:
        """Tells whether the process is gone to whose life the cluster was tied."""
        owner = self.folder / "owner"
        return owner.exists() and not Path(f"/proc/{owner.read_text()}").exists()


def kind_state_dir() -> Path:
    """One folder per kind cluster; its name is none that a cluster of our own can have."""
    return state_dir() / ".kind"


def find_kind_clusters(engine: str) -> list[KindProvider]:
    """The kind clusters that were made here, up or not."""
    return [KindProvider(config.parent.name, engine) for config in sorted(kind_state_dir().glob("*/kind.json"))]


def list_known(engine: str) -> list[str]:
    """The names of all clusters that kind knows, whoever made them."""
    env = {**os.environ, "KIND_EXPERIMENTAL_PROVIDER": engine}
    return run([build_tools("kind")["kind"], "get", "clusters"], env=env).stdout.split()


def sweep(engine: str) -> None:
    """Removes the clusters of test runs that were killed."""
    for cluster in find_kind_clusters(engine):
        if cluster.is_abandoned():
            cluster.delete()


@contextlib.contextmanager
def _as_command_failed() -> Iterator[None]:
    """Says what pytest-kind's commands failed of; what they printed stands above it already."""
    try:
        yield
    except subprocess.CalledProcessError as error:
        words = " ".join(Path(word).name if index == 0 else word for index, word in enumerate(map(str, error.cmd)))
        raise CommandFailed(f"{words}: exit status {error.returncode}; what it said is above") from error
