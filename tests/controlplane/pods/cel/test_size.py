"""The size that admission writes on a pod, on a real API server: every row of the ladder and every rule of the need."""

import itertools

import pytest

from monopod.pods.rules.size import COMPONENTS_MEMORY_MIB, SIZE_TABLE, PodSize
from tests.controlplane.reach import poll, reach
from tests.controlplane.server import Server
from tests.resources import RESOURCES
from tests.unit.builders import PodBuilder, a_pod, a_profile, a_selector

LARGEST_BY_CPU = {row.cpu_millis: row for row in SIZE_TABLE}


def capacity(server: Server, pod: PodBuilder) -> str | None:
    body = server.create_pod("fargate", pod.build()).expect_ok()
    provisioned: str | None = body["metadata"]["annotations"].get("CapacityProvisioned")
    return provisioned


def filling(row: PodSize) -> PodBuilder:
    """A pod that needs exactly this row."""
    return a_pod().requesting(cpu=f"{row.cpu_millis}m", memory=f"{row.memory_mib - COMPONENTS_MEMORY_MIB}Mi")


@pytest.mark.eks(
    "3.row-0.25",
    "3.row-0.5",
    "3.row-1",
    "3.row-2",
    "3.row-4",
    "3.row-8",
    "3.row-16",
    "3.components",
    "3.smallest",
    "3.gb",
)
@pytest.mark.parametrize("row", SIZE_TABLE, ids=str)
def test_a_pod_that_fills_a_row_gets_it(server: Server, row: PodSize) -> None:
    assert capacity(server, filling(row)) == str(row)


@pytest.mark.eks("3.smallest", "3.order", "3.components")
@pytest.mark.parametrize(("row", "larger"), list(itertools.pairwise(SIZE_TABLE)), ids=str)
def test_a_pod_that_exceeds_a_row_gets_the_next_larger_one(server: Server, row: PodSize, larger: PodSize) -> None:
    """By a single byte of memory; where that leads to the next CPU, to the first row with that much memory."""
    memory = row.memory_mib - COMPONENTS_MEMORY_MIB
    pod = a_pod().requesting(cpu=f"{row.cpu_millis}m", memory=str(memory * 2**20 + 1))
    expected = next(each for each in SIZE_TABLE if each >= larger and each.memory_mib > row.memory_mib)
    assert capacity(server, pod) == str(expected)


@pytest.mark.parametrize(("cpu", "next_cpu"), list(itertools.pairwise(LARGEST_BY_CPU)), ids=str)
def test_a_pod_that_exceeds_a_rows_cpu_by_a_millicore_gets_the_next(server: Server, cpu: int, next_cpu: int) -> None:
    expected = next(row for row in SIZE_TABLE if row.cpu_millis == next_cpu)
    assert capacity(server, a_pod().requesting(cpu=f"{cpu + 1}m")) == str(expected)


@pytest.mark.eks("3.no-requests", case="no requests")
@pytest.mark.eks("3.example-1-8", "3.order", case="1 vCPU and 8 GB")
@pytest.mark.eks("3.example-2-2", case="2 CPU and 2 Gi")
@pytest.mark.eks("3.example-500", case="500m and 500 Mi")
@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        pytest.param(a_pod(), "0.25vCPU 0.5GB", id="no requests"),
        pytest.param(a_pod().requesting(cpu="1", memory="8Gi"), "2vCPU 9GB", id="1 vCPU and 8 GB"),
        pytest.param(a_pod().requesting(cpu="2", memory="2Gi"), "2vCPU 4GB", id="2 CPU and 2 Gi"),
        pytest.param(a_pod().requesting(cpu="500m", memory="500Mi"), "0.5vCPU 1GB", id="500m and 500 Mi"),
    ],
)
def test_aws_worked_examples(server: Server, pod: PodBuilder, expected: str) -> None:
    assert capacity(server, pod) == expected


@pytest.mark.eks("3.sum", case="containers add up")
@pytest.mark.eks("3.init", "3.larger", case="a larger init container")
@pytest.mark.eks("3.larger", case="a smaller init container")
@pytest.mark.eks("3.init", case="init containers run one after the other")
@pytest.mark.eks("3.larger", case="each resource by itself")
@pytest.mark.eks("3.limits", case="a limit without a request counts")
@pytest.mark.eks("3.limits", case="a request goes before a limit")
@pytest.mark.eks("3.sidecars", case="a sidecar runs beside")
@pytest.mark.eks("3.sidecars", case="an init container runs beside the sidecars before it")
@pytest.mark.eks("3.sidecars", case="but not beside those after it")
@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        pytest.param(
            a_pod().requesting(cpu="300m").with_container("b", cpu="300m"), "1vCPU 2GB", id="containers add up"
        ),
        pytest.param(
            a_pod().requesting(cpu="300m").with_init("i", cpu="900m"), "1vCPU 2GB", id="a larger init container"
        ),
        pytest.param(
            a_pod().requesting(cpu="900m").with_init("i", cpu="300m"), "1vCPU 2GB", id="a smaller init container"
        ),
        pytest.param(
            a_pod().with_init("i", cpu="300m").with_init("j", cpu="300m"),
            "0.5vCPU 1GB",
            id="init containers run one after the other",
        ),
        pytest.param(
            a_pod().requesting(cpu="300m").with_sidecar("s", cpu="300m"), "1vCPU 2GB", id="a sidecar runs beside"
        ),
        pytest.param(
            a_pod().with_sidecar("s", cpu="300m").with_init("i", cpu="300m"),
            "1vCPU 2GB",
            id="an init container runs beside the sidecars before it",
        ),
        pytest.param(
            a_pod().with_init("i", cpu="300m").with_sidecar("s", cpu="300m"),
            "0.5vCPU 1GB",
            id="but not beside those after it",
        ),
        pytest.param(
            a_pod().requesting(memory="100Mi").with_init("i", memory="1Gi").requesting(cpu="400m"),
            "0.5vCPU 2GB",
            id="each resource by itself",
        ),
        pytest.param(a_pod().limited_to(cpu="1", memory="1Gi"), "1vCPU 2GB", id="a limit without a request counts"),
        pytest.param(a_pod().requesting(cpu="1").limited_to(cpu="4"), "1vCPU 2GB", id="a request goes before a limit"),
        pytest.param(a_pod().requesting(cpu=0.2), "0.25vCPU 0.5GB", id="a number"),
        pytest.param(a_pod().requesting(cpu="250.1m"), "0.5vCPU 1GB", id="a fraction of a millicore is one more"),
        pytest.param(a_pod().requesting(cpu="1e-1"), "0.25vCPU 0.5GB", id="an exponent"),
        pytest.param(a_pod().requesting(cpu="1n"), "0.25vCPU 0.5GB", id="nanocores"),
        pytest.param(a_pod().requesting(cpu="1100m"), "2vCPU 4GB", id="floating point repaired"),
        pytest.param(
            a_pod().requesting(memory="268435456001m"), "0.25vCPU 1GB", id="a thousandth of a byte is one more"
        ),
        pytest.param(a_pod().requesting(memory="268435456000m"), "0.25vCPU 0.5GB", id="exact in thousandths"),
        pytest.param(a_pod().requesting(memory="256.0000001Mi"), "0.25vCPU 1GB", id="a fractional mebibyte"),
        pytest.param(a_pod().requesting(memory="1G"), "0.25vCPU 2GB", id="decimal gigabytes"),
        pytest.param(
            a_pod().requesting(memory="0.5Mi").with_container("b", memory="255.5Mi"),
            "0.25vCPU 1GB",
            id="rounded up per container",
        ),
    ],
)
def test_the_need(server: Server, pod: PodBuilder, expected: str) -> None:
    assert capacity(server, pod) == expected


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        pytest.param(a_pod().with_pod_level(requests={"cpu": "1", "memory": "2Gi"}), "1vCPU 3GB", id="requests"),
        pytest.param(a_pod().with_pod_level(limits={"cpu": "1", "memory": "2Gi"}), "1vCPU 3GB", id="limits"),
        pytest.param(
            a_pod().requesting(cpu="300m").with_pod_level(limits={"cpu": "1"}),
            "0.5vCPU 1GB",
            id="the containers' sum beside a limit",
        ),
        pytest.param(
            a_pod().requesting(cpu="300m").with_pod_level(requests={"cpu": "1"}),
            "1vCPU 2GB",
            id="request above the sum",
        ),
        pytest.param(
            a_pod().requesting(cpu="2", memory="4Gi").with_pod_level(limits={"cpu": "100m", "memory": "100Mi"}),
            "2vCPU 5GB",
            id="limits below what containers request, which Kubernetes refuses elsewhere",
        ),
        pytest.param(
            a_pod()
            .with_pod_level(requests={"cpu": "600m"}, limits={"cpu": "700m", "memory": "1Gi"})
            .requesting(cpu="100m")
            .limited_to(memory="512Mi")
            .with_sidecar("s", cpu="200m")
            .with_init("i", cpu="500m"),
            "1vCPU 2GB",
            id="beside sidecars, init containers and limits",
        ),
    ],
)
def test_pod_level_resources_that_the_pod_brings(server: Server, pod: PodBuilder, expected: str) -> None:
    assert capacity(server, pod) == expected


def test_defaults_of_a_limit_range_count(server: Server) -> None:
    reach(server, "limited", [a_profile("web", a_selector("limited"))])
    defaults = {"type": "Container", "default": {"cpu": "8"}, "defaultRequest": {"cpu": "900m"}}
    limit_range = {"metadata": {"name": "defaults"}, "spec": {"limits": [defaults]}}
    server.create(RESOURCES["LimitRange"].list_path("limited"), limit_range).expect_ok()
    pod = poll(
        lambda: server.create_pod("limited", a_pod().build()),
        lambda answer: "cpu" in answer.body["spec"]["containers"][0]["resources"]["requests"],
    ).expect_ok()
    assert pod["metadata"]["annotations"]["CapacityProvisioned"] == "1vCPU 2GB"
    resources = pod["spec"]["containers"][0]["resources"]
    assert (resources["requests"]["cpu"], resources["limits"]["cpu"]) == ("900m", "1")
