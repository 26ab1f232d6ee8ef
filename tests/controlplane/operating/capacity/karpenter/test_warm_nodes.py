"""Room that Karpenter keeps warm, by its own implementation of CapacityBuffers."""

import json

from monopod.api.names import SYSTEM_NAMESPACE, WARM_LABEL
from monopod.kube.objects.resources import CAPACITY_BUFFERS
from tests.controlplane.operating.capacity.karpenter.scene import Scene
from tests.controlplane.operating.lab import Json, eventually

NEXT = (1000, 1700)
"""A pod of the size that is kept."""


def list_buffers(scene: Scene) -> list[Json]:
    listed = scene.lab.kubectl("get", "--raw", CAPACITY_BUFFERS.list_path(SYSTEM_NAMESPACE)).stdout
    return [item for item in json.loads(listed)["items"] if item["metadata"]["labels"][WARM_LABEL] == scene.name]


def name_nodes(scene: Scene) -> set[str]:
    return {node["metadata"]["name"] for node in scene.find("nodes")}


def test_a_node_comes_for_warm_room_and_another_once_it_is_used(scene: Scene) -> None:
    scene.apply(scene.print_pool())
    warm = {"warm": {"replicas": 2, "size": "1vCPU 2GB"}}
    scene.lab.patch("FargateProfile", scene.name, {"spec": {"capacity": warm}})
    scene.says("CapacityAvailable", provider="Karpenter", warm={"wanted": 2, "ready": 2})
    # Karpenter 1.14 may make a second one while the first is on its way.
    warmed = name_nodes(scene)
    assert warmed
    assert not scene.find_pods()
    assert not scene.lab.list_all("Deployment", SYSTEM_NAMESPACE, f"?labelSelector={WARM_LABEL}={scene.name}")

    scene.create_pods(NEXT, NEXT)
    eventually(lambda: scene.all_run(2))
    used = {pod["spec"]["nodeName"] for pod in scene.find_pods()}
    assert used <= warmed, "no pod waited for a node"
    # The status may still be that of before. What these pods have left on their nodes is too little for two more.
    eventually(lambda: name_nodes(scene) - used)
    scene.says("CapacityAvailable", warm={"wanted": 2, "ready": 2})

    scene.lab.patch("FargateProfile", scene.name, {"spec": {"capacity": {"warm": None}}})
    eventually(lambda: not list_buffers(scene))
