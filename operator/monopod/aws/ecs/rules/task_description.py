"""An ECSTask as ECS tells of it, whoever created it."""

import functools
from collections.abc import Mapping
from typing import Any, Final

from monopod.api.ecs.names import MANAGED_TAGS_ANNOTATION
from monopod.aws.ecs.rules.arns import build_cluster_arn, build_container_arn, build_definition_arn, build_task_arn
from monopod.aws.ecs.rules.clusters import RUNNING, STOPPED
from monopod.aws.options import Account
from monopod.aws.wire.call import Params
from monopod.aws.wire.codec.fitting import fit_members
from monopod.aws.wire.models import Shape, load_model
from monopod.tasks.rules.running.tags import write_tags

USER_REASON: Final = "Task stopped by user"
CLUSTER_TAG: Final = "aws:ecs:clusterName"

_OF_STATUS: Final = frozenset(
    (
        *("availabilityZone", "connectivity", "connectivityAt", "cpu", "createdAt", "desiredStatus"),
        *("ephemeralStorage", "executionStoppedAt", "healthStatus", "lastStatus", "memory", "pullStartedAt"),
        *("pullStoppedAt", "startedAt", "stopCode", "stoppedAt", "stoppedReason", "stoppingAt", "version"),
    )
)
_OF_SPEC: Final = frozenset(("enableExecuteCommand", "group", "platformVersion", "startedBy"))

Json = Mapping[str, Any]


def describe_task(task: Json, account: Account, cluster: str, *, has_tags: bool) -> Params:
    """The task, as the members of ECS's shape; what the object has and the shape hasn't is left out.

    Args:
        task: the object, with its status.
        account: what stands in ARNs.
        cluster: the cluster's name on ECS.
        has_tags: whether its tags are asked for.
    """
    metadata, spec, status = task["metadata"], task.get("spec") or {}, task.get("status") or {}
    reference = spec.get("taskDefinition") or {}
    told = {
        "createdAt": metadata.get("creationTimestamp"),
        **{name: value for name, value in status.items() if name in _OF_STATUS},
        **_describe_stop(spec, status),
        **{name: value for name, value in spec.items() if name in _OF_SPEC},
        "attachments": status.get("attachments") or [],
        "attributes": [],
        "capacityProviderName": spec.get("capacityProviderName") or None,
        "clusterArn": build_cluster_arn(account, cluster),
        "containers": [_describe_container(each, task, account, cluster) for each in list_containers(task)],
        "fargateEphemeralStorage": status.get("ephemeralStorage"),
        "inferenceAccelerators": [],
        "launchType": "FARGATE",
        "overrides": _describe_overrides(spec.get("overrides"), [each.get("name") for each in list_containers(task)]),
        "platformFamily": "Linux",
        "tags": write_tags(read_all_tags(task, cluster)) if has_tags else [],
        "taskArn": build_task_arn(account, cluster, metadata["name"]),
        "taskDefinitionArn": build_definition_arn(
            account, str(reference.get("family")), int(reference.get("revision") or 0)
        ),
    }
    return fit_members(_load_shape(), told)


@functools.cache
def _load_shape() -> Shape:
    return load_model("ecs").operations["DescribeTasks"].output.members["tasks"].member


def list_containers(task: Json) -> list[Json]:
    """What the status says of the task's containers."""
    found = (task.get("status") or {}).get("containers") or []
    return [each for each in found if isinstance(each, dict)]


def read_desired_status(task: Json) -> str:
    """RUNNING, or STOPPED once it has been asked to stop or has stopped by itself."""
    if (task.get("spec") or {}).get("stop"):
        return STOPPED
    return str((task.get("status") or {}).get("desiredStatus") or RUNNING)


def read_all_tags(task: Json, cluster: str) -> dict[str, str]:
    """The task's tags, with AWS's own if they were asked for."""
    is_managed = (task["metadata"].get("annotations") or {}).get(MANAGED_TAGS_ANNOTATION) == "true"
    return {
        **((task.get("spec") or {}).get("tags") or {}),
        **({CLUSTER_TAG: cluster} if is_managed else {}),
    }


def _describe_stop(spec: Json, status: Json) -> dict[str, Any]:
    """What the operator will say of a task that is to stop, as long as it hasn't seen that."""
    stop = spec.get("stop")
    if not stop or status.get("desiredStatus") == STOPPED:
        return {}
    version = status.get("version")
    return {
        "desiredStatus": STOPPED,
        "stopCode": stop.get("code"),
        "stoppedReason": stop.get("reason") or USER_REASON,
        "stoppingAt": stop.get("at"),
        **({"version": version + 1} if isinstance(version, int) else {}),
    }


def _describe_container(container: Json, task: Json, account: Account, cluster: str) -> dict[str, Any]:
    name = task["metadata"]["name"]
    return {
        "networkBindings": [],
        "networkInterfaces": [],
        **container,
        "containerArn": build_container_arn(account, cluster, name, str(container.get("id") or "")),
        "taskArn": build_task_arn(account, cluster, name),
    }


def _describe_overrides(overrides: object, names: list[Any]) -> dict[str, Any]:
    """The overrides, with an entry for each container, as AWS has it."""
    given: dict[str, Any] = overrides if isinstance(overrides, dict) else {}
    containers = given.get("containerOverrides")
    listed = [each for each in containers if isinstance(each, dict)] if isinstance(containers, list) else []
    by_name = {each.get("name"): each for each in listed if isinstance(each.get("name"), str)}
    others = {name: {"name": name} for name in names if isinstance(name, str) and name not in by_name}
    return {
        "inferenceAcceleratorOverrides": [],
        **given,
        "containerOverrides": [*by_name.values(), *others.values()],
    }
