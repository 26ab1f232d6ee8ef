"""A second node for as long as a module's tests last, each node in a zone of its own, and another `runsc` on both."""

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.build.toolchain import build_kubectl
from lab.cluster.lab_cluster import LabCluster
from monopod.api.names import TOPOLOGY_ZONE
from tests.e2e.live import Live, Object, is_ready

ZONES = ("zone-a", "zone-b")
TAINT: Object = {"key": "patched-zones", "value": "yes", "effect": "NoSchedule"}
"""Keeps the pods of others from the second node, which goes before they do."""
TOLERATION: Object = {"key": TAINT["key"], "operator": "Exists"}


@contextlib.contextmanager
def two_zones(live: Live, cluster: LabCluster) -> Iterator[Mapping[str, str]]:
    """The zone of each node by its name."""
    names = [live.find("nodes", "default")[0]["metadata"]["name"], cluster.add_node(TAINT)]
    try:
        zones = dict(zip(names, ZONES, strict=True))
        for name, zone in zones.items():
            live.kubectl("label", "node", name, f"{TOPOLOGY_ZONE}={zone}")
        yield zones
    finally:
        live.kubectl("label", "node", names[0], f"{TOPOLOGY_ZONE}-")
        cluster.remove_node()


@contextlib.contextmanager
def restored_runsc(cluster: LabCluster) -> Iterator[None]:
    """Puts the nodes' own `runsc` back at the end, for the tests that follow."""
    before = {path: path.with_name("runsc-before") for path in _find_runsc(cluster)}
    for path, kept in before.items():
        kept.hardlink_to(path)
    try:
        yield
    finally:
        for path, kept in before.items():
            kept.rename(path)
            kept.unlink(missing_ok=True)  # which a rename onto itself leaves


def replace_runsc(cluster: LabCluster, program: Path) -> None:
    """As a package manager does: the old file lives on for the sandboxes that run by it."""
    for path in _find_runsc(cluster):
        fresh = path.with_name("runsc-new")
        fresh.symlink_to(program)
        fresh.rename(path)


def _find_runsc(cluster: LabCluster) -> list[Path]:
    return [machine.folder / "bin/runsc" for machine in cluster.machines()]


@dataclass(frozen=True)
class Change:
    """A pod after a change, as a watch tells it, in the watch's order."""

    kind: str
    pod: Object

    @property
    def uid(self) -> str:
        return str(self.pod["metadata"]["uid"])

    @property
    def node(self) -> str:
        return str(self.pod["spec"].get("nodeName", ""))

    @property
    def is_going(self) -> bool:
        return self.kind == "DELETED" or "deletionTimestamp" in self.pod["metadata"]

    @property
    def serves(self) -> bool:
        return is_ready(self.pod) and not self.is_going


@dataclass(frozen=True)
class History:
    """Everything that becomes of a namespace's pods from some moment on."""

    path: Path
    process: subprocess.Popen[str]

    def read(self) -> list[Change]:
        """What has been told so far, the pods that there were at first included."""
        assert self.process.poll() is None, "the watch broke off"
        text, found, decoder = self.path.read_text().lstrip(), list[Change](), json.JSONDecoder()
        while text:
            try:
                told, end = decoder.raw_decode(text)
            except json.JSONDecodeError:
                break  # it is being written
            found.append(Change(told["type"], told["object"]))
            text = text[end:].lstrip()
        return found


@contextlib.contextmanager
def follow_pods(live: Live, namespace: str, path: Path) -> Iterator[History]:
    """Watches the pods of a namespace into a file."""
    kubectl = [str(build_kubectl()), "--kubeconfig", str(live.cluster.kubeconfig_path)]
    watch = ["get", "pods", "-n", namespace, "--watch", "--output-watch-events", "-o", "json"]
    with path.open("w") as file, subprocess.Popen([*kubectl, *watch], stdout=file, text=True) as process:
        try:
            yield History(path, process)
        finally:
            process.terminate()


def find_overlaps(history: list[Change], zones: Mapping[str, str], before: set[str]) -> list[str]:
    """The pods from before that were sent away while another one of another zone hadn't gone yet."""
    going: dict[str, str] = {}
    found = []
    for change in history:
        if change.uid not in before or not change.is_going:
            continue
        zone = zones[change.node]
        if change.uid not in going and any(other != zone for other in going.values()):
            found.append(change.uid)
        going[change.uid] = zone
        if change.kind == "DELETED":
            del going[change.uid]
    return found
