"""The cluster of our own, for machines without Docker: one folder of state, one set of namespaces per node.

    created ── create() ──► running ── delete(), or the owner's end ──► dead ── delete() ──► gone

A dead cluster holds nothing but its folder and empty cgroups; the next create() of any cluster sweeps those away.
"""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lab import cgroups
from lab.autoscale import karpenter
from lab.autoscale.plan import AT_ONCE, Plan, find_grown, find_images, find_plan
from lab.build import apt
from lab.build.toolchain import build_tools
from lab.cluster import addons, kwok
from lab.cluster.controlplane import ControlPlane, find_free_ports
from lab.cluster.images import build_node_images
from lab.cluster.network import connect_node, connect_nodes, disconnect, disconnect_node, find_free_subnet
from lab.cluster.node import Node, ctr, import_image
from lab.cluster.pki import Authority
from lab.cluster.port_forward import forward_port
from lab.places import state_dir
from lab.progress import step
from lab.services import NotReady, Services
from lab.shell import run_kubectl

CONTROL_PLANE_TOOLS = ("etcd", "kubernetes")
NODE_TOOLS = ("containerd", "gvisor", "cni", "calico", "coredns")
NODE_PORTS = (6443, 2379, 2380, 10257, 10259)
NODE_READY_SECONDS = 300
KINDS_SECONDS = 120
NO_REGISTRATION: Mapping[str, Any] = MappingProxyType({})
AUTOSCALED = "autoscaled"
"""A file that tells later runs how the cluster was made."""
PORTS = "ports"
"""One that tells others the ports of a control plane."""


@dataclass
class LabCluster:
    """A named cluster. The methods are those of pytest-kind's KindCluster, so that tests run on either.

    Attributes:
        name: The cluster's name: letters, digits and dashes.
        control_plane_only: etcd and kube-apiserver on loopback, without nodes; needs no root.
        nodes: Number of real nodes otherwise.
        kwok: Number of fake nodes beside them.
        autoscale: Whether Karpenter makes nodes for pods that find none: fake ones on a control plane, else real ones.
    """

    name: str
    control_plane_only: bool = False
    nodes: int = 1
    kwok: int = 0
    autoscale: bool = False
    _lifeline: int | None = field(default=None, repr=False)

    sandbox = addons.SANDBOX_CLASS

    @property
    def folder(self) -> Path:
        """Everything that this cluster keeps."""
        return state_dir() / self.name

    @property
    def kubeconfig_path(self) -> Path:
        """The administrator's kubeconfig."""
        return self.folder / "kubeconfig"

    @property
    def runtime_class(self) -> addons.Object:
        """Its sandbox's RuntimeClass; where nodes come by themselves it selects those that have the sandbox."""
        return addons.build_runtime_class(labelled=self.autoscale)

    @property
    def kubectl_path(self) -> Path:
        """Kubectl of the cluster's version."""
        return build_tools("kubernetes")["kubectl"]

    def create(self, *, tied_to_caller: bool = False) -> None:
        """Brings the cluster up, or leaves it as it is when it is up.

        Args:
            tied_to_caller: Ends the cluster with this process, however this process ends.

        Raises:
            NotReady: If a component doesn't come up; the message says where its log is.
        """
        if self.is_running():
            return
        sweep()
        self.delete()
        lifeline = self._make_lifeline() if tied_to_caller else None
        programs = build_tools(*self._tools())
        if not self.control_plane_only:
            apt.install_packages(apt.NODE_PACKAGES)
        try:
            with step(f"starting cluster {self.name}", 6 if self.control_plane_only else 25):
                self._start(programs, lifeline)
        finally:
            if lifeline is not None:
                os.close(lifeline)

    def is_running(self) -> bool:
        """Tells whether every machine of the cluster runs and its set-up was finished."""
        machines = self.machines()
        return (self.folder / "ready").exists() and bool(machines) and all(m.alive() for m in machines)

    def machines(self) -> list[Services]:
        """The cluster's machines: its nodes, or the control plane's."""
        return [Services(f, isolated=f.name != "control-plane") for f in sorted(self.folder.glob("machines/*"))]

    def delete(self) -> None:
        """Removes everything of the cluster; nothing happens when there is nothing."""
        machines = self.machines()
        for machine in machines:
            machine.kill()
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        if any(machine.isolated for machine in machines):
            disconnect(self.name)
            cgroups.remove_cgroups(self.name)
        _remove_tree(self.folder)

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """Runs kubectl and returns what it prints.

        Raises:
            lab.shell.CommandFailed: If kubectl exits non-zero.
        """
        return run_kubectl(self.kubectl_path, self.kubeconfig_path, *args, stdin=stdin)

    def load_image_archive(self, archive: Path) -> None:
        """Gives every node an image from an archive, also those that come by themselves from now on."""
        for machine in self.machines():
            if machine.isolated:
                import_image(machine, archive)
        if self.autoscale:
            self._keep_images([archive])

    def add_node(self, *taints: addons.Object) -> str:
        """Starts one more node, which has the images of every node and no others, and returns its name.

        Args:
            taints: What keeps pods away that aren't meant for it.

        Raises:
            NotReady: If it doesn't come up.
        """
        machines, plan = self.machines(), Plan.read(find_plan(self.folder))
        index, machine = len(machines), Services(self.folder / f"machines/node-{len(machines) + 1}", isolated=True)
        node = _build_node(plan, index, machine, {"registerWithTaints": list(taints)})
        try:
            with self._share_lifeline() as lifeline:
                machine.launch(node.name, lifeline)
            connect_node(plan.subnet, machines[0].init_pid(), index, machine.init_pid(), self.nodes + AT_ONCE)
            self._start_runtime(node, build_node_images(plan.programs["coredns"]))
            node.start()
            machine.wait_until(lambda: self._is_ready(node.name), node.name, machine.log("kubelet"), NODE_READY_SECONDS)
        except BaseException:
            self.remove_node()
            raise
        return node.name

    def remove_node(self) -> None:
        """Takes the node away that was added last. Pods that are still there die with it."""
        machines = self.machines()
        index, machine = len(machines) - 1, machines[-1]
        name = f"{self.name}-{machine.folder.name}"
        machine.kill()
        disconnect_node(machines[0].init_pid(), index)
        cgroups.remove_cgroups(self.name, name)
        _remove_tree(machine.folder)
        self.kubectl("delete", "node", name, "--ignore-not-found")

    def _is_ready(self, node: str) -> bool:
        named, status = f"metadata.name={node}", '{.items[*].status.conditions[?(@.type=="Ready")].status}'
        return self.kubectl("get", "nodes", "--field-selector", named, "-o", f"jsonpath={status}") == "True"

    def _keep_images(self, archives: Sequence[Path]) -> None:
        folder = find_images(self.folder)
        folder.mkdir(exist_ok=True)
        for archive in archives:
            # Renamed: a machine that is just being started reads all that end so.
            fresh = folder / f"{archive.name}.new"
            shutil.copyfile(archive, fresh)
            fresh.rename(folder / archive.name)

    def find_machine(self, number: int) -> Services | None:
        """The machine of a node; the first is 1, and those that came by themselves follow."""
        machines = {machine.folder.name: machine for machine in [*self.machines(), *find_grown(self.folder)]}
        first = machines.get("control-plane") if number == 1 else None
        return machines.get(f"node-{number}") or first

    def enter_node(self, *argv: str | Path) -> list[str | Path]:
        """The command that runs `argv` as root on the first node: in its network, with its files."""
        return self.machines()[0].enter(*argv)

    def enter_ctr(self, *argv: str | Path) -> list[str | Path]:
        """The command that runs containerd's ctr there."""
        return ctr(self.machines()[0], *argv)

    def port_forward(
        self, name: str, remote_port: int, *args: str, local_port: int | None = None
    ) -> contextlib.AbstractContextManager[int]:
        """Forwards a local port to a pod or service for as long as the context lasts; gives the local port."""
        return forward_port(self.kubectl_path, self.kubeconfig_path, name, remote_port, *args, local_port=local_port)

    def _tools(self) -> Sequence[str]:
        tools = CONTROL_PLANE_TOOLS if self.control_plane_only else (*CONTROL_PLANE_TOOLS, *NODE_TOOLS)
        more = (("kwok", self._has_fake_nodes), ("karpenter", self.autoscale))
        return (*tools, *(tool for tool, wanted in more if wanted))

    @property
    def _has_fake_nodes(self) -> bool:
        return bool(self.kwok) or (self.autoscale and self.control_plane_only)

    def _make_lifeline(self) -> int:
        reader, self._lifeline = os.pipe()
        os.set_inheritable(self._lifeline, False)
        return reader

    @contextlib.contextmanager
    def _share_lifeline(self) -> Iterator[int | None]:
        """The reading end that the machines have got, once more."""
        if self._lifeline is None:
            yield None
            return
        reader = os.open(f"/proc/self/fd/{self._lifeline}", os.O_RDONLY)
        try:
            yield reader
        finally:
            os.close(reader)

    def _start(self, programs: dict[str, Path], lifeline: int | None) -> None:
        authority = Authority.create(self.folder / "pki")
        if self.autoscale:
            (self.folder / AUTOSCALED).touch()
        if self.control_plane_only:
            machine = Services(self.folder / "machines/control-plane", isolated=False)
            machine.launch("control-plane", lifeline)
            ports = self._choose_ports()
            plane = ControlPlane(machine, authority, "127.0.0.1", ports, programs, runs_pods=self._has_fake_nodes)
            plane.start(self.kubeconfig_path)
        else:
            plane = self._start_nodes(authority, programs, lifeline)
        if self._has_fake_nodes:
            own_only = not self.control_plane_only
            kwok.start_kwok(plane.services, authority, plane.url, programs["kwok"], own_only=own_only)
        if self.kwok:
            self._apply(kwok.build_nodes(self.kwok))
        if self.autoscale and self.control_plane_only:
            self._start_autoscaling(plane, programs, None)
        (self.folder / "ready").touch()

    def _choose_ports(self) -> tuple[int, int, int, int, int]:
        """Free ports that no other cluster has chosen: one that is just being started doesn't listen yet."""
        with _one_at_a_time():
            taken: set[int] = set()
            for path in state_dir().glob(f"*/{PORTS}"):
                with contextlib.suppress(FileNotFoundError):  # it was deleted meanwhile
                    taken.update(map(int, path.read_text().split()))
            ports = find_free_ports(taken)
            (self.folder / PORTS).write_text(" ".join(map(str, ports)))
        return ports

    def _start_autoscaling(self, plane: ControlPlane, programs: dict[str, Path], plan: Plan | None) -> None:
        """Starts Karpenter, and by a plan what makes its nodes real."""
        files = [word for path in karpenter.find_kinds() for word in ("-f", str(path))]
        self.kubectl("apply", "--server-side", *files)
        self.kubectl("wait", "--for=condition=Established", "--timeout=120s", "crd", *karpenter.KINDS)
        # Karpenter looks once for its kinds, and discovery follows their establishment after a moment.
        plane.services.wait_until(
            self._serves_karpenter, "Karpenter's kinds", plane.services.log("kube-apiserver"), KINDS_SECONDS
        )
        real = plan is not None
        self._apply(karpenter.build_objects(real=real))
        karpenter.start_karpenter(plane.services, plane.authority, plane.url, programs["karpenter"], real=real)
        if plan is not None:
            karpenter.start_machines(plan, plane.services)

    def _serves_karpenter(self) -> bool:
        return set(karpenter.KINDS) <= set(self.kubectl("api-resources", "--output=name").split())

    def _start_nodes(self, authority: Authority, programs: dict[str, Path], lifeline: int | None) -> ControlPlane:
        machines = [Services(self.folder / f"machines/node-{i + 1}", isolated=True) for i in range(self.nodes)]
        with _one_at_a_time():  # or two clusters would find the same network free
            for index, machine in enumerate(machines):
                machine.launch(f"{self.name}-node-{index + 1}", lifeline)
            subnet = find_free_subnet()
            connect_nodes(self.name, subnet, machines, spare=AT_ONCE)
        plane = ControlPlane(machines[0], authority, subnet.node(0), NODE_PORTS, programs, runs_pods=True)
        plan = Plan(self.folder, plane.url, subnet, self.nodes, programs)
        plan.write()
        nodes = [_build_node(plan, i, host) for i, host in enumerate(machines)]
        archives = build_node_images(programs["coredns"])
        with ThreadPoolExecutor() as pool:
            runtimes = [pool.submit(self._start_runtime, node, archives) for node in nodes]
            plane.start(self.kubeconfig_path)
            self._apply([*addons.build_node_objects(), self.runtime_class])
            self._apply_calico(programs["crd"])
            for runtime in runtimes:
                runtime.result()
            list(pool.map(Node.start, nodes))
        self._apply(addons.build_dns_objects())
        self._await_nodes(machines[0])
        if self.autoscale:
            self._keep_images(archives)
            self._start_autoscaling(plane, programs, plan)
        return plane

    @staticmethod
    def _start_runtime(node: Node, archives: Sequence[Path]) -> None:
        node.start_runtime()
        for archive in archives:
            import_image(node.services, archive)

    def _apply_calico(self, kinds: Path) -> None:
        for path in addons.read_calico_kinds(kinds):
            self.kubectl("apply", "--server-side", "-f", str(path))
        self.kubectl("wait", "--for=condition=Established", "--timeout=120s", "crd", "--all")
        self._apply(addons.build_calico_objects())

    def _await_nodes(self, machine: Services) -> None:
        def ready() -> bool:
            jsonpath = '{.items[*].status.conditions[?(@.type=="Ready")].status}'
            statuses = self.kubectl("get", "nodes", "-l", f"!{kwok.LABEL}", "-o", f"jsonpath={jsonpath}").split()
            dns = self.kubectl(
                "get", "deploy", "coredns", "-n", "kube-system", "-o", "jsonpath={.status.readyReplicas}"
            )
            return statuses.count("True") == self.nodes and dns == "1"

        machine.wait_until(ready, "nodes and DNS", machine.log("kubelet"), NODE_READY_SECONDS)

    def _apply(self, objects: list[addons.Object]) -> None:
        self.kubectl("apply", "--server-side", "-f", "-", stdin=addons.to_list(objects))


def find_clusters() -> list[LabCluster]:
    """The clusters that have a folder, running or dead."""
    folders = [f for f in sorted(state_dir().glob("*")) if (f / "machines").is_dir()]
    return [
        LabCluster(
            folder.name,
            control_plane_only=(folder / "machines/control-plane").exists(),
            autoscale=(folder / AUTOSCALED).exists(),
        )
        for folder in folders
    ]


def sweep() -> None:
    """Removes what dead clusters left, as a run that was killed leaves its folder and cgroups."""
    for cluster in find_clusters():
        try:
            recent = time.time() - (cluster.folder / "machines").stat().st_mtime < NODE_READY_SECONDS
        except FileNotFoundError:  # another process has just removed it
            continue
        if not recent and not any(machine.alive() for machine in cluster.machines()):
            cluster.delete()


def _build_node(plan: Plan, index: int, host: Services, registration: Mapping[str, Any] = NO_REGISTRATION) -> Node:
    name, address = f"{plan.cluster}-{host.folder.name}", plan.subnet.node(index)
    return Node(plan.cluster, name, index, address, plan.server, host, plan.authority, plan.programs, registration)


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    state_dir().mkdir(parents=True, exist_ok=True)
    lock = os.open(state_dir(), os.O_RDONLY)  # which others may open, too, whoever made it
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _remove_tree(folder: Path) -> None:
    # The last processes of a killed node may still be on their way out, with files open and mounts in their namespace.
    for _ in range(50):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)
    raise NotReady(f"{folder}: can't be removed; something still uses it (see: mount, fuser)")
