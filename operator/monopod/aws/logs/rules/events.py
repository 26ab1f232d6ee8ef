"""Events as AWS tells them."""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from monopod.aws.logs.rules.lines import Event, Place
from monopod.aws.logs.rules.tokens import StreamToken
from monopod.aws.logs.rules.window import Found

_STREAM_DIGITS: Final = 28


def describe_events(events: Sequence[Event], asked: StreamToken | None, start: Place) -> dict[str, Any]:
    """The answer of GetLogEvents.

    Args:
        events: those of the page, in order.
        asked: the token that came.
        start: where the stream is said to begin where nothing else is known.
    """
    otherwise = asked.place if asked else start
    first, after = (events[0].place, events[-1].place.next) if events else (otherwise, otherwise)
    return {
        "events": [_describe(each) for each in events],
        "nextForwardToken": str(StreamToken("f", after)),
        "nextBackwardToken": str(StreamToken("b", first)),
    }


def describe_found(found: Sequence[Found]) -> list[dict[str, Any]]:
    """The events of FilterLogEvents."""
    return [
        {
            "logStreamName": each.position.stream,
            **_describe(each.event),
            "eventId": build_event_id(each.position.stream, each.event.place),
        }
        for each in found
    ]


def _describe(event: Event) -> dict[str, Any]:
    # The kubelet has it at once.
    return {"timestamp": event.millis, "message": event.message, "ingestionTime": event.millis}


def build_event_id(stream: str, place: Place) -> str:
    """An event's id: the same whenever the event is read, and no other event's.

    By it clients that ask again and again know what they have had.
    """
    digest = int(hashlib.sha256(stream.encode()).hexdigest(), 16) % 10**_STREAM_DIGITS
    return f"{place.ns:020}{place.ordinal:08}{digest:0{_STREAM_DIGITS}}"
