"""What AWS writes into a task definition when it is registered, and nothing else: Terraform compares the two.

Sources: the AWS CLI's examples of RegisterTaskDefinition; moto#3584 and terraform-provider-aws#38872, which list what
came back of what was sent.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from monopod.tasks.rules.sizes import read_cpu, read_memory

Json = dict[str, Any]

_TASK: Final[Json] = {"volumes": [], "placementConstraints": []}
_CONTAINER: Final[Mapping[str, Any]] = {
    "cpu": 0,
    "portMappings": [],
    "essential": True,
    "environment": [],
    "mountPoints": [],
    "volumesFrom": [],
    "systemControls": [],
}
_HEALTH_CHECK: Final[Mapping[str, Any]] = {"interval": 30, "timeout": 5, "retries": 3}
_EFS: Final[Mapping[str, Any]] = {"rootDirectory": "/"}
_KINDS: Final = frozenset(
    (
        *("host", "dockerVolumeConfiguration", "efsVolumeConfiguration", "s3filesVolumeConfiguration"),
        *("fsxWindowsFileServerVolumeConfiguration", "configuredAtLaunch"),
    )
)


def complete(definition: Mapping[str, Any]) -> Json:
    """The definition with AWS's defaults, of one in which `validate` found nothing of the wrong form.

    Its tags are left out: they belong to the task definition and aren't in it. Amounts in words become numbers.
    """
    done: Json = deepcopy(_TASK) | _drop_nulls({key: value for key, value in definition.items() if key != "tags"})
    for key, amount in (("cpu", read_cpu(done.get("cpu"))), ("memory", read_memory(done.get("memory")))):
        if amount is not None:
            done[key] = str(amount)
    done["containerDefinitions"] = [_complete_container(each) for each in done.get("containerDefinitions", [])]
    done["volumes"] = [_complete_volume(each) for each in done["volumes"]]
    return done


def _drop_nulls(value: Any) -> Any:
    """A copy without what is null, which is as good as absent; as deep as a task definition goes."""
    match value:
        case Mapping():
            return {key: _drop_nulls(each) for key, each in value.items() if each is not None}
        case list():
            return [_drop_nulls(each) for each in value]
        case _:
            return value


def _complete_container(container: Json) -> Json:
    done: Json = {**deepcopy(dict(_CONTAINER)), **container}
    done["portMappings"] = [_complete_mapping(each) for each in done["portMappings"]]
    if "healthCheck" in done:
        done["healthCheck"] = {**_HEALTH_CHECK, **done["healthCheck"]}
    return done


def _complete_mapping(mapping: Json) -> Json:
    host = {"hostPort": mapping["containerPort"]} if "containerPort" in mapping else {}
    return {**host, "protocol": "tcp", **mapping}


def _complete_volume(volume: Json) -> Json:
    if "efsVolumeConfiguration" in volume:
        return {**volume, "efsVolumeConfiguration": {**_EFS, **volume["efsVolumeConfiguration"]}}
    return volume if volume.keys() & _KINDS else {**volume, "host": {}}
