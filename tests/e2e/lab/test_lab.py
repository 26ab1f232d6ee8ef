"""The local cluster itself: its command, several clusters at once, and that nothing outlives the run that made it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from image.small import build_busybox_image
from lab.cgroups import CGROUPS, cgroup_root
from lab.cluster.installation import ROOT
from lab.cluster.kwok import TAINT
from lab.cluster.lab_cluster import LabCluster
from lab.cluster.network import host_interface
from lab.cluster.provider import find_engine
from lab.places import cache_dir, state_dir
from tests.e2e.conftest import LIVES
from tests.e2e.lab.machines import find_interfaces, find_processes
from tests.e2e.live import Live
from tests.e2e.workloads import a_pod, a_profile

OWN_CLUSTER_ONLY = pytest.mark.skipif(bool(find_engine()), reason="kind's clusters are kind's to look after")
OWNER = """
import sys, time
from lab.cluster.lab_cluster import LabCluster
from lab.cluster.network import host_interface
cluster = LabCluster(sys.argv[1], nodes=2)
cluster.create(tied_to_caller=True)
ready = "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}"
print(cluster.kubectl("get", "nodes", "-o", ready), flush=True)
time.sleep(600)
"""


def run_cluster(*args: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "hack/cluster"), *(str(arg) for arg in args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False, stdin=subprocess.DEVNULL)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def plane(request: pytest.FixtureRequest) -> Iterator[Live]:
    """A control plane with three fake nodes and Monopod beside it, made by the command."""
    name = f"e2e-plane-{os.getpid()}"
    try:
        done = run_cluster("up", "--name", name, "--control-plane", "--kwok", "3", "--with-monopod")
        live = Live(LabCluster(name, control_plane_only=True))
        assert done.stdout.splitlines()[-1] == str(live.cluster.kubeconfig_path)
        request.config.stash[LIVES].append(live)
        yield live
    finally:
        run_cluster("down", "--name", name)


def test_clusters_of_two_names_run_at_once(live: Live, plane: Live) -> None:
    running = {line.split("\t")[0]: line.split("\t")[1] for line in run_cluster("status").stdout.splitlines()}
    assert running[live.cluster.name] == "running"
    assert running[plane.cluster.name] == "running"
    assert len(live.find("nodes", "default")) == 1
    assert len(plane.find("nodes", "default")) == 3


def test_a_cluster_that_is_up_is_left_as_it_is(plane: Live) -> None:
    uid = plane.get("namespace", "kube-system")["metadata"]["uid"]
    done = run_cluster("up", "--name", plane.cluster.name, "--control-plane", "--kwok", "3")
    assert done.stdout == f"{plane.cluster.kubeconfig_path}\n"
    assert plane.get("namespace", "kube-system")["metadata"]["uid"] == uid


def test_a_pod_becomes_running_on_a_fake_node(plane: Live) -> None:
    namespace = plane.make_namespace("kwok")
    tolerations = [{"key": TAINT["key"], "operator": "Exists"}]
    plane.apply(a_pod("fake", namespace, {}, tolerations=tolerations))
    plane.await_ready(namespace)


def test_the_operator_beside_a_control_plane_brings_profiles_into_force(plane: Live) -> None:
    namespace = plane.make_namespace("beside")
    plane.apply(a_profile("beside", namespace, {"tier": "web"}))
    plane.await_phase("beside")


def test_the_log_of_a_component_can_be_read(plane: Live) -> None:
    assert "etcd" in run_cluster("logs", "--name", plane.cluster.name, "etcd").stdout
    refused = run_cluster("logs", "--name", plane.cluster.name, "nonsense", check=False)
    assert refused.returncode != 0
    assert "kube-apiserver" in refused.stderr, "it says which components there are"


def test_an_image_that_is_loaded_can_be_run(live: Live, namespace: str) -> None:
    reference = "monopod.local/loaded:1"
    run_cluster("load", "--name", live.cluster.name, build_busybox_image(cache_dir() / "images", reference))
    pod = a_pod("loaded", namespace, {})
    pod["spec"]["containers"][0] |= {"image": reference, "imagePullPolicy": "Never"}
    live.apply(pod)
    live.await_ready(namespace)


@OWN_CLUSTER_ONLY
def test_a_cluster_of_two_nodes_is_gone_with_the_process_that_made_it(live: Live) -> None:
    cluster = LabCluster(f"e2e-tied-{os.getpid()}", nodes=2)
    try:
        with subprocess.Popen([sys.executable, "-c", OWNER, cluster.name], stdout=subprocess.PIPE, text=True) as owner:
            try:
                assert owner.stdout
                assert owner.stdout.readline().split() == ["True", "True"], "both nodes are Ready"
                assert find_processes(cluster.name)
                assert host_interface(cluster.name) in find_interfaces()
            finally:
                owner.send_signal(signal.SIGKILL)
        live.wait_for(lambda: not find_processes(cluster.name), "the end of the cluster's processes")
        assert not cluster.is_running()
    finally:
        run_cluster("down", "--name", cluster.name)
    assert not (state_dir() / cluster.name).exists()
    assert not [*CGROUPS.glob(f"*{cgroup_root(cluster.name)}"), *CGROUPS.glob(cgroup_root(cluster.name).lstrip("/"))]
    assert host_interface(cluster.name) not in find_interfaces()
