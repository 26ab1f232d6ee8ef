"""Wishes for warm room, and nodes that could have it."""

from collections.abc import Mapping
from typing import Any

from monopod.capacity.rules.sandbox import Sandbox
from monopod.capacity.rules.warm.wish import Asking, Chunk, WarmSettings, Wish
from monopod.kube.objects.views import NodeView
from monopod.pods.rules.size import PodSize
from tests.unit.capacity.builders import a_sandbox

Json = dict[str, Any]

BOXES = {"pool": "boxes"}
KATA = Sandbox.from_resource(
    {
        **a_sandbox("kata-qemu", BOXES, {"key": "boxes", "operator": "Exists"}),
        "overhead": {"podFixed": {"cpu": "250m", "memory": "130Mi"}},
    }
)
SIZE = PodSize(1000, 2048)


def a_wish(profile: str = "web", wanted: int = 2, allowed: int | None = None, **chunk: Any) -> Wish:
    return Wish(
        profile,
        wanted,
        wanted if allowed is None else allowed,
        Chunk(**{"size": SIZE, "sandbox": KATA, **chunk}),
        False,
    )


def an_asking(profile: str = "web", replicas: int = 0, percent: int = 0, size: PodSize | None = None) -> Asking:
    return Asking(profile, WarmSettings(replicas, percent, size), KATA)


def a_node(
    name: str = "box-1", *taints: str, labels: Mapping[str, str] = BOXES, cpu: int = 4000, memory: int = 16384
) -> NodeView:
    return NodeView(name, (), (), labels, tuple((key, "", "NoSchedule") for key in taints), cpu, memory)
