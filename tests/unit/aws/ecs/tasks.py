"""A world in which tasks can be run: a cluster, a task definition, and what RunTask is asked."""

from typing import Any

from monopod.kube.client.api import Json
from monopod.kube.objects.resources import ECS_TASKS, SECURITY_GROUPS
from tests.unit.aws.ecs.client import EcsClient
from tests.unit.aws.ecs.memory import MemoryApi
from tests.unit.tasks.definitions import a_definition

CLUSTER, NAMESPACE = "prod", "ecs-prod"
SUBNET = "subnet-0a1b2c3d"


def a_network(*subnets: str, **fields: Any) -> dict[str, Any]:
    return {"awsvpcConfiguration": {"subnets": list(subnets) or [SUBNET], **fields}}


def a_request(**params: Any) -> dict[str, Any]:
    """What runs a task; a parameter that is None is left out."""
    said = {
        "cluster": CLUSTER,
        "taskDefinition": "web",
        "launchType": "FARGATE",
        "networkConfiguration": a_network(),
        **params,
    }
    return {name: value for name, value in said.items() if value is not None}


async def prepare(client: EcsClient, **definition: Any) -> None:
    """A cluster with both capacity providers, and the first revision of `web`."""
    await client.call("CreateCluster", clusterName=CLUSTER, capacityProviders=["FARGATE", "FARGATE_SPOT"])
    await client.call("RegisterTaskDefinition", **a_definition(**definition))


async def run(client: EcsClient, **params: Any) -> dict[str, Any]:
    """The one task that a request runs."""
    answer = await client.call_with("RunTask", a_request(**params))
    (task,) = answer["tasks"]
    assert answer["failures"] == []
    return dict(task)


def get_id(task: dict[str, Any]) -> str:
    return str(task["taskArn"].rpartition("/")[2])


def get_record(api: MemoryApi, task: dict[str, Any]) -> Json:
    """The object that a task is."""
    return api.objects[ECS_TASKS.path(get_id(task), NAMESPACE)]


def put_group(api: MemoryApi, name: str) -> None:
    api.put(SECURITY_GROUPS.path(name), {"metadata": {"name": name}})


def stop_at_once(api: MemoryApi, arn: str) -> None:
    """Has a task have stopped, as by the operator."""
    status = {"lastStatus": "STOPPED", "desiredStatus": "STOPPED", "stopCode": "EssentialContainerExited"}
    api.objects[ECS_TASKS.path(arn.rpartition("/")[2], NAMESPACE)]["status"] = status
