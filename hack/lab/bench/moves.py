"""What rescheduling costs at scale: pods that run outside move into their sandboxes, within the budgets of Deployments.

A control plane with fake nodes (kwok) and the operator as a process beside it. The bound on evictions is set so high
that it isn't what the move waits for: every pod costs the API server, the controllers, the scheduler and kwok more than
it costs the operator, and all share the machine's cores.
"""

import json
import re
import time
from dataclasses import dataclass
from typing import Any

from lab.bench.client import Client
from lab.bench.cluster import find_operator, run_operated, wait_until
from lab.bench.isolation import read_cpu_seconds, read_peak_memory
from lab.cluster.installation import NAMESPACE as SYSTEM_NAMESPACE
from lab.progress import step
from monopod.api.names import API_VERSION, SERVICE_ACCOUNT
from monopod.kube.objects.resources import DEPLOYMENTS, DISRUPTION_BUDGETS, NAMESPACES, PROFILES

Object = dict[str, Any]
NAMESPACE = "moves"
PROFILE = PROFILES.path(NAMESPACE)
REPLICAS = 20
AVAILABLE = 18
PODS_PER_NODE = 40  # a fake node has 1 TiB for the 20 GiB that each sandboxed pod is provisioned with
FLAGS = ("--evictions-per-minute", "60000")
PATIENCE_SECONDS = 1800.0
FLOW = "bench-operator"


@dataclass(frozen=True)
class MoveFigures:
    """One move of all pods.

    Attributes:
        pods: How many were moved.
        deployments: How many Deployments they belonged to, each with a budget.
        per_minute: How many were moved in a minute, from the profile's creation until its status says that all are.
        requests: Requests of the operator's to the API server, for each pod.
        cpu: The operator's CPU time, in seconds for each pod.
        memory: The most memory that the operator held, in bytes.
    """

    pods: int
    deployments: int
    per_minute: float
    requests: float
    cpu: float
    memory: int


def measure_moves(count: int) -> MoveFigures:
    """Moves `count` pods, rounded down to whole Deployments of 20, at least one of them."""
    deployments = max(1, count // REPLICAS)
    pods = deployments * REPLICAS
    with run_operated("moves", *FLAGS, fake_nodes=-(-pods // PODS_PER_NODE) + 1) as cluster:
        client = Client(cluster.kubeconfig_path)
        with step(f"starting {pods} pods", pods / 10):
            _deploy(client, deployments)
        operator = find_operator(cluster)
        requests, cpu, began = _count_requests(client), read_cpu_seconds(operator), time.monotonic()
        with step(f"moving {pods} pods", pods / 5):
            client.post(PROFILE.rpartition("/")[0], build_profile())
            wait_until(lambda: _is_moved(client), "the last pod", PATIENCE_SECONDS)
        took = time.monotonic() - began
        return MoveFigures(
            pods=pods,
            deployments=deployments,
            per_minute=pods / took * 60,
            requests=(_count_requests(client) - requests) / pods,
            cpu=(read_cpu_seconds(operator) - cpu) / pods,
            memory=read_peak_memory(operator),
        )


def _deploy(client: Client, deployments: int) -> None:
    client.post(NAMESPACES.list_path(), {"metadata": {"name": NAMESPACE}})
    client.post("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas", build_flow_schema())
    for number in range(deployments):
        client.post(DEPLOYMENTS.list_path(NAMESPACE), build_deployment(f"app-{number}"))
        budgets = DISRUPTION_BUDGETS.list_path(NAMESPACE)
        client.post(budgets, build_budget(f"app-{number}"))
    wait_until(lambda: _are_ready(client, deployments), "a Deployment", PATIENCE_SECONDS)


def _are_ready(client: Client, deployments: int) -> bool:
    items = json.loads(client.get_text(DISRUPTION_BUDGETS.list_path(NAMESPACE)))["items"]
    healthy = [int(item["status"].get("currentHealthy") or 0) for item in items]
    return healthy == [REPLICAS] * deployments


def _is_moved(client: Client) -> bool:
    status = json.loads(client.get_text(PROFILE)).get("status", {})
    # There is nothing to move either before the operator has looked.
    begun = "startedAt" in status.get("rescheduling", {})
    return begun and any(one["reason"] == "AllMoved" for one in status["conditions"])


def build_profile() -> Object:
    """A profile that takes all pods of the namespace."""
    spec = {"selectors": [{"namespace": NAMESPACE}]}
    return {"apiVersion": API_VERSION, "kind": "FargateProfile", "metadata": {"name": NAMESPACE}, "spec": spec}


def build_deployment(name: str) -> Object:
    """Pods that fake nodes take."""
    labels = {"app": name}
    spec = {
        "containers": [{"name": "app", "image": "registry.example.com/app:1"}],
        "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}],
        "terminationGracePeriodSeconds": 1,
    }
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {
        "metadata": {"name": name},
        "spec": {"replicas": REPLICAS, "selector": {"matchLabels": labels}, "template": template},
    }


def build_budget(name: str) -> Object:
    """What the pods' users need."""
    spec = {"minAvailable": AVAILABLE, "selector": {"matchLabels": {"app": name}}}
    return {"metadata": {"name": name}, "spec": spec}


def build_flow_schema() -> Object:
    """Has the API server count the operator's requests apart from all others."""
    account = {"kind": "ServiceAccount", "serviceAccount": {"name": SERVICE_ACCOUNT, "namespace": SYSTEM_NAMESPACE}}
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}
    return {
        "metadata": {"name": FLOW},
        "spec": {
            "matchingPrecedence": 50,
            "priorityLevelConfiguration": {"name": "workload-low"},
            "rules": [{"subjects": [account], "resourceRules": [everything]}],
        },
    }


def _count_requests(client: Client) -> float:
    return count_requests(client.get_text("/metrics"))


def count_requests(metrics: str) -> float:
    """The operator's requests so far, by what /metrics answers."""
    name = "apiserver_flowcontrol_dispatched_requests_total"
    found = re.findall(rf"^{name}\{{([^}}]*)\}} (\S+)$", metrics, re.MULTILINE)
    return sum(float(value) for labels, value in found if f'flow_schema="{FLOW}"' in labels)
