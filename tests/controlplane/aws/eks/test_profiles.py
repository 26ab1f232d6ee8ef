"""What the real API server makes of the door's requests: the kind's rules, uids, finalizers, several at once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest

from monopod.api.names import EKS_REQUEST_ANNOTATION
from monopod.aws.eks.rules.names import compute_object_name
from monopod.kube.client.asynchronous import ApiClient, load_configuration
from monopod.kube.objects.resources import PROFILES
from tests.clusters import ControlPlane
from tests.controlplane.operating.lab import build_profile, eventually
from tests.controlplane.server import Server
from tests.unit.aws.eks.builders import ACCOUNT, ROLE, a_request
from tests.unit.aws.eks.client import EksClient, Refused
from tests.unit.aws.eks.refusals import LEAVING_REQUEST, OLD_REQUEST, REFUSALS, ZONES, Refusal
from tests.unit.aws.eks.requests import draw_request

# One loop for all tests: their connections are opened and closed in it.
pytestmark = pytest.mark.asyncio(loop_scope="session")

FINALIZER = "example.com/waits"


@pytest.fixture
def server(installed: ControlPlane) -> Iterator[Server]:
    """The API server, without profiles before and after."""
    server = Server(installed.kubeconfig_path)
    # The kind may be as new as the API server.
    eventually(lambda: server.get(PROFILES.list_path()).ok)
    delete_profiles(server)
    yield server
    delete_profiles(server)


def delete_profiles(server: Server) -> None:
    for profile in server.get(PROFILES.list_path()).expect_ok()["items"]:
        path = PROFILES.path(profile["metadata"]["name"])
        server.patch(path, {"metadata": {"finalizers": None}})
        server.delete(path)
    eventually(lambda: not server.get(PROFILES.list_path()).expect_ok()["items"])


@pytest.fixture(scope="module")
async def api(installed: ControlPlane) -> AsyncIterator[ApiClient]:
    api = ApiClient(await load_configuration(str(installed.kubeconfig_path)))
    yield api
    await api.close()


@pytest.fixture
def client(api: ApiClient, server: Server) -> EksClient:
    return EksClient(api, replace(ACCOUNT, zones=ZONES))


@pytest.mark.eks("1.as-sent")
async def test_what_was_sent_comes_back_as_it_was_sent(client: EksClient, server: Server) -> None:
    request = a_request(
        fargateProfileName="Team_A-Größe",
        selectors=[
            {"namespace": "web-*", "labels": {"tier": "web?", "example.com/a": ""}},
            {"namespace": "a", "labels": {}},
            {"namespace": "b"},
        ],
        subnets=["subnet-b1", "subnet-a1", "subnet-b1"],
        tags={"Team Größe": "a b", "k8s.io/x": "", "a+b=c:d/@": "_.:/=+-@"},
    )
    created = await client.create(**request)
    for name, value in request.items():
        assert created[name] == value
    assert created["status"] == "CREATING"
    assert await client.describe("Team_A-Größe") == created
    stored = server.get(PROFILES.path(compute_object_name("Team_A-Größe"))).expect_ok()
    assert stored["spec"]["subnets"] == ["b", "a"]
    assert created["fargateProfileArn"].endswith(f"/Team_A-Größe/{stored['metadata']['uid']}")


async def test_profiles_of_kubectls_are_seen_and_the_other_way_round(client: EksClient, server: Server) -> None:
    selectors = [{"namespace": "a", "labels": {"b": "c"}}]
    server.create(PROFILES.list_path(), build_profile("by.kubectl", selectors=selectors)).expect_ok()
    await client.create(**a_request(fargateProfileName="Web"))
    assert await client.list_names(maxResults=1) == ["Web", "by.kubectl"]
    assert (await client.describe("by.kubectl"))["selectors"] == selectors
    metadata = server.get(PROFILES.path(compute_object_name("Web"))).expect_ok()["metadata"]
    assert '"Web"' in metadata["annotations"][EKS_REQUEST_ANNOTATION]


@pytest.mark.parametrize("row", [row for row in REFUSALS if row.judged_by_api_server], ids=lambda row: row.name)
async def test_what_the_kinds_rules_refuse_is_refused_in_awss_words(row: Refusal, client: EksClient) -> None:
    old = await client.create(**OLD_REQUEST)
    await client.create(**LEAVING_REQUEST)
    with pytest.raises(Refused) as refused:
        await client.call_with(row.operation, row.get_params(old["fargateProfileArn"]), row.body)
    assert refused.value.code == row.code
    assert refused.value.message.startswith(row.message)
    assert "FargateProfile.monopod.dev" not in refused.value.message
    assert await client.list_names() == ["leaving", "old"]
    assert (await client.describe("old"))["tags"] == OLD_REQUEST["tags"]


async def test_any_request_is_answered_as_it_was_sent_or_refused_by_a_code_that_clients_know(
    client: EksClient, server: Server
) -> None:
    created: dict[str, dict[str, Any]] = {}
    codes: set[str] = set()
    for seed in range(200):
        request = draw_request("CreateFargateProfile", seed)
        try:
            await client.call_with("CreateFargateProfile", request)
        except Refused as refused:
            codes.add(refused.code)
        else:
            created[request.pop("fargateProfileName")] = request
    assert codes <= {"InvalidParameterException", "ResourceInUseException", "ResourceNotFoundException"}
    assert await client.list_names() == sorted(created)
    for name, request in created.items():
        told = await client.describe(name)
        request.pop("clientRequestToken", None)
        assert {key: told[key] for key in request} == request
    assert len(created) >= 3


class Together:
    """An API server that is asked to create something only once as many want that."""

    def __init__(self, api: ApiClient, count: int) -> None:
        self._api, self._all = api, asyncio.Barrier(count)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    async def create(self, path: str, body: Any, *, dry_run: bool = False) -> Any:
        await self._all.wait()
        return await self._api.create(path, body, dry_run=dry_run)


async def test_of_many_that_ask_the_same_at_once_all_get_the_same_answer(client: EksClient, api: ApiClient) -> None:
    together = EksClient(Together(api, 8), client.account)
    request = a_request(clientRequestToken="t1")
    answers = await asyncio.gather(*(together.create(**request) for _ in range(8)))
    assert all(answer == answers[0] for answer in answers)


async def test_of_many_that_ask_for_the_same_name_one_gets_it(client: EksClient, api: ApiClient) -> None:
    together = EksClient(Together(api, 8), client.account)
    requests = (together.create(**a_request(clientRequestToken=f"t{number}")) for number in range(8))
    answers = await asyncio.gather(*requests, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert [answer.code for answer in refused] == ["ResourceInUseException"] * 7


@pytest.mark.eks("1.token")
async def test_a_restart_forgets_no_token(client: EksClient, api: ApiClient) -> None:
    first = await client.create(**a_request(clientRequestToken="t1"))
    restarted = EksClient(api, client.account)
    assert await restarted.create(**a_request(clientRequestToken="t1")) == first
    for other in ({"tags": {"a": "b"}}, {"fargateProfileName": "other"}):
        with pytest.raises(Refused, match="InvalidRequestException"):
            await restarted.create(**a_request(clientRequestToken="t1", **other))


async def test_a_profile_that_goes_is_deleting_until_it_is_gone(client: EksClient, server: Server) -> None:
    await client.create(**a_request())
    server.patch(PROFILES.path("web"), {"metadata": {"finalizers": [FINALIZER]}}).expect_ok()
    named = {"clusterName": "c1", "fargateProfileName": "web"}
    assert (await client.call("DeleteFargateProfile", **named))["fargateProfile"]["status"] == "DELETING"
    assert (await client.describe("web"))["status"] == "DELETING"
    assert await client.list_names() == ["web"]
    with pytest.raises(Refused, match="InvalidRequestException: Fargate Profile is currently not in Active State"):
        await client.call("DeleteFargateProfile", **named)
    with pytest.raises(Refused, match="ResourceInUseException"):
        await client.create(**a_request())
    server.patch(PROFILES.path("web"), {"metadata": {"finalizers": None}}).expect_ok()
    with pytest.raises(Refused, match="ResourceNotFoundException"):
        await client.describe("web")
    assert await client.list_names() == []


@pytest.mark.eks("1.tagging")
async def test_tags_that_several_change_at_once_are_all_changed(client: EksClient) -> None:
    created = await client.create(**a_request(tags={"gone": "1", "stays": "2"}))
    arn = created["fargateProfileArn"]
    await asyncio.gather(
        *(client.call("TagResource", resourceArn=arn, tags={f"t{number}": str(number)}) for number in range(8)),
        client.call("UntagResource", resourceArn=arn, tagKeys=["gone", "never"]),
    )
    expected = {"stays": "2", **{f"t{number}": str(number) for number in range(8)}}
    assert await client.call("ListTagsForResource", resourceArn=arn) == {"tags": expected}
    assert await client.describe("web") == {**created, "tags": expected}


class BehindItsBack:
    """An API server on which a profile is replaced by another of its name right after it was read."""

    def __init__(self, api: ApiClient, server: Server) -> None:
        self._api, self._server = api, server

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    async def get(self, path: str, query: Any = None) -> Any:
        found = await self._api.get(path, query)
        delete_profiles(self._server)
        selectors = [{"namespace": "another"}]
        self._server.create(PROFILES.list_path(), build_profile("web", selectors=selectors)).expect_ok()
        return found


@pytest.mark.eks("1.arn")
@pytest.mark.parametrize(
    ("operation", "params"),
    [("TagResource", {"tags": {"a": "b"}}), ("UntagResource", {"tagKeys": ["old"]})],
)
async def test_another_profile_of_the_name_gets_no_tags(
    operation: str, params: dict[str, Any], client: EksClient, api: ApiClient, server: Server
) -> None:
    created = await client.create(**a_request(tags={"old": ""}))
    late = EksClient(BehindItsBack(api, server), client.account)
    with pytest.raises(Refused, match="NotFoundException: No resource found for ARN"):
        await late.call_with(operation, {"resourceArn": created["fargateProfileArn"], **params})
    assert (await client.describe("web"))["tags"] == {}
    with pytest.raises(Refused, match="NotFoundException"):
        await client.call("ListTagsForResource", resourceArn=created["fargateProfileArn"])


async def test_another_profile_of_the_name_is_not_deleted(client: EksClient, api: ApiClient, server: Server) -> None:
    await client.create(**a_request())
    late = EksClient(BehindItsBack(api, server), client.account)
    with pytest.raises(Refused, match="ResourceNotFoundException"):
        await late.call("DeleteFargateProfile", clusterName="c1", fargateProfileName="web")
    assert (await client.describe("web"))["status"] == "CREATING"


async def test_a_quota_that_is_used_up_is_a_limit_that_is_exceeded(client: EksClient, server: Server) -> None:
    quota = "/api/v1/namespaces/monopod-system/configmaps/monopod-quota"
    server.patch(quota, {"data": {"quota": "1", "profiles": "other"}}).expect_ok()
    try:
        eventually(
            lambda: (
                not server.create(
                    PROFILES.list_path(), build_profile("x", selectors=[{"namespace": "x"}]), dry_run=True
                ).ok
            )
        )
        with pytest.raises(Refused, match=r"ResourceLimitExceededException: The quota of Fargate profiles is used up"):
            await client.create(**a_request())
    finally:
        server.patch(quota, {"data": None}).expect_ok()
        fits = build_profile("x", selectors=[{"namespace": "x"}])
        eventually(lambda: server.create(PROFILES.list_path(), fits, dry_run=True).ok)


async def test_the_cluster_has_the_api_servers_version(client: EksClient, server: Server) -> None:
    version = server.get("/version").expect_ok()
    told = (await client.call("DescribeCluster", name="c1"))["cluster"]
    assert told["version"] == f"{version['major']}.{version['minor']}"


async def test_a_role_is_kept_as_it_was_sent(client: EksClient) -> None:
    role = ROLE.replace("role/", "role/path/to/")
    assert (await client.create(**a_request(podExecutionRoleArn=role)))["podExecutionRoleArn"] == role
