"""charts/gvisor-node on a real node: one more runtime beside the cluster's own, a pod in it, and all gone again."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from image.engine import provide_gvisor_node_image
from image.layers import read_reference
from lab.build.toolchain import build_tools
from lab.cluster.images import BUSYBOX_IMAGE
from lab.cluster.installation import ROOT
from lab.cluster.lab_cluster import LabCluster
from lab.cluster.provider import find_engine
from lab.places import cache_dir
from lab.shell import CommandFailed, run
from tests.e2e.live import Live, Object

NAMESPACE = "gvisor-node"
HANDLER = "runsc-test"
LABEL = "monopod.dev/gvisor-test"
DROP_IN = f"gvisor-node-{HANDLER}.toml"
FOLDER = "/opt/gvisor-node-test"


@dataclass(frozen=True)
class Stage:
    """The chart's release and the node that it changes."""

    live: Live

    def helm(self, *words: str | Path) -> None:
        helm = build_tools("helm")["helm"]
        command = [helm, "--kubeconfig", self.live.cluster.kubeconfig_path, "--namespace", NAMESPACE, *words]
        run(command, timeout=320)

    def install(self) -> None:
        archive = provide_gvisor_node_image(cache_dir() / "images", find_engine())
        self.live.cluster.load_image_archive(archive)
        repository, tag = read_reference(archive).rsplit(":", 1)
        values = [f"image.repository={repository}", f"image.tag={tag}", f"handler={HANDLER}", f"node.label={LABEL}"]
        values += [f"node.startupTaint={LABEL}", "runtimeClass.name=gvisor-test", f"installDir={FOLDER}"]
        if self.lab:  # its node has no systemd
            values += ["containerd.restart=none", f"containerd.config={self.lab.machines()[0].folder}/containerd.toml"]
        sets = [word for value in values for word in ("--set", value)]
        self.helm("upgrade", "--install", "gvisor-node", ROOT / "charts/gvisor-node", "--create-namespace", *sets)

    @property
    def lab(self) -> LabCluster | None:
        return self.live.cluster if isinstance(self.live.cluster, LabCluster) else None

    def restart_containerd(self, *, once_there: bool) -> None:
        """On the lab's node, once the drop-in has come or gone; elsewhere the agent does it."""
        if self.lab:
            (machine,) = self.lab.machines()
            drop_in = machine.folder / "conf.d" / DROP_IN
            self.live.wait_for(lambda: drop_in.exists() is once_there, f"{drop_in} {once_there}", 300)
            run(machine.enter("kill", (machine.folder / "pids/containerd").read_text()))

    def find_node(self) -> Object:
        (node,) = json.loads(self.live.kubectl("get", "nodes", "-l", f"{LABEL}=true", "-o", "json"))["items"]
        return dict(node)

    def is_calm(self) -> bool:
        """Whether the node is Ready without the handler: as the tests after this one expect it."""
        nodes = json.loads(self.live.kubectl("get", "nodes", "-o", "json"))["items"]
        ready = [each["status"] for node in nodes for each in node["status"]["conditions"] if each["type"] == "Ready"]
        return not self.knows_handler() and set(ready) == {"True"}

    def knows_handler(self) -> bool:
        nodes = json.loads(self.live.kubectl("get", "nodes", "-o", "json"))["items"]
        known = [each["name"] for node in nodes for each in node["status"].get("runtimeHandlers", ())]
        return HANDLER in known


@pytest.fixture
def stage(live: Live) -> Iterator[Stage]:
    stage = Stage(live)
    before = {path: path.read_text() for path in _find_configs(stage)}
    stage.install()
    yield stage
    live.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
    assert {path: path.read_text() for path in before} == before


def _find_configs(stage: Stage) -> list[Path]:
    return [stage.lab.machines()[0].folder / "containerd.toml"] if stage.lab else []


def a_pod(name: str, namespace: str) -> Object:
    container = {"name": "app", "image": BUSYBOX_IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "3600"]}
    spec = {"runtimeClassName": "gvisor-test", "terminationGracePeriodSeconds": 0, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


@pytest.mark.timeout(1500)
def test_the_runtime_comes_to_a_node_runs_a_pod_and_goes_again(stage: Stage) -> None:
    live = stage.live
    stage.restart_containerd(once_there=True)
    live.await_ready(NAMESPACE)
    assert not [taint for taint in stage.find_node()["spec"].get("taints", ()) if taint["key"] == LABEL]
    assert stage.knows_handler()
    namespace = live.make_namespace("sandboxed-by-hand")
    live.apply(a_pod("app", namespace))
    (pod,) = live.await_ready(namespace)
    assert "gVisor" in live.run_in(pod, "dmesg | head -n 1")
    with pytest.raises(CommandFailed):  # the pod still needs it
        stage.helm("uninstall", "gvisor-node")
    assert stage.find_node()
    live.remove_namespace(namespace)
    live.wait_for(lambda: not live.find("pods", namespace), "the pod gone")
    stage.helm("uninstall", "gvisor-node")
    stage.restart_containerd(once_there=False)
    live.wait_for(stage.is_calm, "a Ready node without the handler", 300)
    assert live.kubectl("get", "nodes", "-l", LABEL, "-o", "name") == ""
