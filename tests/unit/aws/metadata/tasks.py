"""A task as the API server has it while it runs, and the cluster and the definition that it is of."""

from typing import Any

from monopod.kube.client.api import Json
from monopod.kube.objects.resources import ECS_CLUSTERS, ECS_TASK_DEFINITIONS, ECS_TASKS
from tests.unit.fake_api import FakeApi

ID = "0123456789abcdef0123456789abcdef"
UID = "5f1c9a52-9c1f-4c0f-8d0e-0d0b0c0a0908"
NAMESPACE = "ecs-my-cluster-0123456789ab"
BASE = f"/v4/{NAMESPACE}/{ID}/{UID}"
PATH = ECS_TASKS.path(ID, NAMESPACE)
ADDRESS = "127.0.0.1"

DEFINITION: Json = {
    "family": "Web",
    "containerDefinitions": [
        {
            "name": "app",
            "dockerLabels": {"tier": "web"},
            "healthCheck": {"command": ["CMD-SHELL", "true"]},
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": "/ecs/web",
                    "awslogs-region": "us-east-1",
                    "awslogs-stream-prefix": "web",
                },
            },
        },
        {"name": "side"},
    ],
}


def a_task(address: str = ADDRESS, uid: str = UID, **status: Any) -> Json:
    details = [{"name": "macAddress", "value": "0a:00:00:00:00:01"}]
    interfaces = []
    if address:
        details.append({"name": "privateIPv4Address", "value": address})
        interfaces.append({"attachmentId": "a", "privateIpv4Address": address})
    shared = {"lastStatus": "RUNNING", "healthStatus": "HEALTHY", "networkInterfaces": interfaces}
    return {
        "metadata": {"name": ID, "namespace": NAMESPACE, "uid": uid},
        "spec": {"taskDefinition": {"family": "Web", "revision": 3}},
        "status": {
            "lastStatus": "RUNNING",
            "desiredStatus": "RUNNING",
            "cpu": "256",
            "memory": "512",
            "availabilityZone": "us-east-1a",
            "pullStartedAt": "2026-11-29T08:00:00Z",
            "attachments": [{"id": "a", "type": "ElasticNetworkInterface", "status": "ATTACHED", "details": details}],
            # The status has them in an order of its own.
            "containers": [
                {"id": "u2", "name": "side", "image": "busybox", "cpu": "0", "runtimeId": f"{ID}-2", **shared},
                {
                    "id": "u1",
                    "name": "app",
                    "image": "web:1",
                    "imageDigest": "sha256:1",
                    "cpu": "10",
                    "memory": "128",
                    "runtimeId": f"{ID}-1",
                    **shared,
                },
            ],
            "logs": [{"container": "app", "group": "/ecs/web", "stream": f"web/app/{ID}"}],
            **status,
        },
    }


def serve(task: Json | None) -> FakeApi:
    """An API server with the task's objects."""
    definition = {"spec": {"family": "Web", "revision": 3, "definition": DEFINITION}}
    cluster = {"spec": {"name": "My_Cluster"}}
    answers: dict[tuple[str, str], Any] = {
        ("get", ECS_TASK_DEFINITIONS.path(f"{DEFINITION_NAME}.3")): definition,
        ("get", ECS_CLUSTERS.path(NAMESPACE.removeprefix("ecs-"))): cluster,
    }
    return FakeApi(answers | ({("get", PATH): task} if task else {}))


DEFINITION_NAME = "web-2975104784a4"
