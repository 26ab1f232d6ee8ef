import pytest

from monopod.api.names import CAPACITY_ANNOTATION, PROFILE_LABEL
from monopod.pods.rules.size import (
    SIZE_TABLE,
    ContainerKind,
    ContainerNeed,
    InitPeak,
    PodSize,
    Resources,
    compute_pod_size,
    format_capacity,
    measure_need,
)
from tests.unit.builders import PodBuilder, a_pod


def capacity(pod: PodBuilder) -> str | None:
    row = compute_pod_size(measure_need(pod.build()))
    return format_capacity(row) if row else None


def total(pod: PodBuilder) -> Resources:
    return measure_need(pod.build()).total


@pytest.mark.eks("3.no-requests", case="no requests")
@pytest.mark.eks("3.example-1-8", case="1 vCPU and 8 GB")
@pytest.mark.eks("3.example-2-2", case="2 vCPU and 2 GB")
@pytest.mark.eks("3.example-500", case="500m and 500Mi")
@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        pytest.param(a_pod(), "0.25vCPU 0.5GB", id="no requests"),
        pytest.param(a_pod().requesting(cpu="1", memory="8Gi"), "2vCPU 9GB", id="1 vCPU and 8 GB"),
        pytest.param(a_pod().requesting(cpu="2", memory="2Gi"), "2vCPU 4GB", id="2 vCPU and 2 GB"),
        pytest.param(a_pod().requesting(cpu="500m", memory="500Mi"), "0.5vCPU 1GB", id="500m and 500Mi"),
    ],
)
def test_the_worked_examples_of_the_eks_user_guide(pod: PodBuilder, expected: str) -> None:
    assert capacity(pod) == expected


@pytest.mark.eks("3.smallest", "3.order", "3.components")
@pytest.mark.parametrize(
    ("cpu", "memory", "expected"),
    [
        ("250m", "256Mi", "0.25vCPU 0.5GB"),
        ("250m", "257Mi", "0.25vCPU 1GB"),
        ("250m", "1792Mi", "0.25vCPU 2GB"),
        ("250m", "1793Mi", "0.5vCPU 3GB"),
        ("251m", "0", "0.5vCPU 1GB"),
        ("0", "3841Mi", "1vCPU 5GB"),
        ("0", "7937Mi", "2vCPU 9GB"),
        ("1001m", "0", "2vCPU 4GB"),
        ("0", "16129Mi", "4vCPU 17GB"),
        ("2001m", "0", "4vCPU 8GB"),
        ("0", "30465Mi", "8vCPU 32GB"),
        ("4001m", "16128Mi", "8vCPU 16GB"),
        ("4001m", "16129Mi", "8vCPU 20GB"),
        ("0", "61185Mi", "16vCPU 64GB"),
        ("8001m", "0", "16vCPU 32GB"),
        ("16", "122624Mi", "16vCPU 120GB"),
        ("16", "122625Mi", None),
        ("16001m", "0", None),
        ("15999.0001m", "1", "16vCPU 32GB"),
        ("16000.0001m", "0", None),
        ("0", "268435456", "0.25vCPU 0.5GB"),
        ("0", "268435457", "0.25vCPU 1GB"),
        ("0", "268435456001m", "0.25vCPU 1GB"),
    ],
)
def test_the_edges_of_the_ladder(cpu: str, memory: str, expected: str | None) -> None:
    assert capacity(a_pod().requesting(cpu=cpu, memory=memory)) == expected


@pytest.mark.eks("3.order")
def test_the_ladder_has_74_rows_in_the_order_in_which_they_are_tried() -> None:
    assert len(SIZE_TABLE) == 74
    assert list(SIZE_TABLE) == sorted(set(SIZE_TABLE))


@pytest.mark.eks("3.row-0.25", "3.row-0.5", "3.row-1", "3.row-2", "3.row-4", "3.row-8", "3.row-16")
@pytest.mark.parametrize(
    ("cpu", "first", "last", "count"),
    [
        (250, 0.5, 2, 3),
        (500, 1, 4, 4),
        (1000, 2, 8, 7),
        (2000, 4, 16, 13),
        (4000, 8, 30, 23),
        (8000, 16, 60, 12),
        (16000, 32, 120, 12),
    ],
)
def test_each_cpu_size_comes_with_fargates_range_of_memory(cpu: int, first: float, last: float, count: int) -> None:
    sizes = [row.memory_mib / 1024 for row in SIZE_TABLE if row.cpu_millis == cpu]
    assert (sizes[0], sizes[-1], len(sizes)) == (first, last, count)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (PodSize(250, 512), "0.25vCPU 0.5GB"),
        (PodSize(250, 1024), "0.25vCPU 1GB"),
        (PodSize(500, 4096), "0.5vCPU 4GB"),
        (PodSize(1000, 8192), "1vCPU 8GB"),
        (PodSize(16000, 122880), "16vCPU 120GB"),
    ],
)
def test_capacity_is_written_as_aws_writes_it(row: PodSize, text: str) -> None:
    assert format_capacity(row) == text


@pytest.mark.eks("3.sum", "3.init", "3.larger", "3.limits", "3.sidecars")
@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        pytest.param(
            a_pod().requesting(cpu="1", memory="1Gi").with_container("b", cpu="500m", memory="1Gi"),
            Resources(1500, 2048),
            id="containers add up",
        ),
        pytest.param(
            a_pod().requesting(cpu="1").with_init("i", cpu="2").with_init("j", cpu="1500m"),
            Resources(2000),
            id="the largest init container counts, if it is larger",
        ),
        pytest.param(
            a_pod().requesting(cpu="1", memory="4Gi").with_init("i", cpu="2", memory="1Gi"),
            Resources(2000, 4096),
            id="per resource",
        ),
        pytest.param(
            a_pod().requesting(cpu="1").with_sidecar("s", cpu="500m"), Resources(1500), id="sidecars add to containers"
        ),
        pytest.param(
            a_pod().requesting(cpu="1").with_sidecar("s", cpu="500m").with_init("i", cpu="1"),
            Resources(1500),
            id="an init container runs beside the sidecars before it: no more than the containers do",
        ),
        pytest.param(
            a_pod().requesting(cpu="1").with_sidecar("s", cpu="500m").with_init("i", cpu="2"),
            Resources(2500),
            id="an init container runs beside the sidecars before it: more",
        ),
        pytest.param(
            a_pod().requesting(cpu="1").with_init("i", cpu="2").with_sidecar("s", cpu="500m"),
            Resources(2000),
            id="sidecars after it have not started",
        ),
        pytest.param(
            a_pod().requesting(cpu="100m")
            .with_sidecar("s", cpu="1").with_init("i", cpu="1").with_sidecar("t", cpu="1").with_init("j", cpu="500m"),
            Resources(2500),
            id="sidecars accumulate",
        ),
        pytest.param(a_pod().limited_to(cpu="2", memory="1Gi"), Resources(2000, 1024), id="a limit without a request"),
        pytest.param(
            a_pod().requesting(cpu="1").limited_to(cpu="2", memory="1Gi"), Resources(1000, 1024), id="request and limit"
        ),
        pytest.param(a_pod().requesting(cpu="0").limited_to(cpu="2"), Resources(0), id="a request of zero"),
        pytest.param(a_pod().requesting(cpu=None).limited_to(cpu="2"), Resources(0), id="null is zero"),
        pytest.param(a_pod().requesting(cpu=2, memory=1073741824), Resources(2000, 1024), id="numbers without quotes"),
        pytest.param(a_pod().requesting(cpu="1n", memory="1n"), Resources(1, 1), id="the least amount rounds up"),
        pytest.param(
            a_pod().requesting(cpu="0.5m", memory="1").with_container("b", cpu="0.5m", memory="1"),
            Resources(2, 2),
            id="rounded per container",
        ),
        pytest.param(a_pod().requesting(memory="1G"), Resources(0, 954), id="decimal gigabytes"),
        pytest.param(
            a_pod().requesting(ephemeral_storage="10Gi").with_container("b", ephemeral_storage="1500Mi"),
            Resources(0, 0, 11740),
            id="storage adds up",
        ),
        pytest.param(
            a_pod().requesting(ephemeral_storage="1Gi").with_init("i", ephemeral_storage="2Gi"),
            Resources(0, 0, 2048),
            id="storage of init containers",
        ),
    ],
)  # fmt: skip
def test_need_follows_kubernetes_formula(pod: PodBuilder, expected: Resources) -> None:
    assert total(pod) == expected


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        pytest.param(
            a_pod().requesting(cpu="1", memory="1Gi").with_pod_level(requests={"cpu": "3", "memory": "5Gi"}),
            Resources(3000, 5120),
            id="requests replace the sum",
        ),
        pytest.param(
            a_pod().requesting(cpu="1", memory="1Gi").with_pod_level(requests={"cpu": "3"}),
            Resources(3000, 1024),
            id="only for the resources they name",
        ),
        pytest.param(
            a_pod().with_pod_level(limits={"cpu": "3", "memory": "5Gi"}),
            Resources(3000, 5120),
            id="limits where nothing is requested",
        ),
        pytest.param(
            a_pod().requesting(cpu="1").with_pod_level(limits={"cpu": "3"}),
            Resources(1000),
            id="beside a limit the API server requests the containers' sum",
        ),
        pytest.param(
            a_pod().limited_to(cpu="1").with_pod_level(limits={"cpu": "3", "memory": "1Gi"}),
            Resources(1000, 1024),
            id="a container's limit is its request",
        ),
        pytest.param(
            a_pod().with_pod_level(requests={"cpu": "1"}, limits={"cpu": "3"}),
            Resources(1000),
            id="request before limit",
        ),
        pytest.param(
            a_pod().requesting(cpu="4", memory="2Gi").with_pod_level(requests={"cpu": "1", "memory": "1Gi"}),
            Resources(4000, 2048),
            id="the containers' sum where it is larger",
        ),
        pytest.param(
            a_pod().with_pod_level(requests={"cpu": "1"}).labelled({PROFILE_LABEL: "web"}),
            Resources(1000),
            id="a mark alone doesn't make them a size",
        ),
    ],
)
def test_pod_level_resources(pod: PodBuilder, expected: Resources) -> None:
    assert total(pod) == expected


def sized(pod: PodBuilder, cpu: str, memory: str) -> PodBuilder:
    """The pod as admission leaves it."""
    size = {"cpu": cpu, "memory": memory}
    marked = pod.labelled({PROFILE_LABEL: "web"}).annotated({CAPACITY_ANNOTATION: "as provisioned"})
    return marked.with_pod_level(requests=size, limits=size)


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        pytest.param(sized(a_pod().requesting(cpu="2", memory="2Gi"), "2", "4Gi"), "2vCPU 4GB", id="the same size"),
        pytest.param(sized(a_pod(), "1", "5Gi"), "1vCPU 5GB", id="what spec.resources asked for before is kept"),
        pytest.param(sized(a_pod().requesting(cpu="3"), "1", "2Gi"), "4vCPU 8GB", id="an injected sidecar counts"),
        pytest.param(sized(a_pod(), "16", "120Gi"), "16vCPU 120GB", id="the largest size stays within the ladder"),
        pytest.param(sized(a_pod(), "900", "9Ti"), "16vCPU 120GB", id="a forged size makes no pod too large"),
    ],
)
def test_admission_repeated(pod: PodBuilder, expected: str) -> None:
    assert capacity(pod) == expected


@pytest.mark.parametrize(
    ("cpu", "memory", "runtime_class", "expected"),
    [
        pytest.param("500m", "1Gi", "kata", "0.5vCPU 1GB", id="a copy"),
        pytest.param("500m", "1Gi", "other", "0.5vCPU 2GB", id="another class"),
        pytest.param("500m", "1025Mi", "kata", "0.5vCPU 2GB", id="no size of the table"),
        pytest.param("250m", "3Gi", "kata", "0.5vCPU 4GB", id="a size of other rows"),
    ],
)
def test_a_copy_without_marks_is_known_by_class_and_size(
    cpu: str, memory: str, runtime_class: str, expected: str
) -> None:
    size = {"cpu": cpu, "memory": memory}
    pod = a_pod().with_pod_level(requests=size, limits=size).with_spec(runtimeClassName=runtime_class)
    for copied in (pod, a_pod().with_pod_level(limits=size).with_spec(runtimeClassName=runtime_class)):
        row = compute_pod_size(measure_need(copied.build(), "kata"))
        assert row is not None
        assert format_capacity(row) == expected


def test_the_need_tells_how_it_came_about() -> None:
    pod = a_pod().requesting(cpu="1").with_sidecar("mesh", cpu="250m").with_init("migrate", memory="1Gi", cpu="1")
    need = measure_need(pod.build())
    assert need.containers == (
        ContainerNeed("app", ContainerKind.ORDINARY, Resources(1000)),
        ContainerNeed("mesh", ContainerKind.SIDECAR, Resources(250)),
        ContainerNeed("migrate", ContainerKind.INIT, Resources(1000, 1024)),
    )
    assert need.running == Resources(1250)
    assert need.init_peaks == (InitPeak("migrate", Resources(1250, 1024)),)
    assert need.total == Resources(1250, 1024)
    assert need.memory_with_components_mib == 1280


def test_overhead_is_the_sandboxes_own_and_not_part_of_the_need() -> None:
    assert total(a_pod().with_spec(overhead={"cpu": "250m", "memory": "320Mi"})) == Resources()


@pytest.mark.parametrize("policy", ["OnFailure", "Never"])
def test_only_init_containers_that_always_restart_are_sidecars(policy: str) -> None:
    pod = a_pod().requesting(cpu="1").with_init("i", cpu="1").build()
    pod["spec"]["initContainers"][0]["restartPolicy"] = policy
    assert measure_need(pod).total == Resources(1000)
