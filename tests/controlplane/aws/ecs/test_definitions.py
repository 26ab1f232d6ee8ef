"""What the real API server makes of the requests on clusters and task definitions: uids, versions, several at once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from monopod.aws.ecs import clusters
from monopod.kube.client.asynchronous import ApiClient, load_configuration
from monopod.kube.objects.resources import ECS_CLUSTERS, ECS_TASK_DEFINITIONS
from tests.clusters import ControlPlane
from tests.controlplane.aws.ecs.clusters import delete_all, make_cluster
from tests.controlplane.server import Server
from tests.unit.aws.client import Refused
from tests.unit.aws.ecs.client import EcsClient
from tests.unit.aws.ecs.test_any_request import draw_request
from tests.unit.tasks.definitions import a_definition
from tests.unit.tasks.made import make_all

# One loop for all tests: their connections are opened and closed in it.
pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(scope="module")
async def api(installed: ControlPlane) -> AsyncIterator[ApiClient]:
    api = ApiClient(await load_configuration(str(installed.kubeconfig_path)))
    yield api
    await api.close()


@pytest.fixture
def server(installed: ControlPlane) -> Iterator[Server]:
    server = Server(installed.kubeconfig_path)
    delete_all(server)
    yield server
    delete_all(server)


@pytest.fixture
def client(api: ApiClient, server: Server) -> EcsClient:
    return EcsClient(api)


async def register(client: EcsClient, **fields: Any) -> dict[str, Any]:
    told: dict[str, Any] = (await client.call("RegisterTaskDefinition", **a_definition(**fields)))["taskDefinition"]
    return told


async def test_of_many_that_register_at_once_each_gets_a_number_of_its_own(client: EcsClient) -> None:
    told = await asyncio.gather(*(register(client, family="Web_1") for _ in range(8)))
    assert sorted(each["revision"] for each in told) == list(range(1, 9))


async def test_what_is_registered_is_stored_and_told_whole(client: EcsClient, server: Server) -> None:
    for sent in make_all(range(30)):
        told = (await client.call("RegisterTaskDefinition", **sent))["taskDefinition"]
        assert (await client.call("DescribeTaskDefinition", taskDefinition="f"))["taskDefinition"] == told
    assert not server.patch(ECS_TASK_DEFINITIONS.path("f.1"), {"spec": {"definition": {"cpu": "512"}}}).ok


async def test_definitions_are_found_by_family_and_status(client: EcsClient) -> None:
    for family in ("Web_1", "Web_1", "api"):
        await register(client, family=family)
    await client.call("DeregisterTaskDefinition", taskDefinition="Web_1:2")
    assert (await client.call("DescribeTaskDefinition", taskDefinition="Web_1"))["taskDefinition"]["revision"] == 1

    async def list_names(**params: str) -> list[str]:
        arns = (await client.call("ListTaskDefinitions", **params))["taskDefinitionArns"]
        return [arn.rpartition("/")[2] for arn in arns]

    assert await list_names() == ["Web_1:1", "api:1"]
    assert await list_names(familyPrefix="Web_1", status="INACTIVE") == ["Web_1:2"]
    assert (await client.call("ListTaskDefinitionFamilies", familyPrefix="W"))["families"] == ["Web_1"]


async def test_a_cluster_is_deleted_and_made_again_with_nothing_of_what_it_had(
    client: EcsClient, server: Server
) -> None:
    make_cluster(server, "Web_1", capacityProviders=["FARGATE"], tags={"old": ""})
    await client.call("DeleteCluster", cluster="Web_1")
    assert (await client.call("ListClusters"))["clusterArns"] == []
    told = await client.call("DescribeClusters", clusters=["Web_1"], include=["TAGS"])
    assert (told["clusters"][0]["status"], told["clusters"][0]["tags"]) == ("INACTIVE", [{"key": "old", "value": ""}])
    again = (await client.call("CreateCluster", clusterName="Web_1", tags=[{"key": "new"}]))["cluster"]
    assert (again["status"], again["tags"], again["capacityProviders"]) == ("ACTIVE", [{"key": "new", "value": ""}], [])


class BehindItsBack:
    """An API server on which a cluster is replaced by another of its name right after it was read."""

    def __init__(self, api: ApiClient, server: Server) -> None:
        self._api, self._server = api, server

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    async def get(self, path: str, query: Any = None) -> Any:
        found = await self._api.get(path, query)
        self._server.delete(path).expect_ok()
        make_cluster(self._server, found["metadata"]["name"])
        return found


async def test_another_cluster_of_the_name_is_not_deleted(client: EcsClient, api: ApiClient, server: Server) -> None:
    make_cluster(server, "web")
    late = EcsClient(BehindItsBack(api, server))
    with pytest.raises(Refused, match="ClusterNotFoundException"):
        await late.call("DeleteCluster", cluster="web")
    assert server.get(ECS_CLUSTERS.path("web")).expect_ok()["spec"]["active"]


@pytest.mark.parametrize("operation", ["CreateCluster", "RegisterTaskDefinition"])
async def test_whatever_the_model_allows_is_created_or_refused_as_the_callers_fault(
    client: EcsClient, server: Server, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "SETTLING_SECONDS", 0.0)  # no operator makes them active
    refusals = []
    for seed in range(60):
        try:
            await client.call_with(operation, draw_request(operation, seed))
        except Refused as refused:
            refusals.append(refused)
    codes = {each.code for each in refusals}
    assert codes <= {"InvalidParameterException", "ClientException", "UnsupportedFeatureException"}
    assert len(refusals) < 60
