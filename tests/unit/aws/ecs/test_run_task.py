"""Which requests to the API server follow from which of RunTask, and what is answered."""

import datetime
from dataclasses import replace
from typing import Any

import pytest

from monopod.kube.client.api import ApiError, Cause
from monopod.kube.objects.resources import ECS_TASKS
from tests.unit.aws.client import Refused
from tests.unit.aws.ecs.builders import ACCOUNT, PREFIX
from tests.unit.aws.ecs.client import EcsClient
from tests.unit.aws.ecs.memory import CREATED, FORBIDDEN, MemoryApi
from tests.unit.aws.ecs.tasks import (
    CLUSTER,
    NAMESPACE,
    a_network,
    a_request,
    get_id,
    get_record,
    prepare,
    put_group,
    run,
)
from tests.unit.tasks.definitions import a_definition


@pytest.fixture
def api() -> MemoryApi:
    return MemoryApi()


@pytest.fixture
async def client(api: MemoryApi) -> EcsClient:
    client = EcsClient(api)
    await prepare(client)
    return client


async def describe(client: EcsClient, *tasks: dict[str, Any], **params: Any) -> dict[str, Any]:
    return await client.call("DescribeTasks", cluster=CLUSTER, tasks=[each["taskArn"] for each in tasks], **params)


async def test_a_task_is_run_and_told_as_on_aws(client: EcsClient, api: MemoryApi) -> None:
    task = await run(client, startedBy="ci", enableExecuteCommand=True, tags=[{"key": "a", "value": "b"}])
    assert task["taskArn"] == f"{PREFIX}:task/prod/{get_id(task)}"
    assert task["clusterArn"] == f"{PREFIX}:cluster/prod"
    assert task["taskDefinitionArn"] == f"{PREFIX}:task-definition/web:1"
    said = {
        "lastStatus": "PROVISIONING",
        "desiredStatus": "RUNNING",
        "version": 1,
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "platformFamily": "Linux",
        "group": "family:web",
        "startedBy": "ci",
        "enableExecuteCommand": True,
        "cpu": "256",
        "memory": "512",
        "healthStatus": "UNKNOWN",
        "overrides": {"containerOverrides": [{"name": "app"}], "inferenceAcceleratorOverrides": []},
        "tags": [{"key": "a", "value": "b"}],
        "attributes": [],
    }
    assert {key: task[key] for key in said} == said
    assert task["createdAt"] == datetime.datetime.fromisoformat(CREATED)
    (container,) = task["containers"]
    assert container["taskArn"] == task["taskArn"]
    assert container["containerArn"].startswith(f"{PREFIX}:container/prod/{get_id(task)}/")
    assert (container["name"], container["image"], container["lastStatus"]) == ("app", "nginx:1.29", "PENDING")
    assert "capacityProviderName" not in task
    assert await describe(client, task, include=["TAGS"]) == {"tasks": [task], "failures": []}
    assert await describe(client, task) == {"tasks": [{**task, "tags": []}], "failures": []}


async def test_its_object_says_what_was_asked(client: EcsClient, api: MemoryApi) -> None:
    for name in ("web", "db"):
        put_group(api, name)
    account = replace(ACCOUNT, zones={"subnet-a": "z1", "subnet-b": "z2"})
    overrides = {"cpu": "512", "memory": "1024", "containerOverrides": [{"name": "app", "command": ["x"]}]}
    task = await run(
        EcsClient(api, account),
        networkConfiguration=a_network("subnet-a", "subnet-b", securityGroups=["web", "db"], assignPublicIp="ENABLED"),
        overrides=overrides,
        group="nightly",
        enableECSManagedTags=True,
    )
    record = get_record(api, task)
    assert record["metadata"]["labels"] == {"ecs.monopod.dev/family": "web"}
    assert record["spec"] == {
        "taskDefinition": {"family": "web", "revision": 1},
        "overrides": overrides,
        "group": "nightly",
        "launchType": "FARGATE",
        "capacityProviderName": "",
        "platformVersion": "1.4.0",
        "enableExecuteCommand": False,
        "network": {
            "subnets": ["subnet-a", "subnet-b"],
            "zones": ["z1", "z2"],
            "securityGroups": ["web", "db"],
            "assignPublicIp": "ENABLED",
        },
        "tags": {},
    }
    assert task["cpu"] == "512"
    assert task["overrides"] == {**overrides, "inferenceAcceleratorOverrides": []}
    assert task["tags"] == [{"key": "aws:ecs:clusterName", "value": "prod"}]


async def test_several_are_run_at_once_on_the_capacity_of_the_strategy(client: EcsClient, api: MemoryApi) -> None:
    strategy = [{"capacityProvider": "FARGATE", "base": 1}, {"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    answer = await client.call_with("RunTask", a_request(launchType=None, capacityProviderStrategy=strategy, count=3))
    assert [each["capacityProviderName"] for each in answer["tasks"]] == ["FARGATE", "FARGATE_SPOT", "FARGATE_SPOT"]
    assert len({each["taskArn"] for each in answer["tasks"]}) == 3
    assert sorted(get_record(api, each)["spec"]["launchType"] for each in answer["tasks"]) == ["", "", ""]


async def test_the_latest_active_revision_is_run_unless_one_is_named(client: EcsClient) -> None:
    for _ in range(2):
        await client.call("RegisterTaskDefinition", **a_definition())
    await client.call("DeregisterTaskDefinition", taskDefinition="web:3")
    assert (await run(client))["taskDefinitionArn"].endswith("web:2")
    assert (await run(client, taskDefinition=f"{PREFIX}:task-definition/web:1"))["taskDefinitionArn"].endswith("web:1")
    with pytest.raises(Refused, match="InvalidParameterException: TaskDefinition is inactive"):
        await run(client, taskDefinition="web:3")


async def test_tags_of_the_definition_are_inherited_where_asked(client: EcsClient) -> None:
    tags = [{"key": "team", "value": "a"}, {"key": "b", "value": ""}]
    await client.call("RegisterTaskDefinition", **a_definition(tags=tags))
    own = [{"key": "team", "value": "own"}]
    assert (await run(client, propagateTags="NONE", tags=own))["tags"] == own
    inherited = (await run(client, propagateTags="TASK_DEFINITION", tags=own))["tags"]
    assert {each["key"]: each["value"] for each in inherited} == {"team": "own", "b": ""}


async def test_a_repeated_request_has_the_same_tasks_and_runs_nothing(client: EcsClient, api: MemoryApi) -> None:
    request = a_request(clientToken="t1", count=2)
    first = await client.call_with("RunTask", request)
    await client.call("DeregisterTaskDefinition", taskDefinition="web:1")
    assert await client.call_with("RunTask", request) == first
    assert [verb for verb, path in api.requests if "/ecstasks" in path].count("create") == 2


async def test_a_request_that_was_broken_off_is_made_whole(client: EcsClient, api: MemoryApi) -> None:
    request = a_request(clientToken="t1", count=3)
    first = await client.call_with("RunTask", request)
    for number in (0, 2):
        del api.objects[ECS_TASKS.path(get_id(first["tasks"][number]), NAMESPACE)]
        again = await client.call_with("RunTask", request)
        assert [get_id(each) for each in again["tasks"]] == [get_id(each) for each in first["tasks"]]


async def test_two_of_the_same_request_at_once_have_the_same_tasks(client: EcsClient, api: MemoryApi) -> None:
    request = a_request(clientToken="t1")
    first = await client.call_with("RunTask", request)
    path = ECS_TASKS.path(get_id(first["tasks"][0]), NAMESPACE)
    found = api.objects.pop(path)
    create = api.create

    async def create_late(*args: Any, **kinds: Any) -> Any:
        api.objects[path] = found  # the other request was faster
        return await create(*args, **kinds)

    api.create = create_late  # type: ignore[method-assign] # a race
    assert await client.call_with("RunTask", request) == first


@pytest.mark.parametrize("other", [{"startedBy": "x"}, {"count": 2}, {"taskDefinition": "web:1"}], ids=str)
async def test_another_request_with_the_same_token_is_refused(client: EcsClient, other: dict[str, Any]) -> None:
    task = await run(client, clientToken="t1")
    with pytest.raises(Refused, match="ConflictException: The clientToken was used") as refused:
        await client.call_with("RunTask", a_request(clientToken="t1", **other))
    assert refused.value.fields["resourceIds"] == [task["taskArn"]]


async def test_the_same_token_in_another_cluster_is_another(client: EcsClient) -> None:
    await client.call("CreateCluster", clusterName="test")
    task = await run(client, clientToken="t1")
    other = await run(client, clientToken="t1", cluster="test")
    assert get_id(task) != get_id(other)


async def test_tasks_beyond_a_quota_are_failures(client: EcsClient, api: MemoryApi) -> None:
    message = 'ecstasks.ecs.monopod.dev "x" is forbidden: exceeded quota: tasks, requested: count/ecstasks=1'
    api.failures["create", "ecstasks"] = ApiError(403, "Forbidden", message)
    answer = await client.call_with("RunTask", a_request(count=2))
    assert answer["tasks"] == []
    assert [each["detail"] for each in answer["failures"]] == [message, message]
    assert answer["failures"][0]["reason"].startswith("You've reached the limit on the number of tasks")


async def test_a_namespace_that_goes_is_an_inactive_cluster(client: EcsClient, api: MemoryApi) -> None:
    cause = Cause("NamespaceTerminating", "namespace ecs-prod is being terminated")
    api.failures["create", "ecstasks"] = ApiError(403, "Forbidden", "being terminated", (cause,))
    with pytest.raises(Refused, match="ClusterNotFoundException: The referenced cluster was inactive"):
        await run(client)


async def test_a_namespace_that_is_not_there_yet_is_asked_for_again(client: EcsClient, api: MemoryApi) -> None:
    api.failures["create", "ecstasks"] = ApiError(404, "NotFound", 'namespaces "ecs-prod" not found')
    with pytest.raises(Refused, match="ServerException: The cluster prod isn't ready yet") as refused:
        await run(client)
    assert refused.value.status == 500


async def test_a_cluster_that_failed_says_why(client: EcsClient, api: MemoryApi) -> None:
    for path, each in api.objects.items():
        if path.endswith("/ecsclusters/prod"):
            each["status"] = {"phase": "FAILED", "message": "The namespace ecs-prod is someone else's."}
    with pytest.raises(Refused, match="ClientException: The cluster prod can't run tasks: The namespace ecs-prod is"):
        await run(client)


async def test_who_may_not_see_groups_runs_tasks_in_them(client: EcsClient, api: MemoryApi) -> None:
    api.failures["get", "securitygroups"] = FORBIDDEN
    task = await run(client, networkConfiguration=a_network(securityGroups=["web"]))
    assert get_record(api, task)["spec"]["network"]["securityGroups"] == ["web"]


@pytest.mark.parametrize(("verb", "plural"), [("create", "ecstasks"), ("get", "ecsclusters"), ("get", "ecstaskdef")])
async def test_who_may_not_is_denied(client: EcsClient, api: MemoryApi, verb: str, plural: str) -> None:
    api.failures[verb, plural] = FORBIDDEN
    with pytest.raises(Refused, match="AccessDeniedException"):
        await run(client)


async def test_who_may_run_tasks_and_not_see_them_runs_them(client: EcsClient, api: MemoryApi) -> None:
    api.failures["get", "ecstasks"] = FORBIDDEN
    await run(client, clientToken="t1")
    with pytest.raises(Refused, match="ClusterNotFoundException"):
        await run(client, cluster="none", clientToken="t1")
    with pytest.raises(Refused, match="AccessDeniedException"):
        await run(client, clientToken="t1")
