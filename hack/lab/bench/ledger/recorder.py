"""What one recorder of the ledger costs beside many running pods and a stream of short ones, and how far it lags.

A control plane without nodes: the benchmark writes the pods, as admission and a kubelet would. A bare watch of the same
pods (bare_watch.py) runs at the same time and shows what listening costs any program. All share the machine's cores
with etcd and the API server, so CPU time says more than the lag does.
"""

import os
import sqlite3
import sys
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.bench.client import Client
from lab.bench.cluster import wait_until
from lab.bench.figures import Figures, sum_up
from lab.bench.isolation import read_cpu_seconds, read_peak_memory
from lab.cluster.installation import ROOT
from lab.cluster.lab_cluster import LabCluster
from lab.progress import step
from lab.services import Services
from monopod.api.names import CAPACITY_ANNOTATION, PROFILE_LABEL
from monopod.kube.objects.resources import NAMESPACES, PODS

Object = dict[str, Any]
NAMESPACE = "crowd"
NAME = "monopod-ledger-0"
RECORDER, WATCH = "ledger", "bare-watch"
WRITERS = 8
LIFE_SECONDS = 5.0
"""Of the short pods."""
LONGEST_IDLE_SECONDS = 60.0
LOOK_SECONDS = 0.02
PATIENCE_SECONDS = 600.0


@dataclass(frozen=True)
class ProcessFigures:
    """What one process used.

    Attributes:
        started: CPU time in seconds, to start and to read all pods that there are.
        idle: The share of a core while no pod changes.
        churn: CPU time in seconds, for each pod that is created, starts and is deleted.
        memory: The most memory that it held, in bytes.
    """

    started: float
    idle: float
    churn: float
    memory: int


@dataclass(frozen=True)
class LedgerFigures:
    """One run.

    Attributes:
        running: How many pods ran all the time.
        churned: How many came and went.
        offered: How many of these were to be created in a second.
        reached: How many the API server took in a second, each with three requests.
        lag: Seconds from the API server's answer to a pod's creation until the recorder has committed it.
        recorder: The recorder's process.
        watch: The bare watch's.
    """

    running: int
    churned: int
    offered: float
    reached: float
    lag: Figures
    recorder: ProcessFigures
    watch: ProcessFigures


@dataclass
class _Process:
    """One that is measured, by the marks between which it was."""

    machine: Services
    name: str
    marks: list[float] = field(default_factory=list)

    @property
    def pid(self) -> int:
        return int((self.machine.folder / "pids" / self.name).read_text())

    def mark(self) -> None:
        self.marks.append(read_cpu_seconds(self.pid))

    def sum_up(self, idle_seconds: float, churned: int) -> ProcessFigures:
        started, idle, churn = self.marks
        return ProcessFigures(
            started, (idle - started) / idle_seconds, (churn - idle) / churned, read_peak_memory(self.pid)
        )


def measure_ledger(running: int, churned: int, rate: float) -> LedgerFigures:
    """Measures one recorder, on a cluster made for it."""
    cluster = LabCluster(f"bench-ledger-{os.getpid()}", control_plane_only=True)
    cluster.create(tied_to_caller=True)
    try:
        return _measure(cluster, running, churned, rate)
    finally:
        cluster.delete()


def _measure(cluster: LabCluster, running: int, churned: int, rate: float) -> LedgerFigures:
    Client(cluster.kubeconfig_path).post(NAMESPACES.list_path(), {"metadata": {"name": NAMESPACE}})
    (machine,) = cluster.machines()
    with step(f"starting {running:,} pods", running / 100):
        _write_pods(cluster.kubeconfig_path, running, 0.0, lives_on=True)
    with step("starting a recorder, and a bare watch", 10 + running / 500):
        database = _start_recorder(cluster, machine)
        listed = _start_watch(cluster, machine)
        wait_until(lambda: listed.exists() and listed.read_text() == str(running), "the bare watch", PATIENCE_SECONDS)
        wait_until(lambda: _count_kept(database) == running, "the recorder", PATIENCE_SECONDS)
    processes = [_Process(machine, name) for name in (RECORDER, WATCH)]
    for process in processes:
        process.mark()
    idle_seconds = min(LONGEST_IDLE_SECONDS, churned / rate)
    with step("letting nothing happen", idle_seconds):
        time.sleep(idle_seconds)
    for process in processes:
        process.mark()
    with step(f"creating and deleting {churned:,} pods, {rate:.0f} in a second", churned / rate + LIFE_SECONDS):
        with _follow_position(database) as seen:
            began = time.time()
            created = _write_pods(cluster.kubeconfig_path, churned, rate, lives_on=False)
            took = max(at for _, at in created) - began
            newest = max(version for version, _ in created)
            wait_until(lambda: seen[-1][0] >= newest, "the last commit", PATIENCE_SECONDS)
        wait_until(lambda: _count_kept(database) == running, "the last deletion", PATIENCE_SECONDS)
    for process in processes:
        process.mark()
    return LedgerFigures(
        running=running,
        churned=churned,
        offered=rate,
        reached=churned / took,
        lag=sum_up(compute_lags(created, seen)),
        recorder=processes[0].sum_up(idle_seconds, churned),
        watch=processes[1].sum_up(idle_seconds, churned),
    )


def compute_lags(created: list[tuple[int, float]], seen: list[tuple[int, float]]) -> list[float]:
    """How long each write wasn't committed yet.

    Args:
        created: the version that a write got, and when its answer was there.
        seen: up to which version all was committed, and when that was seen; in order.
    """
    versions = [version for version, _ in seen]
    return [max(0.0, seen[bisect_left(versions, version)][1] - at) for version, at in created]


def _start_recorder(cluster: LabCluster, machine: Services) -> Path:
    folder = machine.folder / "ledger-data"
    folder.mkdir()
    flags = {
        "--kubeconfig": cluster.kubeconfig_path,
        "--namespace": NAMESPACE,
        "--name": NAME,
        "--database": f"sqlite:///{folder / 'ledger.db'}",
        "--spool": folder,
        "--listen": "127.0.0.1",
        "--metrics-port": 0,
        "--api-port": 0,
        "--peers-listen": "127.0.0.1",
        "--peers-port": 0,
    }
    words = [str(word) for pair in flags.items() for word in pair]
    machine.start(RECORDER, [sys.executable, "-m", "monopod", "ledger", *words], {"PYTHONPATH": str(ROOT / "operator")})
    return folder / "ledger.db"


def _start_watch(cluster: LabCluster, machine: Services) -> Path:
    listed = machine.folder / "listed"
    command = [sys.executable, "-m", "lab.bench.ledger.bare_watch", str(cluster.kubeconfig_path), str(listed)]
    machine.start(WATCH, command, {"PYTHONPATH": f"{ROOT / 'operator'}:{ROOT / 'hack'}"})
    return listed


def _ask(database: Path, question: str) -> int:
    """A number that the recorder has committed; 0 while there is no database yet."""
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
            found = connection.execute(question, {"name": NAME}).fetchone()
    except sqlite3.OperationalError:
        return 0
    return int(found[0]) if found else 0


def _count_kept(database: Path) -> int:
    return _ask(database, "SELECT count(*) FROM lifetime WHERE is_open")


@contextmanager
def _follow_position(database: Path) -> Iterator[list[tuple[int, float]]]:
    """Up to which version all is committed, and when that was seen, as it goes on."""

    def look() -> tuple[int, float]:
        version = _ask(database, "SELECT version FROM position WHERE source = :name")
        return version, time.time()

    seen, over = [look()], threading.Event()

    def follow() -> None:
        while not over.wait(LOOK_SECONDS):
            now = look()
            if now[0] > seen[-1][0]:
                seen.append(now)

    follower = threading.Thread(target=follow)
    follower.start()
    try:
        yield seen
    finally:
        over.set()
        follower.join()


def _write_pods(kubeconfig: Path, count: int, rate: float, *, lives_on: bool) -> list[tuple[int, float]]:
    """Creates and starts pods, so many in a second (0: as many as can be), and deletes those that don't live on.

    Returns:
        The version that each got when it was created, and when the API server had answered.
    """
    began = time.monotonic()
    created: list[tuple[int, float]] = []

    def write(first: int) -> None:
        client = Client(kubeconfig)
        living: deque[tuple[float, str]] = deque()
        for number in range(first, count, WRITERS):
            due = began + (number / rate if rate else 0)
            while living and living[0][0] <= due:
                _wait_for(living[0][0])
                client.delete(PODS.path(living.popleft()[1], NAMESPACE))
            _wait_for(due)
            name = f"{'runs' if lives_on else 'comes'}-{number:06}"
            made = client.post(PODS.list_path(NAMESPACE), build_pod(name, number))
            created.append((int(made["metadata"]["resourceVersion"]), time.time()))
            client.patch(f"{PODS.path(name, NAMESPACE)}/status", build_status())
            if not lives_on:
                living.append((time.monotonic() + LIFE_SECONDS, name))
        for end, name in living:
            _wait_for(end)
            client.delete(PODS.path(name, NAMESPACE))

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    return created


def _wait_for(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def build_pod(name: str, number: int) -> Object:
    """A pod of a Deployment, as admission leaves it and the scheduler."""
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"app-{number % 20}-5d4f8c7b9d", "uid": name}
    environment = [{"name": f"SETTING_{each}", "value": f"value-{each}-of-the-application"} for each in range(20)]
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10}
    return {
        "metadata": {
            "name": name,
            "labels": {"app": f"app-{number % 20}", "pod-template-hash": "5d4f8c7b9d", PROFILE_LABEL: "web"},
            "annotations": {CAPACITY_ANNOTATION: "0.25vCPU 0.5GB"},
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
        },
        "spec": {
            "nodeName": f"node-{number % 200}",
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": "app",
                    "image": "registry.example.com/app:1",
                    "env": environment,
                    "resources": {"requests": {"cpu": "200m", "memory": "200Mi"}},
                    "livenessProbe": probe,
                    "readinessProbe": probe,
                }
            ],
        },
    }


def build_status() -> Object:
    """What the kubelet says once the pod runs."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    names = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    conditions = [{"type": name, "status": "True", "lastTransitionTime": now} for name in names]
    container = {
        "name": "app",
        "image": "registry.example.com/app:1",
        "imageID": "",
        "ready": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": now}},
    }
    return {
        "status": {"phase": "Running", "startTime": now, "conditions": conditions, "containerStatuses": [container]}
    }
