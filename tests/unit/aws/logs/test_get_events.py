"""GetLogEvents: both ways through a stream, its tokens, and logs that are large, gone or still being written."""

import asyncio

import pytest

from monopod.aws.logs.operations import MOST_OF_A_USER
from monopod.aws.logs.rules.window import LARGEST_PAGE
from monopod.aws.wire.call import AwsError, Caller
from monopod.kube.client.api import ApiError, ServerTrouble
from monopod.kube.objects.resources import ECS_TASKS
from tests.unit.aws.logs.client import LogsClient, messages, millis, refused
from tests.unit.aws.logs.kubelet import GROUP, NOON, SECOND, Kubelets, a_line, a_task, stream_name, task_id
from tests.unit.running import settle
from tests.unit.waiting import until

STREAM = stream_name(1)


def a_log(count: int = 10, *, stopped: int | None = None) -> Kubelets:
    """One line a tenth of a second."""
    api = Kubelets(a_task(1, stopped=stopped))
    api.write(1, ((NOON + index * SECOND // 10, f"line {index}") for index in range(count)))
    return api


async def test_the_last_events_come_first_in_their_order() -> None:
    client = LogsClient(a_log())
    answer = await client.get(STREAM, limit=3)
    assert messages(answer) == ["line 7", "line 8", "line 9"]
    assert answer["events"][0] == {"timestamp": millis(0.7), "message": "line 7", "ingestionTime": millis(0.7)}


async def test_a_stream_is_read_forwards_to_its_end_where_the_token_stays() -> None:
    api = a_log()
    client = LogsClient(api)
    answer = await client.get(STREAM, startFromHead=True, limit=4)
    seen = messages(answer)
    while True:
        token = answer["nextForwardToken"]
        answer = await client.get(STREAM, startFromHead=True, limit=4, nextToken=token)
        seen += messages(answer)
        if answer["nextForwardToken"] == token:
            break
    assert seen == [f"line {index}" for index in range(10)]
    assert (await client.get(STREAM, nextToken=token))["nextForwardToken"] == token
    api.write(1, [(NOON + 5 * SECOND, "later")])
    assert messages(await client.get(STREAM, nextToken=token)) == ["later"]


async def test_a_stream_is_read_backwards_to_its_beginning_where_the_token_stays() -> None:
    client = LogsClient(a_log())
    answer = await client.get(STREAM, limit=4)
    seen = [messages(answer)]
    while messages(answer):
        token = answer["nextBackwardToken"]
        answer = await client.get(STREAM, limit=4, nextToken=token)
        seen.append(messages(answer))
    assert [len(each) for each in seen] == [4, 4, 2, 0]
    assert [text for page in reversed(seen) for text in page] == [f"line {index}" for index in range(10)]
    assert answer["nextBackwardToken"] == token
    assert messages(await client.get(STREAM, nextToken=answer["nextForwardToken"], limit=1)) == ["line 0"]


async def test_one_step_forwards_and_one_back_show_the_same() -> None:
    client = LogsClient(a_log())
    first = await client.get(STREAM, startFromHead=True, limit=4)
    second = await client.get(STREAM, nextToken=first["nextForwardToken"], limit=4)
    back = await client.get(STREAM, nextToken=second["nextBackwardToken"], limit=4)
    assert back["events"] == first["events"]


async def test_an_end_is_exclusive_and_a_start_inclusive() -> None:
    client = LogsClient(a_log())
    for from_head in (True, False):
        answer = await client.get(STREAM, startTime=millis(0.2), endTime=millis(0.5), startFromHead=from_head)
        assert messages(answer) == ["line 2", "line 3", "line 4"]


async def test_events_of_one_time_are_paged_without_loss() -> None:
    api = Kubelets(a_task(1))
    api.write(1, ((NOON, f"line {index}") for index in range(9)))
    client, seen = LogsClient(api), []
    answer = await client.get(STREAM, startFromHead=True, limit=2)
    while messages(answer):
        seen += messages(answer)
        answer = await client.get(STREAM, nextToken=answer["nextForwardToken"], limit=2)
    assert seen == [f"line {index}" for index in range(9)]


async def test_of_a_large_log_no_more_is_read_than_is_answered() -> None:
    api = Kubelets(a_task(1), piece=65_536)
    api.write(1, ((NOON + index, "x" * 1000) for index in range(8000)))
    answer = await LogsClient(api).get(STREAM, startFromHead=True)
    assert sum(len(each["message"]) + 26 for each in answer["events"]) <= LARGEST_PAGE
    assert LARGEST_PAGE < api.taken[-1] < 1.2 * LARGEST_PAGE


async def test_the_end_of_a_large_log_is_asked_of_the_kubelet() -> None:
    api = Kubelets(a_task(1), piece=65_536)
    api.write(1, ((NOON + index * SECOND, f"line {index}") for index in range(20_000)))
    answer = await LogsClient(api).get(STREAM, limit=1)
    assert messages(answer) == ["line 19999"]
    assert api.taken == [api.taken[0]]
    assert api.taken[0] < 100_000


async def test_the_end_of_a_log_of_one_time_is_found_all_the_same() -> None:
    api = Kubelets(a_task(1), piece=65_536)
    api.write(1, ((NOON, f"line {index}") for index in range(3000)))
    client = LogsClient(api)
    answer = await client.get(STREAM, limit=2)
    assert messages(answer) == ["line 2998", "line 2999"]
    assert messages(await client.get(STREAM, limit=2, nextToken=answer["nextBackwardToken"])) == [
        "line 2996",
        "line 2997",
    ]


@pytest.mark.parametrize(
    "failure",
    [
        None,
        ApiError(404, "NotFound", 'pods "x" not found'),
        ApiError(400, "BadRequest", 'container "app" is waiting to start: ContainerCreating'),
    ],
    ids=["empty", "gone", "waiting"],
)
async def test_without_events_the_tokens_stay(failure: ApiError | None) -> None:
    api = Kubelets(a_task(1))
    api.logs[task_id(1), "app"] = failure or b""
    client = LogsClient(api)
    answer = await client.get(STREAM, startFromHead=True)
    assert answer["events"] == []
    for token in (answer["nextForwardToken"], answer["nextBackwardToken"]):
        again = await client.get(STREAM, nextToken=token)
        assert token in (again["nextForwardToken"], again["nextBackwardToken"])
    api.logs[task_id(1), "app"] = b""
    api.write(1, [(NOON, "a")])
    assert messages(await client.get(STREAM, nextToken=answer["nextForwardToken"])) == ["a"]


@pytest.mark.parametrize(("stopped", "told"), [(None, ["a"]), (NOON + 5 * SECOND, ["a", "beg"])])
async def test_a_line_that_has_begun_is_told_once_nothing_more_can_come(stopped: int | None, told: list[str]) -> None:
    api = Kubelets(a_task(1, stopped=stopped))
    api.logs[task_id(1), "app"] = a_line(NOON, "a") + a_line(NOON + 1, "beg")[:-1]
    assert messages(await LogsClient(api).get(STREAM, startFromHead=True)) == told


async def test_a_user_has_a_few_answers_at_a_time_and_holds_up_nobody_else() -> None:
    api = a_log()
    api.gate.clear()
    ana = LogsClient(api)
    ben = LogsClient(api, Caller("AKIAOTHER", "ben"), ana.handlers)
    asked = [asyncio.create_task(ana.get(STREAM)) for _ in range(MOST_OF_A_USER + 3)]
    asked.append(asyncio.create_task(ben.get(STREAM)))
    await until(lambda: len(api.asked) == MOST_OF_A_USER + 1)
    await settle(50)
    assert len(api.asked) == len(api.listed) == MOST_OF_A_USER + 1
    api.gate.set()
    assert [len(messages(each)) for each in await asyncio.gather(*asked)] == [10] * len(asked)


async def test_of_all_tasks_only_that_of_the_stream_is_asked_for() -> None:
    api = Kubelets(*(a_task(number) for number in range(9)), a_task(10, cluster="a"))
    await LogsClient(api).get(STREAM)
    by_id = {"fieldSelector": f"metadata.name={task_id(1)}"}
    assert api.listed == [(ECS_TASKS.list_path(), by_id)]
    api.listed, api.forbidden = [], {ECS_TASKS.list_path(), ECS_TASKS.list_path("ecs-a")}
    await LogsClient(api).get(STREAM)
    assert [query for path, query in api.listed if path.endswith("/ecstasks")] == [by_id] * 3


async def test_a_node_that_cant_be_asked_is_told() -> None:
    api = a_log()
    api.logs[task_id(1), "app"] = ServerTrouble(500, "InternalError", "dial tcp 10.0.0.1:10250: connect: refused")
    with pytest.raises(AwsError, match=r"The log can't be read now: .*refused") as told:
        await LogsClient(api).get(STREAM)
    assert told.value.code == "ServiceUnavailableException"


async def test_who_may_not_read_logs_is_denied() -> None:
    api = a_log()
    api.logs[task_id(1), "app"] = ApiError(403, "Forbidden", 'User "ana" cannot get resource "pods/log"')
    with pytest.raises(AwsError, match="pods/log") as told:
        await LogsClient(api).get(STREAM)
    assert told.value.code == "AccessDeniedException"


@pytest.mark.parametrize(
    ("params", "code", "message"),
    [
        ({"logGroupName": "/other"}, "ResourceNotFoundException", "The specified log group does not exist."),
        ({"logStreamName": "x"}, "ResourceNotFoundException", "The specified log stream does not exist."),
        ({"nextToken": "x"}, "InvalidParameterException", "The specified nextToken is invalid."),
        ({"nextToken": "f/1/s"}, "InvalidParameterException", "The specified nextToken is invalid."),
        (
            {"logGroupIdentifier": GROUP},
            "InvalidParameterException",
            "logGroupName and logGroupIdentifier can't be provided both.",
        ),
    ],
)
async def test_it_is_refused(params: dict[str, str], code: str, message: str) -> None:
    asked = {"logGroupName": GROUP, "logStreamName": STREAM, **params}
    assert await refused(LogsClient(a_log()), "GetLogEvents", **asked) == (code, message)


async def test_a_group_is_known_by_its_arn() -> None:
    client = LogsClient(a_log())
    arn = f"arn:aws:logs:eu-central-1:111122223333:log-group:{GROUP}"
    for identifier in (arn, GROUP):
        answer = await client.call("GetLogEvents", logGroupIdentifier=identifier, logStreamName=STREAM)
        assert len(answer["events"]) == 10
    other = f"arn:aws:logs:eu-central-1:999999999999:log-group:{GROUP}"
    told = await refused(client, "GetLogEvents", logGroupIdentifier=other, logStreamName=STREAM)
    assert told == ("ResourceNotFoundException", "The specified log group does not exist.")
    told = await refused(client, "GetLogEvents", logStreamName=STREAM)
    assert told == ("InvalidParameterException", "Either logGroupName or logGroupIdentifier must be provided.")


async def test_a_container_whose_name_no_pod_takes_is_found_by_that_of_the_pod() -> None:
    api = Kubelets(a_task(1, "My_App"))
    await LogsClient(api).get(stream_name(1, "My_App"))
    assert api.asked[0]["container"].startswith("my-app-")
