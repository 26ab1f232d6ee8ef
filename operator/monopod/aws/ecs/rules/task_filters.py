"""Which tasks ListTasks means."""

from collections.abc import Mapping
from typing import Any

from monopod.aws.ecs.rules.clusters import RUNNING
from monopod.aws.ecs.rules.refusals import refuse_parameter
from monopod.aws.ecs.rules.task_description import read_desired_status
from monopod.aws.wire.call import AwsError, Params


def check_filters(params: Params) -> None:
    """Refuses what no task here can have.

    Raises:
        AwsError: it is of services, container instances or daemons.
    """
    if params.get("serviceName"):
        raise AwsError("ServiceNotFoundException", "Service not found.")
    if params.get("containerInstance"):
        raise refuse_parameter("The referenced container instance was not found.")
    if params.get("daemonName"):
        raise refuse_parameter("The referenced daemon was not found.")


def is_meant(task: Mapping[str, Any], params: Params) -> bool:
    """Whether a task is one of those that are asked for."""
    spec = task.get("spec") or {}
    family, started_by = params.get("family"), params.get("startedBy")
    return (
        read_desired_status(task) == (params.get("desiredStatus") or RUNNING)
        and (not family or (spec.get("taskDefinition") or {}).get("family") == family)
        and (not started_by or spec.get("startedBy") == started_by)
        and params.get("launchType", "FARGATE") == "FARGATE"
    )
