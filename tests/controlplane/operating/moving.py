"""Workloads on fake nodes, and what became of their pods."""

from collections.abc import Mapping
from typing import Any

from lab.cluster.kwok import TAINT
from tests.controlplane.operating.lab import Json, Lab, eventually

# So quick that what budgets don't hold back would be a storm.
QUICK = ("--no-leader-elect", "--evictions-per-minute", "60000", "--resync-seconds", "5")

TOLERATION: Json = {"key": TAINT["key"], "operator": "Exists"}
KINDS: Mapping[str, str] = {
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "ReplicaSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "ReplicationController": "v1",
    "Job": "batch/v1",
}


def create_namespace(lab: Lab, name: str) -> None:
    lab.create_namespace(name)
    eventually(lambda: lab.get("ServiceAccount", "default", name))


def build_pod_spec(**spec: Any) -> Json:
    return {
        "containers": [{"name": "app", "image": "app"}],
        "tolerations": [TOLERATION],
        "terminationGracePeriodSeconds": 1,
        **spec,
    }


def run_workload(
    lab: Lab,
    kind: str,
    namespace: str,
    replicas: int = 1,
    name: str = "web",
    *,
    annotations: Json | None = None,
    labels: Json | None = None,
    spec: Json | None = None,
    await_ready: bool = True,
    **pod: Any,
) -> None:
    """A workload whose pods are labelled `app: NAME`; they are ready when this returns, unless nobody awaits it."""
    own = {"app": name, **(labels or {})}
    template = {"metadata": {"labels": own, "annotations": annotations or {}}, "spec": build_pod_spec(**pod)}
    selector: Json = {"app": name} if kind == "ReplicationController" else {"matchLabels": {"app": name}}
    whole: Json = {"template": template, **(spec or {})}
    if kind == "Job":
        whole |= {"parallelism": replicas}
    elif kind == "DaemonSet":
        whole |= {"selector": selector}
    else:
        whole |= {"replicas": replicas, "selector": selector}
    if kind == "StatefulSet":
        whole |= {"serviceName": name}
    metadata = {"name": name, "namespace": namespace}
    lab.create({"apiVersion": KINDS[kind], "kind": kind, "metadata": metadata, "spec": whole}).expect_ok()
    if await_ready:
        eventually(lambda: len(ready_pods(lab, namespace, name)) >= replicas)


def fill_nodes(lab: Lab, *nodes: str) -> None:
    """Pods in namespace default, labelled `full: yes`, that leave nothing of the nodes to others."""
    for node in nodes or ("kwok-0", "kwok-1"):
        containers = [{"name": "app", "image": "app", "resources": {"requests": {"cpu": "64"}}}]
        metadata = {"name": f"full-{node}", "namespace": "default", "labels": {"full": "yes"}}
        spec = build_pod_spec(containers=containers, nodeName=node)
        lab.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}).expect_ok()


def pods_of(lab: Lab, namespace: str, name: str = "") -> list[Json]:
    """The pods that aren't being deleted."""
    query = f"?labelSelector=app%3D{name}" if name else ""
    return [pod for pod in lab.list_all("Pod", namespace, query) if "deletionTimestamp" not in pod["metadata"]]


def ready_pods(lab: Lab, namespace: str, name: str = "") -> list[Json]:
    return [
        pod
        for pod in pods_of(lab, namespace, name)
        if any(
            one["type"] == "Ready" and one["status"] == "True" for one in pod.get("status", {}).get("conditions", ())
        )
    ]


def marks(lab: Lab, namespace: str, name: str = "") -> set[str | None]:
    """The profiles that the pods run by."""
    return {pod["metadata"]["labels"].get("monopod.dev/profile") for pod in pods_of(lab, namespace, name)}


def uids(lab: Lab, namespace: str, name: str = "") -> set[str]:
    return {pod["metadata"]["uid"] for pod in pods_of(lab, namespace, name)}


def protect(lab: Lab, namespace: str, minimum: int | str, name: str = "keep", app: str = "web") -> None:
    """A PodDisruptionBudget that the controller manager has worked out."""
    budget: Json = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"minAvailable": minimum, "selector": {"matchLabels": {"app": app}}},
    }
    lab.create(budget).expect_ok()
    eventually(lambda: (lab.get("PodDisruptionBudget", name, namespace) or {})["status"].get("expectedPods"))


def progress(lab: Lab, profile: str) -> Json:
    """How far the profile's pods are moved."""
    return dict(lab.status(profile).get("rescheduling") or {})


def blockers(lab: Lab, profile: str) -> dict[str, Json]:
    """What keeps pods, by reason."""
    return {blocker["reason"]: blocker for blocker in progress(lab, profile).get("blockers", ())}


def rescheduled(lab: Lab, profile: str) -> str:
    """The reason of the profile's condition."""
    return str(lab.condition(profile, "Rescheduled").get("reason", ""))


def await_all_moved(lab: Lab, profile: str) -> None:
    eventually(lambda: rescheduled(lab, profile) == "AllMoved")
