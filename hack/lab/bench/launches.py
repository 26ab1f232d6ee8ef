"""How long ECS takes to start a task, from RunTask to RUNNING, beside a pod of the same image in the same sandbox.

Both are of one size and pull their image from a registry on the node; boto3 asks for the task, and the API server is
asked for the pod, in a namespace of a profile, as `kubectl run` would. A task's pod is simpler than that: it mounts no
token and has no variables of Services. So a third sort is a pod like a task's, and what ECS adds is the difference to
that: the endpoint, the task's own object, and its controller. They take turns, in all orders, so that none always comes
after what another leaves behind.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from lab.aws.endpoint import install_endpoint, make_client, reach_endpoint
from lab.aws.registry import BUSYBOX
from lab.bench.client import Client
from lab.bench.cluster import run_cluster, wait_until
from lab.bench.figures import Figures, sum_up
from lab.cluster.provider import Cluster
from lab.progress import step
from monopod.api.names import API_VERSION, CAPACITY_ANNOTATION, ISOLATED_ANNOTATION
from monopod.kube.objects.resources import NAMESPACES, PODS, PROFILES

Object = dict[str, Any]

USER = "bench"
NAME = "launches"
"""Of the ECS cluster, the task definition, the profile, and the pods' namespace."""

TASK_NAMESPACE = f"ecs-{NAME}"
CAPACITY = "0.25vCPU 0.5GB"
COMMAND = ["sh", "-c", "trap 'exit 0' TERM; while true; do sleep 1; done"]
CONTAINER = {"name": "app", "image": BUSYBOX, "command": COMMAND}
DEFINITION = {
    "family": NAME,
    "networkMode": "awsvpc",
    "requiresCompatibilities": ["FARGATE"],
    "cpu": "256",
    "memory": "512",
    "containerDefinitions": [CONTAINER],
}
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
POLL_SECONDS = 0.1
PATIENCE_SECONDS = 240.0
SIMPLE = {"automountServiceAccountToken": False, "enableServiceLinks": False, "restartPolicy": "Never"}
"""What a task's pod has of a pod's fields, and one by `kubectl run` hasn't."""

STOPPED = {"Delay": 1, "MaxAttempts": 240}


@dataclass(frozen=True)
class LaunchFigures:
    """Seconds until something runs.

    Attributes:
        pod: From creating a pod of a profile until its container has started.
        simple: The same of a pod that is as simple as a task's.
        task: From RunTask until DescribeTasks says RUNNING.
    """

    pod: Figures
    simple: Figures
    task: Figures


def measure_launches(count: int) -> LaunchFigures:
    """Starts `count` of each on a cluster made for it."""
    with run_cluster("launches") as cluster:
        install_endpoint(cluster, USER)
        return measure_launches_on(cluster, USER, count)


def measure_launches_on(cluster: Cluster, user: str, count: int) -> LaunchFigures:
    """Starts `count` of each on a cluster that has Monopod with ECS, and the registry; the user may run tasks."""
    client = Client(cluster.kubeconfig_path)
    _prepare(cluster, client)
    with reach_endpoint(cluster, user) as environment:
        ecs = make_client(environment, "ecs")
        ecs.create_cluster(clusterName=NAME)
        ecs.register_task_definition(**DEFINITION)
        starts: dict[str, Callable[[], float]] = {
            "pod": lambda: _start_pod(cluster, client, {}),
            "simple": lambda: _start_pod(cluster, client, SIMPLE),
            "task": lambda: _run_task(client, ecs),
        }
        with step(f"starting {count} tasks, and as many pods of two sorts", count * 15):
            times = _take_turns(starts, count)
    return LaunchFigures(**{sort: sum_up(each) for sort, each in times.items()})


def _take_turns(starts: dict[str, Callable[[], float]], count: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {sort: [] for sort in starts}
    orders = list(permutations(starts))
    for turn in range(count + 1):
        for sort in orders[turn % len(orders)]:
            took = starts[sort]()
            if turn:  # the first is for what is made once
                times[sort].append(took)
    return times


def _prepare(cluster: Cluster, client: Client) -> None:
    client.post(NAMESPACES.list_path(), {"metadata": {"name": NAME}})
    spec = {"selectors": [{"namespace": NAME}]}
    profile = {"apiVersion": API_VERSION, "kind": "FargateProfile", "metadata": {"name": NAME}, "spec": spec}
    client.post(PROFILES.list_path(), profile)
    cluster.kubectl("wait", "--for=jsonpath={.status.phase}=ACTIVE", "--timeout=150s", f"fargateprofile/{NAME}")
    wait_until(lambda: _is_isolated(client), f"namespace {NAME}", PATIENCE_SECONDS)


def _is_isolated(client: Client) -> bool:
    annotations = _get(client, NAMESPACES.path(NAME))["metadata"].get("annotations", {})
    return bool(annotations.get(ISOLATED_ANNOTATION) == "true")


def _start_pod(cluster: Cluster, client: Client, fields: Object) -> float:
    name = f"pod-{time.monotonic_ns()}"
    began = time.perf_counter()
    client.post(PODS.list_path(NAME), build_pod(name, fields))
    wait_until(lambda: _has_started(client, name), f"pod {name}", PATIENCE_SECONDS, POLL_SECONDS)
    took = time.perf_counter() - began
    _require_sandbox(client, name, NAME)
    cluster.kubectl("delete", "pod", name, "-n", NAME)
    return took


def build_pod(name: str, fields: Object) -> Object:
    """A pod of what the task definition says: a task pulls its image each time, and 256 MiB are added to a pod."""
    amounts = {"cpu": "250m", "memory": "256Mi"}
    container = {**CONTAINER, "imagePullPolicy": "Always", "resources": {"requests": amounts}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container], **fields},
    }


def _has_started(client: Client, name: str) -> bool:
    statuses = _get(client, PODS.path(name, NAME))["status"].get("containerStatuses", [])
    return any("running" in each["state"] for each in statuses)


def _run_task(client: Client, ecs: Any) -> float:
    began = time.perf_counter()
    answer = ecs.run_task(cluster=NAME, taskDefinition=NAME, launchType="FARGATE", networkConfiguration=NETWORK)
    if answer["failures"]:
        raise RuntimeError(f"RunTask: {answer['failures']}")
    task: str = answer["tasks"][0]["taskArn"]
    try:
        wait_until(lambda: _is_running(ecs, task), f"task {task}", PATIENCE_SECONDS, POLL_SECONDS)
        took = time.perf_counter() - began
        _require_sandbox(client, task.rpartition("/")[2], TASK_NAMESPACE)
    finally:
        ecs.stop_task(cluster=NAME, task=task)
    ecs.get_waiter("tasks_stopped").wait(cluster=NAME, tasks=[task], WaiterConfig=STOPPED)
    return took


def _is_running(ecs: Any, task: str) -> bool:
    (described,) = ecs.describe_tasks(cluster=NAME, tasks=[task])["tasks"]
    if described["lastStatus"] == "STOPPED":
        raise RuntimeError(f"task {task} has stopped: {described.get('stoppedReason')}")
    return bool(described["lastStatus"] == "RUNNING")


def _require_sandbox(client: Client, name: str, namespace: str) -> None:
    """Both are to be of the same size, in a sandbox; a cluster has one RuntimeClass of them."""
    pod = _get(client, PODS.path(name, namespace))
    size = pod["metadata"].get("annotations", {}).get(CAPACITY_ANNOTATION)
    if size != CAPACITY or "runtimeClassName" not in pod["spec"]:
        raise RuntimeError(f"pod {name} was not admitted as one of {CAPACITY} in a sandbox, but as one of {size}")


def _get(client: Client, path: str) -> Object:
    found: Object = json.loads(client.get_text(path))
    return found
