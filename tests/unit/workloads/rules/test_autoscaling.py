"""Targets of autoscalers that no pod of a size and overhead can exceed."""

import pytest

from monopod.pods.rules.size import PodSize
from monopod.workloads.rules.autoscaling import compute_out_of_reach, find_autoscalers, read_overhead

SMALLEST = PodSize(250, 512)
KATA = PodSize(250, 130)


def an_autoscaler(**utilizations: int) -> dict[str, object]:
    metrics = [
        {"type": "Resource", "resource": {"name": name, "target": {"type": "Utilization", "averageUtilization": each}}}
        for name, each in utilizations.items()
    ]
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 6, "metrics": metrics},
    }


def test_a_target_beyond_size_over_size_and_overhead_is_out_of_reach() -> None:
    (autoscaler,) = find_autoscalers([an_autoscaler(cpu=70)], "shop")
    assert (autoscaler.target, autoscaler.namespace) == ("Deployment/web", "shop")
    (found,) = compute_out_of_reach(autoscaler, SMALLEST, KATA)
    assert found.describe() == (
        "HorizontalPodAutoscaler web won't add pods: its target of 70 % of cpu is counted of the pod's size (250m) and "
        "its overhead (250m), 500m in all, of which a pod can use 50 %. Take a ContainerResource metric, an "
        "averageValue, or at most 45 %."
    )


@pytest.mark.parametrize(
    ("percent", "size", "overhead", "reached"),
    [
        pytest.param(45, SMALLEST, KATA, True, id="exceeded by more than a tenth"),
        pytest.param(46, SMALLEST, KATA, False, id="exceeded by less than a tenth"),
        pytest.param(70, PodSize(1000, 2048), KATA, True, id="a larger size"),
        pytest.param(73, PodSize(1000, 2048), KATA, False, id="a larger size and a larger target"),
        pytest.param(99, SMALLEST, PodSize(0, 0), True, id="no overhead"),
    ],
)
def test_where_the_line_is(percent: int, size: PodSize, overhead: PodSize, reached: bool) -> None:
    (autoscaler,) = find_autoscalers([an_autoscaler(cpu=percent)], "shop")
    found = list(compute_out_of_reach(autoscaler, size, overhead))
    assert not found if reached else found[0].largest < percent


def test_memory_has_its_own_line() -> None:
    (autoscaler,) = find_autoscalers([an_autoscaler(cpu=10, memory=80)], "shop")
    (found,) = compute_out_of_reach(autoscaler, SMALLEST, KATA)
    assert (found.resource, found.largest) == ("memory", 72)
    assert "size (512Mi) and its overhead (130Mi), 642Mi in all, of which a pod can use 79 %" in found.describe()


def test_an_assumed_overhead_is_called_that() -> None:
    (autoscaler,) = find_autoscalers([an_autoscaler(cpu=70)], "shop")
    (found,) = compute_out_of_reach(autoscaler, SMALLEST, KATA)
    assert "the overhead of RuntimeClass kata-like, assumed to be Kata's 250m, 500m in all" in found.describe(
        "kata-like"
    )


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"kind": "Deployment"}, id="another kind"),
        pytest.param("text", id="no object"),
        pytest.param({"kind": "HorizontalPodAutoscaler", "spec": {"metrics": "x"}}, id="what can't be read"),
        pytest.param(an_autoscaler(), id="no target of utilization"),
    ],
)
def test_whatever_else_there_is_is_passed_over(document: object) -> None:
    assert list(find_autoscalers([document], "shop")) == []


def test_the_older_version_has_a_target_of_cpu() -> None:
    older = an_autoscaler() | {"apiVersion": "autoscaling/v1"}
    older["spec"] = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "targetCPUUtilizationPercentage": 80}
    assert [each.utilizations for each in find_autoscalers([older], "shop")] == [{"cpu": 80}]


def test_an_overhead_is_read_in_any_unit() -> None:
    assert read_overhead({"overhead": {"podFixed": {"cpu": "0.25", "memory": "136314880"}}}) == KATA
    assert read_overhead({"handler": "runc"}) == PodSize(0, 0)
