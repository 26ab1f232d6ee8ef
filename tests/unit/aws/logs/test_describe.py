"""DescribeLogGroups and DescribeLogStreams."""

from typing import Any

import pytest

from monopod.aws.logs.operations import READ
from monopod.kube.objects.resources import ECS_TASK_DEFINITIONS, PODS
from tests.unit.aws.logs.client import LOGS, LogsClient, millis, refused
from tests.unit.aws.logs.kubelet import GROUP, NOON, SECOND, Kubelets, a_definition, a_task, stream_name, task_id

ARN = f"arn:aws:logs:eu-central-1:111122223333:log-group:{GROUP}"


def names(answer: dict[str, Any]) -> list[str]:
    return [each["logGroupName"] for each in answer["logGroups"]]


def a_few() -> Kubelets:
    definitions = [a_definition("/ecs/new"), a_definition(GROUP, NOON - 5 * SECOND)]
    return Kubelets(a_task(1), a_task(2, group="/batch/x"), definitions=definitions)


async def test_groups_are_those_that_tasks_and_definitions_name() -> None:
    answer = await LogsClient(a_few()).call("DescribeLogGroups")
    assert names(answer) == ["/batch/x", "/ecs/new", GROUP]
    assert answer["logGroups"][2] == {
        "logGroupName": GROUP,
        "creationTime": millis(-5),
        "metricFilterCount": 0,
        "arn": f"{ARN}:*",
        "logGroupArn": ARN,
        "logGroupClass": "STANDARD",
    }


async def test_who_may_not_list_definitions_sees_the_groups_of_tasks() -> None:
    api = a_few()
    api.forbidden = {ECS_TASK_DEFINITIONS.list_path()}
    assert names(await LogsClient(api).call("DescribeLogGroups")) == ["/batch/x", GROUP]


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"logGroupNamePrefix": "/ecs"}, ["/ecs/new", GROUP]),
        ({"logGroupNamePattern": "a"}, ["/batch/x"]),
        ({"logGroupIdentifiers": [GROUP]}, [GROUP]),
        ({"logGroupIdentifiers": [ARN, "/none"]}, [GROUP]),
        ({"logGroupClass": "STANDARD"}, ["/batch/x", "/ecs/new", GROUP]),
        ({"logGroupClass": "DELIVERY"}, []),
    ],
)
async def test_groups_are_chosen(params: dict[str, Any], found: list[str]) -> None:
    assert names(await LogsClient(a_few()).call("DescribeLogGroups", **params)) == found


async def test_groups_come_in_pages() -> None:
    client = LogsClient(a_few())
    first = await client.call("DescribeLogGroups", limit=2)
    second = await client.call("DescribeLogGroups", limit=2, nextToken=first["nextToken"])
    assert names(first) + names(second) == ["/batch/x", "/ecs/new", GROUP]
    assert "nextToken" not in second
    for token in ("x", "WyJ4IiwxXQ=="):
        told = await refused(client, "DescribeLogGroups", nextToken=token)
        assert told == ("InvalidParameterException", "The specified nextToken is invalid.")


async def test_two_ways_of_choosing_exclude_each_other() -> None:
    told = await refused(LogsClient(a_few()), "DescribeLogGroups", logGroupNamePrefix="a", logGroupNamePattern="b")
    assert told == (
        "InvalidParameterException",
        "logGroupNamePattern and logGroupNamePrefix are mutually exclusive parameters.",
    )


async def test_what_isnt_read_is_refused_by_name() -> None:
    told = await refused(LogsClient(a_few()), "DescribeLogGroups", includeLinkedAccounts=True)
    assert told == (
        "InvalidParameterException",
        "The following parameters are not supported by Monopod: includeLinkedAccounts",
    )


@pytest.mark.parametrize("operation", sorted(READ))
def test_what_is_read_is_in_the_model(operation: str) -> None:
    assert READ[operation] <= LOGS.operations[operation].input.members.keys()


async def test_a_stream_is_described() -> None:
    api = Kubelets(a_task(1, "app", "side"))
    api.write(1, [(NOON + SECOND, "a"), (NOON + 2 * SECOND, "b"), (NOON + 3 * SECOND, "")])
    answer = await LogsClient(api).call("DescribeLogStreams", logGroupName=GROUP)
    assert answer["logStreams"] == [
        {
            "logStreamName": stream_name(1),
            "creationTime": millis(),
            "firstEventTimestamp": millis(1),
            "lastEventTimestamp": millis(2),
            "lastIngestionTime": millis(2),
            "arn": f"{ARN}:log-stream:{stream_name(1)}",
            "storedBytes": 0,
        },
        {
            "logStreamName": stream_name(1, "side"),
            "creationTime": millis(),
            "arn": f"{ARN}:log-stream:{stream_name(1, 'side')}",
            "storedBytes": 0,
        },
    ]


async def test_who_may_not_read_logs_sees_the_names_of_streams() -> None:
    api = Kubelets(a_task(1))
    api.write(1, [(NOON, "a")])
    api.forbidden = {PODS.path(task_id(1), "ecs-default", "log")}
    (stream,) = (await LogsClient(api).call("DescribeLogStreams", logGroupName=GROUP))["logStreams"]
    assert stream["logStreamName"] == stream_name(1)
    assert "lastEventTimestamp" not in stream


def a_crowd() -> Kubelets:
    """1 ended last, 2 before it, 3 runs since noon, 4 runs since a second later."""
    return Kubelets(
        a_task(1, stopped=NOON + 9 * SECOND),
        a_task(2, stopped=NOON + 5 * SECOND),
        a_task(3),
        a_task(4, created=NOON + SECOND),
    )


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, [1, 2, 3, 4]),
        ({"descending": True}, [4, 3, 2, 1]),
        ({"orderBy": "LastEventTime"}, [2, 1, 3, 4]),
        ({"orderBy": "LastEventTime", "descending": True}, [4, 3, 1, 2]),
        ({"logStreamNamePrefix": stream_name(3)}, [3]),
    ],
)
@pytest.mark.parametrize("limit", [1, 3, 50])
async def test_streams_come_in_order_and_in_pages(params: dict[str, Any], found: list[int], limit: int) -> None:
    client = LogsClient(a_crowd())
    seen: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = await client.call("DescribeLogStreams", logGroupName=GROUP, limit=limit, **params, **token)
        seen += [each["logStreamName"] for each in page["logStreams"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert seen == [stream_name(number) for number in found]


async def test_a_prefix_and_the_order_of_time_exclude_each_other() -> None:
    told = await refused(
        LogsClient(a_crowd()),
        "DescribeLogStreams",
        logGroupName=GROUP,
        logStreamNamePrefix="web",
        orderBy="LastEventTime",
    )
    assert told == ("InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.")
