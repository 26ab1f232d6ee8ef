"""Ephemeral storage on a real API server: what a pod is given, and the limits by which the kubelet holds it to that."""

from typing import Any

import pytest

from monopod.api.names import STORAGE_ANNOTATION
from tests.controlplane.reach import poll, reach
from tests.controlplane.server import Manifest, Server
from tests.resources import RESOURCES
from tests.unit.builders import PodBuilder, a_pod, a_profile, a_selector

NOTHING = {"requests": {"ephemeral-storage": "0"}, "limits": {"ephemeral-storage": "20Gi"}}


def admit(server: Server, pod: PodBuilder, namespace: str = "fargate") -> Manifest:
    return server.create_pod(namespace, pod.build()).expect_ok()


def resources(pod: Manifest, kind: str = "containers") -> list[Manifest]:
    return [container["resources"] for container in pod["spec"][kind]]


def test_the_api_server_refuses_ephemeral_storage_for_the_whole_pod(server: Server) -> None:
    """Otherwise spec.resources would be the place for it."""
    answer = server.create_pod("plain", a_pod().with_pod_level(limits={"ephemeral-storage": "20Gi"}).build())
    assert answer.status == 422
    assert "ephemeral-storage" in answer.message


@pytest.mark.eks("3.storage-requests", "3.storage-surplus")
@pytest.mark.parametrize(
    ("requested", "given"), [("13Gi", "20Gi"), ("20Gi", "27Gi"), ("100Gi", "115Gi"), ("175Gi", "198Gi")]
)
def test_a_request_is_kept_and_more_is_given(server: Server, requested: str, given: str) -> None:
    pod = admit(server, a_pod().requesting(ephemeral_storage=requested))
    amounts = {"requests": {"ephemeral-storage": requested}, "limits": {"ephemeral-storage": given}}
    assert resources(pod) == [amounts]
    assert pod["metadata"]["annotations"][STORAGE_ANNOTATION] == given


@pytest.mark.eks("3.storage-default")
def test_without_requests_the_first_containers_limit_is_20_gib_and_no_request_comes_of_it(server: Server) -> None:
    pod = admit(server, a_pod().with_container("b").with_sidecar("s").with_init("i"))
    assert resources(pod) == [NOTHING, {}]
    assert resources(pod, "initContainers") == [{}, {}]


def test_a_first_limit_of_all_that_the_pod_is_given_comes_out_the_same_however_often_admission_runs(
    server: Server,
) -> None:
    request = {"ephemeral-storage": "0"}
    whole, none = ({"limits": {"ephemeral-storage": amount}, "requests": request} for amount in ("20480Mi", "0"))
    pod = a_pod().with_spec(
        containers=[{"name": n, "image": n, "resources": r} for n, r in (("a", whole), ("b", none))]
    )
    once = resources(admit(server, pod))
    assert [each.get("limits") for each in once] == [{"ephemeral-storage": "20Gi"}, None]


def test_other_limits_go_where_they_would_let_the_pod_exceed_its_storage(server: Server) -> None:
    limit: dict[str, Any] = {"limits": {"ephemeral-storage": "15Gi"}, "requests": {"ephemeral-storage": "1Gi"}}
    container = {"name": "c", "image": "c", "resources": limit}
    pod = a_pod().with_spec(
        containers=[container, {**container, "name": "d"}],
        initContainers=[{**container, "name": "s", "restartPolicy": "Always"}, {**container, "name": "i"}],
    )
    admitted = admit(server, pod)
    request = {"ephemeral-storage": "1Gi"}
    assert resources(admitted) == [
        {"requests": request, "limits": {"ephemeral-storage": "20Gi"}},
        {"requests": request},
    ]
    assert resources(admitted, "initContainers") == [{"requests": request}, limit]


def test_an_init_containers_limit_is_lowered_to_what_there_is(server: Server) -> None:
    generous = {"limits": {"ephemeral-storage": "50Gi"}, "requests": {"ephemeral-storage": "1Gi"}}
    pod = admit(server, a_pod().with_spec(initContainers=[{"name": "i", "image": "i", "resources": generous}]))
    assert resources(pod, "initContainers") == [{**generous, "limits": {"ephemeral-storage": "20Gi"}}]


def test_a_manifest_that_asks_for_less_gets_less(server: Server) -> None:
    pod = admit(server, a_pod().limited_to(ephemeral_storage="2Gi"))
    assert resources(pod) == [{"requests": {"ephemeral-storage": "2Gi"}, "limits": {"ephemeral-storage": "2Gi"}}]
    assert pod["metadata"]["annotations"][STORAGE_ANNOTATION] == "20Gi"


def test_a_limit_range_of_the_namespace_does_not_undo_it(server: Server) -> None:
    """The API server writes its defaults again after the policy has removed a limit."""
    reach(server, "ranged", [a_profile("web", a_selector("ranged", app="web"))])
    bounds = {"default": {"ephemeral-storage": "15Gi"}, "defaultRequest": {"ephemeral-storage": "1Gi"}}
    ranged = {"metadata": {"name": "ranged"}, "spec": {"limits": [{"type": "Container", **bounds}]}}
    server.create(RESOURCES["LimitRange"].list_path("ranged"), ranged).expect_ok()
    manifest, request = a_pod().labelled(app="web").with_container("b").build(), {"ephemeral-storage": "1Gi"}
    pod = poll(  # until the API server knows the range
        lambda: server.create_pod("ranged", manifest),
        lambda answer: answer.ok and resources(answer.body)[1].get("requests") == request,
    ).body
    assert resources(pod) == [{"requests": request, "limits": {"ephemeral-storage": "20Gi"}}, {"requests": request}]
