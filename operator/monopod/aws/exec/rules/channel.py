"""The order of a data channel's messages, in both directions, over one connection or several.

    out:  send ──► not acknowledged ──acknowledge──► forgotten      MOST_IN_FLIGHT of them; resent after a reconnection
    in:   receive ──► the next in order ──► taken, acknowledged
                 └── ahead: kept, acknowledged    └── had already, by its id: acknowledged again

A connection keeps the order, and the plugin takes everything once it has begun, so that what it acknowledges it has all
of. It doesn't acknowledge what it has had already: what is resent to it may therefore never be, and doesn't count as in
flight. What there is no room for isn't acknowledged, and comes again: the plugin repeats it for five minutes.
"""

import hashlib
import uuid
from collections import deque
from typing import Final

from monopod.aws.exec.rules.contents import build_acknowledgement, build_closed
from monopod.aws.exec.rules.message import (
    ACKNOWLEDGE,
    CHANNEL_CLOSED,
    OUTPUT_STREAM,
    Message,
    PayloadType,
    build_message,
)

MOST_IN_FLIGHT: Final = 128
"""Messages that the client hasn't acknowledged; what a program writes beyond that waits in the program."""

LARGEST_PAYLOAD: Final = 1024
"""Bytes of output in a message, as AWS's agent has it."""

MOST_AHEAD: Final = 16
"""Messages that came before their time."""

_SAME: Final = 2
"""How far behind a message may be and still be new: what is typed, Ctrl-C and sizes the plugin sends each by a thread
of its own, and two that do so at once give their messages one number, and the next number to none."""

FIRST: Final = 1
ACKNOWLEDGEMENT: Final = 3


class DataChannel:
    """A session's messages.

    Args:
        session: the session's id.
    """

    def __init__(self, session: str) -> None:
        self._session = session
        self._named = 0
        self._next_out = 0
        self._next_in = 0
        self._unacknowledged: deque[Message] = deque()
        self._resent = 0
        self._ahead: dict[int, Message] = {}
        self._taken: deque[uuid.UUID] = deque(maxlen=8 * _SAME)

    def has_room(self) -> bool:
        """Whether more may be sent."""
        return len(self._unacknowledged) - self._resent < MOST_IN_FLIGHT

    def is_delivered(self) -> bool:
        """Whether the client has all that was sent on this connection."""
        return len(self._unacknowledged) <= self._resent

    def send(self, payload_type: PayloadType, payload: bytes, now: int) -> bytes:
        """The frame of a message that the client is to acknowledge.

        Args:
            payload_type: what it is.
            payload: at most LARGEST_PAYLOAD bytes, where it is output.
            now: the present, in milliseconds.
        """
        flags = FIRST if self._next_out == 0 else 0
        message = Message(OUTPUT_STREAM, self._next_out, self._name(), payload_type, payload, flags, now)
        self._next_out += 1
        self._unacknowledged.append(message)
        return build_message(message)

    def acknowledge(self, sequence: int) -> None:
        """Forgets what the client has."""
        while self._unacknowledged and self._unacknowledged[0].sequence <= min(sequence, self._next_out - 1):
            self._unacknowledged.popleft()
            self._resent = max(self._resent - 1, 0)

    def resend(self) -> list[bytes]:
        """The frames that a new connection begins with."""
        self._resent = len(self._unacknowledged)
        return [build_message(message) for message in self._unacknowledged]

    def receive(self, message: Message, now: int, *, has_room: bool) -> tuple[list[Message], bytes | None]:
        """Takes a message of the client's stream: what is now next in order, and the frame that acknowledges it.

        Args:
            message: what came.
            now: the present, in milliseconds.
            has_room: whether its payload can be taken.
        """
        if message.sequence < self._next_in - _SAME or message.id in self._taken:
            return [], self._acknowledge(message, now)
        if not has_room or message.sequence > self._next_in + MOST_AHEAD:
            return [], None
        taken = []
        if message.sequence > self._next_in:
            self._ahead[message.sequence] = message
        else:
            following: Message | None = message
            while following:
                taken.append(following)
                self._taken.append(following.id)
                is_in_turn = following.sequence == self._next_in
                self._next_in = max(self._next_in, following.sequence + (1 if is_in_turn else _SAME))
                following = self._ahead.pop(self._next_in, None)
        return taken, self._acknowledge(message, now)

    def close(self, output: str, now: int, moment: str) -> bytes:
        """The frame that ends the session.

        Args:
            output: what the client shows.
            now: the present, in milliseconds.
            moment: the same as a text.
        """
        identity = self._name()
        payload = build_closed(self._session, str(identity), moment, output)
        return build_message(Message(CHANNEL_CLOSED, 0, identity, PayloadType.NONE, payload, 0, now))

    def _acknowledge(self, message: Message, now: int) -> bytes:
        payload = build_acknowledgement(message)
        answer = Message(ACKNOWLEDGE, 0, self._name(), PayloadType.NONE, payload, ACKNOWLEDGEMENT, now)
        return build_message(answer)

    def _name(self) -> uuid.UUID:
        self._named += 1
        digest = hashlib.sha256(f"{self._session} {self._named}".encode()).digest()
        return uuid.UUID(bytes=digest[:16], version=4)
