"""How fast the AWS endpoint tells of ECS tasks: DescribeTasks among a thousand of them, ListTasks, RunTask.

A control plane without nodes and without the operator; the endpoint as a process beside it, asked by boto3. Tasks stand
as the operator leaves running ones. The API server, the endpoint and the client share the machine's cores.
"""

import datetime
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import urllib3
from botocore.config import Config

from lab.bench.client import Client
from lab.bench.cluster import wait_until
from lab.bench.figures import Figures, sum_up
from lab.bench.isolation import read_peak_memory
from lab.cluster.installation import NAMESPACE as SYSTEM_NAMESPACE
from lab.cluster.installation import ROOT, apply_api
from lab.cluster.lab_cluster import LabCluster
from lab.progress import step
from monopod.access_keys.rules.stored_key import PREFIX, StoredKey
from monopod.api.ecs.names import ECS_API_VERSION
from monopod.kube.objects.resources import ECS_CLUSTERS, ECS_TASK_DEFINITIONS, ECS_TASKS, NAMESPACES, SECRETS
from monopod.tasks.rules.lifecycle.begin import begin
from monopod.tasks.rules.registration.defaults import complete

Object = dict[str, Any]

CLUSTER, NAMESPACE = "bench", "ecs-bench"
REGION = "us-east-1"
AT_ONCE = 100
"""What DescribeTasks takes at most."""

ASKS = 100
PATIENCE_SECONDS = 240.0
DEFINITION = {
    "family": "web",
    "networkMode": "awsvpc",
    "requiresCompatibilities": ["FARGATE"],
    "cpu": "256",
    "memory": "512",
    "containerDefinitions": [
        {"name": name, "image": "nginx:1.29", "environment": [{"name": "A", "value": "x" * 200}]}
        for name in ("app", "agent")
    ],
}
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}


@dataclass(frozen=True)
class TaskFigures:
    """A cluster of ECS's that is full of tasks.

    Attributes:
        tasks: How many there are.
        one: Seconds of a DescribeTasks of one.
        hundred: The same of a hundred.
        listed: Seconds of a ListTasks of its first page, for which all are read.
        run: Seconds of a RunTask.
        memory: The most memory that the endpoint held, in bytes.
    """

    tasks: int
    one: Figures
    hundred: Figures
    listed: Figures
    run: Figures
    memory: int


def measure_tasks(count: int) -> TaskFigures:
    """Fills a cluster with so many tasks and asks for them."""
    cluster = LabCluster(f"bench-tasks-{os.getpid()}", control_plane_only=True)
    cluster.create(tied_to_caller=True)
    try:
        apply_api(cluster)
        client = Client(cluster.kubeconfig_path)
        _create_cluster(client)
        with step(f"creating {count} tasks", count / 50):
            names = [_create_task(client, number) for number in range(count)]
        with _run_endpoint(cluster) as (process, url), step("asking for them", 60):
            return _measure(_build_client(_create_key(client), url), names, process)
    finally:
        cluster.delete()


def _measure(ecs: Any, names: list[str], process: int) -> TaskFigures:
    hundred = names[:AT_ONCE]
    ecs.describe_tasks(cluster=CLUSTER, tasks=hundred)  # once, for what is made at the first request
    return TaskFigures(
        len(names),
        _time(lambda turn: ecs.describe_tasks(cluster=CLUSTER, tasks=[names[turn % len(names)]])),
        _time(lambda turn: ecs.describe_tasks(cluster=CLUSTER, tasks=hundred)),
        _time(lambda turn: ecs.list_tasks(cluster=CLUSTER)),
        _time(lambda turn: ecs.run_task(cluster=CLUSTER, taskDefinition="web:1", networkConfiguration=NETWORK)),
        read_peak_memory(process),
    )


def _time(ask: Callable[[int], object]) -> Figures:
    times = []
    for turn in range(ASKS):
        began = time.perf_counter()
        ask(turn)
        times.append(time.perf_counter() - began)
    return sum_up(times)


def _create_cluster(client: Client) -> None:
    client.post(NAMESPACES.list_path(), {"metadata": {"name": NAMESPACE}})
    _create(client, ECS_CLUSTERS.list_path(), "ECSCluster", CLUSTER, {})
    client.patch(ECS_CLUSTERS.path(CLUSTER, subresource="status"), {"status": {"phase": "ACTIVE"}})
    spec = {"family": "web", "revision": 1, "definition": complete(DEFINITION)}
    _create(client, ECS_TASK_DEFINITIONS.list_path(), "ECSTaskDefinition", "web.1", spec)


def _create_task(client: Client, number: int) -> str:
    name = f"{number:032x}"
    spec = {"taskDefinition": {"family": "web", "revision": 1}, "launchType": "FARGATE", "group": "family:web"}
    task = _create(client, ECS_TASKS.list_path(NAMESPACE), "ECSTask", name, spec)
    status = begin(task, DEFINITION, datetime.datetime.now(datetime.UTC)) | {"lastStatus": "RUNNING", "version": 3}
    client.patch(ECS_TASKS.path(name, NAMESPACE, "status"), {"status": status})
    return name


def _create(client: Client, path: str, kind: str, name: str, spec: Object) -> Object:
    return client.post(path, {"apiVersion": ECS_API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec})


def _create_key(client: Client) -> StoredKey:
    """An access key of somebody who may everything."""
    key = StoredKey(f"{PREFIX}{os.urandom(8).hex().upper()}", os.urandom(20).hex(), "ana", ())
    client.post(SECRETS.list_path(SYSTEM_NAMESPACE), key.build_secret(SYSTEM_NAMESPACE))
    binding = {
        "metadata": {"name": "bench-tasks"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": key.user}],
    }
    client.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    return key


@contextmanager
def _run_endpoint(cluster: LabCluster) -> Iterator[tuple[int, str]]:
    """The endpoint's process, and its address."""
    port, health = _find_port(), _find_port()
    command = [
        *(sys.executable, "-m", "monopod", "aws", "--kubeconfig", str(cluster.kubeconfig_path)),
        *("--namespace", SYSTEM_NAMESPACE, "--listen", "127.0.0.1", "--metrics-port", str(health)),
        *("--api-listen", "127.0.0.1", "--api-port", str(port), "--region", REGION),
    ]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "operator")}
    process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _answers(health), "the endpoint", PATIENCE_SECONDS)
        yield process.pid, f"https://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_SECONDS)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _find_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _build_client(key: StoredKey, url: str) -> Any:
    # The certificate is one that nobody has signed.
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    return boto3.client(
        "ecs",
        region_name=REGION,
        endpoint_url=url,
        verify=False,
        aws_access_key_id=key.id,
        aws_secret_access_key=key.secret,
        config=Config(retries={"max_attempts": 1}),
    )
