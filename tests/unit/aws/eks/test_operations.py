"""Which requests to the API server follow from which of EKS, and what is answered."""

import base64
from dataclasses import replace
from typing import Any

import pytest

from monopod.aws.eks.operations import READ, build_service
from monopod.aws.eks.rules.names import compute_object_name
from monopod.aws.wire.call import AwsError, Call
from monopod.aws.wire.models import load_model
from monopod.kube.client.api import ApiError, ApiUnreachable, Cause
from tests.unit.aws.eks.builders import ACCOUNT, ROLE, UID, a_profile, a_request
from tests.unit.aws.eks.client import CALLER, EksClient, Refused
from tests.unit.aws.eks.memory import FORBIDDEN, MemoryApi


@pytest.fixture
def api() -> MemoryApi:
    return MemoryApi()


@pytest.fixture
def client(api: MemoryApi) -> EksClient:
    return EksClient(api)


async def test_a_profile_is_created_described_listed_and_deleted(client: EksClient, api: MemoryApi) -> None:
    created = await client.create(**a_request(fargateProfileName="Web_1", subnets=["subnet-a1"], tags={"a": "b"}))
    assert created["status"] == "CREATING"
    assert created["fargateProfileArn"].endswith("/Web_1/00000000-0000-4000-8000-000000000001")
    assert await client.describe("Web_1") == created
    assert await client.list_names() == ["Web_1"]
    named = {"clusterName": "c1", "fargateProfileName": "Web_1"}
    gone = await client.call("DeleteFargateProfile", **named)
    assert gone == {"fargateProfile": {**created, "status": "DELETING"}}
    assert await client.describe("Web_1") == {**created, "status": "DELETING"}
    api.profiles.clear()
    with pytest.raises(
        Refused, match=r"ResourceNotFoundException: No Fargate Profile found with name: Web_1\."
    ) as error:
        await client.describe("Web_1")
    assert error.value.status == 404
    assert error.value.fields | named == error.value.fields


async def test_profiles_of_kubectls_are_seen(client: EksClient, api: MemoryApi) -> None:
    api.profiles = {name: a_profile(name) for name in ("web", "by.kubectl")}
    await client.create(**a_request(fargateProfileName="A"))
    assert await client.list_names(maxResults=1) == ["A", "by.kubectl", "web"]
    assert (await client.describe("by.kubectl"))["selectors"] == [{"namespace": "web"}]


async def test_an_object_whose_name_was_made_is_known_by_its_own_name_only(client: EksClient, api: MemoryApi) -> None:
    made = compute_object_name("Web")
    api.profiles = {made: a_profile(made)}
    assert (await client.describe(made))["fargateProfileName"] == made
    with pytest.raises(Refused, match="ResourceNotFoundException"):
        await client.describe("Web")
    with pytest.raises(Refused, match="ResourceInUseException"):
        await client.create(**a_request(fargateProfileName="Web"))


async def test_a_repeated_request_has_the_same_answer_and_creates_nothing(client: EksClient, api: MemoryApi) -> None:
    request = a_request(clientRequestToken="t1")
    first = await client.create(**request)
    assert await client.create(**request) == first
    assert api.verbs.count("create") == 1


async def test_two_of_the_same_request_at_once_have_the_same_answer(client: EksClient, api: MemoryApi) -> None:
    request = a_request(clientRequestToken="t1")
    first = await client.create(**request)
    listed = api.list_pages
    turns = iter([MemoryApi().list_pages])
    # The first look finds nothing: the other request is under way.
    api.list_pages = lambda *args, **kinds: next(turns, listed)(*args, **kinds)  # type: ignore[method-assign] # a race
    assert await client.create(**request) == first
    assert api.verbs.count("create") == 2


@pytest.mark.parametrize("other", [{"tags": {"a": "b"}}, {"fargateProfileName": "other"}], ids=["tags", "name"])
async def test_another_request_with_the_same_token_is_refused(client: EksClient, other: dict[str, Any]) -> None:
    await client.create(**a_request(clientRequestToken="t1"))
    with pytest.raises(Refused, match="InvalidRequestException: Arguments on this idempotent request"):
        await client.create(**a_request(clientRequestToken="t1", **other))


async def test_the_same_request_with_another_token_or_none_is_refused(client: EksClient) -> None:
    await client.create(**a_request(clientRequestToken="t1"))
    for token in ("t2", None):
        with pytest.raises(Refused, match="ResourceInUseException: A Fargate Profile already exists with this name"):
            await client.create(**a_request(clientRequestToken=token))


async def test_the_token_is_free_again_once_its_profile_is_gone(client: EksClient, api: MemoryApi) -> None:
    first = await client.create(**a_request(clientRequestToken="t1"))
    api.profiles.clear()
    again = await client.create(**a_request(clientRequestToken="t1", tags={"a": "b"}))
    assert again["fargateProfileArn"] != first["fargateProfileArn"]


async def test_who_may_create_and_not_list_creates(client: EksClient, api: MemoryApi) -> None:
    api.failures["list"] = FORBIDDEN
    await client.create(**a_request(clientRequestToken="t1"))
    with pytest.raises(Refused, match="ResourceInUseException"):
        await client.create(**a_request(clientRequestToken="t1"))


async def test_a_deletion_that_failed_can_be_asked_for_again(client: EksClient, api: MemoryApi) -> None:
    profile = a_profile()
    profile["status"] = {"phase": "DELETE_FAILED"}
    profile["metadata"]["deletionTimestamp"] = "2026-11-29T06:00:00Z"
    api.profiles["web"] = profile
    told = await client.call("DeleteFargateProfile", clusterName="c1", fargateProfileName="web")
    assert told["fargateProfile"]["status"] == "DELETE_FAILED"


async def test_tags_are_added_changed_removed_and_listed(client: EksClient, api: MemoryApi) -> None:
    api.profiles["web"] = a_profile(tags={"a": "1", "b": "2"})
    arn = (await client.describe("web"))["fargateProfileArn"]
    await client.call("TagResource", resourceArn=arn, tags={"b": "3", "c d": ""})
    await client.call("UntagResource", resourceArn=arn, tagKeys=["a", "never"])
    assert await client.call("ListTagsForResource", resourceArn=arn) == {"tags": {"b": "3", "c d": ""}}
    assert (await client.describe("web"))["tags"] == {"b": "3", "c d": ""}


async def test_where_no_tag_is_to_be_removed_nothing_is_written(client: EksClient, api: MemoryApi) -> None:
    api.profiles["web"] = a_profile()
    arn = (await client.describe("web"))["fargateProfileArn"]
    await client.call("UntagResource", resourceArn=arn, tagKeys=["a"])
    assert "patch" not in api.verbs


async def test_the_cluster_is_described_as_a_kubeconfig_needs_it(api: MemoryApi) -> None:
    account = replace(ACCOUNT, certificates="PEM\n", zones={"subnet-2": "b", "subnet-1": "a"})
    client = EksClient(api, account)
    assert await client.call("ListClusters") == {"clusters": ["c1"]}
    assert await client.call("ListClusters", include=["all"], maxResults=1) == {"clusters": ["c1"]}
    assert (await client.call("DescribeCluster", name="c1"))["cluster"] == {
        "name": "c1",
        "arn": "arn:aws:eks:eu-central-1:111122223333:cluster/c1",
        "version": "1.36",
        "endpoint": "https://k8s.example:6443",
        "certificateAuthority": {"data": base64.b64encode(b"PEM\n").decode()},
        "resourcesVpcConfig": {"subnetIds": ["subnet-1", "subnet-2"], "securityGroupIds": []},
        "status": "ACTIVE",
        "tags": {},
        "health": {"issues": []},
    }
    assert await client.call("ListTagsForResource", resourceArn="arn:aws:eks:eu-central-1:111122223333:cluster/c1") == {
        "tags": {}
    }


async def test_of_a_cluster_what_is_not_known_is_not_told(api: MemoryApi) -> None:
    told = await EksClient(api, replace(ACCOUNT, endpoint="")).call("DescribeCluster", name="c1")
    assert told["cluster"].keys().isdisjoint({"endpoint", "certificateAuthority", "createdAt", "roleArn"})


CALLS: dict[str, dict[str, Any]] = {
    "CreateFargateProfile": a_request(clientRequestToken="t1"),
    "DescribeFargateProfile": {"clusterName": "c1", "fargateProfileName": "web"},
    "ListFargateProfiles": {"clusterName": "c1"},
    "DeleteFargateProfile": {"clusterName": "c1", "fargateProfileName": "web"},
    "TagResource": {
        "resourceArn": f"arn:aws:eks:eu-central-1:111122223333:fargateprofile/c1/web/{UID}",
        "tags": {"a": "b"},
    },
    "UntagResource": {
        "resourceArn": f"arn:aws:eks:eu-central-1:111122223333:fargateprofile/c1/web/{UID}",
        "tagKeys": ["old"],
    },
    "ListTagsForResource": {"resourceArn": f"arn:aws:eks:eu-central-1:111122223333:fargateprofile/c1/web/{UID}"},
    "DescribeCluster": {"name": "c1"},
}
VERBS = {
    "CreateFargateProfile": ["list", "create"],
    "DescribeFargateProfile": ["get"],
    "ListFargateProfiles": ["list"],
    "DeleteFargateProfile": ["get", "delete"],
    "TagResource": ["get", "patch"],
    "UntagResource": ["get", "patch"],
    "ListTagsForResource": ["get"],
    "DescribeCluster": ["get"],
}
STEPS = [(operation, verb) for operation, verbs in VERBS.items() for verb in verbs]


@pytest.mark.parametrize(("operation", "verb"), [pytest.param(*step, id="-".join(step)) for step in STEPS])
async def test_an_api_server_that_is_out_of_reach_is_aws_s_fault_at_each_step(operation: str, verb: str) -> None:
    api = MemoryApi() if operation == "CreateFargateProfile" else MemoryApi(a_profile(tags={"old": ""}))
    api.failures[verb] = ApiUnreachable("no route")
    with pytest.raises(Refused) as refused:
        await EksClient(api).call(operation, **CALLS[operation])
    assert refused.value.status >= 500
    assert api.verbs[-1] == verb


@pytest.mark.parametrize(
    ("operation", "verb"),
    [pytest.param(*step, id="-".join(step)) for step in STEPS if step != ("CreateFargateProfile", "list")],
)
async def test_what_rbac_refuses_is_access_denied_at_each_step(operation: str, verb: str) -> None:
    api = MemoryApi() if operation == "CreateFargateProfile" else MemoryApi(a_profile(tags={"old": ""}))
    api.failures[verb] = FORBIDDEN
    with pytest.raises(Refused, match="AccessDeniedException"):
        await EksClient(api).call(operation, **CALLS[operation])


@pytest.mark.parametrize("operation", ["TagResource", "UntagResource"])
async def test_a_profile_that_is_another_by_now_is_not_tagged(operation: str) -> None:
    api = MemoryApi(a_profile(tags={"old": ""}))
    cause = Cause("FieldValueInvalid", "Invalid value: field is immutable", "metadata.uid")
    api.failures["patch"] = ApiError(422, "Invalid", "field is immutable", (cause,))
    with pytest.raises(Refused, match="NotFoundException: No resource found for ARN"):
        await EksClient(api).call(operation, **CALLS[operation])


async def test_a_profile_that_is_another_by_now_is_not_deleted() -> None:
    api = MemoryApi(a_profile())
    api.failures["delete"] = ApiError(409, "Conflict", "the UID in the precondition doesn't match")
    with pytest.raises(Refused, match="ResourceNotFoundException"):
        await EksClient(api).call("DeleteFargateProfile", **CALLS["DeleteFargateProfile"])


async def test_without_monopods_kinds_nothing_is_called_missing() -> None:
    api = MemoryApi()
    api.failures["get"] = ApiError(404, "", "404 page not found")
    with pytest.raises(Refused) as refused:
        await EksClient(api).describe("web")
    assert refused.value.status >= 500


@pytest.mark.parametrize("operation", READ)
def test_each_parameter_in_awss_model_is_read(operation: str) -> None:
    assert load_model("eks").operations[operation].input.members.keys() == READ[operation]


def test_what_is_built_is_in_awss_model() -> None:
    assert build_service(lambda caller: MemoryApi(), ACCOUNT).handlers.keys() == READ.keys()
    assert READ.keys() <= load_model("eks").operations.keys()


class Read(dict[str, Any]):
    """Remembers which of its keys were read by name."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.read: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.read.add(key)
        return super().get(key, default)


@pytest.mark.parametrize("operation", READ)
async def test_a_handler_reads_each_parameter_that_it_is_said_to(operation: str) -> None:
    params = Read(CALLS.get(operation, {}))
    handlers = build_service(lambda caller: MemoryApi(a_profile("web", tags={"old": ""})), ACCOUNT).handlers
    if operation == "CreateFargateProfile":
        params["fargateProfileName"] = "new"
    await handlers[operation](Call("eks", operation, params, CALLER, ACCOUNT.region, "r"))
    assert params.read == READ[operation]


@pytest.mark.parametrize("operation", READ)
async def test_a_parameter_that_nothing_reads_is_refused_by_its_name(operation: str) -> None:
    api = MemoryApi(a_profile(tags={"old": ""}))
    handlers = build_service(lambda caller: api, ACCOUNT).handlers
    params = {**CALLS.get(operation, {}), "newByAws": 1}
    with pytest.raises(AwsError, match="not supported by Monopod: newByAws"):
        await handlers[operation](Call("eks", operation, params, CALLER, ACCOUNT.region, "r"))
    assert not api.verbs


async def test_a_part_of_a_selector_that_nothing_reads_is_refused_by_its_name() -> None:
    members = load_model("eks").operations["CreateFargateProfile"].input.members["selectors"].member.members
    assert members.keys() == {"namespace", "labels"}
    handlers = build_service(lambda caller: MemoryApi(), ACCOUNT).handlers
    params = a_request(selectors=[{"namespace": "web", "podNames": ["a"]}])
    with pytest.raises(AwsError, match=r"not supported by Monopod: selectors\.podNames"):
        await handlers["CreateFargateProfile"](Call("eks", "CreateFargateProfile", params, CALLER, ACCOUNT.region, "r"))


async def test_each_member_of_a_profile_is_told_where_there_is_something_to_tell(client: EksClient) -> None:
    members = load_model("eks").operations["DescribeFargateProfile"].output.members["fargateProfile"].members
    told = await client.create(**a_request(podExecutionRoleArn=ROLE))
    assert told.keys() == members.keys()
