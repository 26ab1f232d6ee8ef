"""An interruption is told by what the interrupting system writes, and nothing else is taken for one."""

import datetime
from typing import Any

import pytest

from monopod.spot.rules.interruption import CAUSES, Cause, find_interruption
from tests.unit.spot.builders import a_going_pod


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.condition or cause.taint or cause.node_condition)
def test_each_cause_is_found_by_its_sign(cause: Cause) -> None:
    pod = a_going_pod(reason=cause.condition or "EvictionByEvictionAPI")
    found = find_interruption(pod, filter(None, [cause.taint]), filter(None, [cause.node_condition]))
    assert found
    assert (found.cause, found.provider, found.pod.name) == (cause.name, "FARGATE_SPOT", "web-1")
    assert found.ends - found.began == datetime.timedelta(seconds=120)


def test_a_node_that_shuts_down_ends_its_pods_though_no_one_deletes_them() -> None:
    pod = a_going_pod(reason="TerminationByKubelet")
    del pod["metadata"]["deletionTimestamp"], pod["metadata"]["deletionGracePeriodSeconds"]
    pod["status"] |= {"phase": "Failed", "reason": "Terminated"}
    found = find_interruption(pod, [])
    assert found
    assert found.cause == "NodeShutdown"
    pod["status"]["reason"] = "Evicted"  # for want of memory
    assert find_interruption(pod, []) is None


@pytest.mark.parametrize(
    ("change", "taints"),
    [
        pytest.param({}, [], id="evicted from a healthy node"),
        pytest.param({"reason": ""}, ["karpenter.sh/disrupted"], id="scaled away while its node is disrupted"),
        pytest.param({}, ["example.com/spot"], id="another taint"),
        pytest.param({"reason": "PreemptionByScheduler", "deleted": False}, [], id="not on its way out yet"),
        pytest.param({"reason": "PreemptionByScheduler", "status": "False"}, [], id="taken back"),
        pytest.param({"reason": "PreemptionByScheduler", "provider": ""}, [], id="preempted on demand"),
        pytest.param({"provider": ""}, ["karpenter.sh/disrupted"], id="drained on demand"),
        pytest.param({"reason": "PreemptionByScheduler", "profile": ""}, [], id="no profile's"),
    ],
)
def test_whatever_else_ends_a_pod_is_no_interruption(change: dict[str, Any], taints: list[str]) -> None:
    assert find_interruption(a_going_pod(**change), taints) is None


def test_the_condition_of_its_node_tells_of_no_pod_that_was_scaled_away_or_is_on_demand() -> None:
    for pod in (a_going_pod(reason=""), a_going_pod(provider="")):
        assert find_interruption(pod, [], ["Terminating"]) is None


def test_a_drill_interrupts_pods_on_demand_too() -> None:
    found = find_interruption(a_going_pod(reason="SpotInterruption", provider=""), [])
    assert found
    assert (found.cause, found.provider) == ("Drill", "FARGATE")


@pytest.mark.parametrize("reason", ["PreemptionByScheduler", "TerminationByKubelet"])
def test_a_grace_period_of_any_length_is_no_fault(reason: str) -> None:
    pod = a_going_pod(reason=reason)
    pod["spec"]["terminationGracePeriodSeconds"] = 10**18
    pod["metadata"]["deletionGracePeriodSeconds"] = 10**18
    if reason == "TerminationByKubelet":
        del pod["metadata"]["deletionTimestamp"]
        pod["status"] |= {"phase": "Failed", "reason": "Terminated"}
    found = find_interruption(pod, [])
    assert found
    assert found.ends - found.began == datetime.timedelta(days=366)
