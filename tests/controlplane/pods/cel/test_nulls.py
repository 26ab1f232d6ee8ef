"""A pod in which anything is null, empty or missing is judged, or refused in Kubernetes' own words, never by an error.

Admission sees pods before the API server looks whether they are valid, and fields that Go writes even if they are
empty, such as the list of containers, are null then.
"""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from monopod.api.names import COMPUTE_TYPE, PROFILE_LABEL, TOPOLOGY_ZONE
from monopod.pods.rules.nodes import REQUIRED
from tests.controlplane.reach import reach
from tests.controlplane.server import Manifest, Server
from tests.unit.builders import PodBuilder, a_pod, a_profile, a_selector

Path = tuple[str | int, ...]

NAMESPACE = "nulls"
MISSING = "missing"
NOTHING: dict[str, Any] = {"null": None, "missing": MISSING, "empty list": [], "empty object": {}, "empty text": ""}


def a_full_pod() -> PodBuilder:
    """Something in each field that admission reads."""
    needs = [
        {"key": TOPOLOGY_ZONE, "operator": "In", "values": ["eu-1a"]},
        {"key": COMPUTE_TYPE, "operator": "NotIn", "values": ["fargate"]},
    ]
    field = {"key": "metadata.name", "operator": "In", "values": ["node"]}
    pod = (
        a_pod()
        .labelled(app="web")
        .annotated({"a/b": "c", "monopod.dev/security-groups": "cluster"})
        .owned_by("ReplicaSet")
        .requesting(cpu="100m", memory="1Gi", ephemeral_storage="1Gi")
        .limited_to(cpu="1", ephemeral_storage="1Gi")
        .with_port(containerPort=80)
        .adding_capabilities("CHOWN")
        .with_sidecar("sidecar", cpu="100m", memory="100Mi")
        .with_volume("data", persistentVolumeClaim={"claimName": "data"})
        .requiring_nodes({"matchExpressions": needs, "matchFields": [field]})
        .with_pod_level(requests={"cpu": "1", "memory": "2Gi"}, limits={"cpu": "1"})
    )
    context = {"seLinuxOptions": {"level": "s0"}}
    gates = [{"name": "a/b"}]
    return pod.with_spec(securityContext=context, schedulingGates=gates, nodeSelector={"a": "b"}, os={"name": "linux"})


def find_paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where anything is in the pod."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from find_paths(inner, (*path, key))


def without(pod: Manifest, path: Path, instead: Any) -> Manifest:
    changed = copy.deepcopy(pod)
    place: Any = changed
    for key in path[:-1]:
        place = place[key]
    if instead is MISSING:
        del place[path[-1]]
    else:
        place[path[-1]] = instead
    return changed


@pytest.fixture(scope="module")
def reached(server: Server) -> Server:
    reach(server, NAMESPACE, [a_profile("web", a_selector(NAMESPACE), zones=("eu-1a",))])
    return server


PODS: dict[str, PodBuilder] = {
    "a pod": a_full_pod(),
    "one that Fargate can run": a_pod().labelled(app="web").requesting(cpu="1").with_volume("data", emptyDir={}),
    "one that opts out after admission": a_full_pod().labelled({PROFILE_LABEL: "web"}).with_spec(schedulerName="other"),
}


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_whatever_is_null_empty_or_missing_fails_no_expression(reached: Server, pod: PodBuilder) -> None:
    reached.create_pod(NAMESPACE, pod.build()).expect_ok()
    shapes = [(path, nothing) for path in find_paths(pod.build()) for nothing in NOTHING]
    answers = {
        (path, nothing): reached.create_pod(NAMESPACE, without(pod.build(), path, NOTHING[nothing]))
        for path, nothing in shapes
    }
    failed = {shape: answer.message[-200:] for shape, answer in answers.items() if "in error:" in answer.message}
    assert failed == {}
    assert {answer.status for answer in answers.values()} <= {201, 400, 403, 422}


REQUIRED_BY_KUBERNETES: dict[str, tuple[Path, str]] = {
    "containers": (("spec", "containers"), "spec.containers: Required value"),
    "terms": (
        ("spec", "affinity", "nodeAffinity", REQUIRED, "nodeSelectorTerms"),
        f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms: Required value",
    ),
}


@pytest.mark.parametrize("nothing", ["null", "missing", "empty list"])
@pytest.mark.parametrize(("path", "message"), REQUIRED_BY_KUBERNETES.values(), ids=REQUIRED_BY_KUBERNETES)
def test_what_kubernetes_requires_it_asks_for_itself(reached: Server, path: Path, message: str, nothing: str) -> None:
    answer = reached.create_pod(NAMESPACE, without(a_full_pod().build(), path, NOTHING[nothing]))
    assert answer.status == 422
    assert message in answer.message
