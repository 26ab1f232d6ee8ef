"""Whether any node could take a pod, in the scheduler's words."""

import pytest

from monopod.kube.objects.views import NodeView, read_taints
from monopod.pods.rules.node_demand import explain_unschedulable
from tests.unit.builders import Manifest

LABELS = {"sandbox": "yes"}
GPU = ("gpu", "yes", "NoSchedule")


def a_node(
    labels: dict[str, str] = LABELS, *taints: tuple[str, str, str], cpu: int = 4000, memory: int = 8192
) -> NodeView:
    return NodeView("node", (), (), labels, taints, cpu, memory)


def a_sandboxed_pod(**spec: object) -> Manifest:
    requests = {"requests": {"cpu": "1", "memory": "2Gi"}}
    overhead = {"cpu": "250m", "memory": "320Mi"}
    return {"spec": {"nodeSelector": LABELS, "resources": requests, "overhead": overhead, **spec}}


TOLERATING = a_sandboxed_pod(tolerations=[{"key": "gpu", "operator": "Exists"}])
CASES: dict[str, tuple[Manifest, list[NodeView], str]] = {
    "one fits": (a_sandboxed_pod(), [a_node({}), a_node()], ""),
    "none exists": (a_sandboxed_pod(), [], "0/0 nodes are available."),
    "none has the label": (
        a_sandboxed_pod(),
        [a_node({}), a_node({})],
        "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
    ),
    "cordoned": (
        a_sandboxed_pod(),
        [a_node(LABELS, *read_taints({"unschedulable": True}))],
        "0/1 nodes are available: 1 node(s) were unschedulable.",
    ),
    "a taint": (
        a_sandboxed_pod(),
        [a_node(LABELS, GPU)],
        "0/1 nodes are available: 1 node(s) had untolerated taint {gpu: yes}.",
    ),
    "a taint that is tolerated": (TOLERATING, [a_node(LABELS, GPU)], ""),
    "too small for the overhead": (
        a_sandboxed_pod(),
        [a_node(cpu=1200)],
        "0/1 nodes are available: 1 Insufficient cpu.",
    ),
    "too little memory": (a_sandboxed_pod(), [a_node(memory=2100)], "0/1 nodes are available: 1 Insufficient memory."),
}


@pytest.mark.parametrize(("pod", "nodes", "words"), CASES.values(), ids=CASES)
def test_why_no_node_takes_it(pod: Manifest, nodes: list[NodeView], words: str) -> None:
    assert explain_unschedulable(pod, nodes) == words
