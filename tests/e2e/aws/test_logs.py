"""Logs of tasks from a real kubelet: whoever follows a group sees each line once, while it is written."""

import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.e2e.aws.tasks import Ecs, a_container

WRITE = "for i in $(seq 40); do echo $NAME $i; usleep 200000; done; sleep 5"
SECONDS = 180


def follow(logs: Any, group: str, start: int) -> Iterator[str]:
    """Asks as `aws logs tail --follow` does: page by page, then again from the newest event's time on."""
    params: dict[str, Any] = {"logGroupName": group, "startTime": start, "interleaved": True}
    had: defaultdict[int, set[str]] = defaultdict(set)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        page = logs.filter_log_events(**params)
        for event in page["events"]:
            if event["eventId"] not in had[event["timestamp"]]:
                had[event["timestamp"]].add(event["eventId"])
                yield event["message"]
        if had:
            newest = max(had)
            had = defaultdict(set, {newest: had[newest]})
            params["startTime"] = newest
        params.pop("nextToken", None)
        if "nextToken" in page:
            params["nextToken"] = page["nextToken"]


def test_whoever_follows_a_group_sees_each_line_once(ecs: Ecs) -> None:
    options = {"awslogs-region": "us-east-1", "awslogs-group": "/ecs/follow", "awslogs-stream-prefix": "f"}
    configuration = {"logDriver": "awslogs", "options": options}
    start = int(time.time() * 1000) - 60_000
    log = {"logConfiguration": configuration}
    one = a_container(WRITE, "one", environment=[{"name": "NAME", "value": "one"}], essential=False, **log)
    two = a_container(WRITE, "two", environment=[{"name": "NAME", "value": "two"}], **log)
    definition = ecs.register("follow", one, two)
    assert ecs.logs.filter_log_events(logGroupName="/ecs/follow")["events"] == []
    task = ecs.run(definition)
    expected = {f"{name} {number}" for name in ("one", "two") for number in range(1, 41)}
    seen: list[str] = []
    for message in follow(ecs.logs, "/ecs/follow", start):
        seen.append(message)
        if len(set(seen)) == len(expected):
            break
    assert sorted(seen) == sorted(expected)
    ecs.await_state("stopped", task)
    streams = ecs.logs.describe_log_streams(logGroupName="/ecs/follow")["logStreams"]
    assert [each["logStreamName"].split("/")[1] for each in streams] == ["one", "two"]
    assert all(each["firstEventTimestamp"] < each["lastEventTimestamp"] for each in streams)
    newest = ecs.logs.get_log_events(logGroupName="/ecs/follow", logStreamName=streams[0]["logStreamName"], limit=1)
    assert [each["message"] for each in newest["events"]] == ["one 40"]
