"""What is kept of what is read: as much as one answer holds, however much there is.

`Earliest` takes events of many streams, each stream's in their order, and keeps the first ones of all. `Latest` takes
those of one stream, and keeps the last ones.
"""

import heapq
from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple

from monopod.aws.logs.rules.lines import Event

LARGEST_PAGE: Final = 1024 * 1024
"""AWS's own bound, in bytes as AWS counts them."""

MOST_EVENTS: Final = 10_000

_OF_EACH: Final = 26


class Position(NamedTuple):
    """Where an event is among those of a group."""

    ns: int
    stream: str
    ordinal: int


@dataclass(frozen=True, slots=True)
class Span:
    """A time: from a millisecond to the one before another; None where it is open."""

    start: int | None = None
    end: int | None = None

    def is_before(self, event: Event) -> bool:
        """Whether it ends before the event."""
        return self.end is not None and event.millis >= self.end

    def is_after(self, event: Event) -> bool:
        """Whether it begins after the event."""
        return self.start is not None and event.millis < self.start

    def until(self, end: int) -> "Span":
        """What of it is before a millisecond."""
        return Span(self.start, end if self.end is None else min(end, self.end))


class Found(NamedTuple):
    """An event of a group, and the stream that it is of."""

    position: Position
    event: Event


class Earliest:
    """Keeps the first events.

    Args:
        after: the position of the first that is wanted.
        most: how many are wanted.
    """

    def __init__(self, after: Position, most: int = MOST_EVENTS) -> None:
        self.after = after
        """The position of the first that is wanted."""
        self._most = most
        self._kept: list[_Late] = []
        self._size = 0
        self._bound: Position | None = None

    def add(self, stream: str, event: Event, *, is_wanted: bool = True) -> bool:
        """Takes an event; False if those of its stream that follow are too late for this answer.

        Args:
            stream: the event's stream.
            event: the event.
            is_wanted: whether it is one that was asked for.
        """
        position = Position(event.place.ns, stream, event.place.ordinal)
        if self._bound is not None and position >= self._bound:
            return False
        if is_wanted and position >= self.after:
            heapq.heappush(self._kept, _Late(position, event))
            self._size += measure(event)
            while len(self._kept) > self._most or self._size > LARGEST_PAGE:
                dropped = heapq.heappop(self._kept)
                self._size -= measure(dropped.event)
                self._bound = dropped.position
        return self._bound is None or position < self._bound

    @property
    def events(self) -> list[Found]:
        """What was kept, in order."""
        return [Found(each.position, each.event) for each in sorted(self._kept, reverse=True)]

    @property
    def next(self) -> Position | None:
        """The position of the first event that didn't fit; None if all did."""
        return self._bound


class Latest:
    """Keeps the last events.

    Args:
        most: how many are wanted.
    """

    def __init__(self, most: int = MOST_EVENTS) -> None:
        self._most = most
        self._size = 0
        self.events: deque[Event] = deque()

    def add(self, event: Event) -> None:
        """Takes an event."""
        self.events.append(event)
        self._size += measure(event)
        while len(self.events) > self._most or self._size > LARGEST_PAGE:
            self._size -= measure(self.events.popleft())

    def drop(self, ns: int) -> None:
        """Forgets the events of a time if they are the first.

        Of a log that was read from its middle, some of this time may be lost, and the others would be counted otherwise
        than when all are read.
        """
        while self.events and self.events[0].place.ns == ns:
            self._size -= measure(self.events.popleft())


def measure(event: Event) -> int:
    """How much of an answer an event takes, as AWS counts."""
    return len(event.message.encode()) + _OF_EACH


@dataclass(frozen=True, slots=True)
class _Late:
    """An event that is the smaller, the later it is: heaps give the smallest first."""

    position: Position
    event: Event

    def __lt__(self, other: "_Late") -> bool:
        return self.position > other.position
