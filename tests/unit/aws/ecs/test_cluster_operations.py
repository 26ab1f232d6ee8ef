"""ECS' clusters: which requests to the API server follow from which of ECS', and what is answered."""

import asyncio
from typing import Any

import pytest

from monopod.aws.ecs.clusters import SETTLING_SECONDS
from monopod.kube.objects.resources import ECS_CLUSTERS, ECS_TASKS
from monopod.tasks.rules.names import compute_object_name
from tests.unit.aws.client import Refused
from tests.unit.aws.ecs.builders import PREFIX
from tests.unit.aws.ecs.client import EcsClient
from tests.unit.aws.ecs.memory import FORBIDDEN, MemoryApi
from tests.unit.fake_clock import FakeClock

BOTH = ["FARGATE", "FARGATE_SPOT"]
STRATEGY = [{"capacityProvider": "FARGATE", "weight": 1, "base": 2}, {"capacityProvider": "FARGATE_SPOT", "weight": 3}]


@pytest.fixture
def api() -> MemoryApi:
    return MemoryApi()


@pytest.fixture
def client(api: MemoryApi) -> EcsClient:
    return EcsClient(api)


def put_task(api: MemoryApi, cluster: str, number: int, last_status: str | None, **spec: Any) -> None:
    path = f"{ECS_TASKS.list_path(f'ecs-{cluster}')}/{number:032x}"
    status = {"lastStatus": last_status} if last_status else {}
    api.put(path, {"metadata": {"name": f"{number:032x}"}, "spec": spec, "status": status})


async def describe(client: EcsClient, *names: str, **params: Any) -> dict[str, Any]:
    return await client.call("DescribeClusters", clusters=list(names), **params)


async def test_a_cluster_is_created_described_listed_and_deleted(client: EcsClient, api: MemoryApi) -> None:
    asked = {"clusterName": "Web_1", "tags": [{"key": "a", "value": "b"}], "capacityProviders": BOTH}
    created = (await client.call("CreateCluster", **asked, defaultCapacityProviderStrategy=STRATEGY))["cluster"]
    assert created == {
        "clusterArn": f"{PREFIX}:cluster/Web_1",
        "clusterName": "Web_1",
        "status": "ACTIVE",
        "registeredContainerInstancesCount": 0,
        "runningTasksCount": 0,
        "pendingTasksCount": 0,
        "activeServicesCount": 0,
        "statistics": [],
        "tags": [{"key": "a", "value": "b"}],
        "settings": [{"name": "containerInsights", "value": "disabled"}],
        "capacityProviders": BOTH,
        "defaultCapacityProviderStrategy": [STRATEGY[0], {**STRATEGY[1], "base": 0}],
    }
    assert ECS_CLUSTERS.path(compute_object_name("Web_1")) in api.objects
    told = await describe(client, f"{PREFIX}:cluster/Web_1", include=["TAGS", "SETTINGS"])
    assert told == {"clusters": [created], "failures": []}
    assert await client.call("ListClusters") == {"clusterArns": [f"{PREFIX}:cluster/Web_1"]}
    gone = (await client.call("DeleteCluster", cluster="Web_1"))["cluster"]
    assert gone["status"] == "INACTIVE"
    assert await client.call("ListClusters") == {"clusterArns": []}
    assert (await describe(client, "Web_1"))["clusters"][0]["status"] == "INACTIVE"
    with pytest.raises(Refused, match=r"ClusterNotFoundException: Cluster not found\."):
        await client.call("DeleteCluster", cluster="Web_1")


async def test_without_a_name_it_is_the_default_cluster(client: EcsClient) -> None:
    assert (await client.call("DescribeClusters"))["failures"] == [
        {"arn": f"{PREFIX}:cluster/default", "reason": "MISSING"}
    ]
    assert (await client.call("CreateCluster"))["cluster"]["clusterName"] == "default"
    assert [each["clusterName"] for each in (await client.call("DescribeClusters"))["clusters"]] == ["default"]


async def test_a_cluster_that_is_there_is_answered_again_if_it_is_what_is_asked_for(
    client: EcsClient, api: MemoryApi
) -> None:
    asked: dict[str, Any] = {"clusterName": "web", "capacityProviders": BOTH}
    first = await client.call("CreateCluster", **asked, defaultCapacityProviderStrategy=STRATEGY)
    assert await client.call("CreateCluster", clusterName="web") == first
    assert await client.call("CreateCluster", **asked, defaultCapacityProviderStrategy=STRATEGY) == first
    for other in ({"capacityProviders": BOTH[:1]}, {"tags": [{"key": "a", "value": "b"}]}):
        with pytest.raises(Refused, match="InvalidParameterException: Arguments on this idempotent request are incon"):
            await client.call("CreateCluster", **{"clusterName": "web", **other})
    assert [verb for verb, _ in api.requests].count("merge") == 0


async def test_a_cluster_that_was_deleted_begins_again_without_what_it_had(client: EcsClient, api: MemoryApi) -> None:
    await client.call("CreateCluster", clusterName="web", capacityProviders=BOTH, tags=[{"key": "old", "value": "1"}])
    await client.call("DeleteCluster", cluster="web")
    created = (await client.call("CreateCluster", clusterName="web", tags=[{"key": "new", "value": "2"}]))["cluster"]
    assert (created["status"], created["capacityProviders"]) == ("ACTIVE", [])
    assert created["tags"] == [{"key": "new", "value": "2"}]


async def test_tasks_are_counted(client: EcsClient, api: MemoryApi) -> None:
    await client.call("CreateCluster", clusterName="web")
    for number, status in enumerate(
        [None, "PROVISIONING", "PENDING", "RUNNING", "RUNNING", "DEPROVISIONING", "STOPPED"]
    ):
        put_task(api, "web", number, status)
    put_task(api, "other", 1, "RUNNING")
    told = (await describe(client, "web", include=["STATISTICS"]))["clusters"][0]
    assert (told["runningTasksCount"], told["pendingTasksCount"]) == (2, 3)
    statistics = {each["name"]: each["value"] for each in told["statistics"]}
    assert (statistics["runningFargateTasksCount"], statistics["pendingFargateTasksCount"]) == ("2", "3")
    assert {statistics["runningEC2TasksCount"], statistics["activeFargateServiceCount"]} == {"0"}


@pytest.mark.parametrize("status", [None, "PENDING", "RUNNING", "STOPPING", "DEPROVISIONING"])
async def test_a_cluster_with_tasks_is_not_deleted(client: EcsClient, api: MemoryApi, status: str | None) -> None:
    await client.call("CreateCluster", clusterName="web")
    put_task(api, "web", 1, status)
    with pytest.raises(
        Refused, match=r"ClusterContainsTasksException: The Cluster cannot be deleted while Tasks are act"
    ):
        await client.call("DeleteCluster", cluster="web")
    put_task(api, "web", 1, "STOPPED")
    await client.call("DeleteCluster", cluster="web")


async def test_another_cluster_of_the_name_is_not_deleted(client: EcsClient, api: MemoryApi) -> None:
    await client.call("CreateCluster", clusterName="web")
    listed = api.list_pages

    def replace_meanwhile(*args: Any, **kinds: Any) -> Any:
        path = ECS_CLUSTERS.path("web")
        api.put(path, {**api.objects[path], "metadata": {"name": "web", "uid": "another"}})
        return listed(*args, **kinds)

    api.list_pages = replace_meanwhile  # type: ignore[method-assign] # a race
    with pytest.raises(Refused, match="ClusterNotFoundException"):
        await client.call("DeleteCluster", cluster="web")
    assert api.objects[ECS_CLUSTERS.path("web")]["spec"]["active"]


async def test_capacity_providers_are_replaced(client: EcsClient, api: MemoryApi) -> None:
    await client.call("CreateCluster", clusterName="web", capacityProviders=BOTH)
    asked = {"cluster": "web", "capacityProviders": ["FARGATE"], "defaultCapacityProviderStrategy": []}
    put_task(api, "web", 1, "RUNNING", capacityProviderName="FARGATE_SPOT")
    with pytest.raises(
        Refused, match=r"ResourceInUseException: The specified capacity provider is in use and cannot be"
    ):
        await client.call("PutClusterCapacityProviders", **asked)
    put_task(api, "web", 1, "STOPPED", capacityProviderName="FARGATE_SPOT")
    put_task(api, "web", 2, "RUNNING", capacityProviderName="FARGATE")
    told = (await client.call("PutClusterCapacityProviders", **asked))["cluster"]
    assert (told["capacityProviders"], told["runningTasksCount"]) == (["FARGATE"], 1)


async def test_capacity_providers_are_described(client: EcsClient) -> None:
    await client.call("CreateCluster", clusterName="web", capacityProviders=["FARGATE_SPOT"])
    told = await client.call("DescribeCapacityProviders", include=["TAGS"])
    assert [each["name"] for each in told["capacityProviders"]] == BOTH
    assert told["capacityProviders"][0] == {
        "capacityProviderArn": f"{PREFIX}:capacity-provider/FARGATE",
        "name": "FARGATE",
        "status": "ACTIVE",
        "type": "FARGATE",
        "tags": [],
    }
    of_cluster = await client.call("DescribeCapacityProviders", cluster="web")
    assert [each["name"] for each in of_cluster["capacityProviders"]] == ["FARGATE_SPOT"]
    named = await client.call(
        "DescribeCapacityProviders", capacityProviders=[f"{PREFIX}:capacity-provider/FARGATE", "asg"]
    )
    assert [each["name"] for each in named["capacityProviders"]] == ["FARGATE"]
    assert named["failures"] == [{"arn": f"{PREFIX}:capacity-provider/asg", "reason": "MISSING"}]
    page = await client.call("DescribeCapacityProviders", maxResults=1)
    rest = await client.call("DescribeCapacityProviders", maxResults=1, nextToken=page["nextToken"])
    assert [each["name"] for each in page["capacityProviders"] + rest["capacityProviders"]] == BOTH


@pytest.mark.parametrize(
    ("operation", "params", "told"),
    [
        ("CreateCluster", {"clusterName": "a b"}, r"InvalidParameterException: Cluster must match \^\[a-zA-Z0-9\\-_\]"),
        ("DescribeClusters", {"clusters": ["a b"]}, "InvalidParameterException: Cluster must match .*, but was a b"),
        ("DescribeClusters", {"clusters": ["a"] * 101}, "InvalidParameterException: clusters can have at most 100"),
        ("CreateCluster", {"capacityProviders": ["asg"]}, "InvalidParameterException: The specified capacity provider"),
        (
            "CreateCluster",
            {"capacityProviders": ["FARGATE"], "defaultCapacityProviderStrategy": STRATEGY},
            "InvalidParameterException: The specified capacity provider strategy cannot contain a capacity",
        ),
        (
            "CreateCluster",
            {"capacityProviders": BOTH, "defaultCapacityProviderStrategy": [{**each, "base": 1} for each in STRATEGY]},
            "InvalidParameterException: .*more than one capacity provider with a base",
        ),
        (
            "CreateCluster",
            {"capacityProviders": BOTH, "defaultCapacityProviderStrategy": STRATEGY[:1] * 2},
            "InvalidParameterException: .*duplicate",
        ),
        (
            "CreateCluster",
            {"capacityProviders": BOTH, "defaultCapacityProviderStrategy": STRATEGY[:1] * 21},
            "InvalidParameterException: .*more than 20 capacity providers",
        ),
        ("CreateCluster", {"tags": [{"key": "aws:a"}]}, "InvalidParameterException: aws: prefixed tag key names"),
        (
            "CreateCluster",
            {"tags": [{"key": f"k{number}"} for number in range(51)]},
            "InvalidParameterException: .*length less than or equal to 50",
        ),
        (
            "CreateCluster",
            {"settings": [{"name": "containerInsights", "value": "enabled"}]},
            "UnsupportedFeatureException: .*not supported by Monopod: settings",
        ),
        (
            "CreateCluster",
            {"configuration": {"executeCommandConfiguration": {"logging": "NONE"}}},
            "UnsupportedFeatureException: .*not supported by Monopod: configuration",
        ),
        (
            "CreateCluster",
            {"serviceConnectDefaults": {"namespace": "a"}},
            "UnsupportedFeatureException: .*: serviceConnectDefaults",
        ),
        ("DeleteCluster", {"cluster": "none"}, "ClusterNotFoundException"),
        (
            "PutClusterCapacityProviders",
            {"cluster": "none", "capacityProviders": [], "defaultCapacityProviderStrategy": []},
            "ClusterNotFoundException",
        ),
        ("DescribeCapacityProviders", {"cluster": "none"}, "ClusterNotFoundException"),
        (
            "DescribeCapacityProviders",
            {"maxResults": 11},
            "InvalidParameterException: maxResults must be between 1 and",
        ),
        ("ListClusters", {"maxResults": 0}, "InvalidParameterException: maxResults must be between 1 and 100"),
        ("ListClusters", {"nextToken": "abc"}, "InvalidParameterException"),
    ],
)
async def test_what_is_refused_is_named(
    client: EcsClient, api: MemoryApi, operation: str, params: dict[str, Any], told: str
) -> None:
    with pytest.raises(Refused, match=told) as error:
        await client.call(operation, **params)
    assert error.value.status == 400
    assert [verb for verb, _ in api.requests if verb not in ("get", "list")] == []


async def test_container_insights_that_are_off_are_taken(client: EcsClient) -> None:
    settings = [{"name": "containerInsights", "value": "disabled"}]
    assert (await client.call("CreateCluster", settings=settings))["cluster"]["settings"] == settings


@pytest.mark.parametrize(
    ("verb", "operation", "params"),
    [
        ("create", "CreateCluster", {}),
        ("get", "DescribeClusters", {}),
        ("list", "ListClusters", {}),
        ("merge", "DeleteCluster", {"cluster": "default"}),
    ],
)
async def test_what_a_caller_may_not_is_denied(
    client: EcsClient, api: MemoryApi, verb: str, operation: str, params: dict[str, Any]
) -> None:
    if operation != "CreateCluster":
        await client.call("CreateCluster")
    api.failures[verb, "ecsclusters"] = FORBIDDEN
    with pytest.raises(Refused, match="AccessDeniedException"):
        await client.call(operation, **params)


async def test_who_may_create_clusters_and_not_see_them_is_answered_at_once(client: EcsClient, api: MemoryApi) -> None:
    api.phase, api.failures["get", "ecsclusters"] = "", FORBIDDEN
    assert (await client.call("CreateCluster"))["cluster"]["status"] == "PROVISIONING"


async def test_a_new_cluster_is_answered_once_it_is_active_or_after_a_while(api: MemoryApi) -> None:
    clock = FakeClock()
    client = EcsClient(api, clock=clock)
    api.phase = ""
    for name, phase in (("a", "ACTIVE"), ("b", "")):
        creating = asyncio.create_task(client.call("CreateCluster", clusterName=name))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not creating.done()
        api.objects[ECS_CLUSTERS.path(name)]["status"] = {"phase": phase}
        while not creating.done():
            clock.step(SETTLING_SECONDS / 10)
            await asyncio.sleep(0)
        assert (await creating)["cluster"]["status"] == (phase or "PROVISIONING")


async def test_an_object_of_another_name_is_no_cluster_of_this_one(client: EcsClient, api: MemoryApi) -> None:
    await client.call("CreateCluster", clusterName="web")
    path = ECS_CLUSTERS.path("web")
    api.objects[path]["spec"]["name"] = "Other"  # which would be another object
    assert await client.call("ListClusters") == {"clusterArns": [f"{PREFIX}:cluster/web"]}
    assert (await describe(client, "Other"))["failures"] == [{"arn": f"{PREFIX}:cluster/Other", "reason": "MISSING"}]
