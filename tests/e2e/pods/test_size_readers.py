"""What the scheduler, the kubelet and the autoscaler make of a pod's size, with the real programs."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from monopod.kube.objects.quantity import parse_quantity
from tests.e2e.live import Live, Object
from tests.e2e.workloads import a_deployment, a_pod, a_profile

HEAVY = "heavy-for-tests"
SMALLEST_MILLIS = 250
USED_MILLIS = 120
METRICS = "pods.metrics.k8s.io"


@pytest.fixture
def filled(live: Live) -> Iterator[tuple[str, Object]]:
    """A namespace, and the node that two of its smallest pods fill: by their RuntimeClass's overhead.

    No other node takes pods meanwhile.
    """
    node, *others = live.find("nodes", "default")
    for other in others:
        live.kubectl("cordon", other["metadata"]["name"])
    live.await_calm()
    free = count_free(live, node)
    assert free > 2 * SMALLEST_MILLIS, f"{free}m are free on the node"
    overhead = {"cpu": f"{free // 2 - SMALLEST_MILLIS}m"}
    heavy = {**live.get("runtimeclass", live.cluster.sandbox), "overhead": {"podFixed": overhead}}
    heavy["metadata"] = {"name": HEAVY}
    namespace = live.make_namespace("full")
    live.apply(heavy, a_profile("full", namespace, {"app": "heavy"}, runtimeClassName=HEAVY))
    live.await_phase("full")
    yield namespace, node
    live.remove_namespace(namespace)
    live.kubectl("delete", "fargateprofile", "full", "--timeout=150s")
    live.kubectl("delete", "runtimeclass", HEAVY)
    for other in others:
        live.kubectl("uncordon", other["metadata"]["name"])


def test_pods_fill_a_node_to_the_last_milli_cpu(live: Live, filled: tuple[str, Object]) -> None:
    """With kubernetes#139627 the first one's overhead counts twice.

    Then the kubelet fails the second (OutOfcpu), or it stays Pending where the scheduler has noticed, too.
    """
    namespace, node = filled
    for name in ("first", "second"):
        live.apply(a_pod(name, namespace, {"app": "heavy"}))
        await_start(live, name, namespace)
    if left := count_free(live, node):  # of an odd number
        resources = {"requests": {"cpu": f"{left}m"}}
        rest = a_pod("rest", namespace, {"app": "rest"})
        rest["spec"]["containers"][0]["resources"] = resources
        live.apply(rest)
        await_start(live, "rest", namespace)
    assert count_free(live, node) == 0
    pods = {pod["metadata"]["name"]: pod["status"] for pod in live.find("pods", namespace)}
    assert {name: (status["phase"], status.get("reason")) for name, status in pods.items()} == dict.fromkeys(
        pods, ("Running", None)
    )


def count_free(live: Live, node: Object) -> int:
    """The node's CPU that no pod has requested, in thousandths, as the scheduler counts it."""
    pods = [pod for pod in live.list_pods() if pod["status"]["phase"] not in ("Succeeded", "Failed")]
    bound = [pod for pod in pods if pod["spec"].get("nodeName") == node["metadata"]["name"]]
    return read_millis(node["status"]["allocatable"]["cpu"]) - sum(count_requested(pod["spec"]) for pod in bound)


def count_requested(spec: dict[str, Any]) -> int:
    containers = [read_cpu(each.get("resources")) for each in spec["containers"]]
    asked = read_cpu(spec.get("resources")) or sum(containers)
    return asked + read_millis((spec.get("overhead") or {}).get("cpu", "0"))


def read_cpu(resources: Object | None) -> int:
    return read_millis(((resources or {}).get("requests") or {}).get("cpu", "0"))


def read_millis(quantity: str) -> int:
    return int(parse_quantity(quantity) * 1000)


def await_start(live: Live, name: str, namespace: str) -> None:
    """Until the pod runs or has failed."""
    live.wait_for(lambda: live.get("pod", name, namespace)["status"]["phase"] != "Pending", f"{name} starts", 180)


@pytest.fixture
def metrics(live: Live) -> Iterator[None]:
    """Metrics of pods as objects that a test writes, in the place of a metrics server's."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1beta1", "served": True, "storage": True, "schema": schema}
    approved = {"api-approved.kubernetes.io": "unapproved, for a test"}
    live.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": METRICS, "annotations": approved},
            "spec": {
                "group": "metrics.k8s.io",
                "names": {"kind": "PodMetrics", "plural": "pods"},
                "scope": "Namespaced",
                "versions": [version],
            },
        }
    )
    live.kubectl("wait", "--for=condition=Established", f"crd/{METRICS}", "--timeout=60s")
    yield
    live.kubectl("delete", "crd", METRICS)


@pytest.mark.usefixtures("metrics")
def test_an_autoscaler_divides_by_size_and_overhead_but_for_a_containers_metric(live: Live, namespace: str) -> None:
    live.apply(a_deployment("web", namespace, {"sandbox": "yes"}, {"cpu": "100m"}))
    (pod,) = live.await_ready(namespace)
    target = {"type": "Utilization", "averageUtilization": 500}
    live.apply(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web", "namespace": namespace},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "maxReplicas": 2,
                "metrics": [
                    {"type": "Resource", "resource": {"name": "cpu", "target": target}},
                    {
                        "type": "ContainerResource",
                        "containerResource": {"name": "cpu", "container": "app", "target": target},
                    },
                ],
            },
        }
    )

    def look() -> list[int] | None:
        # It only counts what was measured since the pod is Ready.
        measure(live, pod)
        found = live.get("horizontalpodautoscaler", "web", namespace).get("status", {}).get("currentMetrics") or []
        values = [read_utilization(metric) for metric in found]
        return values if len(values) == 2 and all(values) else None

    overhead = read_millis(pod["spec"]["overhead"]["cpu"])
    assert overhead > 0
    whole = USED_MILLIS * 100 // (SMALLEST_MILLIS + overhead)
    assert live.wait_for(look, "the autoscaler's utilizations", 180) == [whole, USED_MILLIS]


def measure(live: Live, pod: Object) -> None:
    meta = {key: pod["metadata"][key] for key in ("name", "namespace", "labels")}
    usage = [{"name": pod["spec"]["containers"][0]["name"], "usage": {"cpu": f"{USED_MILLIS}m", "memory": "1Mi"}}]
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    measured = {"apiVersion": "metrics.k8s.io/v1beta1", "kind": "PodMetrics", "metadata": meta}
    live.apply({**measured, "timestamp": now, "window": "1s", "containers": usage})


def read_utilization(metric: Object) -> int:
    (found,) = (value for key, value in metric.items() if key != "type")
    return int(found.get("current", {}).get("averageUtilization") or 0)
