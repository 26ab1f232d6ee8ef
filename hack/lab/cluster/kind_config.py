"""What kind is asked for: its node image, and how containerd on its nodes finds the sandbox."""

import os
import re
from collections.abc import Mapping

from lab.build.pins import HACK
from lab.cluster.controlplane import GATES
from lab.cluster.node import SANDBOX_HANDLER
from lab.shell import CommandFailed

NETWORK_VARIABLE = "MONOPOD_KIND_NETWORK"
NETWORKS = ("kindnet", "calico")

RUNSC_CONFIG_PATH = "/etc/containerd/runsc.toml"

CRI_PLUGINS: Mapping[int, str] = {2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.runtime"}
"""Version of containerd's configuration to the plugin that runs pods, as that version names it."""


def find_node_image() -> str:
    """The image of kind's nodes: `$MONOPOD_KIND_IMAGE`, or the pinned one."""
    return os.environ.get("MONOPOD_KIND_IMAGE") or _read_pin("KIND_NODE_IMAGE")


def find_network_manifest() -> str:
    """Where the manifest is of the network that `$MONOPOD_KIND_NETWORK` names; "" if it is kind's own.

    Raises:
        CommandFailed: If the variable names anything else.
    """
    chosen = os.environ.get(NETWORK_VARIABLE) or NETWORKS[0]
    if chosen not in NETWORKS:
        raise CommandFailed(f"{NETWORK_VARIABLE}={chosen}: it takes {' or '.join(NETWORKS)}")
    return "" if chosen == NETWORKS[0] else _read_pin("KIND_CALICO_MANIFEST")


def _read_pin(name: str) -> str:
    pinned = re.search(rf"^{name}=(\S+)", (HACK / "versions.env").read_text(), re.MULTILINE)
    if pinned is None:
        raise RuntimeError(f"hack/versions.env has no {name}")
    return pinned[1]


def build_cluster_config(nodes: int, *, own_network: bool = True) -> dict[str, object]:
    """The configuration of a cluster.

    Args:
        nodes: Number of its nodes.
        own_network: Whether it gets kind's own network; otherwise none, and another has to be installed.
    """
    return {
        **({} if own_network else {"networking": {"disableDefaultCNI": True}}),
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "featureGates": dict(GATES),
        "containerdConfigPatches": [build_containerd_patch(version) for version in CRI_PLUGINS],
        "nodes": [{"role": "control-plane"}, *[{"role": "worker"}] * (nodes - 1)],
    }


def build_containerd_patch(version: int) -> str:
    """The patch for one version of containerd's configuration; kind leaves out those of another version.

    A patch that names the plugin as another version does makes containerd drop all that kind says of runc.

    Pods' cgroups are made by runc's cgroupfs driver on purpose: under systemd's, gVisor on cgroup v1 puts the sandbox
    next to the pod's cgroup, and then nothing holds the pod to its size.
    """
    runtimes = f'plugins."{CRI_PLUGINS[version]}".containerd.runtimes'
    return f"""\
version = {version}
[{runtimes}.runc.options]
  SystemdCgroup = false
[{runtimes}.{SANDBOX_HANDLER}]
  runtime_type = "io.containerd.runsc.v1"
[{runtimes}.{SANDBOX_HANDLER}.options]
  TypeUrl = "io.containerd.runsc.v1.options"
  ConfigPath = "{RUNSC_CONFIG_PATH}"
"""
