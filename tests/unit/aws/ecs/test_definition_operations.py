"""ECS' task definitions: which requests to the API server follow from which of ECS', and what is answered."""

import asyncio
import datetime
from typing import Any

import pytest

from monopod.kube.client.api import ApiUnreachable
from monopod.kube.objects.resources import ECS_TASK_DEFINITIONS, ECS_TASK_FAMILIES
from monopod.tasks.rules.registration.defaults import complete
from monopod.tasks.rules.rule import SDK_CODE, Effect
from monopod.tasks.rules.validation import validate
from tests.unit.aws.client import Refused
from tests.unit.aws.ecs.builders import PREFIX
from tests.unit.aws.ecs.client import EcsClient
from tests.unit.aws.ecs.memory import CHANGED, EXISTS, FORBIDDEN, MemoryApi
from tests.unit.fake_clock import FakeClock
from tests.unit.tasks.definitions import Case, a_container, a_definition, read_cases
from tests.unit.tasks.made import make_all


def is_alone(case: Case) -> bool:
    """Whether nothing else is wrong with a definition."""
    return len([each for each in validate(case.definition) if each.rule.effect is not Effect.NOTE]) == 1


REFUSED = [case for case in read_cases() if case.code not in ("", SDK_CODE) and is_alone(case)]


@pytest.fixture
def api() -> MemoryApi:
    return MemoryApi()


@pytest.fixture
def client(api: MemoryApi) -> EcsClient:
    return EcsClient(api, clock=FakeClock())


async def register(client: EcsClient, family: str = "web", **fields: Any) -> dict[str, Any]:
    told = await client.call("RegisterTaskDefinition", **a_definition(family=family, **fields))
    definition: dict[str, Any] = told["taskDefinition"]
    return definition


async def describe(client: EcsClient, name: str) -> dict[str, Any]:
    definition: dict[str, Any] = (await client.call("DescribeTaskDefinition", taskDefinition=name))["taskDefinition"]
    return definition


async def list_definitions(client: EcsClient, **params: Any) -> list[str]:
    arns = (await client.call("ListTaskDefinitions", **params))["taskDefinitionArns"]
    return [arn.removeprefix(f"{PREFIX}:task-definition/") for arn in arns]


async def test_a_definition_is_registered_and_described_with_its_defaults(client: EcsClient, api: MemoryApi) -> None:
    tags = [{"key": "a", "value": "b"}]
    told = await client.call("RegisterTaskDefinition", **a_definition(family="Web_1", tags=tags))
    definition = told["taskDefinition"]
    moment = definition["registeredAt"]
    assert isinstance(moment, datetime.datetime)
    assert told == {
        "tags": tags,
        "taskDefinition": {
            **complete(a_definition(family="Web_1")),
            "taskDefinitionArn": f"{PREFIX}:task-definition/Web_1:1",
            "revision": 1,
            "status": "ACTIVE",
            "requiresAttributes": [],
            "compatibilities": ["FARGATE"],
            "registeredAt": moment,
            "registeredBy": "arn:aws:iam::111122223333:user/alice",
        },
    }
    for name in ("Web_1", "Web_1:1", definition["taskDefinitionArn"]):
        assert await describe(client, name) == definition
    with_tags = await client.call("DescribeTaskDefinition", taskDefinition="Web_1", include=["TAGS"])
    assert with_tags == {"taskDefinition": definition, "tags": tags}
    (stored,) = (each for path, each in api.objects.items() if path.startswith(ECS_TASK_DEFINITIONS.list_path()))
    assert stored["spec"]["registeredBy"] == "alice"
    assert "tags" not in stored["spec"]["definition"]


async def test_nothing_of_what_is_sent_is_lost(client: EcsClient) -> None:
    for sent in make_all(range(80)):
        told = (await client.call("RegisterTaskDefinition", **sent))["taskDefinition"]
        assert {key: told[key] for key in complete(sent)} == complete(sent)
        assert await describe(client, "f") == told


async def test_revisions_are_counted_by_family_and_never_used_again(client: EcsClient, api: MemoryApi) -> None:
    for family, expected in (("web", 1), ("web", 2), ("Web", 1), ("web", 3)):
        assert (await register(client, family))["revision"] == expected
    for revision in (2, 3):
        del api.objects[ECS_TASK_DEFINITIONS.path(f"web.{revision}")]
    assert (await describe(client, "web"))["revision"] == 1
    assert (await register(client))["revision"] == 4


async def test_a_definition_of_kubectls_is_seen_and_its_number_is_passed_over(
    client: EcsClient, api: MemoryApi
) -> None:
    spec = {"family": "web", "revision": 1, "definition": complete(a_definition()), "active": True}
    api.put(ECS_TASK_DEFINITIONS.path("web.1"), {"metadata": {"name": "web.1"}, "spec": spec})
    told = await describe(client, "web")
    assert told["taskDefinitionArn"] == f"{PREFIX}:task-definition/web:1"
    assert "registeredAt" not in told
    assert (await register(client))["revision"] == 2
    assert await list_definitions(client) == ["web:1", "web:2"]


async def test_an_object_that_says_it_is_another_revision_is_not_taken_for_this_one(
    client: EcsClient, api: MemoryApi
) -> None:
    spec = {"family": "web", "revision": 1, "definition": complete(a_definition()), "active": True}
    api.put(ECS_TASK_DEFINITIONS.path("api.1"), {"metadata": {"name": "api.1"}, "spec": spec})
    with pytest.raises(Refused, match="Unable to describe task definition"):
        await describe(client, "api:1")


async def test_a_definition_of_kubectls_that_is_none_says_so(client: EcsClient, api: MemoryApi) -> None:
    spec = {"family": "web", "revision": 1, "definition": {"family": "web", "containerDefinitions": 1, "cpus": 2}}
    api.put(ECS_TASK_DEFINITIONS.path("web.1"), {"metadata": {"name": "web.1"}, "spec": spec})
    with pytest.raises(
        Refused, match=r"ClientException: The ECSTaskDefinition web\.1 holds what no task definition can"
    ):
        await describe(client, "web:1")


async def test_of_many_that_register_at_once_each_gets_a_number_of_its_own(client: EcsClient, api: MemoryApi) -> None:
    looked = api.get

    async def look(*args: Any, **kinds: Any) -> Any:
        found = await looked(*args, **kinds)
        await asyncio.sleep(0)  # the others look, too, before anyone writes
        return found

    api.get = look  # type: ignore[method-assign] # a race
    told = await asyncio.gather(*(register(client) for _ in range(8)))
    assert sorted(each["revision"] for each in told) == list(range(1, 9))


async def test_a_number_that_others_get_each_time_is_not_waited_for_for_ever(client: EcsClient, api: MemoryApi) -> None:
    await register(client)
    for verb, failure in (("merge", CHANGED), ("create", EXISTS)):
        api.failures = {(verb, "ecstask"): failure}
        with pytest.raises(
            Refused, match="ClientException: Too many concurrent attempts to create a new revision of the"
        ):
            await register(client)


async def test_a_number_that_was_counted_meanwhile_is_not_counted_again_though_its_revision_is_gone(
    client: EcsClient, api: MemoryApi
) -> None:
    await register(client)
    looked, others = api.get, EcsClient(api)

    async def look(path: str, query: Any = None) -> Any:
        found = await looked(path, query)
        if path == ECS_TASK_FAMILIES.path("web"):
            api.get = looked  # type: ignore[method-assign] # another registers and deletes it right now
            await register(others)
            del api.objects[ECS_TASK_DEFINITIONS.path("web.2")]
        return found

    api.get = look  # type: ignore[method-assign] # a race
    assert (await register(client))["revision"] == 3


async def test_one_that_is_killed_after_counting_costs_a_number_and_no_more(client: EcsClient, api: MemoryApi) -> None:
    api.failures["create", "ecstaskdefinitions"] = ApiUnreachable("gone")
    with pytest.raises(Refused, match="ServiceUnavailableException"):
        await register(client)
    assert api.objects[ECS_TASK_FAMILIES.path("web")]["spec"]["latestRevision"] == 1
    api.failures.clear()
    assert (await register(client))["revision"] == 2


async def test_a_deregistered_definition_is_inactive_and_stays(client: EcsClient, api: MemoryApi) -> None:
    for _ in range(3):
        await register(client)
    gone = (await client.call("DeregisterTaskDefinition", taskDefinition="web:3"))["taskDefinition"]
    assert gone["status"] == "INACTIVE"
    assert isinstance(gone["deregisteredAt"], datetime.datetime)
    assert await describe(client, "web:3") == gone
    assert (await describe(client, "web"))["revision"] == 2
    assert await list_definitions(client) == ["web:1", "web:2"]
    assert await list_definitions(client, status="INACTIVE") == ["web:3"]
    assert await list_definitions(client, status="DELETE_IN_PROGRESS") == []
    assert (await client.call("DeregisterTaskDefinition", taskDefinition="web:3"))["taskDefinition"] == gone
    for revision in (1, 2):
        await client.call("DeregisterTaskDefinition", taskDefinition=f"web:{revision}")
    with pytest.raises(Refused, match=r"ClientException: Unable to describe task definition\."):
        await describe(client, "web")


async def test_definitions_are_listed_by_family_and_number_in_either_order_in_pages(client: EcsClient) -> None:
    for family in ["a"] * 11 + ["a-b", "B", "ab"]:
        await register(client, family)
    expected = ["B:1", *(f"a:{number}" for number in range(1, 12)), "a-b:1", "ab:1"]
    assert await list_definitions(client) == expected
    assert await list_definitions(client, familyPrefix="a") == expected[1:12]
    assert await list_definitions(client, familyPrefix="none") == []
    for sort, wanted in (("ASC", expected), ("DESC", list(reversed(expected)))):
        found: list[str] = []
        token: dict[str, Any] = {}
        while len(found) < len(wanted):
            page = await client.call("ListTaskDefinitions", sort=sort, maxResults=4, **token)
            found += page["taskDefinitionArns"]
            token = {"nextToken": page.get("nextToken", "")}
        assert [arn.rpartition("/")[2] for arn in found] == wanted
        assert not token["nextToken"]


async def test_families_are_listed_by_their_beginning_and_status(client: EcsClient) -> None:
    for family in ("web", "web-2", "Old", "web"):
        await register(client, family)
    await client.call("DeregisterTaskDefinition", taskDefinition="Old:1")
    await client.call("DeregisterTaskDefinition", taskDefinition="web:1")
    for params, expected in (
        ({}, ["Old", "web", "web-2"]),
        ({"status": "ALL", "familyPrefix": "we"}, ["web", "web-2"]),
        ({"status": "ACTIVE"}, ["web", "web-2"]),
        ({"status": "INACTIVE"}, ["Old"]),
    ):
        assert await client.call("ListTaskDefinitionFamilies", **params) == {"families": expected}
    page = await client.call("ListTaskDefinitionFamilies", maxResults=2)
    rest = await client.call("ListTaskDefinitionFamilies", nextToken=page["nextToken"])
    assert page["families"] + rest["families"] == ["Old", "web", "web-2"]


@pytest.mark.parametrize("case", REFUSED, ids=[case.id for case in REFUSED])
async def test_what_fargate_refuses_is_refused_in_its_words(client: EcsClient, api: MemoryApi, case: Case) -> None:
    with pytest.raises(Refused) as error:
        await client.call("RegisterTaskDefinition", **case.definition)
    # What AWS's model of the service can say, that says before.
    if not error.value.message.startswith(("1 validation error", "2 validation errors")):
        assert error.value.code == case.code
        assert case.message in error.value.message
    assert api.requests == []


@pytest.mark.parametrize(
    ("operation", "params", "told"),
    [
        ("DescribeTaskDefinition", {"taskDefinition": "none"}, "ClientException: Unable to describe task definition."),
        ("DescribeTaskDefinition", {"taskDefinition": "web:2"}, "ClientException: Unable to describe task definition."),
        ("DescribeTaskDefinition", {"taskDefinition": "web:0"}, "ClientException: Unable to describe task definition."),
        ("DescribeTaskDefinition", {"taskDefinition": "a b"}, "ClientException: Unable to describe task definition."),
        (
            "DescribeTaskDefinition",
            {"taskDefinition": "web:latest"},
            "InvalidParameterException: Invalid revision number. Number: latest",
        ),
        (
            "DescribeTaskDefinition",
            {"taskDefinition": f"{PREFIX}:cluster/web"},
            "InvalidParameterException: Unsupported resource type: cluster",
        ),
        ("DeregisterTaskDefinition", {"taskDefinition": "web"}, "ClientException: Revision is missing."),
        (
            "DeregisterTaskDefinition",
            {"taskDefinition": "web:9"},
            # So cloud-custodian and grucloud know it, which clean up.
            "ClientException: The specified task definition does not exist.",
        ),
        (
            "ListTaskDefinitions",
            {"familyPrefix": "a b"},
            r"InvalidParameterException: family must match ^[a-zA-Z0-9\-_]+$, but was a b",
        ),
        (
            "ListTaskDefinitions",
            {"maxResults": 101},
            "InvalidParameterException: maxResults must be between 1 and 100.",
        ),
        (
            "RegisterTaskDefinition",
            a_definition(containerDefinitions=[a_container(environment=[{"name": "A", "value": "b" * 66_000}])]),
            "ClientException: Actual length: '66341'. Max allowed length is '65536' bytes.",
        ),
    ],
)
async def test_what_is_refused_is_named(client: EcsClient, operation: str, params: dict[str, Any], told: str) -> None:
    await register(client)
    with pytest.raises(Refused) as error:
        await client.call(operation, **params)
    assert str(error.value) == told


@pytest.mark.parametrize(
    ("verb", "plural", "operation", "params"),
    [
        ("get", "ecstaskfamilies", "RegisterTaskDefinition", a_definition()),
        ("merge", "ecstaskfamilies", "RegisterTaskDefinition", a_definition()),
        ("create", "ecstaskdefinitions", "RegisterTaskDefinition", a_definition()),
        ("get", "ecstaskdefinitions", "DescribeTaskDefinition", {"taskDefinition": "web:1"}),
        ("list", "ecstaskdefinitions", "DescribeTaskDefinition", {"taskDefinition": "web"}),
        ("list", "ecstaskdefinitions", "ListTaskDefinitionFamilies", {}),
        ("merge", "ecstaskdefinitions", "DeregisterTaskDefinition", {"taskDefinition": "web:1"}),
    ],
)
async def test_what_a_caller_may_not_is_denied(
    client: EcsClient, api: MemoryApi, verb: str, plural: str, operation: str, params: dict[str, Any]
) -> None:
    await register(client)
    api.failures[verb, plural] = FORBIDDEN
    with pytest.raises(Refused, match="AccessDeniedException"):
        await client.call(operation, **params)
