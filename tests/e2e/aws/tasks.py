"""Tasks of ECS's as boto3 runs them."""

import contextlib
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError

from lab.aws.registry import BUSYBOX

Json = dict[str, Any]

NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
GROUP = "ecs-e2e"
"""A security group that there is."""

LARGE = {"cpu": "16384", "memory": "122880"}
"""More than a node has."""

QUICK = {"Delay": 1, "MaxAttempts": 300}
ROLE = "arn:aws:iam::000000000000:role/ecsTaskExecutionRole"
SLEEP = "trap 'echo bye; exit 7' TERM; while true; do sleep 1; done"


def a_container(script: str, name: str = "app", **more: Any) -> Json:
    options = {"awslogs-region": "us-east-1", "awslogs-group": "/ecs/e2e", "awslogs-stream-prefix": "e2e"}
    return {
        "name": name,
        "image": BUSYBOX,
        "command": ["sh", "-c", script],
        "logConfiguration": {"logDriver": "awslogs", "options": options},
        **more,
    }


@dataclass(frozen=True)
class Ecs:
    """A cluster of ECS's, and boto3's clients for it."""

    client: Any
    logs: Any
    cluster: str = "e2e"

    def register(self, family: str, *containers: Json, **more: Any) -> str:
        """Registers a task definition of the smallest size; `family:revision`."""
        definition = {
            "family": family,
            "requiresCompatibilities": ["FARGATE"],
            "networkMode": "awsvpc",
            "cpu": "256",
            "memory": "512",
            "executionRoleArn": ROLE,
            "containerDefinitions": list(containers),
            **more,
        }
        made = self.client.register_task_definition(**definition)["taskDefinition"]
        return f"{made['family']}:{made['revision']}"

    def run(self, definition: str, **more: Any) -> str:
        """Runs one task; its ARN."""
        answer = self.client.run_task(
            cluster=self.cluster,
            taskDefinition=definition,
            launchType="FARGATE",
            networkConfiguration=NETWORK,
            **more,
        )
        assert not answer["failures"], answer["failures"]
        (task,) = answer["tasks"]
        return str(task["taskArn"])

    def await_state(self, state: str, *tasks: str) -> list[Json]:
        """Waits by boto3's waiter, until all are `running` or `stopped`."""
        self.client.get_waiter(f"tasks_{state}").wait(cluster=self.cluster, tasks=list(tasks), WaiterConfig=QUICK)
        return [self.describe(task) for task in tasks]

    def describe(self, task: str) -> Json:
        (described,) = self.client.describe_tasks(cluster=self.cluster, tasks=[task], include=["TAGS"])["tasks"]
        found: Json = described
        return found

    def read_log(self, task: str, container: str = "app") -> list[str]:
        stream = f"e2e/{container}/{task.rpartition('/')[2]}"
        events = self.logs.get_log_events(logGroupName="/ecs/e2e", logStreamName=stream, startFromHead=True)["events"]
        return [event["message"] for event in events]

    def clean_up(self) -> None:
        """Stops whatever runs; the tier's last test has removed Monopod, and the cluster goes soon."""
        with contextlib.suppress(BotoCoreError):  # nothing answers, in whatever way
            for task in self.client.list_tasks(cluster=self.cluster)["taskArns"]:
                self.client.stop_task(cluster=self.cluster, task=task)
