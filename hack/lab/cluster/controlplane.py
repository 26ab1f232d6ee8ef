"""The control plane: etcd, kube-apiserver, and for clusters that run pods kube-controller-manager and kube-scheduler.

TLS everywhere, RBAC and node authorization on, as kubeadm sets a cluster up.
"""

import random
import socket
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from lab.cluster.pki import Authority
from lab.services import Services
from lab.shell import CommandFailed, run

SERVICE_CIDR = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
POD_CIDR = "10.244.0.0/16"
READY_SECONDS = 240
KUBELET_CLIENT = "kube-apiserver-kubelet-client"
"""The API server's user name at the kubelets; addons.py binds it to system:kubelet-api-admin."""


GATES = {"InPlacePodLevelResourcesVerticalScaling": False}
"""With it Kubernetes 1.36 counts the overhead of running pods twice, and on a full node pods fail with OutOfcpu
(kubernetes#139627). Off where it counts, in scheduler and kubelets; the API server keeps it, as most clusters' do."""

FEATURE_GATES = "--feature-gates=" + ",".join(f"{name}={str(on).lower()}" for name, on in GATES.items())


@dataclass(frozen=True)
class ControlPlane:
    """Where a control plane runs and listens.

    Attributes:
        services: The machine that it runs on.
        authority: Issues its certificates.
        address: The address that it serves on.
        ports: Ports of API server, etcd (two), kube-controller-manager and kube-scheduler.
        programs: Built programs by name.
        runs_pods: Whether pods are to run: service accounts are then made and required, and pods are scheduled.
    """

    services: Services
    authority: Authority
    address: str
    ports: tuple[int, int, int, int, int]
    programs: dict[str, Path]
    runs_pods: bool

    @property
    def url(self) -> str:
        """The API server's URL."""
        return f"https://{self.address}:{self.ports[0]}"

    def start(self, kubeconfig: Path) -> None:
        """Starts everything and returns when the API server is ready; `kubeconfig` is then the administrator's."""
        self.authority.write_kubeconfig(kubeconfig, self.url, "kubernetes-admin", ["system:masters"])
        self._start_etcd()
        self._start_apiserver()
        self.services.wait_until(
            lambda: self._is_ready(kubeconfig), "kube-apiserver", self.services.log("kube-apiserver"), READY_SECONDS
        )
        if self.runs_pods:
            self._start_controller_manager()
            self._start_scheduler()

    def _is_ready(self, kubeconfig: Path) -> bool:
        try:
            run([self.programs["kubectl"], "--kubeconfig", kubeconfig, "get", "--raw", "/readyz"], timeout=30)
        except CommandFailed:
            return False
        return True

    def _start_etcd(self) -> None:
        client, peer = self.ports[1], self.ports[2]
        cert, key = self.authority.issue("etcd", "etcd", hosts=["127.0.0.1", "localhost"])
        ca = self.authority.ca
        self.services.start(
            "etcd",
            [
                self.programs["etcd"],
                f"--data-dir={self.services.folder / 'etcd'}",
                f"--listen-client-urls=https://127.0.0.1:{client}",
                f"--advertise-client-urls=https://127.0.0.1:{client}",
                f"--listen-peer-urls=https://127.0.0.1:{peer}",
                f"--initial-advertise-peer-urls=https://127.0.0.1:{peer}",
                f"--initial-cluster=default=https://127.0.0.1:{peer}",
                f"--cert-file={cert}", f"--key-file={key}", f"--trusted-ca-file={ca}", "--client-cert-auth",
                f"--peer-cert-file={cert}", f"--peer-key-file={key}", f"--peer-trusted-ca-file={ca}",
                "--peer-client-cert-auth",
                "--unsafe-no-fsync",  # a test cluster's data needn't outlive the machine
                "--log-level=warn",
            ],
        )  # fmt: skip

    def _start_apiserver(self) -> None:
        issue = self.authority.issue
        names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
        cert, key = issue(
            "kube-apiserver", "kube-apiserver", hosts=[*names, "localhost", "127.0.0.1", API_SERVICE, self.address]
        )
        etcd_cert, etcd_key = issue("apiserver-etcd-client", "kube-apiserver-etcd-client")
        kubelet_cert, kubelet_key = issue("apiserver-kubelet-client", KUBELET_CLIENT)
        signing_key = self.authority.service_account_key
        flags = [
            f"--etcd-servers=https://127.0.0.1:{self.ports[1]}",
            f"--etcd-cafile={self.authority.ca}", f"--etcd-certfile={etcd_cert}", f"--etcd-keyfile={etcd_key}",
            f"--bind-address={self.address}", f"--advertise-address={self.address}", f"--secure-port={self.ports[0]}",
            f"--tls-cert-file={cert}", f"--tls-private-key-file={key}", f"--client-ca-file={self.authority.ca}",
            f"--kubelet-client-certificate={kubelet_cert}", f"--kubelet-client-key={kubelet_key}",
            f"--kubelet-certificate-authority={self.authority.ca}", "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={signing_key}", f"--service-account-signing-key-file={signing_key}",
            f"--service-cluster-ip-range={SERVICE_CIDR}",
            "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
        ]  # fmt: skip
        if not self.runs_pods:
            # Nobody makes service accounts here, and a loopback address can't be a Service's endpoint.
            flags += ["--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none"]
        self.services.start("kube-apiserver", [self.programs["kube-apiserver"], *flags])

    def _start_controller_manager(self) -> None:
        config = self._kubeconfig("kube-controller-manager")
        self.services.start(
            "kube-controller-manager",
            [
                self.programs["kube-controller-manager"],
                f"--kubeconfig={config}",
                f"--authentication-kubeconfig={config}",
                f"--authorization-kubeconfig={config}",
                f"--service-account-private-key-file={self.authority.service_account_key}",
                f"--root-ca-file={self.authority.ca}", "--use-service-account-credentials=true",
                f"--cluster-signing-cert-file={self.authority.ca}",
                f"--cluster-signing-key-file={self.authority.folder / 'ca.key'}",
                "--leader-elect=false", "--bind-address=127.0.0.1", f"--secure-port={self.ports[3]}",
                # By default each controller sends 20 requests in a second, and a thousand fake pods wait for it.
                "--kube-api-qps=100", "--kube-api-burst=200",
            ],
        )  # fmt: skip

    def _start_scheduler(self) -> None:
        config = self._kubeconfig("kube-scheduler")
        self.services.start(
            "kube-scheduler",
            [
                self.programs["kube-scheduler"],
                f"--kubeconfig={config}",
                f"--authentication-kubeconfig={config}",
                f"--authorization-kubeconfig={config}",
                "--leader-elect=false", "--bind-address=127.0.0.1", f"--secure-port={self.ports[4]}", FEATURE_GATES,
            ],
        )  # fmt: skip

    def _kubeconfig(self, component: str) -> Path:
        path = self.services.folder / "kubeconfigs" / f"{component}.yaml"
        return self.authority.write_kubeconfig(path, self.url, f"system:{component}")


def find_free_ports(taken: Container[int] = ()) -> tuple[int, int, int, int, int]:
    """Finds five free ports on loopback, below the range that outgoing connections use.

    Args:
        taken: Those of clusters that may not listen yet.
    """
    found: list[int] = []
    while len(found) < 5:
        port = random.randrange(20000, 32000)  # noqa: S311 - no secret: any free port will do
        if port in taken or port in found:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
    api, etcd, peer, manager, scheduler = found
    return api, etcd, peer, manager, scheduler
