"""What the demo looks at in each pod: profile, size, runtime, kernels, address, start time.

It must not know how that is printed, and it changes nothing.
"""

import datetime
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from monopod.api.names import CAPACITY_ANNOTATION, EKS_PROFILE_LABEL, PROFILE_LABEL

Object = dict[str, Any]
Kubectl = Callable[..., str]
NODE_RUNTIME = "runc"
"""What runs a pod without a RuntimeClass, here as nearly everywhere."""


@dataclass(frozen=True)
class Facts:
    """One look at the demo's objects.

    Attributes:
        pods: The pods.
        kernels: Each node's kernel, by the node's name.
        wanted: How many pods each workload should have, by the name of the workload.
    """

    pods: tuple[Object, ...]
    kernels: dict[str, str]
    wanted: dict[str, int]


@dataclass(frozen=True)
class Seen:
    """What a person wants to know of a pod.

    Attributes:
        name: The pod's name.
        owner: The kind that it was made by: Deployment, Job, or Pod for a bare one.
        profile: The profile that took it, or "".
        asked: What the manifest's containers ask for, as written: `500m 500Mi`.
        provisioned: The size that it got, or "".
        runtime: Its RuntimeClass, or the node's own runtime.
        node_kernel: The kernel of its node.
        kernel: The kernel that it sees: `uname -r` inside.
        boot: The first line of `dmesg` inside, or "" where the pod may not read it.
        ip: Its address.
        seconds: From its creation to Ready. Kubernetes notes both in whole seconds.
    """

    name: str
    owner: str
    profile: str
    asked: str
    provisioned: str
    runtime: str
    node_kernel: str
    kernel: str
    boot: str
    ip: str
    seconds: int


def read_facts(kubectl: Kubectl, namespace: str) -> Facts:
    """Reads the namespace's workloads and pods, and the nodes."""
    kinds = "deployments,jobs,pods"
    items: list[Object] = json.loads(kubectl("get", kinds, "-n", namespace, "-o", "json"))["items"]
    nodes: list[Object] = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    pods = tuple(item for item in items if item["kind"] == "Pod" and "deletionTimestamp" not in item["metadata"])
    wanted = {
        item["metadata"]["name"]: int(item["spec"].get("replicas", item["spec"].get("completions", 1)))
        for item in items
        if item["kind"] != "Pod"
    }
    wanted |= {pod["metadata"]["name"]: 1 for pod in pods if not pod["metadata"].get("ownerReferences")}
    kernels = {node["metadata"]["name"]: str(node["status"]["nodeInfo"]["kernelVersion"]) for node in nodes}
    return Facts(pods, kernels, wanted)


def is_settled(facts: Facts) -> bool:
    """Tells whether every workload has the pods that it should have, and all pods are Ready."""
    found = [_fetch_workload(pod) for pod in facts.pods]
    enough = all(found.count(workload) == count for workload, count in facts.wanted.items())
    return bool(facts.wanted) and enough and all(_find_ready_time(pod) for pod in facts.pods)


def describe_unready(facts: Facts) -> str:
    """Says of the pods that aren't Ready what they wait for."""
    said = []
    for pod in facts.pods:
        if _find_ready_time(pod):
            continue
        status = pod.get("status", {})
        waiting = [state["state"].get("waiting", {}) for state in status.get("containerStatuses", [])]
        conditions = [c for c in status.get("conditions", []) if c["status"] == "False"]
        reasons = [f"{part.get('reason', '')} {part.get('message', '')}".strip() for part in [*waiting, *conditions]]
        said.append(f"pod {pod['metadata']['name']} ({', '.join(filter(None, reasons)) or status.get('phase')})")
    missing = [w for w, count in facts.wanted.items() if [_fetch_workload(p) for p in facts.pods].count(w) < count]
    return "; ".join([*said, *(f"{workload} lacks pods" for workload in missing)])


def see_pods(facts: Facts, kubectl: Kubectl) -> tuple[Seen, ...]:
    """Looks into every pod; those of a profile come first."""
    seen = [_see_pod(pod, facts.kernels, kubectl) for pod in facts.pods]
    return tuple(sorted(seen, key=lambda pod: (not pod.profile, pod.owner, pod.name)))


def compute_faults(seen: tuple[Seen, ...]) -> tuple[str, ...]:
    """What contradicts the demo's promise: a kernel of its own for pods of a profile, the node's for the others."""
    faults = [f"{pod.name} is of profile {pod.profile} and on the node's kernel" for pod in seen if _is_open(pod)]
    faults += [f"{pod.name} is of no profile and not on the node's kernel" for pod in seen if _is_astray(pod)]
    if not any(pod.profile for pod in seen):
        faults.append("no pod was taken by a profile")
    return tuple(faults)


def _is_open(pod: Seen) -> bool:
    return bool(pod.profile) and pod.kernel == pod.node_kernel


def _is_astray(pod: Seen) -> bool:
    return not pod.profile and pod.kernel != pod.node_kernel


def _see_pod(pod: Object, kernels: dict[str, str], kubectl: Kubectl) -> Seen:
    meta, spec = pod["metadata"], pod["spec"]
    # In a pod without its own kernel dmesg shows the node's, and is mostly forbidden.
    inside = kubectl(
        "exec", "-n", meta["namespace"], meta["name"], "--", "sh", "-c", "uname -r; dmesg 2>/dev/null | head -n 1"
    ).splitlines()
    ready = _find_ready_time(pod)
    if ready is None:
        raise ValueError(f"pod {meta['name']} isn't Ready any more")
    return Seen(
        name=meta["name"],
        owner=_find_owner(pod),
        profile=meta.get("labels", {}).get(EKS_PROFILE_LABEL, "") if PROFILE_LABEL in meta.get("labels", {}) else "",
        asked=_describe_asked(spec),
        provisioned=meta.get("annotations", {}).get(CAPACITY_ANNOTATION, ""),
        runtime=spec.get("runtimeClassName") or NODE_RUNTIME,
        node_kernel=kernels[spec["nodeName"]],
        kernel=inside[0],
        boot=inside[1].rpartition("] ")[2] if len(inside) > 1 else "",
        ip=pod["status"].get("podIP", ""),
        seconds=round((ready - _parse_time(meta["creationTimestamp"])).total_seconds()),
    )


def _find_owner(pod: Object) -> str:
    owners = pod["metadata"].get("ownerReferences", [])
    kind = str(owners[0]["kind"]) if owners else "Pod"
    return "Deployment" if kind == "ReplicaSet" else kind


def _fetch_workload(pod: Object) -> str:
    """Name of the Deployment or Job that the pod belongs to; a bare pod's own."""
    owners = pod["metadata"].get("ownerReferences", [])
    if not owners:
        return str(pod["metadata"]["name"])
    name = str(owners[0]["name"])
    return name.rpartition("-")[0] if owners[0]["kind"] == "ReplicaSet" else name


def _describe_asked(spec: Object) -> str:
    """The first container's requests, or limits where there are none; the samples have one container each."""
    resources = spec["containers"][0].get("resources", {})
    asked = {**resources.get("limits", {}), **resources.get("requests", {})}
    return " ".join(str(asked[name]) for name in ("cpu", "memory") if name in asked)


def _find_ready_time(pod: Object) -> datetime.datetime | None:
    for condition in pod.get("status", {}).get("conditions", []):
        if condition["type"] == "Ready" and condition["status"] == "True":
            return _parse_time(condition["lastTransitionTime"])
    return None


def _parse_time(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)
