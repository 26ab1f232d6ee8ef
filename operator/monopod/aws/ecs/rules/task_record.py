"""The object of a task that RunTask asks for, and how one is told to stop."""

from collections.abc import Mapping
from typing import Any

from monopod.api.ecs.names import ECS_API_VERSION, FAMILY_LABEL, MANAGED_TAGS_ANNOTATION
from monopod.api.ecs.task import ECSTask
from monopod.aws.ecs.rules.task_description import USER_REASON
from monopod.tasks.rules.names import compute_object_name

Json = dict[str, Any]


def build_record(name: str, namespace: str, spec: Json, *, has_managed_tags: bool) -> Json:
    """The object."""
    annotations = {"annotations": {MANAGED_TAGS_ANNOTATION: "true"}} if has_managed_tags else {}
    family = compute_object_name(spec["taskDefinition"]["family"])
    return {
        "apiVersion": ECS_API_VERSION,
        "kind": ECSTask.__name__,
        "metadata": {"name": name, "namespace": namespace, "labels": {FAMILY_LABEL: family}, **annotations},
        "spec": spec,
    }


def build_stop(task: Mapping[str, Any], reason: str, now: str) -> Json:
    """The merge patch by which a task is told to stop; of another one of its name it changes nothing."""
    stop = {"code": "UserInitiated", "reason": reason or USER_REASON, "at": now}
    return {"metadata": {"uid": task["metadata"]["uid"]}, "spec": {"stop": stop}}
