"""`hack/demo scale` as a person runs it, and what the nodes are that come by themselves."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.autoscale.plan import find_grown
from lab.cgroups import CGROUPS, cgroup_root
from lab.cluster.lab_cluster import LabCluster, find_clusters
from lab.cluster.network import host_interface
from lab.cluster.provider import find_engine
from lab.demo.scale import DEPLOYMENT, DOWN, NAMESPACE, REPLICAS, UP
from tests.e2e.conftest import LIVES
from tests.e2e.lab.machines import find_interfaces, find_processes
from tests.e2e.lab.test_demo import run_demo
from tests.e2e.live import READY_SECONDS, Live

Json = dict[str, Any]

pytestmark = [
    pytest.mark.skipif(bool(find_engine()), reason="kind's clusters have no nodes that come by themselves"),
    pytest.mark.timeout(1200),
]

PREFIX = "e2e-scale-"


@dataclass(frozen=True)
class Demo:
    """A demo that has ended, and its cluster, which is without nodes for sandboxes again.

    Attributes:
        left: The nodes that the cluster had at the demo's end, and the machines of those that come by themselves.
    """

    cluster: LabCluster
    live: Live
    done: subprocess.CompletedProcess[str]
    left: tuple[int, int]


@pytest.fixture(scope="module")
def demo(request: pytest.FixtureRequest) -> Iterator[Demo]:
    for cluster in find_clusters():  # of test runs that were killed
        owner = cluster.name.removeprefix(PREFIX)
        if cluster.name.startswith(PREFIX) and not Path(f"/proc/{owner}").exists():
            cluster.delete()
    cluster = LabCluster(f"{PREFIX}{os.getpid()}", autoscale=True)
    live = Live(cluster)
    request.config.stash[LIVES].append(live)
    try:
        done = run_demo("scale", "--name", cluster.name)
        assert done.returncode == 0, done.stdout + done.stderr
        left = (len(live.find("nodes", "default")), len(find_grown(cluster.folder)))
        yield Demo(cluster, live, done, left)
    finally:
        cluster.delete()


def test_the_demo_shows_a_node_that_comes_with_the_pods_and_goes_with_them(demo: Demo) -> None:
    done = demo.done
    assert "kind: NodePool" in done.stdout
    for stage in (*UP, *DOWN):
        assert re.search(rf"^ +\d+\.\d s  {stage.title}: ", done.stdout, re.MULTILINE), stage.title
    rows = re.findall(rf"^ *{DEPLOYMENT}-\S+ +demo .* gvisor +(\S+) +(\S+)", done.stdout, re.MULTILINE)
    assert len(rows) == REPLICAS
    assert all(kernel != node_kernel for node_kernel, kernel in rows), rows
    assert demo.left == (1, 0)


def test_a_nodes_own_kubelet_registers_it_as_karpenter_wants_it_and_it_ends_with_its_cluster(
    demo: Demo,
) -> None:
    cluster, live = demo.cluster, demo.live
    cluster.kubectl("scale", "deployment", DEPLOYMENT, "-n", NAMESPACE, "--replicas=1")
    live.wait_for(
        lambda: find_condition(find_only(cluster, "nodeclaims"), "Initialized") == "True", "a node", READY_SECONDS
    )
    claim, node = find_only(cluster, "nodeclaims"), find_only(cluster, "nodes")
    assert node["metadata"]["name"] == claim["metadata"]["name"] == claim["status"]["nodeName"]
    assert node["spec"]["providerID"] == claim["status"]["providerID"]
    assert not node["spec"].get("taints")
    labels = node["metadata"]["labels"]
    assert {key: labels.get(key) for key in claim["metadata"]["labels"]} == claim["metadata"]["labels"]
    assert labels["monopod.dev/gvisor"] == labels["karpenter.sh/registered"] == "true"
    assert node["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("containerd://")
    live.await_ready(NAMESPACE)
    assert len(find_grown(cluster.folder)) == 1
    assert any("/grown/" in process for process in find_processes(cluster.name))

    cluster.delete()
    live.wait_for(lambda: not find_processes(cluster.name), "the end of its processes")
    assert not cluster.folder.exists()
    assert not [*CGROUPS.glob(f"*{cgroup_root(cluster.name)}"), *CGROUPS.glob(cgroup_root(cluster.name).lstrip("/"))]
    assert host_interface(cluster.name) not in find_interfaces()


def find_only(cluster: LabCluster, kind: str) -> Json:
    """The object that Karpenter has made of its NodePool; {} while there is none."""
    items = json.loads(cluster.kubectl("get", kind, "-l", "karpenter.sh/nodepool", "-o", "json"))["items"]
    return dict(items[0]) if len(items) == 1 else {}


def find_condition(item: Json, kind: str) -> str:
    conditions = item.get("status", {}).get("conditions", [])
    return next((str(each["status"]) for each in conditions if each["type"] == kind), "")
