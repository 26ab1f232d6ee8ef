"""What the API server's own readers of `spec.resources` make of a pod's size: quotas and limit ranges."""

import pytest

from monopod.kube.objects.resources import RESOURCE_QUOTAS
from tests.controlplane.reach import poll, reach
from tests.controlplane.server import Manifest, Server
from tests.resources import RESOURCES
from tests.unit.builders import PodBuilder, a_pod, a_profile, a_selector

SIZE_AND_OVERHEAD = {"requests.cpu": "500m", "requests.memory": "642Mi", "limits.cpu": "500m", "limits.memory": "642Mi"}
"""Of a pod that asks for nothing: 250m and 512 MiB, and the class kata's 250m and 130 MiB."""


def bound(server: Server, name: str, hard: dict[str, str]) -> str:
    """A namespace of a profile with a quota, counted as the controller of quotas counts when it has no pods."""
    reach(server, name, [a_profile("web", a_selector(name))])
    quotas = RESOURCE_QUOTAS.list_path(name)
    server.create(quotas, {"metadata": {"name": "bound"}, "spec": {"hard": hard}}).expect_ok()
    status = {"status": {"hard": hard, "used": dict.fromkeys(hard, "0")}}
    server.patch(f"{quotas}/bound/status", status).expect_ok()
    return name


def limit(server: Server, name: str, **bounds: object) -> str:
    """A namespace of a profile with a limit range."""
    reach(server, name, [a_profile("web", a_selector(name))])
    ranged: Manifest = {"metadata": {"name": "bounds"}, "spec": {"limits": [bounds]}}
    server.create(RESOURCES["LimitRange"].list_path(name), ranged).expect_ok()
    return name


def test_a_quota_counts_size_and_overhead(server: Server) -> None:
    namespace = bound(server, "quota-of-size", SIZE_AND_OVERHEAD)
    poll(lambda: server.create_pod(namespace, a_pod().build()), lambda answer: answer.ok).expect_ok()


@pytest.mark.parametrize(
    ("resource", "hard", "used"),
    [
        pytest.param("requests.cpu", "499m", "500m", id="CPU"),
        pytest.param("requests.memory", "641Mi", "642Mi", id="memory"),
        pytest.param("limits.cpu", "499m", "500m", id="the limit of CPU"),
    ],
)
def test_a_quota_below_size_and_overhead_refuses_the_pod(server: Server, resource: str, hard: str, used: str) -> None:
    namespace = bound(server, f"quota-below-{resource.replace('.', '-')}", {resource: hard})
    pod = a_pod().build()
    answer = poll(lambda: server.create_pod(namespace, pod), lambda answer: f"requested: {resource}" in answer.message)
    assert f"requested: {resource}={used}, used: {resource}=0, limited: {resource}={hard}" in answer.message


def test_a_quota_of_ephemeral_storage_counts_what_is_given(server: Server) -> None:
    namespace = bound(server, "quota-of-storage", {"limits.ephemeral-storage": "19Gi"})
    answer = poll(lambda: server.create_pod(namespace, a_pod().build()), lambda answer: "requested" in answer.message)
    assert "requested: limits.ephemeral-storage=20Gi" in answer.message


def test_a_limit_range_of_pods_below_the_size_refuses_the_pod(server: Server) -> None:
    namespace = limit(server, "pods-below", type="Pod", max={"cpu": "249m"})
    answer = poll(lambda: server.create_pod(namespace, a_pod().build()), lambda answer: answer.status == 403)
    assert "maximum cpu usage per Pod is 249m, but limit is 250m" in answer.message


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(a_pod(), id="asks for nothing"),
        pytest.param(a_pod().requesting(cpu="100m").limited_to(cpu="200m"), id="asks for less"),
    ],
)
def test_a_limit_range_of_pods_that_has_room_for_the_size_lets_it_through(server: Server, pod: PodBuilder) -> None:
    name = f"pods-of-size-{len(str(pod.build()))}"
    namespace = limit(server, name, type="Pod", max={"cpu": "250m", "memory": "512Mi"})
    server.create_pod(namespace, pod.build()).expect_ok()


def test_a_limit_range_of_containers_sees_their_own_requests(server: Server) -> None:
    namespace = limit(server, "containers", type="Container", max={"cpu": "100m"})
    own = a_pod().requesting(cpu="50m").limited_to(cpu="100m").build()
    beyond = a_pod().requesting(cpu="50m").limited_to(cpu="101m").build()
    answer = poll(lambda: server.create_pod(namespace, beyond), lambda answer: answer.status == 403)
    assert "maximum cpu usage per Container is 100m, but limit is 101m" in answer.message
    assert server.create_pod(namespace, own).expect_ok()["spec"]["resources"]["limits"]["cpu"] == "250m"


def test_a_limit_range_of_containers_sees_the_storage_that_is_given(server: Server) -> None:
    bounds = {name: {"ephemeral-storage": size} for name, size in {"max": "19Gi", "default": "15Gi"}.items()}
    namespace = limit(server, "storage", type="Container", defaultRequest={"ephemeral-storage": "1Gi"}, **bounds)
    pod = a_pod().with_container("b").build()
    answer = poll(lambda: server.create_pod(namespace, pod), lambda answer: answer.status == 403)
    assert "maximum ephemeral-storage usage per Container is 19Gi, but limit is 20Gi" in answer.message
