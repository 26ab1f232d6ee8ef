"""Which requests to the API server follow from which of ECS on tasks, and what is answered."""

import datetime
from typing import Any

import pytest

from monopod.kube.client.api import ApiError, Cause
from monopod.kube.objects.resources import ECS_TASKS
from monopod.tasks.rules.names import compute_object_name
from tests.unit.aws.client import Refused
from tests.unit.aws.ecs.builders import PREFIX, TASK
from tests.unit.aws.ecs.client import EcsClient
from tests.unit.aws.ecs.memory import CREATED, FORBIDDEN, MemoryApi
from tests.unit.aws.ecs.tasks import (
    CLUSTER,
    NAMESPACE,
    a_request,
    get_id,
    get_record,
    prepare,
    run,
)
from tests.unit.tasks.definitions import a_container, a_definition

TASKS = ECS_TASKS.list_path(NAMESPACE)


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


async def test_who_may_see_tasks_only_describes_lists_and_stops_them(client: EcsClient, api: MemoryApi) -> None:
    task = await run(client)
    for plural in ("ecsclusters", "ecstaskdefinitions"):
        api.failures["get", plural] = FORBIDDEN
    answer = await client.call("DescribeTasks", cluster=CLUSTER, tasks=[task["taskArn"], TASK])
    assert [each["taskArn"] for each in answer["tasks"]] == [task["taskArn"]]
    assert answer["failures"] == [{"arn": f"{PREFIX}:task/prod/{TASK}", "reason": "MISSING"}]
    assert (await client.call("ListTasks", cluster="none"))["taskArns"] == []
    assert (await client.call("StopTask", cluster=CLUSTER, task=task["taskArn"]))["task"]["desiredStatus"] == "STOPPED"


async def test_what_is_missing_is_a_failure_and_each_is_told_once(client: EcsClient) -> None:
    task = await run(client)
    other = "f" * 36
    answer = await client.call("DescribeTasks", cluster=CLUSTER, tasks=[get_id(task), task["taskArn"], TASK, other])
    assert [each["taskArn"] for each in answer["tasks"]] == [task["taskArn"]]
    assert [each["arn"].rpartition("/")[2] for each in answer["failures"]] == [TASK, other]
    with pytest.raises(Refused, match=r"ClusterNotFoundException: Cluster not found\."):
        await client.call("DescribeTasks", cluster="none", tasks=[TASK])


async def test_the_operators_status_is_told(client: EcsClient, api: MemoryApi) -> None:
    task = await run(client)
    containers = [
        {
            "id": "c-1",
            "name": "app",
            "image": "nginx:1.29",
            "lastStatus": "STOPPED",
            "exitCode": 3,
            "reason": "x",
            "runtimeId": "r",
            "networkInterfaces": [{"attachmentId": "a", "privateIpv4Address": "10.0.0.1"}],
            "managedAgents": [{"name": "ExecuteCommandAgent", "lastStatus": "RUNNING", "lastStartedAt": CREATED}],
        }
    ]
    status = {
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "version": 6,
        "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited",
        "startedAt": "2026-11-29T05:01:00Z",
        "stoppedAt": "2026-11-29T05:02:00.5Z",
        "availabilityZone": "z1",
        "ephemeralStorage": {"sizeInGiB": 20},
        "attachments": [{"id": "a", "type": "eni", "status": "DELETED", "details": [{"name": "n", "value": "v"}]}],
        "containers": containers,
        "logs": [{"container": "app", "group": "g", "stream": "s"}],
        "pod": {"uid": "u", "node": "n"},
    }
    get_record(api, task)["status"] = status
    (told,) = (await describe(client, task))["tasks"]
    for name in ("lastStatus", "desiredStatus", "version", "stopCode", "stoppedReason", "availabilityZone"):
        assert told[name] == status[name]
    assert told["stoppedAt"] == datetime.datetime.fromisoformat("2026-11-29T05:02:00.5Z")
    assert told["attachments"] == status["attachments"]
    assert told["ephemeralStorage"] == told["fargateEphemeralStorage"] == {"sizeInGiB": 20}
    (container,) = told["containers"]
    assert container["containerArn"] == f"{PREFIX}:container/prod/{get_id(task)}/c-1"
    assert (container["exitCode"], container["runtimeId"], container["networkBindings"]) == (3, "r", [])
    assert container["networkInterfaces"] == containers[0]["networkInterfaces"]
    assert container["managedAgents"][0]["lastStatus"] == "RUNNING"


GARBAGE: list[Any] = [1, "x", [], {}, [None, 1, "x", [], {}, {"name": 1}, {"name": {}}], {"name": 1, "a": "b"}, 10**30]


@pytest.mark.parametrize("value", GARBAGE, ids=repr)
async def test_what_kubectl_wrote_breaks_no_answer(client: EcsClient, api: MemoryApi, value: Any) -> None:
    task = await run(client)
    record = get_record(api, task)
    record["spec"]["overrides"] = {
        "containerOverrides": value,
        "ephemeralStorage": value,
        "cpu": value,
        "inferenceAcceleratorOverrides": value,
    }
    for status in ({}, {"containers": [{"name": "app"}], "attachments": [{"details": value}], "createdAt": "x"}):
        record["status"] = status
        (told,) = (await describe(client, task))["tasks"]
        assert told["taskArn"] == task["taskArn"]


async def test_tasks_are_listed_by_what_they_are(client: EcsClient, api: MemoryApi) -> None:
    await client.call("RegisterTaskDefinition", **a_definition(family="job"))
    web, job = await run(client, startedBy="ci"), await run(client, taskDefinition="job")
    stopped = await run(client)
    await client.call("StopTask", cluster=CLUSTER, task=stopped["taskArn"])
    expected: list[tuple[dict[str, str], list[dict[str, Any]]]] = [
        ({}, [web, job]),
        ({"desiredStatus": "STOPPED"}, [stopped]),
        ({"desiredStatus": "PENDING"}, []),
        ({"family": "job"}, [job]),
        ({"startedBy": "ci"}, [web]),
        ({"startedBy": "ci", "family": "job"}, []),
        ({"launchType": "FARGATE"}, [web, job]),
        ({"launchType": "EC2"}, []),
    ]
    for filters, tasks in expected:
        answer = await client.call("ListTasks", cluster=CLUSTER, **filters)
        assert sorted(answer["taskArns"]) == sorted(each["taskArn"] for each in tasks), filters


async def test_lists_come_in_pages_and_a_token_belongs_to_its_list(client: EcsClient) -> None:
    answer = await client.call_with("RunTask", a_request(count=5))
    arns: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = await client.call("ListTasks", cluster=CLUSTER, maxResults=2, **token)
        arns += page["taskArns"]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert arns == sorted(each["taskArn"] for each in answer["tasks"])
    with pytest.raises(Refused, match="nextToken"):
        await client.call("ListTasks", cluster=CLUSTER, family="web", **token)


async def test_a_task_is_told_to_stop_once(client: EcsClient, api: MemoryApi) -> None:
    task = await run(client)
    told = (await client.call("StopTask", cluster=CLUSTER, task=get_id(task), reason="enough"))["task"]
    assert (told["desiredStatus"], told["stopCode"], told["stoppedReason"]) == ("STOPPED", "UserInitiated", "enough")
    assert (told["lastStatus"], told["version"]) == ("PROVISIONING", 2)
    assert "stoppingAt" in told
    again = (await client.call("StopTask", cluster=CLUSTER, task=get_id(task), reason="again"))["task"]
    assert again == told
    assert get_record(api, task)["spec"]["stop"]["reason"] == "enough"


async def test_without_a_reason_it_was_the_user(client: EcsClient) -> None:
    task = await run(client)
    told = (await client.call("StopTask", cluster=CLUSTER, task=get_id(task)))["task"]
    assert told["stoppedReason"] == "Task stopped by user"


async def test_a_task_that_has_stopped_stays_as_it_is(client: EcsClient, api: MemoryApi) -> None:
    task = await run(client)
    status = {"lastStatus": "STOPPED", "desiredStatus": "STOPPED", "stopCode": "EssentialContainerExited"}
    get_record(api, task)["status"] = status
    told = (await client.call("StopTask", cluster=CLUSTER, task=get_id(task), reason="x"))["task"]
    assert told["stopCode"] == "EssentialContainerExited"
    assert "merge" not in [verb for verb, path in api.requests if "/ecstasks" in path]


async def test_who_stops_second_is_told_what_the_first_said(client: EcsClient, api: MemoryApi) -> None:
    task = await run(client)
    merge = api.merge

    async def merge_late(path: str, patch: dict[str, Any]) -> Any:
        other = {"metadata": {}, "spec": {"stop": {"code": "UserInitiated", "reason": "first", "at": CREATED}}}
        await merge(path, other)
        raise ApiError(422, "Invalid", "invalid", (Cause("FieldValueForbidden", "can't be changed", "spec.stop"),))

    api.merge = merge_late  # type: ignore[method-assign] # a race
    told = (await client.call("StopTask", cluster=CLUSTER, task=get_id(task), reason="second"))["task"]
    assert told["stoppedReason"] == "first"


async def test_tags_of_tasks_definitions_and_clusters_are_changed(client: EcsClient, api: MemoryApi) -> None:
    task = await run(client, enableECSManagedTags=True)
    arns = [task["taskArn"], f"{PREFIX}:task-definition/web:1", f"{PREFIX}:cluster/prod"]
    for arn in arns:
        await client.call("TagResource", resourceArn=arn, tags=[{"key": "a", "value": "1"}, {"key": "b"}])
        await client.call("TagResource", resourceArn=arn, tags=[{"key": "a", "value": "2"}])
        await client.call("UntagResource", resourceArn=arn, tagKeys=["b", "none", "aws:ecs:clusterName"])
        tags = (await client.call("ListTagsForResource", resourceArn=arn))["tags"]
        managed = [{"key": "aws:ecs:clusterName", "value": "prod"}] if arn == task["taskArn"] else []
        assert tags == [{"key": "a", "value": "2"}, *managed]
    assert (await describe(client, task, include=["TAGS"]))["tasks"][0]["tags"][0] == {"key": "a", "value": "2"}


async def test_a_task_of_kubectls_is_told(client: EcsClient, api: MemoryApi) -> None:
    spec = {"taskDefinition": {"family": "web", "revision": 1}, "launchType": "", "capacityProviderName": ""}
    api.put(f"{TASKS}/{TASK}", {"metadata": {"name": TASK, "namespace": NAMESPACE}, "spec": spec})
    (told,) = (await client.call("DescribeTasks", cluster=CLUSTER, tasks=[TASK]))["tasks"]
    assert (told["lastStatus"], told["cpu"], told["containers"][0]["name"]) == ("PROVISIONING", "256", "app")
    assert (await client.call("ListTasks", cluster=CLUSTER))["taskArns"] == [f"{PREFIX}:task/prod/{TASK}"]


async def test_each_container_has_an_entry_among_the_overrides(client: EcsClient) -> None:
    two = [a_container("app"), a_container("side")]
    await client.call("RegisterTaskDefinition", **a_definition(containerDefinitions=two))
    task = await run(client, overrides={"containerOverrides": [{"name": "side", "cpu": 10}]})
    entries = task["overrides"]["containerOverrides"]
    assert sorted(entries, key=lambda each: each["name"]) == [{"name": "app"}, {"name": "side", "cpu": 10}]


async def test_in_a_cluster_that_there_is_not_nobody_is_denied(client: EcsClient, api: MemoryApi) -> None:
    """In its namespace nobody has rights, so RBAC would speak first."""
    for verb in ("get", "list"):
        api.failures[verb, "ecstasks"] = FORBIDDEN
    asked: list[tuple[str, dict[str, Any]]] = [
        ("DescribeTasks", {"tasks": [TASK]}),
        ("ListTasks", {}),
        ("StopTask", {"task": TASK}),
    ]
    for operation, params in asked:
        with pytest.raises(Refused, match="ClusterNotFoundException"):
            await client.call(operation, cluster="none", **params)
        with pytest.raises(Refused, match="AccessDeniedException"):
            await client.call(operation, cluster=CLUSTER, **params)


async def test_a_cluster_is_not_tagged_by_the_name_of_its_object(client: EcsClient) -> None:
    await client.call("CreateCluster", clusterName="Prod_1")
    tags = [{"key": "a", "value": "b"}]
    await client.call("TagResource", resourceArn=f"{PREFIX}:cluster/Prod_1", tags=tags)
    with pytest.raises(Refused, match="ClusterNotFoundException"):
        await client.call("TagResource", resourceArn=f"{PREFIX}:cluster/{compute_object_name('Prod_1')}", tags=tags)
