"""The stages of `hack/demo scale`: what has to be true for each."""

from typing import Any

from lab.demo.scale import DOWN, UP, Scan

Json = dict[str, Any]

LEAVING = {"name": "grown", "deletionTimestamp": "2026-01-01T00:00:00Z"}


def a_condition(kind: str, status: str, reason: str = "") -> Json:
    return {"status": {"conditions": [{"type": kind, "status": status, "reason": reason}]}}


def a_scan(pod: Json, *nodes: Json, claims: int = 1) -> Scan:
    requests = {"cpu": "1100m", "memory": "2304Mi"}
    claim = {"metadata": {"name": "grown"}, "spec": {"resources": {"requests": requests}}}
    return Scan([pod, pod], [claim] * claims, list(nodes), len(nodes))


def a_node(ready: str, *taints: str, **metadata: str) -> Json:
    spec = {"taints": [{"key": key, "effect": "NoSchedule"} for key in taints]}
    return {"metadata": {"name": "grown", **metadata}, "spec": spec, **a_condition("Ready", ready)}


WAITING, RUNNING = a_condition("PodScheduled", "False", "Unschedulable"), a_condition("Ready", "True")


def find(scan: Scan) -> list[str]:
    """The stages on the way up that this shows."""
    return [stage.title for stage in UP if stage.describe(scan)]


def test_a_node_is_registered_then_ready_then_has_the_sandbox_and_then_the_pods() -> None:
    taint = "monopod.dev/gvisor"
    assert [stage.title for stage in UP] == ["Pods", "NodeClaim", "Node", "Node Ready", "Sandbox", "Ready"]
    assert find(a_scan(WAITING, claims=0)) == ["Pods"]
    assert find(a_scan(WAITING)) == ["Pods", "NodeClaim"]
    assert find(a_scan(WAITING, a_node("False", taint))) == ["Pods", "NodeClaim", "Node"]
    assert find(a_scan(WAITING, a_node("False"))) == ["Pods", "NodeClaim", "Node"]
    assert find(a_scan(WAITING, a_node("True", taint))) == ["Pods", "NodeClaim", "Node", "Node Ready"]
    assert find(a_scan(WAITING, a_node("True"))) == ["Pods", "NodeClaim", "Node", "Node Ready", "Sandbox"]
    assert find(a_scan(RUNNING, a_node("True"))) == ["NodeClaim", "Node", "Node Ready", "Sandbox", "Ready"]


def test_a_node_goes_and_its_machine_last() -> None:
    scans = [
        a_scan(RUNNING, a_node("True")),
        Scan([], [{}], [a_node("True")], 1),
        Scan([], [{}], [a_node("True", **LEAVING)], 1),
        Scan([], [], [], 1),
        Scan([], [], [], 0),
    ]
    titles = ["Pods gone", "Drained", "No node", "No machine"]
    assert [[stage.title for stage in DOWN if stage.describe(scan)] for scan in scans] == [
        titles[:count] for count in range(len(scans))
    ]
