"""`hack/demo` as a person runs it, on a cluster of its own."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.cluster.installation import ROOT
from lab.cluster.provider import find_all_clusters, find_cluster
from lab.demo.pods import Seen, compute_faults

pytestmark = pytest.mark.timeout(1200)

PREFIX = "e2e-demo-"
DEMO_SECONDS = 550
DEMO = ROOT / "hack/demo"
PODS = {"web": ("Deployment", 2), "report": ("Job", 1), "shell": ("Pod", 1)}


@dataclass(frozen=True)
class Demo:
    """A demo that ran.

    Attributes:
        name: Its cluster's name.
        stdout: What it printed.
        stderr: Its progress.
    """

    name: str
    stdout: str
    stderr: str

    def get_selectors(self, beginning: str) -> list[str]:
        return [line.strip() for line in self.stdout.splitlines() if line.strip().startswith(beginning)]


def run_demo(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(DEMO), *args], capture_output=True, text=True, timeout=DEMO_SECONDS, check=False, stdin=subprocess.DEVNULL
    )


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    remove_abandoned_demos()
    name = f"{PREFIX}{os.getpid()}"
    try:
        done = run_demo("--name", name)
        assert done.returncode == 0, done.stdout + done.stderr
        yield Demo(name, done.stdout, done.stderr)
    finally:
        run_demo("down", "--name", name)


def remove_abandoned_demos() -> None:
    """The demo's cluster outlives the demo, so a test run that was killed leaves it to the next."""
    for cluster in find_all_clusters():
        owner = cluster.name.removeprefix(PREFIX)
        if cluster.name.startswith(PREFIX) and not Path(f"/proc/{owner}").exists():
            cluster.delete()


@pytest.mark.parametrize("workload", PODS)
def test_the_demo_shows_the_pods_of_each_workload_in_their_own_kernels(demo: Demo, workload: str) -> None:
    rows = demo.get_selectors(workload)
    assert len(rows) == PODS[workload][1]
    for row in rows:
        assert re.search(r"\bdemo\b.*\d+vCPU [\d.]+GB.*\bgvisor\b.* \d+\.\d+\.\S+ .*-gvisor.*10\.\S+ +\d+ s$", row), row


def test_the_demo_shows_the_pod_outside_on_the_nodes_kernel(demo: Demo) -> None:
    (row,) = demo.get_selectors("outside")
    name, profile, _, size, runtime, node_kernel, kernel = row.split()[:7]
    assert (name, profile, size, runtime) == ("outside", "none", "–", "runc")
    assert kernel == node_kernel


def test_the_demo_reports_its_progress(demo: Demo) -> None:
    for step in (
        "(starting|creating kind) cluster",
        "installing Monopod's chart",
        "FargateProfile",
        "waiting until the pods are Ready",
    ):
        assert re.search(rf"{step}.*: done in", demo.stderr), step


def test_the_commands_that_the_demo_names_work(demo: Demo) -> None:
    commands = [line.strip() for line in demo.stdout.partition("Try:")[2].splitlines() if line.strip()]
    *tried, last = commands
    assert last == f"./hack/demo down --name {demo.name}"
    script = "set -e\n" + "\n".join(tried)
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ACTIVE" in done.stdout
    assert "NetworkPolicies are enforced" in done.stdout
    assert "Starting gVisor" in done.stdout


def test_a_second_demo_reuses_the_cluster(demo: Demo) -> None:
    before = _read_node_uid(demo.name)
    done = run_demo("--name", demo.name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not re.search("(starting|creating kind) cluster", done.stderr)
    assert _read_node_uid(demo.name) == before


def test_a_demo_that_cannot_go_on_says_what_and_where_to_look() -> None:
    # A state folder that is a file: the first thing that the demo writes to.
    env = {**os.environ, "MONOPOD_STATE": "/dev/null"}
    done = subprocess.run([str(DEMO)], capture_output=True, text=True, timeout=60, check=False, env=env)
    assert done.returncode != 0
    assert done.stderr.startswith("hack/demo: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("profile", "kernel", "fault"),
    [("demo", "4.19", ""), ("demo", "6.1", "on the node's kernel"), ("", "6.1", "no pod was taken")],
    ids=["own-kernel", "nodes-kernel", "no-profile"],
)
def test_the_demo_fails_unless_its_pods_have_their_own_kernels(profile: str, kernel: str, fault: str) -> None:
    seen = Seen("web", "Pod", profile, "", "", "gvisor", "6.1", kernel, "", "10.0.0.1", 1)
    faults = compute_faults((seen,))
    assert fault in "".join(faults)
    assert bool(faults) == bool(fault)


def _read_node_uid(name: str) -> str:
    cluster = find_cluster(name)
    assert cluster is not None
    kubeconfig = str(cluster.kubeconfig_path)
    command = [str(ROOT / "hack/run"), "kubectl", "--kubeconfig", kubeconfig, "get", "nodes", "-o", "json"]
    nodes = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)
    return str(nodes["items"][0]["metadata"]["uid"])
