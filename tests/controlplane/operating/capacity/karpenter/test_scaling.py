"""Nodes come and go with a profile's pods, by the real Karpenter and scheduler; the NodePool is the printed one.

The nodes are kwok's. What Karpenter says and does is held against what the profile says of it.
"""

import os
from collections.abc import Iterator, Mapping

import pytest

from monopod.capacity.rules.node_class import GROUPS
from monopod.kube.objects.quantity import parse_quantity
from monopod.pods.rules.size import COMPONENTS_MEMORY_MIB, SIZE_TABLE
from tests.controlplane.operating.capacity.karpenter.scene import AT_ONCE, LABEL, OVERHEAD, SLOT, Scene
from tests.controlplane.operating.lab import Json, eventually

SIZES = (*SIZE_TABLE[::4], SIZE_TABLE[-1])
"""Twenty of all, the smallest and the largest among them."""

PODS = int(os.environ.get("MONOPOD_SCALED_PODS") or 3)
DEADLINE_SECONDS = 180.0 + PODS / 2
SMALL = (1000, 1024)
LARGE = (4000, 8192)
DAEMON = {"cpu": "100m", "memory": "64Mi"}
"""What a pod of a DaemonSet asks on each node."""


def build_deployment(scene: Scene, replicas: int) -> Json:
    labels = {"app": "web"}
    resources = {"requests": {"cpu": "250m", "memory": "256Mi"}}
    pod = {"containers": [{"name": "app", "image": "app", "resources": resources}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": scene.name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def refer_to(pool: Json, node_class: str) -> Json:
    """The NodePool with another node class."""
    reference = {"group": GROUPS["KWOKNodeClass"], "kind": "KWOKNodeClass", "name": node_class}
    return change(pool, nodeClassRef=reference)


def change(pool: Json, **fields: object) -> Json:
    """The NodePool with other fields of its nodes."""
    template = pool["spec"]["template"]
    changed = {**template, "spec": {**template["spec"], **fields}}
    return {**pool, "spec": {**pool["spec"], "template": changed}}


def add_slots(pool: Json) -> Json:
    """The NodePool with nodes of whichever slot a pod selects."""
    slots = {"key": SLOT, "operator": "Exists"}
    return change(pool, requirements=[*pool["spec"]["template"]["spec"]["requirements"], slots])


def read_slot(claim: Json) -> str:
    [slot] = [need["values"] for need in claim["spec"]["requirements"] if need["key"] == SLOT]
    return " ".join(slot)


def read_requests(claim: Json) -> Json:
    requests = claim["spec"]["resources"]["requests"]
    return {resource: parse_quantity(requests[resource]) for resource in OVERHEAD}


def add_up(*requests: Mapping[str, str]) -> Json:
    return {resource: sum(parse_quantity(each[resource]) for each in requests) for resource in OVERHEAD}


def test_a_profiles_pods_get_nodes_and_take_them_along_when_they_go(scene: Scene) -> None:
    pool = scene.print_pool("--max-vcpus", "10000")
    scene.apply({**pool, "spec": {**pool["spec"], **AT_ONCE}})
    scene.says("CapacityAvailable", provider="Karpenter", nodes=0, pendingPods=0)

    scene.apply(build_deployment(scene, PODS))
    eventually(lambda: scene.has_ready("web", PODS), DEADLINE_SECONDS)
    eventually(lambda: scene.all_run(PODS))
    scene.says("CapacityAvailable", pendingPods=0)
    scene.counts_nodes()

    scene.apply(build_deployment(scene, 0))
    eventually(lambda: not scene.find("nodeclaims") and not scene.find("nodes"), DEADLINE_SECONDS)
    scene.says("CapacityAvailable", nodes=0)


@pytest.fixture
def daemon(scene: Scene) -> Iterator[None]:
    """A DaemonSet whose pods are on every node of the scene's."""
    labels = {"app": f"daemon-{scene.name}"}
    container = {"name": "app", "image": "app", "resources": {"requests": DAEMON}}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [container], "nodeSelector": {LABEL: scene.name}},
    }
    spec = {"selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": labels["app"], "namespace": "default"}
    scene.apply({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": spec})
    yield
    scene.lab.kubectl("delete", "daemonset", labels["app"], "-n", "default", "--wait=false")


@pytest.mark.usefixtures("daemon")
def test_a_pool_without_the_sandboxs_label_makes_no_node_and_the_printed_one_makes_what_each_size_needs(
    scene: Scene,
) -> None:
    pool = add_slots(scene.print_pool("--max-vcpus", "1000"))
    unlabelled = {key: value for key, value in pool["spec"]["template"].items() if key != "metadata"}
    scene.apply({**pool, "spec": {**pool["spec"], "template": unlabelled}})
    scene.create_pods(*((size.cpu_millis, size.memory_mib - COMPONENTS_MEMORY_MIB) for size in SIZES), apart=True)
    scene.says("NodePoolLabelMissing", nodes=0)
    for number in range(len(SIZES)):
        scene.karpenter_says(f"pod-{number}", 'label "box" does not have known values')
    assert not scene.find("nodeclaims")

    scene.apply(pool)
    eventually(lambda: scene.all_run(len(SIZES)), DEADLINE_SECONDS)
    claimed = {read_slot(claim): read_requests(claim) for claim in scene.find("nodeclaims")}
    assert claimed == {
        f"pod-{number}": add_up({"cpu": f"{size.cpu_millis}m", "memory": f"{size.memory_mib}Mi"}, OVERHEAD, DAEMON)
        for number, size in enumerate(SIZES)
    }


def test_a_pool_at_its_limit_makes_no_more_nodes(scene: Scene) -> None:
    scene.apply(scene.print_pool("--max-vcpus", "2"))
    scene.create_pods(SMALL)
    eventually(lambda: scene.all_run(1))
    scene.create_pods(SMALL, SMALL)
    scene.karpenter_says("pod-1", "exceed limits")
    scene.says("LimitReached", pendingPods=1)
    assert f"the limits of NodePool {scene.pool} allow no more nodes" in scene.tell_capacity()
    assert len(scene.find("nodeclaims")) == 1

    scene.rely_on("None")
    scene.says("NodesFull", provider="None", nodes=1, pendingPods=1)


def test_without_a_node_that_takes_them_pods_wait_until_the_profile_may_rely_on_karpenter(scene: Scene) -> None:
    scene.says("NodePoolNotFound", nodes=0)
    scene.rely_on("None")
    scene.create_pods(SMALL)
    scene.says("NoSandboxNodes", provider="None", nodes=0, pendingPods=1)
    assert f"no node takes pods of RuntimeClass {scene.name}, and nothing makes one" in scene.tell_capacity()

    scene.rely_on("Auto")
    scene.apply(scene.print_pool())
    eventually(lambda: scene.all_run(1))
    scene.says("CapacityAvailable", provider="Karpenter", nodes=1, pendingPods=0)


def test_a_taint_that_the_sandbox_does_not_tolerate_makes_no_node_and_without_it_one_comes(scene: Scene) -> None:
    pool = scene.print_pool()
    scene.apply(change(pool, taints=[{"key": "box", "effect": "NoSchedule"}]))
    scene.create_pods(SMALL)
    scene.says("NodePoolTaintNotTolerated", pendingPods=1)
    scene.karpenter_says("pod-0", "did not tolerate")
    assert not scene.find("nodeclaims")

    scene.apply(pool)
    eventually(lambda: scene.all_run(1))


def test_a_pool_whose_class_is_missing_is_not_ready(scene: Scene) -> None:
    scene.apply(refer_to(scene.print_pool(), "missing"))
    scene.create_pods(SMALL)
    scene.says("NodePoolNotReady", pendingPods=1)
    assert not scene.find("nodeclaims")


def test_the_startup_taint_of_the_printed_pool_holds_pods_until_the_sandbox_is_there_and_without_it_they_come_before(
    scene: Scene,
) -> None:
    scene.select({"monopod.dev/gvisor": "true"})
    pool = scene.print_pool()
    scene.apply(pool)
    scene.create_pods(SMALL)
    [node] = eventually(lambda: [node for node in scene.find("nodes") if is_registered(node)])
    scene.says("Growing", provider="Karpenter", nodes=0, pendingPods=1)
    assert not scene.all_run(1)
    scene.lab.kubectl("taint", "node", node["metadata"]["name"], "monopod.dev/gvisor-")
    eventually(lambda: scene.all_run(1))
    scene.says("CapacityAvailable", nodes=1, pendingPods=0)

    scene.apply(change(pool, startupTaints=[]))
    scene.says("StartupTaintMissing")
    scene.create_pods(SMALL, LARGE)  # the second finds no room on the first node
    eventually(lambda: scene.runs("pod-1"))  # though nothing has installed a sandbox on the other


def test_a_node_that_keeps_its_startup_taint_for_five_minutes_is_named(scene: Scene) -> None:
    scene.select({"monopod.dev/gvisor": "true"})
    scene.apply(scene.print_pool())
    scene.create_pods(SMALL)
    [node] = eventually(lambda: [node for node in scene.find("nodes") if is_registered(node)])
    scene.says("Growing", nodes=0, pendingPods=1)

    with scene.later(minutes=6):
        scene.says("StartupTaintStuck", nodes=0, pendingPods=1)
        stuck = scene.tell_capacity()
    name = node["metadata"]["name"]
    assert f"node {name} has kept its startup taint monopod.dev/gvisor:NoSchedule" in stuck
    assert "gvisor-node's value node.startupTaint" in stuck

    scene.lab.kubectl("taint", "node", name, "monopod.dev/gvisor-")
    eventually(lambda: scene.all_run(1))
    scene.says("CapacityAvailable", nodes=1, pendingPods=0)


def is_registered(node: Json) -> bool:
    """Whether Karpenter has given the node its labels and taints, and kwok has made it ready."""
    taints = [taint["key"] for taint in node["spec"].get("taints", [])]
    return "karpenter.sh/registered" in node["metadata"]["labels"] and taints == ["monopod.dev/gvisor"]
