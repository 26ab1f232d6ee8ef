"""Pods that are as large as they may be, and larger: the worst shapes for the policies' expressions."""

from collections.abc import Callable
from typing import Any

from monopod.api.names import GROUP_LABEL_PREFIX, TOPOLOGY_ZONE
from monopod.pods.rules.bounds import (
    MAX_ANNOTATIONS,
    MAX_CONTAINERS,
    MAX_ENTRIES,
    MAX_GATES,
    MAX_LABELS,
    MAX_NODE_ENTRIES,
    MAX_NODE_TERMS,
    MAX_VOLUMES,
)
from tests.unit.builders import PodBuilder, a_pod

Pod = dict[str, Any]

_REFUSED = "; a pod may have at most {} in a namespace that a Fargate profile reaches."


def _containers(number: int) -> PodBuilder:
    pod = a_pod()
    for index in range(number - 1):
        pod.with_container(f"c{index}", cpu="10m", memory="10Mi")
    return pod


def _inits(number: int) -> PodBuilder:
    """Every second one a sidecar."""
    pod = a_pod()
    for index in range(number - 1):
        (pod.with_sidecar if index % 2 else pod.with_init)(f"i{index}", cpu="10m", memory="10Mi")
    return pod


def _volumes(number: int) -> PodBuilder:
    pod = a_pod()
    for index in range(number):
        pod.with_volume(f"v{index}", emptyDir={})
    return pod


def _ports(number: int) -> PodBuilder:
    pod = a_pod()
    for index in range(number):
        pod.with_port(containerPort=index + 1)
    return pod


def _terms(number: int) -> PodBuilder:
    """With an expression and two values each."""
    need = {"key": TOPOLOGY_ZONE, "operator": "In"}
    terms = [{"matchExpressions": [{**need, "values": [f"zone-{index}", f"other-{index}"]}]} for index in range(number)]
    return a_pod().requiring_nodes(*terms)


def _fields(number: int) -> PodBuilder:
    """With a value each."""
    need = {"key": "metadata.name", "operator": "NotIn"}
    return a_pod().requiring_nodes({"matchFields": [{**need, "values": [f"node-{index}"]} for index in range(number)]})


def _resources(number: int) -> PodBuilder:
    amounts = {f"example.com/r{index}": 1 for index in range(number)}
    return a_pod().requesting(**amounts).limited_to(**amounts)


_MANY: dict[str, Callable[[int], PodBuilder]] = {
    "labels": lambda number: a_pod().labelled({f"k{index}": "v" for index in range(number)}),
    "labels with slashes": lambda number: a_pod().labelled({f"k/k{index}": "v" for index in range(number)}),
    # 50 characters each, with the equals sign and the separator.
    "long labels": lambda number: a_pod().labelled({f"k{index:07}": "v" * 40 for index in range(number)}),
    "forged groups": lambda number: a_pod().labelled({f"{GROUP_LABEL_PREFIX}g{i}": "true" for i in range(number)}),
    "annotations": lambda number: a_pod().annotated({f"k{index}": "v" for index in range(number)}),
    "containers": _containers,
    "init containers": _inits,
    "volumes": _volumes,
    "ports": _ports,
    "capabilities": lambda number: a_pod().adding_capabilities(*(f"C{index}" for index in range(number))),
    "resources": _resources,
    "terms": _terms,
    "fields": _fields,
    "gates": lambda number: a_pod().with_spec(schedulingGates=[{"name": f"a/g{index}"} for index in range(number)]),
}


def many(what: str, number: int) -> Pod:
    """A pod with this many of something."""
    return _MANY[what](number).build()


def _everything() -> Pod:
    """At most bounds at once."""
    pod = _inits(MAX_CONTAINERS)
    pod.labelled(many("labels", MAX_LABELS)["metadata"]["labels"])
    pod.annotated(many("annotations", MAX_ANNOTATIONS)["metadata"]["annotations"])
    for index in range(MAX_VOLUMES):
        pod.with_volume(f"v{index}", emptyDir={})
    for index in range(MAX_ENTRIES - 2 * (MAX_CONTAINERS - 1)):
        pod.with_port(containerPort=index + 1)
    return pod.build()


AT_BOUNDS: dict[str, Pod] = {
    "labels": many("labels", MAX_LABELS),
    "labels with slashes": many("labels with slashes", MAX_LABELS),
    "long labels": many("long labels", 80),
    "forged groups": many("forged groups", MAX_LABELS),
    "annotations": many("annotations", MAX_ANNOTATIONS),
    "containers": many("containers", MAX_CONTAINERS),
    "init containers": many("init containers", MAX_CONTAINERS),
    "volumes": many("volumes", MAX_VOLUMES),
    "ports": many("ports", MAX_ENTRIES),
    "capabilities": many("capabilities", MAX_ENTRIES),
    "resources": many("resources", MAX_ENTRIES),
    "terms": many("terms", MAX_NODE_TERMS),
    "fields": many("fields", MAX_NODE_ENTRIES // 2),
    "gates": many("gates", MAX_GATES),
    "everything": _everything(),
}

BEYOND: dict[str, tuple[Pod, str]] = {
    "600 labels": (many("labels", 600), "metadata.labels has 600 labels" + _REFUSED.format(MAX_LABELS)),
    "5,000 labels": (many("labels", 5000), "metadata.labels has 5000 labels" + _REFUSED.format(MAX_LABELS)),
    "5,000 annotations": (
        many("annotations", 5000),
        "metadata.annotations has 5000 annotations" + _REFUSED.format(MAX_ANNOTATIONS),
    ),
    "500 init containers": (
        many("init containers", 500),
        "spec.containers and spec.initContainers have 500 containers" + _REFUSED.format(MAX_CONTAINERS),
    ),
    "1,000 containers": (
        many("containers", 1000),
        "spec.containers and spec.initContainers have 1000 containers" + _REFUSED.format(MAX_CONTAINERS),
    ),
    "2,000 volumes": (many("volumes", 2000), "spec.volumes has 2000 volumes" + _REFUSED.format(MAX_VOLUMES)),
    "5,000 fields": (
        many("fields", 5000),
        "spec.affinity.nodeAffinity, as far as it is required, has 10000 expressions, fields and values together"
        + _REFUSED.format(MAX_NODE_ENTRIES),
    ),
    "5,000 gates": (many("gates", 5000), "spec.schedulingGates has 5000 scheduling gates" + _REFUSED.format(MAX_GATES)),
}
"""Pods and why they are refused."""
