"""What a Binding can't write on the pod that it binds, on a real API server: marks, and another pod's identity."""

import itertools
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from monopod.api.names import (
    CAPACITY_ANNOTATION,
    EKS_PROFILE_LABEL,
    GROUP_COUNT_LABEL,
    GROUP_LABEL_PREFIX,
    POD_GROUPS_ANNOTATION,
    PROFILE_LABEL,
    STORAGE_ANNOTATION,
    TASK_LABEL,
)
from monopod.kube.objects.resources import PODS
from tests.controlplane.reach import OPERATOR
from tests.controlplane.server import Answer, Server
from tests.unit.builders import PodBuilder, a_pod

_numbers = itertools.count(1)


@pytest.fixture
def marked(server: Server) -> Iterator[str]:
    """The path of a stored pod that runs in a sandbox."""
    yield from _stored(server, "fargate", a_pod(f"bound-{next(_numbers)}"))


@pytest.fixture
def unmarked(server: Server) -> Iterator[str]:
    """The path of a stored pod that no profile reaches."""
    yield from _stored(server, "plain", a_pod(f"bound-{next(_numbers)}"))


def _stored(server: Server, namespace: str, pod: PodBuilder) -> Generator[str]:
    body = server.create_pod(namespace, pod.build(), dry_run=False).expect_ok()
    path = PODS.path(body["metadata"]["name"], namespace)
    yield path
    server.delete(path)


def _bind(server: Server, pod: str, metadata: dict[str, Any], road: str = "binding") -> Answer:
    binding = {"metadata": {"name": pod.rpartition("/")[2], **metadata}, "target": {"kind": "Node", "name": "node-1"}}
    path = f"{pod}/binding" if road == "binding" else f"{pod.rpartition('/pods/')[0]}/bindings"
    return server.create(path, binding)


def _find_task(server: Server, pod: str) -> str | None:
    task: str | None = server.get(pod).expect_ok()["metadata"].get("labels", {}).get(TASK_LABEL)
    return task


def _uid(server: Server, pod: str) -> str:
    return str(server.get(pod).expect_ok()["metadata"]["uid"])


SUBRESOURCES = pytest.mark.parametrize("road", ["binding", "bindings"])


def test_a_pod_that_is_bound_gets_no_identity(server: Server, marked: str) -> None:
    """Its operator gives it one if it has a policy of its own; to many plugins each is an identity of a pod's own."""
    _bind(server, marked, {"uid": _uid(server, marked)}).expect_ok()
    assert _find_task(server, marked) is None


def test_other_labels_of_a_binding_reach_the_pod_as_ever(server: Server, marked: str) -> None:
    uid = _uid(server, marked)
    task = uid.replace("-", "")
    labels = {"a": "b", TASK_LABEL: task}
    _bind(server, marked, {"uid": uid, "labels": labels, "annotations": {"c": "d"}}).expect_ok()
    metadata = server.get(marked).body["metadata"]
    assert (metadata["labels"]["a"], metadata["annotations"]["c"]) == ("b", "d")
    assert metadata["labels"][TASK_LABEL] == task


def test_another_pods_uid_binds_nothing(server: Server, marked: str) -> None:
    answer = _bind(server, marked, {"uid": "6d2bb2a2-6dcb-4f0a-8a1e-111111111111"})
    assert answer.status == 409
    assert _find_task(server, marked) is None


@SUBRESOURCES
@pytest.mark.parametrize("namespace", ["fargate", "plain"])
def test_a_binding_cannot_give_a_pod_the_identity_of_another(
    server: Server, request: pytest.FixtureRequest, namespace: str, road: str
) -> None:
    pod = request.getfixturevalue("marked" if namespace == "fargate" else "unmarked")
    answer = _bind(server, pod, {"uid": _uid(server, pod), "labels": {TASK_LABEL: "0" * 32}}, road)
    assert answer.status == 403
    assert "is the uid of the pod that it binds, without dashes" in answer.message
    _bind(server, pod, {"uid": _uid(server, pod)}, road).expect_ok()
    assert _find_task(server, pod) is None


@pytest.mark.parametrize("road", ["", "/status"], ids=["pod", "status"])
@pytest.mark.parametrize("user", ["", OPERATOR], ids=["admin", "operator"])
def test_a_pod_gets_its_own_identity_and_keeps_it(server: Server, marked: str, road: str, user: str) -> None:
    before = _uid(server, marked).replace("-", "")
    answer = server.patch(marked, {"metadata": {"labels": {TASK_LABEL: "0" * 32}}}, user=user)
    assert answer.status == 403
    server.patch(marked, {"metadata": {"labels": {TASK_LABEL: before}}}, user=user).expect_ok()
    for value in ("0" * 32, None):
        answer = server.patch(marked + road, {"metadata": {"labels": {TASK_LABEL: value}}}, user=user)
        assert _find_task(server, marked) == before
        if value is None and (road, user) == ("", ""):
            answer.expect_ok()  # it gets back what it lacks
            continue
        assert answer.status == 403
        assert user or "is this pod's task id" in answer.message  # the operator is refused by a policy of its own, too


MARKS: dict[str, dict[str, Any]] = {
    "the mark": {"labels": {PROFILE_LABEL: "db"}},
    "EKS's label": {"labels": {EKS_PROFILE_LABEL: "db"}},
    "a group": {"labels": {f"{GROUP_LABEL_PREFIX}admin": "true"}},
    "the number of groups": {"labels": {GROUP_COUNT_LABEL: "0"}},
    "the groups' annotation": {"annotations": {POD_GROUPS_ANNOTATION: "admin"}},
    "the storage": {"annotations": {STORAGE_ANNOTATION: "175Gi"}},
    "the size": {"annotations": {CAPACITY_ANNOTATION: "16vCPU 120GB"}},
}


@SUBRESOURCES
@pytest.mark.parametrize("metadata", MARKS.values(), ids=MARKS)
def test_a_binding_cannot_write_marks(
    server: Server, unmarked: str, marked: str, metadata: dict[str, Any], road: str
) -> None:
    """The API server copies a Binding's labels and annotations to the pod, over the pod's own."""
    for pod in (unmarked, marked):
        answer = _bind(server, pod, metadata, road)
        assert answer.status == 403
        assert "Remove them from its metadata" in answer.message


@SUBRESOURCES
@pytest.mark.parametrize("name", ["io.katacontainers.config_path", "v1.multus-cni.io/default-network"])
def test_a_binding_cannot_configure_the_sandbox(server: Server, marked: str, name: str, road: str) -> None:
    metadata = {"uid": _uid(server, marked), "annotations": {name: "/etc/kata.toml"}}
    answer = _bind(server, marked, metadata, road)
    assert answer.status == 403
    assert "A Binding can't carry annotations that configure the pod's sandbox" in answer.message
