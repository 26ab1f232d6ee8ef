"""What is searched for in logs, read no further than an answer holds."""

import contextlib
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from monopod.aws.access.failures import DENIED
from monopod.aws.logs.rules.lines import Event, Place
from monopod.aws.logs.rules.pattern import Pattern
from monopod.aws.logs.rules.streams import Stream
from monopod.aws.logs.rules.tokens import StreamToken
from monopod.aws.logs.rules.window import Earliest, Latest, Position, Span
from monopod.aws.logs.task_logs import TaskLogs, Unreadable
from monopod.aws.wire.call import AwsError
from monopod.kube.concurrency import gather_some

_MORE_LINES: Final = 1000
"""That are read at an end, as empty lines are no events."""


async def read_forward(logs: TaskLogs, stream: Stream, start: Place, span: Span, most: int) -> list[Event]:
    """The first events of a stream from a place on."""
    found = Earliest(Position(start.ns, stream.name, start.ordinal), most)
    await _collect(logs, stream, found, span, Pattern())
    return [each.event for each in found.events]


async def read_backward(
    logs: TaskLogs, stream: Stream, token: StreamToken | None, span: Span, most: int
) -> list[Event]:
    """The last events of a stream, or the last before a token's place.

    Only where nothing says before when they are, the kubelet can be asked for the end of the log; else all is read.
    """
    tail = most + _MORE_LINES if token is None and span.end is None else None
    while True:
        found, lines, first = Latest(most), 0, -1
        async with contextlib.aclosing(logs.read(stream, Place.at(span.start).ns, tail)) as events:
            async for event in events:
                lines, first = lines + 1, event.place.ns if lines == 0 else first
                if span.is_before(event) or (token and event.place >= token.place):
                    break
                if not span.is_after(event):
                    found.add(event)
        if tail is None or lines < tail:
            return list(found.events)
        found.drop(first)
        if found.events:
            return list(found.events)
        tail = None


async def _collect(logs: TaskLogs, stream: Stream, found: Earliest, span: Span, pattern: Pattern) -> None:
    async with contextlib.aclosing(logs.read(stream, found.after.ns)) as events:
        async for event in events:
            is_wanted = not span.is_after(event) and pattern.matches(event.message)
            if span.is_before(event) or not found.add(stream.name, event, is_wanted=is_wanted):
                break


async def search(
    logs: TaskLogs, streams: Iterable[Stream], found: Earliest, span: Span, pattern: Pattern, *, are_all: bool
) -> list[dict[str, Any]]:
    """Takes in the events of all streams; those that couldn't be read, or may not be, are returned.

    Whoever may list the tasks of all clusters, and read the logs of one, isn't denied these because of the others.

    Args:
        logs: reads them.
        streams: the streams.
        found: takes the events.
        span: their time.
        pattern: what they must have.
        are_all: whether none was left out because it has nothing of that time.

    Raises:
        AwsError: none of them could be read, or may be.
    """
    troubles: dict[str, AwsError] = {}

    async def collect(stream: Stream) -> bool:
        try:
            await _collect(logs, stream, found, span, pattern)
        except Unreadable as trouble:
            troubles[stream.name] = fail_to_read(trouble)
        except AwsError as error:
            if error.code != DENIED:
                raise
            troubles[stream.name] = error
        return stream.name not in troubles

    read = await gather_some(collect(each) for each in streams)
    if troubles and not any(read):
        away = [each for each in troubles.values() if each.code != DENIED]
        # Of those that were left out some may be readable, and have nothing of that time.
        if away or are_all:
            raise next(iter(away or troubles.values()))
    return [{"logStreamName": name, "searchedCompletely": False} for name in sorted(troubles)]


def fail_to_read(trouble: Unreadable) -> AwsError:
    """What a caller is told where a node can't be asked."""
    message = f"The log can't be read now: {trouble}"
    return AwsError("ServiceUnavailableException", message, status=HTTPStatus.SERVICE_UNAVAILABLE)
