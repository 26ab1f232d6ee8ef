"""Situations of a profile's capacity, to be changed one fact at a time."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from monopod.capacity.rules.node_shape import STARTUP_TAINTS
from monopod.capacity.rules.pool import Pool
from monopod.capacity.rules.sandbox import Sandbox
from monopod.capacity.rules.settings import CapacitySettings, Provider
from monopod.capacity.rules.situation import Situation, WaitingPod, find_nodes
from monopod.kube.objects.views import NodeView
from tests.unit.capacity.builders import a_sandbox

Json = dict[str, Any]

NOW = datetime.datetime(2026, 3, 1, 12, 0, 0, tzinfo=datetime.UTC)
BOXES = {"pool": "boxes"}
CLASS = a_sandbox("runsc", BOXES, {"key": "boxes", "operator": "Exists"})
FULL = "0/3 nodes are available: 3 Insufficient cpu."
NOWHERE = "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."


def a_box(name: str = "box-1", *taints: tuple[str, str, str], created: str = "", **labels: str) -> NodeView:
    """A node that CLASS selects."""
    return NodeView(name, (), (), {**BOXES, **labels}, taints, 4000, 8192, created)


def a_pool(
    name: str = "boxes",
    labels: Mapping[str, str] | None = None,
    *,
    taints: Sequence[Json] = (),
    startup: Sequence[Json] = (),
    requirements: Sequence[Json] = (),
    limits: Mapping[str, object] | None = None,
    used: Mapping[str, object] | None = None,
    trouble: str = "",
) -> Json:
    """A NodePool as the API server sends it; without arguments its nodes take pods of CLASS."""
    ready = {"type": "Ready", "status": "False" if trouble else "True", "reason": "X", "message": trouble}
    template = {
        "metadata": {"labels": dict(BOXES if labels is None else labels)},
        "spec": {
            "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "default"},
            "requirements": list(requirements),
            "taints": list(taints),
            "startupTaints": list(startup),
        },
    }
    return {
        "metadata": {"name": name},
        "spec": {"limits": dict(limits or {}), "template": template},
        "status": {"resources": dict(used or {}), "nodes": 2, "conditions": [ready]},
    }


def a_waiting_pod(name: str = "web-1", message: str = FULL, seconds: float = 90, cpu: int = 1000) -> WaitingPod:
    since = NOW - datetime.timedelta(seconds=seconds)
    return WaitingPod("prod", name, name, "web", since, message, cpu, 2048)


def a_situation(
    nodes: Sequence[NodeView] = (),
    pools: Sequence[Json] | None = None,
    waiting: Sequence[WaitingPod] = (),
    *,
    provider: Provider = Provider.AUTO,
    named: tuple[str, ...] = (),
    zones: tuple[str, ...] = (),
    resource: Json | None = None,
) -> Situation:
    sandbox = Sandbox.from_resource(resource or CLASS)
    found = find_nodes(nodes, sandbox, zones, tuple(STARTUP_TAINTS))
    read = None if pools is None else tuple(map(Pool.from_resource, pools))
    return Situation("web", CapacitySettings(provider, named), zones, sandbox, found, read, tuple(waiting), NOW)
