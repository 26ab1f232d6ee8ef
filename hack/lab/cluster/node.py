"""A worker node: containerd with runc and gVisor, the Calico policy engine and CNI plugin, kubelet and kube-proxy."""

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.build.toolchain import has_sys_resource
from lab.cgroups import make_cgroups
from lab.cluster.controlplane import GATES, POD_CIDR
from lab.cluster.network import pod_cidr
from lab.cluster.pki import Authority
from lab.services import Services
from lab.shell import CommandFailed, run

CLUSTER_DNS = "10.96.0.10"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
SANDBOX_HANDLER = "runsc"
RUNSC_CONFIG = '[runsc_config]\n  platform = "systrap"\n'
PAUSE_IMAGE = "monopod.local/pause:1"
READY_SECONDS = 180
FELIX_READINESS = "http://127.0.0.1:9099/readiness"


@dataclass(frozen=True)
class Node:
    """One node of a cluster.

    Attributes:
        cluster: The cluster's name.
        name: The node's name in the cluster.
        index: The node's number, from which its pods' addresses follow; the first is 0.
        address: Its address.
        server: The API server's URL.
        services: The machine that it runs on.
        authority: Issues its certificates.
        programs: Built programs by name.
        registration: More fields of the kubelet's configuration: with what it registers its Node.
    """

    cluster: str
    name: str
    index: int
    address: str
    server: str
    services: Services
    authority: Authority
    programs: dict[str, Path]
    registration: Mapping[str, Any] = field(default_factory=dict)

    @property
    def _folder(self) -> Path:
        return self.services.folder

    def start_runtime(self) -> None:
        """Starts containerd and waits until it answers."""
        self._install_programs()
        config = self._folder / "containerd.toml"
        config.write_text(self._containerd_config())
        self._start("containerd", [self._folder / "bin/containerd", "--config", config])
        self.services.wait_until(
            lambda: self._answers(ctr(self.services, "version")),
            "containerd",
            self.services.log("containerd"),
            READY_SECONDS,
        )

    def start(self) -> None:
        """Starts everything that needs the API server; Calico's CRDs must be there.

        The order is what keeps a pod from having a network before there is an engine that polices it: felix first, and
        only when it is ready the CNI configuration, without which the kubelet starts no pod.
        """
        self._start_felix()
        self._write_cni_config()
        self._start_kubelet()
        self._start_kube_proxy()

    def _install_programs(self) -> None:
        programs = self._folder / "bin"
        cni = self._folder / "cni/bin"
        # containerd watches the configuration's folder from its start on, so that must be there too.
        for folder in (programs, cni, self._folder / "cni/conf"):
            folder.mkdir(parents=True, exist_ok=True)
        for name in ("containerd", "containerd-shim-runc-v2", "containerd-shim-runsc-v1", "runsc", "ctr"):
            _link(self.programs[name], programs / name)
        for name in ("calico", "host-local", "loopback", "portmap"):
            _link(self.programs[name], cni / name)

    def _start(self, name: str, argv: list[str | Path], env: dict[str, str] | None = None) -> None:
        path = f"{self._folder / 'bin'}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self.services.start(name, argv, {"PATH": path, **(env or {})})

    def _answers(self, argv: list[str | Path]) -> bool:
        try:
            run(argv, timeout=10)
        except CommandFailed:
            return False
        return True

    def _kubeconfig(self, name: str, user: str, *groups: str) -> Path:
        return self.authority.write_kubeconfig(self._find_kubeconfig(name), self.server, user, groups)

    def _find_kubeconfig(self, name: str) -> Path:
        # By the node's name: numbers are used again, and certificates are found again by their files' names.
        return self._folder / "kubeconfigs" / f"{name}-{self.name}.yaml"

    def _containerd_config(self) -> str:
        runsc = self._folder / "runsc.toml"
        runsc.write_text(RUNSC_CONFIG)
        # Without CAP_SYS_RESOURCE no process may lower its OOM score, and containers that ask for it don't start.
        restrict = "false" if has_sys_resource() else "true"
        return f"""version = 3
root = "{self._folder}/containerd"
state = "/run/containerd"
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{self._folder}/opt"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{PAUSE_IMAGE}"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = {restrict}
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{self._folder}/cni/bin"]
    conf_dir = "{self._folder}/cni/conf"
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.{SANDBOX_HANDLER}]
      runtime_type = "io.containerd.runsc.v1"
      pod_annotations = ["dev.gvisor.*"]
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.{SANDBOX_HANDLER}.options]
        TypeUrl = "io.containerd.runsc.v1.options"
        ConfigPath = "{runsc}"
"""

    def _start_felix(self) -> None:
        settings = {
            "DATASTORETYPE": "kubernetes",
            "FELIXHOSTNAME": self.name,
            "IPTABLESBACKEND": "NFT",
            "BPFENABLED": "false",
            "XDPENABLED": "false",
            # Its clean-up of old BPF state needs libbpf, which a build without cgo lacks.
            "DebugSkipCTLBCleanup": "true",
            # On, although pods have no IPv6: without it they reach the node's [::] listeners by link-local addresses.
            "IPV6SUPPORT": "true",
            "IPINIPENABLED": "false",
            "VXLANENABLED": "false",
            "WIREGUARDENABLED": "false",
            "USAGEREPORTINGENABLED": "false",  # on by default, and sends to the internet
            "AWSSRCDSTCHECK": "DoNothing",
            "IPTABLESREFRESHINTERVAL": "10",
            "DEFAULTENDPOINTTOHOSTACTION": "ACCEPT",
            "ENDPOINTSTATUSPATHPREFIX": "/var/run/calico",
            "HEALTHENABLED": "true",
            "LOGSEVERITYSCREEN": "warning",
            "LOGFILEPATH": "none",
            "LOGSEVERITYSYS": "none",
        }
        env = {f"FELIX_{name}": value for name, value in settings.items()}
        kubeconfig = self._kubeconfig("calico", "calico-node")
        config = self._folder / "felix.cfg"
        config.touch()
        self._start(
            "calico-felix",
            [self.programs["calico-felix"], "-c", config],
            {**env, "DATASTORE_TYPE": "kubernetes", "KUBECONFIG": str(kubeconfig)},
        )
        probe = f"import urllib.request; urllib.request.urlopen('{FELIX_READINESS}', timeout=2)"
        self.services.wait_until(
            lambda: self._answers(self.services.enter(sys.executable, "-S", "-c", probe)),
            "calico-felix",
            self.services.log("calico-felix"),
            READY_SECONDS,
        )

    def _write_cni_config(self) -> None:
        # The plugin refuses to give a pod an interface while this file is missing, so it comes after felix.
        run(self.services.enter("sh", "-c", f"echo {self.name} > /run/calico/nodename"))
        calico = {
            "type": "calico",
            "datastore_type": "kubernetes",
            "nodename": self.name,
            "nodename_file": "/run/calico/nodename",
            "nodename_file_optional": False,
            "mtu": 1500,
            "log_level": "warning",
            "log_file_path": str(self._folder / "logs/calico-cni.log"),
            # Waits until felix has programmed the pod, so that allowed traffic passes from the first packet on.
            "policy_setup_timeout_seconds": 10,
            "endpoint_status_dir": "/run/calico/endpoint-status",
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": pod_cidr(self.index)}]],
                "dataDir": str(self._folder / "cni/addresses"),
            },
            "policy": {"type": "k8s"},
            "kubernetes": {"kubeconfig": str(self._find_kubeconfig("calico"))},
        }
        portmap = {"type": "portmap", "snat": True, "capabilities": {"portMappings": True}}
        conf = {"cniVersion": "1.0.0", "name": "monopod-lab", "plugins": [calico, portmap]}
        # Renamed inside the folder: containerd reads it again on a rename there, and ignores a file that is just new.
        fresh = self._folder / "cni/conf/new"
        fresh.write_text(json.dumps(conf, indent=1))
        fresh.rename(fresh.with_name("05-calico.conflist"))

    def _start_kubelet(self) -> None:
        cert, key = self.authority.issue(f"kubelet-{self.name}", self.name, hosts=[self.name, self.address])
        resolv = self._folder / "resolv.conf"
        resolv.write_text("# The cluster has no way out, so there is nobody to ask.\n")
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self.address,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(self.authority.ca)},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(cert),
            "tlsPrivateKeyFile": str(key),
            "clusterDNS": [CLUSTER_DNS],
            "clusterDomain": "cluster.local",
            "resolvConf": str(resolv),
            "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
            "cgroupDriver": "cgroupfs",
            "featureGates": dict(GATES),
            "cgroupRoot": make_cgroups(self.cluster, self.name),
            "failCgroupV1": False,
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "podLogsDir": str(self._folder / "pod-logs"),
            "volumePluginDir": str(self._folder / "volume-plugins"),
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            # The images came from archives and can't be pulled again: never collect them.
            "imageGCHighThresholdPercent": 100,
            "imageMaximumGCAge": "0s",
            "registerWithTaints": [],
            **self.registration,
        }
        path = self._folder / "kubelet.yaml"
        path.write_text(json.dumps(config, indent=1))
        kubeconfig = self._kubeconfig("kubelet", f"system:node:{self.name}", "system:nodes")
        self._start(
            "kubelet",
            [
                self.programs["kubelet"],
                f"--config={path}",
                f"--kubeconfig={kubeconfig}",
                f"--root-dir={self._folder / 'kubelet'}",
                f"--cert-dir={self._folder / 'kubelet/pki'}",
                f"--hostname-override={self.name}",
                f"--node-ip={self.address}",
            ],
        )

    def _start_kube_proxy(self) -> None:
        config = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "clusterCIDR": POD_CIDR,
            "hostnameOverride": self.name,
            "clientConnection": {"kubeconfig": str(self._kubeconfig("kube-proxy", "system:kube-proxy"))},
            "conntrack": {"maxPerCore": 0, "min": 0},  # the limit is the whole machine's: leave it alone
            "oomScoreAdj": 0,
        }
        path = self._folder / "kube-proxy.yaml"
        path.write_text(json.dumps(config, indent=1))
        self._start("kube-proxy", [self.programs["kube-proxy"], f"--config={path}"])


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # another file system
        shutil.copy2(source, target)


def import_image(machine: Services, archive: Path) -> None:
    """Gives a node's containerd an image archive (docker or OCI layout) for Kubernetes' use."""
    run(ctr(machine, "--namespace", "k8s.io", "images", "import", archive), timeout=300)


def ctr(machine: Services, *argv: str | Path) -> list[str | Path]:
    """The command that runs containerd's ctr on a node."""
    return machine.enter(machine.folder / "bin/ctr", "--address", CONTAINERD_SOCKET, *argv)
