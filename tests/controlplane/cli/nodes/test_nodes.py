"""`kubectl fargate nodes` against a real API server: on demand and on Spot, of a task, without a node, and none."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from monopod.api.names import SYSTEM_NAMESPACE
from monopod.capacity.rules.images.daemon_set import PAUSE_IMAGE
from monopod.capacity.rules.warm.objects import build_balloons
from monopod.tasks.rules.pod.pod import build_pod
from tests.clusters import ControlPlane
from tests.controlplane.reach import reach
from tests.controlplane.server import Manifest, Server
from tests.unit.builders import a_pod, a_profile, a_selector
from tests.unit.capacity.rules.warm.wishes import a_wish
from tests.unit.cli.running import run
from tests.unit.tasks.definitions import a_definition
from tests.unit.tasks.made import PROFILE, SETTINGS

NAMESPACE, TASKS = "noded", "ecs-noded"
WEB = a_profile("noded-web", a_selector(NAMESPACE, tier="web"))
BATCH = a_profile("noded-batch", a_selector(NAMESPACE, tier="batch"), spot=True)
SCHEDULER = "system:kube-scheduler"


@pytest.fixture(scope="module")
def cluster(server: Server, installed: ControlPlane) -> Iterator[ControlPlane]:
    """Pods of two profiles and of a task on two nodes, one more that waits, and what is none of Fargate's."""
    reach(server, NAMESPACE, [WEB, BATCH])
    reach(server, TASKS, [PROFILE])
    small = a_pod("web").labelled(tier="web").requesting(cpu="200m", memory="256Mi")
    create(server, NAMESPACE, small.build(), "host-a")
    create(server, NAMESPACE, a_pod("batch").labelled(tier="batch").requesting(cpu="1", memory="1Gi").build(), "host-b")
    create(server, NAMESPACE, a_pod("waits").labelled(tier="web").build())
    create(server, NAMESPACE, a_pod("other").build(), "host-a")
    task = build_pod(a_definition(cpu="512", memory="1024"), replace(SETTINGS, namespace=TASKS))
    task["metadata"] |= {"name": "task"}
    create(server, TASKS, task, "host-b")
    balloon = build_balloons(a_wish(WEB.name), PAUSE_IMAGE, SYSTEM_NAMESPACE, "uid")["spec"]["template"]
    balloon["metadata"] |= {"name": "balloon"}
    create(server, SYSTEM_NAMESPACE, balloon, "host-a")
    unschedulable = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/waits/status"
    server.patch(path, {"status": {"conditions": [unschedulable]}}).expect_ok()
    yield installed
    for namespace, names in ((NAMESPACE, ("web", "batch", "waits", "other")), (TASKS, ("task",))):
        for name in names:
            server.delete(f"/api/v1/namespaces/{namespace}/pods/{name}")
    server.delete(f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/pods/balloon")


def create(server: Server, namespace: str, pod: Manifest, node: str = "") -> None:
    server.create_pod(namespace, pod, dry_run=False).expect_ok()
    if node:
        name = pod["metadata"]["name"]
        binding = {"metadata": {"name": name}, "target": {"kind": "Node", "name": node}}
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/binding"
        server.create(path, binding, user=SCHEDULER).expect_ok()


def ask(cluster: ControlPlane, *words: str) -> str:
    result = run("nodes", *words, "--kubeconfig", str(cluster.kubeconfig_path))
    assert result.exit_code == 0, result.stderr
    return str(result.stdout)


def test_each_pod_has_a_line_with_size_sandbox_host_age_and_price(cluster: ControlPlane) -> None:
    lines = ask(cluster, "-n", NAMESPACE).splitlines()
    told = [" ".join(line.split()) for line in lines if line.startswith(NAMESPACE)]
    on_spot, waits, web = (line.rsplit(" ", 2) for line in told)  # the age is in the middle
    assert on_spot[0] == f"{NAMESPACE} batch 1vCPU 2GB, Spot kata host-b"
    assert waits[0] == f"{NAMESPACE} waits 0.25vCPU 0.5GB kata (Unschedulable)"
    assert web[0] == f"{NAMESPACE} web 0.25vCPU 0.5GB kata host-a"
    assert (web[2], waits[2]) == ("0.0123", "0.0123")
    assert float(on_spot[2]) < 0.0494, "Spot's price"
    assert lines[-2].startswith("2 pods on 2 nodes: ")
    assert lines[-1].startswith("1 pod without a node, which costs nothing yet; ")


def test_a_tasks_pod_is_among_all_and_what_is_not_fargates_is_not(cluster: ControlPlane) -> None:
    found = {(pod["namespace"], pod["pod"]): pod for pod in json.loads(ask(cluster, "-o", "json"))["pods"]}
    task = found[TASKS, "task"]
    assert (task["capacity"], task["node"], task["capacityProvider"]) == ("0.5vCPU 1GB", "host-b", "FARGATE")
    assert (NAMESPACE, "other") not in found
    assert (SYSTEM_NAMESPACE, "balloon") not in found


def test_without_pods_it_says_where_there_are_none(cluster: ControlPlane) -> None:
    assert ask(cluster, "-n", "noded-empty") == "No FargateProfile has a pod in namespace noded-empty.\n"
