"""Room that Karpenter keeps warm, by its own implementation of CapacityBuffers."""

import json

from monopod.api.names import SYSTEM_NAMESPACE, WARM_LABEL
from monopod.kube.objects.quantity import parse_quantity
from monopod.kube.objects.resources import CAPACITY_BUFFERS
from tests.controlplane.operating.capacity.karpenter.scene import OVERHEAD, Scene
from tests.controlplane.operating.lab import Json, eventually

NEXT = (1000, 1700)
"""A pod of the size that is kept."""


def list_buffers(scene: Scene) -> list[Json]:
    listed = scene.lab.kubectl("get", "--raw", CAPACITY_BUFFERS.list_path(SYSTEM_NAMESPACE)).stdout
    return [item for item in json.loads(listed)["items"] if item["metadata"]["labels"][WARM_LABEL] == scene.name]


def name_nodes(scene: Scene) -> set[str]:
    return {node["metadata"]["name"] for node in scene.find("nodes")}


def fill(scene: Scene, node: Json) -> None:
    """Takes the CPUs that a node has left, by a pod outside Fargate, as it names its node."""
    name = node["metadata"]["name"]
    there = [pod["spec"] for pod in scene.find_pods() if pod["spec"]["nodeName"] == name]
    used = sum(parse_quantity(spec["resources"]["requests"]["cpu"]) for spec in there)
    used += len(there) * parse_quantity(OVERHEAD["cpu"])
    left = parse_quantity(node["status"]["allocatable"]["cpu"]) - used
    requests = {"cpu": f"{int(left * 1000)}m"}
    spec = {"nodeName": name, "containers": [{"name": "app", "image": "app", "resources": {"requests": requests}}]}
    metadata = {"name": f"filler-{name}", "namespace": scene.name}
    scene.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


def test_a_node_comes_for_warm_room_and_another_once_it_is_used(scene: Scene) -> None:
    scene.apply(scene.print_pool())
    warm = {"warm": {"replicas": 2, "size": "1vCPU 2GB"}}
    scene.lab.patch("FargateProfile", scene.name, {"spec": {"capacity": warm}})
    scene.says("CapacityAvailable", provider="Karpenter", warm={"wanted": 2, "ready": 2})
    # Karpenter 1.14 may make a second one while the first is on its way.
    eventually(lambda: len(scene.find("nodes")) == len(scene.find("nodeclaims")))
    warmed = name_nodes(scene)
    assert warmed
    assert not scene.find_pods()
    assert not scene.lab.list_all("Deployment", SYSTEM_NAMESPACE, f"?labelSelector={WARM_LABEL}={scene.name}")

    scene.create_pods(NEXT, NEXT)
    eventually(lambda: scene.all_run(2))
    used = {pod["spec"]["nodeName"] for pod in scene.find_pods()}
    assert used <= warmed, "no pod waited for a node"
    for node in scene.find("nodes"):
        if node["metadata"]["name"] in warmed:
            fill(scene, node)
    # The status may still be that of before.
    eventually(lambda: name_nodes(scene) - warmed)
    scene.says("CapacityAvailable", warm={"wanted": 2, "ready": 2})

    scene.lab.patch("FargateProfile", scene.name, {"spec": {"capacity": {"warm": None}}})
    eventually(lambda: not list_buffers(scene))
