"""FilterLogEvents: many streams as one, in order and in pages; and as `aws logs tail --follow` asks."""

import random
from collections import defaultdict
from typing import Any

import pytest

from monopod.aws.logs import operations
from monopod.aws.wire.call import AwsError
from monopod.kube.client.api import ServerTrouble
from monopod.kube.objects.resources import ECS_CLUSTERS, ECS_TASKS, PODS
from tests.unit.aws.logs.client import LogsClient, a_clock, messages, millis, refused
from tests.unit.aws.logs.kubelet import GROUP, NOON, SECOND, Kubelets, a_definition, a_task, stream_name, task_id


def a_group(tasks: int, lines: int) -> Kubelets:
    """Tasks that write by turns."""
    api = Kubelets(*(a_task(number) for number in range(tasks)))
    for number in range(tasks):
        api.write(number, ((NOON + (i * tasks + number) * SECOND // 7, f"{number} {i}") for i in range(lines)))
    return api


async def test_events_of_all_streams_come_in_the_order_of_their_times() -> None:
    answer = await LogsClient(a_group(3, 2)).filter()
    assert messages(answer) == ["0 0", "1 0", "2 0", "0 1", "1 1", "2 1"]
    assert answer["events"][1]["logStreamName"] == stream_name(1)
    assert "nextToken" not in answer
    assert answer["searchedLogStreams"] == []


@pytest.mark.parametrize("limit", [1, 3, 7, 10_000])
async def test_pages_have_every_event_once_and_in_order(limit: int) -> None:
    draw = random.Random(limit)
    api = Kubelets(*(a_task(number) for number in range(5)))
    written = []
    for number in range(5):
        times = sorted(NOON + draw.randrange(40) * SECOND // 10 for _ in range(30))
        api.write(number, ((ns, f"{number} {index}") for index, ns in enumerate(times)))
        written += [(ns, stream_name(number), index) for index, ns in enumerate(times)]
    events = await LogsClient(api).filter_all(limit=limit)
    assert [each["message"] for each in events] == [
        f"{int(stream[-32:], 16)} {index}" for _, stream, index in sorted(written)
    ]
    assert len({each["eventId"] for each in events}) == 150
    assert all(len(each["eventId"]) == 56 for each in events)


async def test_large_logs_are_read_page_by_page_and_never_whole() -> None:
    api = Kubelets(*(a_task(number) for number in range(3)), piece=16_384)
    for number in range(3):
        api.write(
            number, ((NOON + index * SECOND // 100, f"{number} {index:05} {'x' * 1000}") for index in range(2000))
        )
    client = LogsClient(api)
    page = await client.filter()
    assert sum(api.taken) < 3_500_000  # of 6.3 MB: each stream as far as a page goes at most
    events = await client.filter_all()
    assert page["events"] == events[: len(page["events"])]
    assert len(events) == 6000
    assert [each["timestamp"] for each in events] == sorted(each["timestamp"] for each in events)


async def test_only_what_matches_is_told_within_its_time() -> None:
    client = LogsClient(a_group(3, 20))
    answer = await client.filter(filterPattern="1 -2", startTime=millis(1), endTime=millis(2))
    assert messages(answer) == ["1 3", "1 4"]
    at = answer["events"][0]["timestamp"]
    assert messages(await client.filter(startTime=at, endTime=at)) == ["1 3"]


async def test_streams_are_chosen_by_name_or_prefix() -> None:
    client = LogsClient(a_group(3, 1))
    assert messages(await client.filter(logStreamNames=[stream_name(2), stream_name(0)])) == ["0 0", "2 0"]
    assert messages(await client.filter(logStreamNamePrefix=stream_name(1)[:-1])) == ["0 0", "1 0", "2 0"]
    assert messages(await client.filter(logStreamNamePrefix="other")) == []


@pytest.mark.parametrize(("named", "lists"), [(2, 2), (11, 1)])
async def test_of_all_tasks_those_of_the_named_streams_are_asked_for(named: int, lists: int) -> None:
    api = a_group(12, 1)
    answer = await LogsClient(api).filter(logStreamNames=[stream_name(number) for number in range(named)])
    assert len(messages(answer)) == named
    assert len(api.listed) == lists
    assert all(query for _, query in api.listed) is (lists > 1)


class Tail:
    """Asks as `aws logs tail --follow` does: page by page, then from the newest event's millisecond on.

    It drops the ids that it has had of this millisecond.
    """

    def __init__(self, client: LogsClient, start: int) -> None:
        self._client = client
        self._params: dict[str, Any] = {"startTime": start, "interleaved": True}
        self._had: defaultdict[int, set[str]] = defaultdict(set)

    async def poll(self) -> list[str]:
        new: list[str] = []
        while True:
            page = await self._client.filter(**self._params)
            for event in page["events"]:
                if event["eventId"] not in self._had[event["timestamp"]]:
                    self._had[event["timestamp"]].add(event["eventId"])
                    new.append(event["message"])
            if self._had:
                newest = max(self._had)
                self._had = defaultdict(set, {newest: self._had[newest]})
            self._params.pop("nextToken", None)
            if "nextToken" not in page:
                self._params["startTime"] = max(self._had, default=self._params["startTime"])
                return new
            self._params["nextToken"] = page["nextToken"]


async def test_whoever_follows_a_group_sees_every_line_once() -> None:
    draw = random.Random(1)
    api = Kubelets(*(a_task(number) for number in range(4)))
    tail, now = Tail(LogsClient(api), millis()), NOON
    written: list[str] = []
    seen: list[str] = []
    for _ in range(30):
        for _ in range(draw.randrange(8)):
            now += draw.choice((0, 1000, 400_000, SECOND // 2))
            number = draw.randrange(4)
            written.append(f"{number} {len(written)}")
            api.write(number, [(now, written[-1])])
        now += 1_000_000
        seen += await tail.poll()
    assert len(written) > 60
    assert sorted(seen) == sorted(written)


async def test_whoever_follows_misses_no_line_of_a_log_that_was_read_before_a_newer_line_of_another() -> None:
    api, clock = Kubelets(a_task(0), a_task(1)), a_clock(10)
    tail = Tail(LogsClient(api, clock=clock), millis())
    api.write(0, [(NOON + 9 * SECOND - 1, "settled")])
    api.write(1, [(NOON + 10 * SECOND + 1, "written after the other log was read")])
    assert await tail.poll() == ["settled"]
    api.write(0, [(NOON + 10 * SECOND, "older")])
    clock.step(2)
    assert await tail.poll() == ["older", "written after the other log was read"]


async def test_all_is_told_at_once_where_none_of_those_that_are_asked_writes_any_more() -> None:
    api = Kubelets(a_task(0, stopped=NOON + SECOND), a_task(1))
    api.write(0, [(NOON + SECOND - 1, "last")])
    client = LogsClient(api, clock=a_clock(1))
    assert messages(await client.filter(logStreamNames=[stream_name(0)])) == ["last"]
    assert messages(await client.filter()) == []
    assert messages(await client.filter(logStreamNames=[stream_name(0)], endTime=millis(-1))) == []


async def test_whoever_follows_asks_no_pod_that_ended_long_ago() -> None:
    old = [a_task(number, stopped=NOON) for number in range(50)]
    api = Kubelets(*old, a_task(60), a_task(61, stopped=NOON + 3590 * SECOND))
    api.write(60, [(NOON + 3600 * SECOND, "now")])
    assert messages(await LogsClient(api).filter(startTime=millis(3600))) == ["now"]
    assert len(api.asked) == 2


async def test_a_node_that_cant_be_asked_hides_no_others() -> None:
    api = a_group(3, 1)
    api.logs[task_id(1), "app"] = ServerTrouble(500, "InternalError", "dial tcp: refused")
    answer = await LogsClient(api).filter()
    assert messages(answer) == ["0 0", "2 0"]
    assert answer["searchedLogStreams"] == [{"logStreamName": stream_name(1), "searchedCompletely": False}]
    api.logs |= {(task_id(number), "app"): ServerTrouble(500, "", "refused") for number in (0, 2)}
    with pytest.raises(AwsError, match="The log can't be read now") as told:
        await LogsClient(api).filter()
    assert told.value.code == "ServiceUnavailableException"


async def test_a_group_that_only_a_task_definition_names_is_empty() -> None:
    api = Kubelets(definitions=[a_definition("/ecs/new")])
    assert (await LogsClient(api).filter(logGroupName="/ecs/new"))["events"] == []
    told = await refused(LogsClient(api), "FilterLogEvents", logGroupName="/ecs/other")
    assert told == ("ResourceNotFoundException", "The specified log group does not exist.")


async def test_who_may_list_one_clusters_tasks_only_sees_these() -> None:
    api = Kubelets(a_task(1, cluster="a"), a_task(2, cluster="b"))
    for number in (1, 2):
        api.write(number, [(NOON, f"task {number}")])
    api.forbidden = {ECS_TASKS.list_path(), ECS_TASKS.list_path("ecs-b")}
    assert messages(await LogsClient(api).filter()) == ["task 1"]
    told = await refused(LogsClient(api), "GetLogEvents", logGroupName=GROUP, logStreamName=stream_name(2))
    assert told[0] == "ResourceNotFoundException"


async def test_who_may_read_one_clusters_logs_only_reads_these_in_a_group_that_others_write_to() -> None:
    api = Kubelets(a_task(1, cluster="a", stopped=NOON + SECOND), a_task(2, cluster="b"))
    for number in (1, 2):
        api.write(number, [(NOON, f"task {number}")])
    api.forbidden = {PODS.path(task_id(2), "ecs-b", "log")}
    client = LogsClient(api)
    answer = await client.filter()
    denied = [{"logStreamName": stream_name(2), "searchedCompletely": False}]
    assert (messages(answer), answer["searchedLogStreams"]) == (["task 1"], denied)
    # Whoever follows asks those that have ended no longer, and goes on all the same.
    answer = await client.filter(startTime=millis(3600))
    assert (messages(answer), answer["searchedLogStreams"]) == ([], denied)
    for params in ({"logStreamNames": [stream_name(2)]}, {"logStreamNames": [stream_name(2)], "startTime": millis()}):
        told = await refused(client, "FilterLogEvents", logGroupName=GROUP, **params)
        assert told[0] == "AccessDeniedException"
    api.forbidden.add(PODS.path(task_id(1), "ecs-a", "log"))
    assert (await refused(client, "FilterLogEvents", logGroupName=GROUP))[0] == "AccessDeniedException"


@pytest.mark.parametrize("also", [ECS_TASKS.list_path("ecs-a"), ECS_CLUSTERS.list_path()])
async def test_who_may_list_no_tasks_is_denied(also: str) -> None:
    api = Kubelets(a_task(1, cluster="a"))
    api.forbidden = {ECS_TASKS.list_path(), also}
    told = await refused(LogsClient(api), "FilterLogEvents", logGroupName=GROUP)
    assert told == ("AccessDeniedException", 'User "ana" cannot list resource "ecstasks"')


async def test_more_streams_than_are_searched_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "MOST_STREAMS", 2)
    client = LogsClient(a_group(3, 1))
    told = await refused(client, "FilterLogEvents", logGroupName=GROUP)
    assert told[0] == "InvalidParameterException"
    assert told[1].startswith("3 log streams may have such events, and 2 are searched at most")
    assert len(messages(await client.filter(logStreamNames=[stream_name(0)]))) == 1


async def test_a_token_is_of_its_request() -> None:
    client = LogsClient(a_group(2, 5))
    token = (await client.filter(limit=2))["nextToken"]
    assert len(messages(await client.filter(limit=3, nextToken=token))) == 3
    for params in ({"filterPattern": "x", "nextToken": token}, {"nextToken": "x"}, {"nextToken": "WzFd"}):
        told = await refused(client, "FilterLogEvents", logGroupName=GROUP, **params)
        assert told == ("InvalidParameterException", "The specified nextToken is invalid.")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"startFromHead": False}, "startFromHead=false isn't supported by Monopod: events come oldest first."),
        (
            {"logStreamNames": ["a"], "logStreamNamePrefix": "a"},
            "logStreamNames and logStreamNamePrefix can't be provided both.",
        ),
    ],
)
async def test_it_is_refused(params: dict[str, Any], message: str) -> None:
    told = await refused(LogsClient(a_group(1, 1)), "FilterLogEvents", logGroupName=GROUP, **params)
    assert told == ("InvalidParameterException", message)


async def test_a_stream_that_isnt_there_is_told() -> None:
    told = await refused(LogsClient(a_group(1, 1)), "FilterLogEvents", logGroupName=GROUP, logStreamNames=["x"])
    assert told == ("ResourceNotFoundException", "The specified log stream does not exist.")
