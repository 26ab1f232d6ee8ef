"""A pod that Fargate can't run stays Pending and says why, on a real scheduler and kubelet."""

import pytest

from monopod.api.names import UNSUPPORTED_GATE
from tests.e2e.live import Live, Object
from tests.e2e.workloads import SANDBOXED, a_pod

TEXT = "Pod not supported on Fargate: fields not supported: HostNetwork"


@pytest.mark.eks("2.event")
def test_an_unsupported_pod_says_so_in_a_scheduling_event(live: Live, namespace: str) -> None:
    live.apply(a_pod("odd", namespace, SANDBOXED, hostNetwork=True))
    event = live.wait_for(lambda: find_scheduling_event(live, "odd", namespace), "an event about the pod")
    assert (event["type"], event["message"]) == ("Warning", TEXT)


@pytest.mark.eks("2.pending")
def test_an_unsupported_pod_is_never_scheduled(live: Live, namespace: str) -> None:
    live.apply(a_pod("odd", namespace, SANDBOXED, hostNetwork=True), a_pod("fine", namespace, SANDBOXED))
    live.await_ready(namespace, 1, "app=fine")  # so the scheduler has had its turn

    def find_gates() -> list[str]:
        return [gate["name"] for gate in live.get("pod", "odd", namespace)["spec"]["schedulingGates"]]

    # The one of isolation goes with that of the other pod, or a moment later.
    live.wait_for(lambda: find_gates() == [UNSUPPORTED_GATE], "no gate but its own")
    odd = live.get("pod", "odd", namespace)
    assert odd["status"]["phase"] == "Pending"
    assert "nodeName" not in odd["spec"]


def find_scheduling_event(live: Live, pod: str, namespace: str) -> Object | None:
    """Monopod's event; the scheduler's own about the gate has another reason or text."""
    for event in live.find("events", namespace):
        if event["involvedObject"]["name"] == pod and event["reason"] == "FailedScheduling":
            return event
    return None
