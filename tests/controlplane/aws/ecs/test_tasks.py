"""What the real API server makes of the requests on tasks: the kind's rules, uids, quotas, several at once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from monopod.kube.client.asynchronous import ApiClient, load_configuration
from monopod.kube.objects.resources import ECS_TASKS, RESOURCE_QUOTAS, SECURITY_GROUPS
from tests.clusters import ControlPlane
from tests.controlplane.aws.ecs.clusters import delete_all, make_cluster, set_status
from tests.controlplane.operating.lab import eventually
from tests.controlplane.server import Server
from tests.unit.aws.client import Refused
from tests.unit.aws.ecs.client import EcsClient
from tests.unit.aws.ecs.refusals import REFUSALS, TABLE_ACCOUNT, build_world
from tests.unit.aws.ecs.tasks import CLUSTER, NAMESPACE, a_network, a_request, get_id, run
from tests.unit.aws.ecs.test_any_task_request import draw_request, name_first
from tests.unit.tasks.definitions import a_definition

# One loop for all tests: their connections are opened and closed in it.
pytestmark = pytest.mark.asyncio(loop_scope="session")

BOTH = ["FARGATE", "FARGATE_SPOT"]
GROUP = "db"


@pytest.fixture(scope="module")
async def api(installed: ControlPlane) -> AsyncIterator[ApiClient]:
    api = ApiClient(await load_configuration(str(installed.kubeconfig_path)))
    yield api
    await api.close()


@pytest.fixture
def server(installed: ControlPlane) -> Iterator[Server]:
    """The API server with the cluster `prod` and a security group, and nothing else of ECS's before and after."""
    server = Server(installed.kubeconfig_path)
    delete_all(server)
    make_cluster(server, CLUSTER, capacityProviders=BOTH)
    group = {
        "apiVersion": SECURITY_GROUPS.api_version,
        "kind": "SecurityGroup",
        "metadata": {"name": GROUP},
        "spec": {},
    }
    server.create(SECURITY_GROUPS.list_path(), group).expect_ok()
    yield server
    server.delete(SECURITY_GROUPS.path(GROUP))
    delete_all(server)


@pytest.fixture
async def client(api: ApiClient, server: Server) -> EcsClient:
    client = EcsClient(api)
    await client.call("RegisterTaskDefinition", **a_definition())
    return client


def list_tasks(server: Server) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = server.get(ECS_TASKS.list_path(NAMESPACE)).expect_ok()["items"]
    return items


async def test_a_task_is_run_described_listed_and_stopped(client: EcsClient, server: Server) -> None:
    task = await run(
        client,
        overrides={"cpu": "512", "memory": "1024", "containerOverrides": [{"name": "app", "command": ["a"]}]},
        networkConfiguration=a_network(securityGroups=[GROUP], assignPublicIp="ENABLED"),
        startedBy="ci",
        enableECSManagedTags=True,
        tags=[{"key": "Team Größe", "value": "a b"}],
    )
    assert (task["lastStatus"], task["cpu"], task["version"]) == ("PROVISIONING", "512", 1)
    assert task["tags"] == [{"key": "Team Größe", "value": "a b"}, {"key": "aws:ecs:clusterName", "value": "prod"}]
    told = await client.call("DescribeTasks", cluster=CLUSTER, tasks=[task["taskArn"]], include=["TAGS"])
    assert told == {"tasks": [task], "failures": []}
    assert (await client.call("ListTasks", cluster=CLUSTER, family="web"))["taskArns"] == [task["taskArn"]]
    stopped = (await client.call("StopTask", cluster=CLUSTER, task=get_id(task), reason="enough"))["task"]
    assert (stopped["desiredStatus"], stopped["stoppedReason"]) == ("STOPPED", "enough")
    assert (await client.call("ListTasks", cluster=CLUSTER))["taskArns"] == []
    again = (await client.call("StopTask", cluster=CLUSTER, task=get_id(task), reason="again"))["task"]
    assert again == stopped
    set_status(server, task["taskArn"], lastStatus="STOPPED", desiredStatus="STOPPED", version=6)
    (told_last,) = (await client.call("DescribeTasks", cluster=CLUSTER, tasks=[get_id(task)]))["tasks"]
    assert (told_last["lastStatus"], told_last["version"]) == ("STOPPED", 6)


async def test_requests_are_refused_in_awss_words(api: ApiClient, server: Server) -> None:
    client = EcsClient(api, TABLE_ACCOUNT)
    weightless = [{"capacityProvider": "FARGATE", "weight": 0}]
    make_cluster(server, "bare")
    make_cluster(server, "weightless", capacityProviders=BOTH, defaultCapacityProviderStrategy=weightless)
    make_cluster(server, "gone")
    arns = await build_world(client)
    set_status(server, arns["STOPPED"], lastStatus="STOPPED", desiredStatus="STOPPED")
    before = [each["spec"] for each in list_tasks(server)]
    wrong: list[tuple[str, str, str]] = []
    for row in REFUSALS:
        try:
            await client.call_with(row.operation, row.get_params(arns), row.body)
        except Refused as refused:
            if refused.code != row.code or (row.message and refused.message != row.message):
                wrong.append((row.name, refused.code, refused.message))
        else:
            wrong.append((row.name, "", ""))
    assert wrong == []
    assert [each["spec"] for each in list_tasks(server)] == before


async def test_any_request_is_answered_or_refused_by_a_code_that_clients_know(
    client: EcsClient, server: Server
) -> None:
    arn = (await run(client))["taskArn"]
    codes: set[str] = set()
    answered = 0
    for operation in ("RunTask", "TagResource", "UntagResource", "ListTasks", "DescribeTasks", "StopTask"):
        for seed in range(60):
            params = {name: name_first(value, arn) for name, value in draw_request(operation, seed).items()}
            try:
                answer = await client.call_with(operation, params)
            except Refused as refused:
                codes.add(refused.code)
            else:
                answered += 1
                assert not answer.get("failures") or operation == "DescribeTasks"
    assert codes <= {
        *("InvalidParameterException", "ClientException", "ClusterNotFoundException", "ServiceNotFoundException"),
        *("PlatformUnknownException", "UnsupportedFeatureException", "ResourceNotFoundException", "ConflictException"),
    }
    assert answered > 20


class Together:
    """An API server that is asked to create something only once as many want that."""

    def __init__(self, api: ApiClient, count: int) -> None:
        self._api, self._all = api, asyncio.Barrier(count)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    async def create(self, path: str, body: Any, *, dry_run: bool = False) -> Any:
        await self._all.wait()
        return await self._api.create(path, body, dry_run=dry_run)


async def test_of_many_that_ask_the_same_at_once_all_have_the_same_tasks(
    client: EcsClient, api: ApiClient, server: Server
) -> None:
    request = a_request(clientToken="t1", count=2)
    together = EcsClient(Together(api, 8))
    answers = await asyncio.gather(*(together.call_with("RunTask", request) for _ in range(4)))
    assert all(answer == answers[0] for answer in answers)
    assert len(list_tasks(server)) == 2


async def test_of_many_that_ask_for_others_by_one_token_one_gets_them(
    client: EcsClient, api: ApiClient, server: Server
) -> None:
    together = EcsClient(Together(api, 4))
    requests = (
        together.call_with("RunTask", a_request(clientToken="t1", startedBy=f"ci-{number}")) for number in range(4)
    )
    answers = await asyncio.gather(*requests, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert [answer.code for answer in refused] == ["ConflictException"] * 3
    assert len(list_tasks(server)) == 1


async def test_tags_that_several_change_at_once_are_all_changed(client: EcsClient) -> None:
    task = await run(client, tags=[{"key": "gone", "value": ""}, {"key": "stays", "value": "2"}])
    arns = [task["taskArn"], task["taskDefinitionArn"], task["clusterArn"]]
    for arn in arns:
        new = [[{"key": f"t{number}", "value": str(number)}] for number in range(8)]
        await asyncio.gather(
            *(client.call("TagResource", resourceArn=arn, tags=tags) for tags in new),
            client.call("UntagResource", resourceArn=arn, tagKeys=["gone", "never"]),
        )
        told = (await client.call("ListTagsForResource", resourceArn=arn))["tags"]
        stays = {"stays": "2"} if arn == task["taskArn"] else {}
        expected = {**stays, **{f"t{number}": str(number) for number in range(8)}}
        assert {each["key"]: each["value"] for each in told} == expected


class BehindItsBack:
    """An API server on which a task is replaced by another of its id right after it was read for the first time."""

    def __init__(self, api: ApiClient, server: Server) -> None:
        self._api, self._server, self._is_done = api, server, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    async def get(self, path: str, query: Any = None) -> Any:
        found = await self._api.get(path, query)
        if "/ecstasks/" in path and not self._is_done:
            self._is_done = True
            self._server.delete(path).expect_ok()
            again = {**found, "metadata": {"name": found["metadata"]["name"]}}
            self._server.create(ECS_TASKS.list_path(NAMESPACE), again).expect_ok()
        return found


async def test_another_task_of_the_id_gets_no_tags_and_is_stopped_as_itself(
    client: EcsClient, api: ApiClient, server: Server
) -> None:
    task = await run(client)
    with pytest.raises(Refused, match="ResourceNotFoundException"):
        await EcsClient(BehindItsBack(api, server)).call(
            "TagResource", resourceArn=task["taskArn"], tags=[{"key": "a", "value": "b"}]
        )
    assert (await client.call("ListTagsForResource", resourceArn=task["taskArn"]))["tags"] == []
    late = EcsClient(BehindItsBack(api, server))
    told = (await late.call("StopTask", cluster=CLUSTER, task=get_id(task)))["task"]
    assert told["desiredStatus"] == "STOPPED"
    assert [each["spec"]["stop"]["code"] for each in list_tasks(server)] == ["UserInitiated"]


def has_room(server: Server) -> bool:
    """Whether a quota lets another task be."""
    spec = {"taskDefinition": {"family": "web", "revision": 1}}
    body = {"apiVersion": ECS_TASKS.api_version, "kind": "ECSTask", "metadata": {"name": "f" * 32}, "spec": spec}
    answer = server.create(ECS_TASKS.list_path(NAMESPACE), body, dry_run=True)
    assert answer.ok or "exceeded quota: tasks" in answer.message, answer.message
    return answer.ok


async def test_tasks_beyond_a_quota_are_failures(client: EcsClient, server: Server) -> None:
    none, one = ({"count/ecstasks.ecs.monopod.dev": amount} for amount in "01")
    quota = {"metadata": {"name": "tasks"}, "spec": {"hard": none}}
    server.create(RESOURCE_QUOTAS.list_path(NAMESPACE), quota).expect_ok()
    path = RESOURCE_QUOTAS.path("tasks", NAMESPACE)
    try:
        # No controller counts here, and admission hears of a quota in a moment: first of one without room.
        for amounts in (none, one):
            server.patch(path, {"spec": {"hard": amounts}}).expect_ok()
            server.patch(f"{path}/status", {"status": {"hard": amounts, "used": none}}).expect_ok()
            eventually(lambda: has_room(server) == (amounts is one))  # noqa: B023 called at once
        answer = await client.call_with("RunTask", a_request(count=3))
        assert (len(answer["tasks"]), len(answer["failures"])) == (1, 2)
        assert "exceeded quota: tasks" in answer["failures"][0]["detail"]
    finally:
        server.delete(path)


async def test_a_task_of_kubectls_is_told(client: EcsClient, server: Server) -> None:
    name = "0123456789abcdef" * 2
    spec = {"taskDefinition": {"family": "web", "revision": 1}, "overrides": {"containerOverrides": [7]}}
    body = {"apiVersion": ECS_TASKS.api_version, "kind": "ECSTask", "metadata": {"name": name}, "spec": spec}
    server.create(ECS_TASKS.list_path(NAMESPACE), body).expect_ok()
    (told,) = (await client.call("DescribeTasks", cluster=CLUSTER, tasks=[name]))["tasks"]
    assert (told["lastStatus"], told["launchType"], told["platformVersion"]) == ("PROVISIONING", "FARGATE", "1.4.0")


async def test_clusters_of_names_that_kubernetes_does_not_take_have_tasks(client: EcsClient, server: Server) -> None:
    make_cluster(server, "Prod_1")
    task = await run(client, cluster="Prod_1")
    assert task["taskArn"].endswith(f":task/Prod_1/{get_id(task)}")
    (told,) = (await client.call("DescribeTasks", cluster=task["clusterArn"], tasks=[task["taskArn"]]))["tasks"]
    assert told == task
