"""AWS's own clients on tasks, without an operator: boto3 with waiters and paginators, and the AWS CLI."""

import json
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from tests.controlplane.aws.ecs.clusters import set_status
from tests.controlplane.aws.ecs.conftest import ANA, SUBNET, Teams, run_task

SOON = {"Delay": 1, "MaxAttempts": 60}
RUNNING = {"lastStatus": "RUNNING", "desiredStatus": "RUNNING", "version": 3}
STOPPED = {
    "lastStatus": "STOPPED",
    "desiredStatus": "STOPPED",
    "version": 6,
    "stopCode": "EssentialContainerExited",
    "stoppedReason": "Essential container in task exited",
    "stoppedAt": "2026-11-29T05:02:00.500Z",
    "containers": [{"id": "c", "name": "app", "lastStatus": "STOPPED", "exitCode": 3}],
}


@pytest.fixture
def ecs(teams: Teams) -> Any:
    return teams.ask(ANA)


def test_boto3_runs_waits_and_reads_the_exit_code(ecs: Any, teams: Teams) -> None:
    task = run_task(ecs, "team-a", launchType="FARGATE")
    named = {"cluster": "team-a", "tasks": [task["taskArn"]]}
    set_status(teams.server, task["taskArn"], **RUNNING)
    ecs.get_waiter("tasks_running").wait(**named, WaiterConfig=SOON)
    set_status(teams.server, task["taskArn"], **STOPPED)
    ecs.get_waiter("tasks_stopped").wait(**named, WaiterConfig=SOON)
    with pytest.raises(WaiterError, match="STOPPED"):
        ecs.get_waiter("tasks_running").wait(**named, WaiterConfig=SOON)
    (told,) = ecs.describe_tasks(**named)["tasks"]
    assert told["containers"][0]["exitCode"] == 3
    assert told["stoppedAt"].microsecond == 500_000
    missing = {"cluster": "team-a", "tasks": ["f" * 32]}
    with pytest.raises(WaiterError, match="MISSING"):
        ecs.get_waiter("tasks_running").wait(**missing, WaiterConfig=SOON)


def test_boto3_pages_through_tasks(ecs: Any) -> None:
    arns = {run_task(ecs, "team-a", startedBy="pages")["taskArn"] for _ in range(3)}
    pages = ecs.get_paginator("list_tasks").paginate(
        cluster="team-a", startedBy="pages", PaginationConfig={"PageSize": 2}
    )
    found = [page["taskArns"] for page in pages]
    assert [len(each) for each in found] == [2, 1]
    assert {arn for each in found for arn in each} == arns


def test_errors_are_boto3s_own(ecs: Any) -> None:
    with pytest.raises(ecs.exceptions.ClusterNotFoundException, match="Cluster not found"):
        ecs.list_tasks(cluster="none")
    with pytest.raises(ecs.exceptions.ClientException, match="TaskDefinition not found"):
        ecs.run_task(cluster="team-a", taskDefinition="none", launchType="FARGATE")
    run_task(ecs, "team-a", clientToken="conflict")
    with pytest.raises(ecs.exceptions.ConflictException) as conflict:
        run_task(ecs, "team-a", clientToken="conflict", startedBy="x")
    assert len(conflict.value.response["resourceIds"]) == 1


def test_the_aws_cli_runs_lists_describes_tags_and_stops(teams: Teams) -> None:
    def ecs(*words: str) -> Any:
        return teams.run_cli(ANA, *words)

    overrides = {"containerOverrides": [{"name": "app", "command": ["echo", "a b"]}]}
    answer = ecs(
        *("run-task", "--cluster", "team-a", "--task-definition", "web", "--count", "2"),
        *("--capacity-provider-strategy", "capacityProvider=FARGATE_SPOT,weight=1", "--started-by", "cli"),
        *("--network-configuration", f"awsvpcConfiguration={{subnets=[{SUBNET}],assignPublicIp=ENABLED}}"),
        *("--overrides", json.dumps(overrides), "--tags", "key=a,value=b", "--enable-ecs-managed-tags"),
    )
    assert answer["failures"] == []
    first, second = answer["tasks"]
    assert (first["capacityProviderName"], first["startedBy"]) == ("FARGATE_SPOT", "cli")
    assert first["overrides"]["containerOverrides"] == overrides["containerOverrides"]
    listed = ecs("list-tasks", "--cluster", "team-a", "--started-by", "cli")["taskArns"]
    assert sorted(listed) == sorted((first["taskArn"], second["taskArn"]))
    named = ("--cluster", "team-a", "--tasks", first["taskArn"])
    told = ecs("describe-tasks", *named, "--include", "TAGS")["tasks"][0]
    assert told == first
    ecs("tag-resource", "--resource-arn", first["taskArn"], "--tags", "key=c,value=d")
    tags = ecs("list-tags-for-resource", "--resource-arn", first["taskArn"])["tags"]
    assert {each["key"] for each in tags} == {"a", "c", "aws:ecs:clusterName"}
    stopped = ecs("stop-task", "--cluster", "team-a", "--task", first["taskArn"], "--reason", "enough")["task"]
    assert (stopped["desiredStatus"], stopped["stoppedReason"]) == ("STOPPED", "enough")
    set_status(teams.server, first["taskArn"], **STOPPED)
    ecs("wait", "tasks-stopped", *named)
    refused = teams.run_cli(ANA, "describe-tasks", "--cluster", "team-a", "--tasks", "None", check=False)
    assert "(InvalidParameterException)" in refused
    assert "taskId length should be one of [32,36]" in refused
