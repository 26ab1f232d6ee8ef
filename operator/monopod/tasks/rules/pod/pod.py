"""The pod of a task: its containers in their order, its size, its volumes, where it may run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from monopod.api.names import GROUPS_ANNOTATION, TOPOLOGY_ZONE
from monopod.tasks.rules.order import Order, Place, Role, compute_order, name_of
from monopod.tasks.rules.pod.container import build_container
from monopod.tasks.rules.pod.resources import build_pod_resources
from monopod.tasks.rules.pod.volumes import build_mounts, build_volumes
from monopod.tasks.rules.startup import DEFAULT_STOP_TIMEOUT
from monopod.tasks.rules.view import View

Json = dict[str, Any]

METADATA_URI: Final = "ECS_CONTAINER_METADATA_URI_V4"
"""The variable that containers find their own metadata by. As on AWS, a task definition can't set it."""

_ARCHITECTURES: Final = {"ARM64": "arm64", "X86_64": "amd64"}


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """What a task is that its definition doesn't say.

    Attributes:
        name: of the pod.
        groups: the security groups that it asks for; none if the profile's are to do.
        zones: where it may run; anywhere if there are none.
        file_systems: by the id of an EFS file system, the source of a pod's volume that takes its place here, such as
            `{"nfs": {"server": …, "path": …}}` or `{"persistentVolumeClaim": {"claimName": …}}`.
        metadata_uri: where its containers ask about it, each by a number of its own; "" if nowhere.
    """

    name: str
    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    groups: Sequence[str] = ()
    zones: Sequence[str] = ()
    file_systems: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metadata_uri: str = ""


def build_pod(definition: Mapping[str, Any], task: TaskSettings) -> Json:
    """The pod of a task from a definition in which `validate` found nothing that keeps it from running.

    Raises:
        UnknownFileSystem: nothing is known of a file system that it mounts.
        ValueError: the definition would not run.
    """
    root = View(definition)
    resources, order = build_pod_resources(root), compute_order(root)
    if not isinstance(order, Order):
        raise ValueError("the task's containers wait for each other: validate it first")
    ordinary = order.get(Role.ORDINARY)
    optional: Json = {
        "initContainers": [_build(place, root, task, is_first=False) for place in order.get(Role.JOB, Role.SIDECAR)],
        "volumes": list(build_volumes(root, task.file_systems)),
        "securityContext": _build_security(root),
        "affinity": _build_affinity(root, task.zones),
        "shareProcessNamespace": root.text("pidMode") == "task",
    }
    spec: Json = {
        # ECS restarts no task: whoever runs it decides what becomes of one that has stopped.
        "restartPolicy": "Never",
        "resources": resources,
        "containers": [_build(place, root, task, is_first=place is ordinary[0]) for place in ordinary],
        "terminationGracePeriodSeconds": _compute_grace(root),
        # A task of ECS's knows nothing of Kubernetes, and has no token for it.
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **{key: value for key, value in optional.items() if value},
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _build_metadata(task), "spec": spec}


def _build_metadata(task: TaskSettings) -> Json:
    annotations = {**task.annotations, **({GROUPS_ANNOTATION: ",".join(task.groups)} if task.groups else {})}
    written = {key: dict(value) for key, value in (("labels", task.labels), ("annotations", annotations)) if value}
    return {"name": task.name, "namespace": task.namespace, **written}


def _build(place: Place, root: View, task: TaskSettings, *, is_first: bool) -> Json:
    container = build_container(place, root, build_mounts(place.container, root), is_first=is_first)
    if task.metadata_uri:
        names = [name_of(each) for each in root.children("containerDefinitions")]
        uri = {"name": METADATA_URI, "value": f"{task.metadata_uri}/{names.index(name_of(place.container))}"}
        others = (each for each in container.get("env", ()) if each["name"] != METADATA_URI)
        container["env"] = [*others, uri]
    return container


def _compute_grace(root: View) -> int:
    """A pod's containers have one time to stop."""
    timeouts = (each.number("stopTimeout") for each in root.children("containerDefinitions"))
    return max(DEFAULT_STOP_TIMEOUT if each is None else each for each in timeouts)


def _build_security(root: View) -> Json:
    controls = {
        control.text("namespace"): control.text("value")
        for container in root.children("containerDefinitions")
        for control in container.children("systemControls")
    }
    sysctls = [{"name": name, "value": value} for name, value in controls.items()]
    return {"sysctls": sysctls} if sysctls else {}


def _build_affinity(root: View, zones: Sequence[str]) -> Json:
    """By affinity and not by nodeSelector, which would be read as a question about Fargate's nodes."""
    architecture = _ARCHITECTURES.get(root.child("runtimePlatform").text("cpuArchitecture") or "")
    wanted = {"kubernetes.io/arch": [architecture] if architecture else [], TOPOLOGY_ZONE: list(zones)}
    expressions = [{"key": key, "operator": "In", "values": values} for key, values in wanted.items() if values]
    if not expressions:
        return {}
    terms = {"nodeSelectorTerms": [{"matchExpressions": expressions}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
