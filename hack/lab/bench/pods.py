"""How long a pod takes from its creation to Ready: sandboxed by Monopod, sandboxed by hand, and on the node's kernel.

The three take turns on the same node, one pod at a time, in an order that rotates; a pod is gone before the next one
comes, so that none pays for another's end. The middle one tells what of the difference is the sandbox's own.
"""

import time
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from lab.bench.client import Client
from lab.bench.cluster import run_cluster
from lab.bench.figures import Figures, sum_up
from lab.cluster.images import BUSYBOX_IMAGE
from lab.cluster.installation import install_chart
from lab.cluster.provider import Cluster
from lab.progress import say, step
from monopod.api.names import API_VERSION, CAPACITY_ANNOTATION
from monopod.kube.objects.resources import PODS, PROFILES

Object = dict[str, Any]
NAMESPACE = "bench"
LABELS = {"tier": "bench"}
NODE, BY_HAND, MONOPOD = "node", "by-hand", "monopod"
SORTS = (NODE, BY_HAND, MONOPOD)
COLLECTION = PODS.list_path(NAMESPACE)
WARM_UP = 2
PROFILE_TIMEOUT = "--timeout=150s"


@dataclass(frozen=True)
class PodFigures:
    """Creation to Ready, in seconds.

    Attributes:
        node: Pods on the node's own kernel, by runc.
        by_hand: Pods whose manifest names the sandbox, which no profile takes.
        monopod: Pods of the same manifest as `node` that a profile takes.
    """

    node: Figures
    by_hand: Figures
    monopod: Figures


def measure_pods(count: int) -> PodFigures:
    """Starts `count` pods of each sort on a cluster made for it."""
    with run_cluster("pods") as cluster:
        install_chart(cluster)
        return measure_pods_on(cluster, count)


def measure_pods_on(cluster: Cluster, count: int) -> PodFigures:
    """Starts `count` pods of each sort on a cluster that has Monopod."""
    _prepare(cluster)
    client = Client(cluster.kubeconfig_path)
    with step("warming up", 15):
        for sort in SORTS * WARM_UP:
            _start_pod(client, sort, cluster.sandbox)
    times = _take_turns(client, count, cluster.sandbox)
    return PodFigures(node=sum_up(times[NODE]), by_hand=sum_up(times[BY_HAND]), monopod=sum_up(times[MONOPOD]))


def _prepare(cluster: Cluster) -> None:
    cluster.kubectl("create", "namespace", NAMESPACE)
    profile = {
        "apiVersion": API_VERSION,
        "kind": "FargateProfile",
        "metadata": {"name": NAMESPACE},
        "spec": {"selectors": [{"namespace": NAMESPACE, "labels": LABELS}]},
    }
    Client(cluster.kubeconfig_path).post(PROFILES.list_path(), profile)
    active = "--for=jsonpath={.status.phase}=ACTIVE"
    cluster.kubectl("wait", active, PROFILE_TIMEOUT, f"fargateprofile/{NAMESPACE}")


def _take_turns(client: Client, count: int, sandbox: str) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {sort: [] for sort in SORTS}
    with step(f"starting {count} pods of each sort", count * 10):
        for turn in range(count):
            for sort in islice(cycle(SORTS), turn % len(SORTS), turn % len(SORTS) + len(SORTS)):
                times[sort].append(_start_pod(client, sort, sandbox))
            if (turn + 1) % 10 == 0:
                say(f"  {turn + 1} of {count}")
    return times


def _start_pod(client: Client, sort: str, sandbox: str) -> float:
    """Starts a pod, removes it, and returns the seconds from sending its manifest to hearing that it is Ready."""
    pod = build_pod(f"{sort}-{time.monotonic_ns()}", sort, sandbox)
    name = pod["metadata"]["name"]
    events = client.watch(COLLECTION, name)
    began = time.perf_counter()
    created = client.post(COLLECTION, pod)
    if (CAPACITY_ANNOTATION in created["metadata"].get("annotations", {})) != (sort == MONOPOD):
        raise RuntimeError(f"pod {name} was not admitted as one of sort {sort}")
    next(event for event in events if _is_ready(event["object"]))
    took = time.perf_counter() - began
    client.delete(PODS.path(name, NAMESPACE))
    next(event for event in events if event["type"] == "DELETED")
    return took


def build_pod(name: str, sort: str, sandbox: str) -> Object:
    """A pod of a sort; they differ in the label that the profile selects, and in the sandbox set by hand."""
    container = {
        "name": "app",
        "image": BUSYBOX_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", "trap 'exit 0' TERM; sleep 3600 & wait"],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
    }
    by_hand = {"runtimeClassName": sandbox} if sort == BY_HAND else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": LABELS if sort == MONOPOD else {}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1, **by_hand},
    }


def _is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
