"""The operations of CloudWatch Logs that are built: parameters in, what AWS answers out.

`READ` names the parameters of each; one that isn't there is refused. Those that AWS itself ignores, or that make no
difference here, are there.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from monopod.aws.access.impersonation import TextApiFor
from monopod.aws.logs.rules.events import describe_events, describe_found
from monopod.aws.logs.rules.groups import choose_groups, describe_group, describe_stream, read_group
from monopod.aws.logs.rules.lines import Place
from monopod.aws.logs.rules.pattern import read_pattern
from monopod.aws.logs.rules.refusals import miss_group, miss_stream, refuse_parameter, refuse_unread
from monopod.aws.logs.rules.streams import (
    Stream,
    collect_groups,
    list_named_groups,
    list_streams,
    read_task_id,
)
from monopod.aws.logs.rules.tokens import (
    Key,
    build_token,
    digest_question,
    read_position,
    read_stream_token,
    take_page,
)
from monopod.aws.logs.rules.window import MOST_EVENTS, Earliest, Position, Span
from monopod.aws.logs.search import fail_to_read, read_backward, read_forward, search
from monopod.aws.logs.task_logs import TaskLogs, Unreadable
from monopod.aws.options import Account
from monopod.aws.wire.call import AwsError, Call, Handler, Params, Service, guard_parameters
from monopod.kube.client.api import Json
from monopod.kube.clock import Clock
from monopod.kube.concurrency import gather_some

READ: Final[Mapping[str, frozenset[str]]] = {
    "DescribeLogGroups": frozenset(
        {"logGroupNamePrefix", "logGroupNamePattern", "logGroupIdentifiers", "logGroupClass", "nextToken", "limit"}
    ),
    "DescribeLogStreams": frozenset(
        {"logGroupName", "logGroupIdentifier", "logStreamNamePrefix", "orderBy", "descending", "nextToken", "limit"}
    ),
    "GetLogEvents": frozenset(
        {
            *("logGroupName", "logGroupIdentifier", "logStreamName", "startTime", "endTime", "nextToken", "limit"),
            *("startFromHead", "unmask"),
        }
    ),
    "FilterLogEvents": frozenset(
        {
            *("logGroupName", "logGroupIdentifier", "logStreamNames", "logStreamNamePrefix", "startTime", "endTime"),
            *("filterPattern", "nextToken", "limit", "interleaved", "unmask", "startFromHead"),
        }
    ),
}
"""The parameters of each operation that is built."""

MOST_STREAMS: Final = 1000
"""Streams that are searched for one answer: each is asked of a kubelet."""

MOST_OF_A_USER: Final = 4
"""Answers that are put together for one user at once; each may list all of the user's tasks, and take ten megabytes of
memory for events."""

MOST_LOOKED_UP: Final = 10
"""Tasks that are asked for one by one. More are found sooner among all."""

SETTLING_MILLIS: Final = 1000
"""A search leaves out what is newer as long as a container runs. Logs are read one after another: without this, a line
might be told before an older one of another container, and whoever follows goes on from the newest told."""

_LAST_LINES: Final = 20
"""Of which one is an event, if any is."""


def build_service(apis: TextApiFor, account: Account, clock: Clock) -> Service:
    """The service.

    Args:
        apis: the API server in a caller's name.
        account: what stands in ARNs.
        clock: tells the time.
    """
    operations = _Operations(apis, account, clock)
    handlers: dict[str, Handler] = {
        "DescribeLogGroups": operations.describe_groups,
        "DescribeLogStreams": operations.describe_streams,
        "GetLogEvents": operations.get_events,
        "FilterLogEvents": operations.filter_events,
    }
    guarded = {
        name: guard_parameters(READ[name], operations.in_turn(handler), refuse_unread)
        for name, handler in handlers.items()
    }
    return Service("logs", guarded)


class _Operations:
    """The handlers. What they raise is `AwsError`."""

    def __init__(self, apis: TextApiFor, account: Account, clock: Clock) -> None:
        self._apis = apis
        self._account = account
        self._clock = clock
        self._turns: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(MOST_OF_A_USER))

    def in_turn(self, handler: Handler) -> Handler:
        """Bounds how much is done for one user at once, from the first request to the API server on."""

        async def answer(call: Call) -> Params:
            async with self._turns[call.caller.user]:
                return await handler(call)

        return answer

    async def describe_groups(self, call: Call) -> Params:
        logs = self._logs(call)
        groups = collect_groups(await logs.list_tasks(), await logs.list_definitions())
        chosen = choose_groups(groups, call.params, self._account)
        page, token = take_page([(each,) for each in chosen], call.params)
        return {
            "logGroups": [describe_group(each, groups[each], self._account) for each in chosen[page]],
            **({"nextToken": token} if token else {}),
        }

    async def describe_streams(self, call: Call) -> Params:
        params, logs = call.params, self._logs(call)
        streams = await self._find_streams(logs, read_group(params, self._account))
        prefix, by_time = params.get("logStreamNamePrefix", ""), params.get("orderBy") == "LastEventTime"
        if prefix and by_time:
            raise refuse_parameter("Cannot order by LastEventTime with a logStreamNamePrefix.")
        key, descending = _get_time_key if by_time else _get_name_key, params.get("descending", False)
        chosen = sorted((each for each in streams if each.name.startswith(prefix)), key=key, reverse=descending)
        page, token = take_page([key(each) for each in chosen], params, descending=descending)
        return {
            "logStreams": await gather_some(self._describe(logs, each) for each in chosen[page]),
            **({"nextToken": token} if token else {}),
        }

    async def get_events(self, call: Call) -> Params:
        params, logs = call.params, self._logs(call)
        stream, *_ = await self._find_streams(logs, read_group(params, self._account), {params["logStreamName"]})
        token = read_stream_token(params["nextToken"]) if "nextToken" in params else None
        is_forward = token.direction == "f" if token else params.get("startFromHead", False)
        span, most = Span(params.get("startTime"), params.get("endTime")), params.get("limit", MOST_EVENTS)
        start = Place.at(span.start)
        try:
            if is_forward:
                events = await read_forward(logs, stream, max(start, token.place if token else start), span, most)
            else:
                events = await read_backward(logs, stream, token, span, most)
        except Unreadable as trouble:
            raise fail_to_read(trouble) from trouble
        return describe_events(events, token, start)

    async def filter_events(self, call: Call) -> Params:
        params, logs = call.params, self._logs(call)
        settled = int(self._clock.now().timestamp() * 1000) - SETTLING_MILLIS
        pattern = read_pattern(params.get("filterPattern", ""))
        if not params.get("startFromHead", True):
            raise refuse_parameter("startFromHead=false isn't supported by Monopod: events come oldest first.")
        question = digest_question(params)
        end = params.get("endTime")
        span = Span(params.get("startTime"), None if end is None else end + 1)
        start = Position(Place.at(span.start).ns, "", 0)
        after = max(start, read_position(params["nextToken"], question)) if "nextToken" in params else start
        names, prefix = params.get("logStreamNames"), params.get("logStreamNamePrefix")
        if names is not None and prefix is not None:
            raise refuse_parameter("logStreamNames and logStreamNamePrefix can't be provided both.")
        wanted = None if names is None else set(names)
        streams = await self._find_streams(logs, read_group(params, self._account), wanted)
        chosen = [each for each in streams if each.name.startswith(prefix or "")]
        asked = [each for each in chosen if each.may_have(after.ns // 1_000_000, end)]
        if len(asked) > MOST_STREAMS:
            raise refuse_parameter(
                f"{len(asked)} log streams may have such events, and {MOST_STREAMS} are searched at most by Monopod: "
                "give a later startTime, or names of streams."
            )
        if not all(each.is_over for each in asked):
            span = span.until(settled)
        found = Earliest(after, params.get("limit", MOST_EVENTS))
        failed = await search(logs, asked, found, span, pattern, are_all=len(asked) == len(chosen))
        token = {} if found.next is None else {"nextToken": build_token(question, found.next)}
        return {"events": describe_found(found.events), "searchedLogStreams": failed, **token}

    def _logs(self, call: Call) -> TaskLogs:
        return TaskLogs(self._apis(call.caller))

    async def _find_streams(self, logs: TaskLogs, group: str, names: Collection[str] | None = None) -> list[Stream]:
        """The streams of a group, or those of these names, none of which may be missing."""
        if names is None:
            streams = list(list_streams(await logs.list_tasks(), group))
            if not streams and not _is_named(group, await logs.list_definitions()):
                raise miss_group()
            return streams
        ids = {task_id for name in names if (task_id := read_task_id(name))}
        tasks = await logs.list_tasks(ids if len(ids) <= MOST_LOOKED_UP else None)
        streams = [each for each in list_streams(tasks, group) if each.name in names]
        if len({each.name for each in streams}) < len(names):
            # Only all tasks tell whether the group is missing, too.
            await self._find_streams(logs, group)
            raise miss_stream()
        return streams

    async def _describe(self, logs: TaskLogs, stream: Stream) -> Params:
        first: int | None = None
        last: int | None = None
        # The name of a stream is told to those, too, who may not read it.
        with contextlib.suppress(Unreadable, AwsError):
            async with contextlib.aclosing(logs.read(stream)) as events:
                async for event in events:
                    first = last = event.millis
                    break
            async for event in logs.read(stream, last=_LAST_LINES):
                last = event.millis
        return describe_stream(stream, first, last, self._account)


def _is_named(group: str, definitions: Iterable[Json]) -> bool:
    return any(group == name for definition in definitions for name, _ in list_named_groups(definition))


def _get_name_key(stream: Stream) -> Key:
    return (stream.name,)


def _get_time_key(stream: Stream) -> Key:
    """Running ones come after those that are over, so that not all of them are asked for their last event."""
    return (int(not stream.is_over), stream.created if stream.ended is None else stream.ended, stream.name)
