"""The pod of an ECSTask: that of its definition, with what binds the two."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from monopod.api.ecs.names import ECS_API_VERSION, ECS_TASK_GATE, ECS_TASK_LABEL, FAMILY_LABEL
from monopod.api.names import CAPACITY_PROVIDER_ANNOTATION
from monopod.tasks.rules.names import compute_object_name
from monopod.tasks.rules.pod.metadata import build_metadata_uri
from monopod.tasks.rules.pod.pod import TaskSettings, build_pod

Json = dict[str, Any]

LEFT_ALONE: Final = {"karpenter.sh/do-not-disrupt": "true", "cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
"""A task isn't moved: what saves nodes by moving pods (Karpenter, cluster-autoscaler) waits for its end."""


def build_task_pod(
    task: Mapping[str, Any],
    effective: Mapping[str, Any],
    file_systems: Mapping[str, Mapping[str, Any]],
    metadata_url: str = "",
) -> Json:
    """The pod, behind the gate that it waits at until the task's record names it.

    Args:
        task: the ECSTask as it is stored.
        effective: its definition with its overrides, in which nothing keeps it from running.
        file_systems: by the id of an EFS file system, the source of a pod's volume.
        metadata_url: where the task metadata endpoint is; "" if there is none.

    Raises:
        UnknownFileSystem: nothing is known of a file system that it mounts.
        ValueError: the definition would not run.
    """
    metadata, spec = task["metadata"], task["spec"]
    network = spec.get("network") or {}
    provider = spec.get("capacityProviderName")
    chosen = {CAPACITY_PROVIDER_ANNOTATION: provider} if provider else {}
    family = compute_object_name(spec["taskDefinition"]["family"])
    settings = TaskSettings(
        name=metadata["name"],
        namespace=metadata["namespace"],
        annotations={**LEFT_ALONE, **chosen},
        labels={ECS_TASK_LABEL: metadata["name"], FAMILY_LABEL: family},
        groups=network.get("securityGroups") or (),
        zones=network.get("zones") or (),
    )
    metadata_uri = build_metadata_uri(metadata_url, metadata) if metadata_url else ""
    pod = build_pod(effective, replace(settings, file_systems=file_systems, metadata_uri=metadata_uri))
    pod["metadata"]["ownerReferences"] = [_build_owner(metadata)]
    pod["spec"]["schedulingGates"] = [{"name": ECS_TASK_GATE}]
    return pod


def _build_owner(metadata: Mapping[str, Any]) -> Json:
    """Without blockOwnerDeletion, for which the operator would need a right on the task's finalizers."""
    named = {"apiVersion": ECS_API_VERSION, "kind": "ECSTask", "name": metadata["name"], "uid": metadata["uid"]}
    return {**named, "controller": True}
