"""What is written for warm capacity: a Deployment of balloon pods, or a CapacityBuffer with its PodTemplate.

A balloon takes the room of one pod and does nothing. Its priority is below that of every pod on Fargate, and it has no
grace period, so the scheduler gives its place to whichever pod needs it, at once. It has no sandbox, which would only
cost time and memory: what it requests is a pod's size and its sandbox's overhead.

Only Monopod knows that shape. Autoscalers take a CapacityBuffer's from a template, and a workload's own has neither
size, nor overhead, nor sandbox, because admission writes these on pods.
"""

from collections.abc import Mapping
from typing import Any, Final

from monopod.api.names import (
    BALLOON_PRIORITY_CLASS,
    CAPACITY_ANNOTATION,
    COMPUTE_TYPE,
    COMPUTE_TYPE_EC2,
    TOPOLOGY_ZONE,
    WARM_LABEL,
)
from monopod.capacity.rules.sandbox import Toleration
from monopod.capacity.rules.warm.wish import Chunk, Wish
from monopod.kube.objects.resources import CAPACITY_BUFFERS, DEPLOYMENTS, POD_TEMPLATES, PRIORITY_CLASSES

Manifest = dict[str, Any]

LOST_SECONDS: Final = 30
"""How long a balloon stays on a node that is lost, so that the room is kept elsewhere."""

USER: Final = 65532

OBJECTS_PREFIX: Final = "warm-"
"""What the names of all that is written begin with."""


def name_objects(profile: str) -> str:
    """What all that is written for a profile is called."""
    return f"{OBJECTS_PREFIX}{profile}"


def build_balloons(wish: Wish, image: str, namespace: str, owner_uid: str) -> Manifest:
    """The Deployment of a profile's balloons. A change replaces all of them at once: nothing is lost meanwhile."""
    labels = label_balloons(wish.profile)
    spec = {
        "replicas": wish.allowed,
        "revisionHistoryLimit": 0,
        "selector": {"matchLabels": labels},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "100%"}},
        "template": {"metadata": _annotate(labels, wish.chunk), "spec": _build_balloon(wish.chunk, image)},
    }
    return _build(DEPLOYMENTS.api_version, DEPLOYMENTS.kind, wish, namespace, owner_uid) | {"spec": spec}


def build_template(wish: Wish, image: str, namespace: str, owner_uid: str) -> Manifest:
    """The shape of a CapacityBuffer's pods: that of the profile's own, as admission leaves them."""
    chunk = wish.chunk
    amounts = _write_amounts(chunk.size.cpu_millis, chunk.size.memory_mib)
    spec = _build_pod(chunk, image)
    spec["runtimeClassName"] = chunk.sandbox.name
    spec["resources"] = {"requests": amounts, "limits": amounts}
    if chunk.sandbox.cpu_millis or chunk.sandbox.memory_mib:
        spec["overhead"] = _write_amounts(chunk.sandbox.cpu_millis, chunk.sandbox.memory_mib)
    template = {"metadata": _annotate(label_balloons(wish.profile), chunk), "spec": spec}
    return _build(POD_TEMPLATES.api_version, POD_TEMPLATES.kind, wish, namespace, owner_uid) | {"template": template}


def build_buffer(wish: Wish, namespace: str, owner_uid: str) -> Manifest:
    """The CapacityBuffer of that shape."""
    spec = {"podTemplateRef": {"name": name_objects(wish.profile)}, "replicas": wish.allowed}
    built = _build(CAPACITY_BUFFERS.api_version, CAPACITY_BUFFERS.kind, wish, namespace, owner_uid)
    return built | {"spec": spec}


def contains(live: object, wanted: object) -> bool:
    """Whether an object already says all that is wanted: the API server and others may have added to it."""
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(contains(live.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(live, list) and len(live) == len(wanted) and all(map(contains, live, wanted))
    return live == wanted


def _build(api_version: str, kind: str, wish: Wish, namespace: str, owner_uid: str) -> Manifest:
    # Everything is withdrawn by the operator. The owner is for where Monopod is uninstalled before that: the chart
    # takes the class with it, and the garbage collector the rest.
    owner = {
        "apiVersion": PRIORITY_CLASSES.api_version,
        "kind": PRIORITY_CLASSES.kind,
        "name": BALLOON_PRIORITY_CLASS,
        "uid": owner_uid,
    }
    metadata = {
        "name": name_objects(wish.profile),
        "namespace": namespace,
        "labels": {WARM_LABEL: wish.profile},
        "annotations": {CAPACITY_ANNOTATION: str(wish.chunk.size)},
        "ownerReferences": [owner],
    }
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def label_balloons(profile: str) -> dict[str, str]:
    """The labels of a profile's balloons."""
    # Not the operator's own labels: its Service, its budget and its NetworkPolicy select by these.
    return {"app.kubernetes.io/name": "monopod-warm", WARM_LABEL: profile}


def _annotate(labels: Mapping[str, str], chunk: Chunk) -> Manifest:
    # A profile may select Monopod's own namespace by its exact name: a balloon is none of its pods.
    return {
        "labels": dict(labels),
        "annotations": {COMPUTE_TYPE: COMPUTE_TYPE_EC2, CAPACITY_ANNOTATION: str(chunk.size)},
    }


def _build_balloon(chunk: Chunk, image: str) -> Manifest:
    amounts = _write_amounts(chunk.cpu_millis, chunk.memory_mib)
    spec = _build_pod(chunk, image)
    # Limits as well, because a ResourceQuota may want them.
    spec["containers"][0]["resources"] = {"requests": amounts, "limits": amounts}
    return spec


def _build_pod(chunk: Chunk, image: str) -> Manifest:
    container = {
        "name": "balloon",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    spec: Manifest = {
        "automountServiceAccountToken": False,
        "containers": [container],
        "enableServiceLinks": False,
        "nodeSelector": dict(chunk.sandbox.node_selector),
        "priorityClassName": BALLOON_PRIORITY_CLASS,
        "securityContext": {
            "runAsGroup": USER,
            "runAsNonRoot": True,
            "runAsUser": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": 0,
        "tolerations": [*map(_write_toleration, chunk.sandbox.tolerations), *_LEAVE_LOST_NODES],
    }
    if needs := _write_places(chunk):
        terms = [{"matchExpressions": needs}]
        spec["affinity"] = {
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
        }
    return spec


_LEAVE_LOST_NODES: Final = [
    {
        "key": f"node.kubernetes.io/{state}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": LOST_SECONDS,
    }
    for state in ("not-ready", "unreachable")
]


def _write_places(chunk: Chunk) -> list[Manifest]:
    needs: list[Manifest] = []
    if chunk.zones:
        needs.append({"key": TOPOLOGY_ZONE, "operator": "In", "values": list(chunk.zones)})
    if chunk.spot_label:
        key, _, value = chunk.spot_label.partition("=")
        needs.append({"key": key, "operator": "In" if chunk.is_spot else "NotIn", "values": [value]})
    return needs


def _write_toleration(toleration: Toleration) -> Manifest:
    fields: Manifest = {
        "key": toleration.key,
        "operator": toleration.operator,
        "value": toleration.value,
        "effect": toleration.effect,
    }
    written = {name: value for name, value in fields.items() if value}
    return written if toleration.forever else {**written, "tolerationSeconds": LOST_SECONDS}


def _write_amounts(cpu_millis: int, memory_mib: int) -> dict[str, str]:
    """As the API server writes them, so that they can be compared."""
    cpu = f"{cpu_millis}m" if cpu_millis % 1000 else str(cpu_millis // 1000)
    memory = f"{memory_mib}Mi" if memory_mib % 1024 else f"{memory_mib // 1024}Gi"
    return {"cpu": cpu, "memory": memory if memory_mib else "0"}
