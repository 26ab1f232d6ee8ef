from typing import Any

import pytest

from monopod.api.names import (
    CAPACITY_ANNOTATION,
    EKS_PROFILE_LABEL,
    ISOLATION_GATE,
    LOGGING_ANNOTATION,
    LOGGING_DISABLED,
    PROFILE_LABEL,
    STORAGE_ANNOTATION,
    UNSUPPORTED_ANNOTATION,
    VOLUMES_GATE,
)
from monopod.cli.explain.live_pod import Admitted, compute_admitted, rebuild_manifest
from monopod.isolation.rules.membership import build_group_marks
from monopod.pods.rules.size import compute_pod_size, format_capacity, measure_need
from tests.unit.builders import PodBuilder, a_pod


def a_sandboxed_pod() -> PodBuilder:
    """As the API server stores it, after a RuntimeClass with scheduling and the scheduler."""
    return (
        a_pod()
        .labelled({PROFILE_LABEL: "web", EKS_PROFILE_LABEL: "web", "tier": "web"})
        .annotated({CAPACITY_ANNOTATION: "0.25vCPU 0.5GB", LOGGING_ANNOTATION: LOGGING_DISABLED, "mine": "x"})
        .annotated({STORAGE_ANNOTATION: "20Gi"})
        .with_spec(runtimeClassName="kata", nodeName="node-1", overhead={"cpu": "250m"})
        .with_pod_level(requests={"cpu": "250m", "memory": "512Mi"}, limits={"cpu": "250m", "memory": "512Mi"})
    )


def managed(pod: PodBuilder, **spec: object) -> dict[str, Any]:
    built = pod.build()
    built["metadata"]["managedFields"] = [{"manager": "kubectl", "fieldsV1": {"f:spec": spec}}, {"manager": "kubelet"}]
    return built


def test_the_marks_tell_what_admission_decided() -> None:
    assert compute_admitted(a_sandboxed_pod().build()) == Admitted("web", "0.25vCPU 0.5GB", "kata", "", "20Gi", ())


def test_a_gated_pod_tells_why_it_pends() -> None:
    text = "Pod not supported on Fargate: port contains HostIP or HostPort"
    pod = a_sandboxed_pod().annotated({UNSUPPORTED_ANNOTATION: text}).build()
    assert compute_admitted(pod) == Admitted("web", "0.25vCPU 0.5GB", "kata", text, "20Gi", ())


@pytest.mark.parametrize(("gates", "waits_for"), [([{"name": VOLUMES_GATE}], ("data",)), ([], ())])
def test_a_pod_waits_for_its_claims_while_it_is_gated(gates: list[dict[str, str]], waits_for: tuple[str, ...]) -> None:
    pod = a_sandboxed_pod().with_volume("v", persistentVolumeClaim={"claimName": "data"})
    admitted = compute_admitted(pod.with_spec(schedulingGates=gates).build())
    assert admitted is not None
    assert admitted.waits_for == waits_for


def test_a_pod_tells_its_security_groups_and_whether_it_waits_for_its_isolation() -> None:
    pod = a_sandboxed_pod().labelled(build_group_marks(["db", "web"])[0])
    admitted = compute_admitted(pod.build())
    assert admitted is not None
    assert (admitted.groups, admitted.waits_for_isolation) == (("db", "web"), False)
    waiting = compute_admitted(pod.with_spec(schedulingGates=[{"name": "a.io/b"}, {"name": ISOLATION_GATE}]).build())
    assert waiting is not None
    assert waiting.waits_for_isolation


def test_a_pod_without_our_mark_was_left_alone() -> None:
    assert compute_admitted(a_pod().labelled({EKS_PROFILE_LABEL: "web"}).build()) is None


def test_created_again_a_sandboxed_pod_is_its_plain_manifest() -> None:
    plain = a_pod().labelled(tier="web").annotated({"mine": "x"}).with_spec(runtimeClassName="kata")
    assert rebuild_manifest(a_sandboxed_pod().build()) == plain.build()


def test_a_size_that_the_containers_do_not_explain_was_the_manifests_own() -> None:
    pod = a_sandboxed_pod().annotated({CAPACITY_ANNOTATION: "2vCPU 9GB"})
    pod.with_pod_level(requests={"cpu": "2", "memory": "9Gi"}, limits={"cpu": "2", "memory": "9Gi"})
    row = compute_pod_size(measure_need(rebuild_manifest(pod.build())))
    assert row is not None
    assert format_capacity(row) == "2vCPU 9GB"


def test_rebuilding_leaves_the_pod_itself_alone() -> None:
    pod = a_sandboxed_pod().build()
    rebuild_manifest(pod)
    assert pod == a_sandboxed_pod().build()


def test_a_node_that_the_scheduler_chose_is_taken_off() -> None:
    pod = managed(a_pod().with_spec(nodeName="node-1"), **{"f:containers": {}})
    assert "nodeName" not in rebuild_manifest(pod)["spec"]


def test_a_node_that_the_manifest_names_stays() -> None:
    pod = managed(a_pod().with_spec(nodeName="node-1"), **{"f:nodeName": {}})
    assert rebuild_manifest(pod)["spec"]["nodeName"] == "node-1"


@pytest.mark.parametrize("pod", [a_pod(), a_sandboxed_pod()], ids=["ordinary", "sandboxed"])
def test_a_node_selector_that_nobody_is_on_record_for_is_the_manifests_own(pod: PodBuilder) -> None:
    stored = pod.with_spec(nodeSelector={"disk": "ssd"}).build()
    assert rebuild_manifest(stored)["spec"]["nodeSelector"] == {"disk": "ssd"}
