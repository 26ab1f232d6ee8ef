"""Unchanged workloads: their pods run in kernels of their own, with the size that Fargate would give them."""

import ipaddress
import re
from collections.abc import Iterator

import pytest

from monopod.api.names import CAPACITY_ANNOTATION, EKS_PROFILE_LABEL
from tests.e2e.conftest import PROFILE
from tests.e2e.live import Live, Object
from tests.e2e.workloads import SANDBOXED, a_deployment, a_job, a_pod

MI = 1024 * 1024
BOOT = "dmesg | head -n 1"
CGROUPS = {"name": "cgroups", "hostPath": {"path": "/sys/fs/cgroup"}}


@pytest.fixture(scope="module")
def pods(live: Live) -> Iterator[dict[str, Object]]:
    """The pods of a Deployment, a Job and a bare Pod that the profile takes, and of a Pod that it doesn't take."""
    namespace = live.make_namespace()
    live.apply(
        a_deployment("deployment", namespace, SANDBOXED, {"cpu": "200m", "memory": "600Mi"}),
        a_job("job", namespace, SANDBOXED),
        a_pod("bare", namespace, SANDBOXED),
        a_pod("outside", namespace, {"sandbox": "no"}),
    )
    yield {pod["metadata"]["labels"]["app"]: pod for pod in live.await_ready(namespace, 4)}
    live.remove_namespace(namespace)


@pytest.mark.parametrize("workload", ["deployment", "job", "bare"])
def test_a_pod_of_the_profile_has_a_kernel_of_its_own(live: Live, pods: dict[str, Object], workload: str) -> None:
    assert live.run_in(pods[workload], "uname -r") != _node_kernel(live, pods[workload])
    assert re.search(r"\S", live.run_in(pods[workload], BOOT)), "its own kernel's log can be read"


def test_a_pod_of_no_profile_has_the_nodes_kernel(live: Live, pods: dict[str, Object]) -> None:
    assert live.run_in(pods["outside"], "uname -r") == _node_kernel(live, pods["outside"])
    assert "runtimeClassName" not in pods["outside"]["spec"]


def test_a_pod_of_the_profile_runs_in_the_charts_sandbox(live: Live, pods: dict[str, Object]) -> None:
    assert pods["bare"]["spec"]["runtimeClassName"] == live.cluster.sandbox
    assert pods["bare"]["metadata"]["labels"][EKS_PROFILE_LABEL] == PROFILE


@pytest.mark.parametrize("workload", ["deployment", "job", "bare"])
def test_a_pod_of_the_profile_is_guaranteed_its_size(pods: dict[str, Object], workload: str) -> None:
    assert pods[workload]["status"]["qosClass"] == "Guaranteed"


@pytest.mark.eks("2.capacity")
@pytest.mark.parametrize(
    ("workload", "size"), [("deployment", "0.25vCPU 1GB"), ("bare", "0.25vCPU 0.5GB")], ids=["asks", "asks-nothing"]
)
def test_the_size_provisioned_is_shown_on_the_pod(pods: dict[str, Object], workload: str, size: str) -> None:
    assert pods[workload]["metadata"]["annotations"][CAPACITY_ANNOTATION] == size


@pytest.mark.eks("3.burst", "3.gb")
def test_the_node_enforces_the_size_and_what_the_sandbox_costs(live: Live, pods: dict[str, Object]) -> None:
    pod = pods["deployment"]
    overhead = pod["spec"]["overhead"]
    assert overhead == {"cpu": "50m", "memory": "128Mi"}
    memory, cpus = _read_limits(live, pod)
    assert memory == (1024 + 128) * MI
    assert cpus == pytest.approx(0.25 + 0.05)


@pytest.mark.eks("2.public-ip")
@pytest.mark.parametrize("workload", ["deployment", "job", "bare"])
def test_a_pod_of_the_profile_has_an_address_of_the_clusters_network(pods: dict[str, Object], workload: str) -> None:
    addresses = [ipaddress.ip_address(one["ip"]) for one in pods[workload]["status"]["podIPs"]]
    assert all(address.is_private for address in addresses), addresses


def _node_kernel(live: Live, pod: Object) -> str:
    kernel: str = live.get("node", pod["spec"]["nodeName"])["status"]["nodeInfo"]["kernelVersion"]
    return kernel


def _read_limits(live: Live, pod: Object) -> tuple[int, float]:
    """Memory in bytes and CPUs of the pod's cgroup, read by an ordinary pod on the same node."""
    uid = pod["metadata"]["uid"]
    names = f"-name 'pod{uid}' -o -name '*pod{uid.replace('-', '_')}.slice'"
    # memory.max and cpu.max are cgroup v2's, the others v1's.
    files = "memory.max memory.limit_in_bytes cpu.max cpu.cfs_quota_us cpu.cfs_period_us"
    show = f"for f in {files}; do test -f $d/$f && echo $f $(cat $d/$f); done"
    script = f"for d in $(find /cg -maxdepth 8 {names}); do {show}; done; true"
    namespace = pod["metadata"]["namespace"]
    reader = a_pod("reader", namespace, {}, volumes=[CGROUPS])
    reader["spec"]["containers"][0]["volumeMounts"] = [{"name": "cgroups", "mountPath": "/cg", "readOnly": True}]
    live.apply(reader)
    ready = live.await_ready(namespace, 1, "app=reader")[0]
    said = live.run_in(ready, script)
    live.kubectl("delete", "pod", "reader", "-n", namespace, "--now")
    found = {line.split()[0]: line.split()[1:] for line in said.splitlines()}
    memory = found.get("memory.max") or found["memory.limit_in_bytes"]
    quota, period = found.get("cpu.max") or (found["cpu.cfs_quota_us"][0], found["cpu.cfs_period_us"][0])
    return int(memory[0]), int(quota) / int(period)
