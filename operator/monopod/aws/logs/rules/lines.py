"""A container's log as the kubelet hands it out, with times, in pieces of any size: its lines as events.

    2026-11-29T08:00:00.123456789Z a line ──► Event(ns, 0, "a line")

As on Fargate, an empty line is no event, and one that is too long becomes several. What has no time is the kubelet's
own remark, such as that a log is gone, and is no event either. Where a node's clock was set back, time stands still
until it is as late as before: a place in a stream is never there twice.
"""

import datetime
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

LONGEST_MESSAGE: Final = 262_118
"""In bytes: AWS's 256 KiB, less the 26 that it counts for each event."""

LATEST: Final = 10**19
"""In nanoseconds: the year 2286. Requests may name times that no calendar has."""

_LONGEST_TIME: Final = 48
_NANOSECONDS: Final = 1_000_000_000
_DIGITS: Final = 9
_SECONDS: Final = len("2026-11-29T08:00:00")
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an event is in its stream.

    Attributes:
        ns: its time, in nanoseconds.
        ordinal: which of the events of this time it is. CRI-O gives all that it reads at once the same time.
    """

    ns: int
    ordinal: int = 0

    @classmethod
    def at(cls, millis: int | None) -> "Place":
        """The first place of a time as AWS has it, or without one of all."""
        return cls(min((millis or 0) * 1_000_000, LATEST))

    @property
    def next(self) -> "Place":
        """The first place after it."""
        return Place(self.ns, self.ordinal + 1)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream."""

    place: Place
    message: str

    @property
    def millis(self) -> int:
        """Its time as AWS has it."""
        return self.place.ns // 1_000_000


class LineReader:
    """Takes in a log piece by piece; of what it has taken in it keeps one event's length at most."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._ns: int | None = None  # of the line that has begun
        self._is_remark = False
        self._place = Place(-1)

    def read(self, piece: bytes) -> Iterator[Event]:
        """The events that end in this piece."""
        self._rest += piece
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        for line in lines:
            yield from self._read_line(line)
            self._ns, self._is_remark = None, False
        yield from self._cut()

    def finish(self) -> Iterator[Event]:
        """What there is of a line that will never end."""
        yield from self._read_line(bytes(self._rest))

    def _read_line(self, line: bytes) -> Iterator[Event]:
        if self._ns is None and not self._is_remark:
            line = self._read_time(line)
        if self._ns is not None:
            while line:
                part, line = _split(line)
                yield self._build(part)

    def _cut(self) -> Iterator[Event]:
        """Takes off what a line that has begun has too much already."""
        if self._ns is None and not self._is_remark:
            if len(self._rest) < _LONGEST_TIME:
                return
            self._rest = bytearray(self._read_time(bytes(self._rest)))
        if self._is_remark:
            self._rest.clear()
        while len(self._rest) > LONGEST_MESSAGE:
            part, rest = _split(bytes(self._rest))
            self._rest = bytearray(rest)
            yield self._build(part)

    def _read_time(self, line: bytes) -> bytes:
        text, separator, rest = line.partition(b" ")
        self._ns = read_nanoseconds(text.decode(errors="replace")) if separator else None
        self._is_remark = self._ns is None
        return b"" if self._is_remark else rest

    def _build(self, part: bytes) -> Event:
        ns = self._ns or 0
        self._place = self._place.next if ns <= self._place.ns else Place(ns)
        return Event(self._place, part.decode(errors="replace"))


def _split(line: bytes) -> tuple[bytes, bytes]:
    """A message, and what is too long of it; no character is cut in two."""
    if len(line) <= LONGEST_MESSAGE:
        return line, b""
    end = LONGEST_MESSAGE
    while end > LONGEST_MESSAGE - 3 and line[end] & 0xC0 == 0x80:
        end -= 1
    return line[:end], line[end:]


def read_nanoseconds(text: str) -> int | None:
    """A time as in a log, RFC 3339 with a fraction of any length; None if it isn't one."""
    whole, fraction = text[:_SECONDS], text[_SECONDS:]
    digits = ""
    if fraction.startswith("."):
        digits = fraction[1:].rstrip("Z").partition("+")[0].partition("-")[0]
    seconds = _read_seconds(whole + fraction[len(digits) + 1 if digits else 0 :])
    if seconds is None or (digits and not (digits.isascii() and digits.isdecimal())):
        return None
    return seconds * _NANOSECONDS + int(digits[:_DIGITS].ljust(_DIGITS, "0") if digits else 0)


@functools.lru_cache(maxsize=64)
def _read_seconds(text: str) -> int | None:
    """A whole second. Lines of a log share theirs."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None or moment < _EPOCH else int((moment - _EPOCH).total_seconds())
