"""A client of a session, as AWS's plugin is one: answers the handshake, acknowledges, types."""

import json
import uuid
from dataclasses import dataclass, field

from monopod.aws.exec.rules.contents import build_acknowledgement
from monopod.aws.exec.rules.message import (
    ACKNOWLEDGE,
    CHANNEL_CLOSED,
    INPUT_STREAM,
    OUTPUT_STREAM,
    Message,
    PayloadType,
    build_message,
    parse_message,
)

SIZE = b'{"cols":100,"rows":30}'


@dataclass
class Client:
    """What a client has seen, and what it says next.

    Attributes:
        shown: the output, in order.
        closed: what ended the session; None while it lasts.
        acknowledged: the sequence numbers that the session has acknowledged.
        acknowledges: whether it acknowledges what it gets.
        errors: what it can't do of the handshake.
    """

    shown: bytearray = field(default_factory=bytearray)
    closed: str | None = None
    acknowledged: list[int] = field(default_factory=list)
    acknowledges: bool = True
    errors: list[str] | None = None
    expected: int = 0
    sequence: int = 0

    def take(self, frame: bytes) -> list[bytes]:
        """Takes a frame; what is to be sent for it."""
        message = parse_message(frame)
        if message.type == CHANNEL_CLOSED:
            self.closed = json.loads(message.payload)["Output"]
            return []
        if message.type == ACKNOWLEDGE:
            self.acknowledged.append(json.loads(message.payload)["AcknowledgedMessageSequenceNumber"])
            return []
        assert message.type == OUTPUT_STREAM
        if not self.acknowledges and message.payload_type == PayloadType.OUTPUT:
            return []
        if message.sequence != self.expected:  # the plugin neither takes nor acknowledges what it has had
            assert message.sequence < self.expected
            return []
        self.expected += 1
        answers = [self.build(build_acknowledgement(message), kind=ACKNOWLEDGE)]
        match message.payload_type:
            case PayloadType.OUTPUT:
                self.shown += message.payload
            case PayloadType.HANDSHAKE_REQUEST:
                answer = json.dumps({"ClientVersion": "1", "ProcessedClientActions": [], "Errors": self.errors})
                answers.append(self.type(answer.encode(), PayloadType.HANDSHAKE_RESPONSE))
            case PayloadType.HANDSHAKE_COMPLETE:
                answers.append(self.type(SIZE, PayloadType.SIZE))
            case _:
                raise AssertionError(f"unexpected payload {message.payload_type}")
        return answers

    def type(self, payload: bytes, payload_type: int = PayloadType.OUTPUT) -> bytes:
        """The frame of what is typed next."""
        frame = self.build(payload, payload_type)
        self.sequence += 1
        return frame

    def build(self, payload: bytes, payload_type: int = PayloadType.NONE, *, kind: str = INPUT_STREAM) -> bytes:
        sequence = self.sequence if kind == INPUT_STREAM else 0
        return build_message(Message(kind, sequence, uuid.uuid4(), payload_type, payload, 0, 1))
