"""What the payloads of a data channel say: JSON, but for what is typed and shown."""

import json
from dataclasses import dataclass
from typing import Any, Final

from monopod.aws.exec.rules.message import MalformedMessage, Message

AGENT_VERSION: Final = "3.3.0.0"
"""Of AWS's agents, one that does what this one does: clients choose by it what they ask for."""

SHELL: Final = "Standard_Stream"
TERMINATE: Final = 2
"""The flag by which a client ends its session."""

MOST_CELLS: Final = 65_535
"""Columns or rows of a terminal: Linux counts them in 16 bits."""

_SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Size:
    """A terminal's."""

    columns: int
    rows: int


@dataclass(frozen=True, slots=True)
class Opening:
    """The first thing that a client says, as text.

    Attributes:
        token: what it was given for this session.
    """

    token: str


def read_opening(text: str) -> Opening:
    """What a client opens its channel with.

    Raises:
        MalformedMessage: it says something else.
    """
    token = _read_object(text).get("TokenValue")
    if not isinstance(token, str) or not token:
        raise MalformedMessage("The channel is to be opened with a TokenValue.")
    return Opening(token)


def read_size(payload: bytes) -> Size:
    """A terminal's size.

    Raises:
        MalformedMessage: it is none.
    """
    told = _read_object(payload)
    numbers = [told.get("cols"), told.get("rows")]
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in numbers):
        raise MalformedMessage("A size has cols and rows.")
    columns, rows = (min(max(int(number or 0), 0), MOST_CELLS) for number in numbers)
    return Size(columns, rows)


def read_acknowledged(payload: bytes) -> int:
    """The sequence number of the message that arrived.

    Raises:
        MalformedMessage: it isn't there.
    """
    number = _read_object(payload).get("AcknowledgedMessageSequenceNumber")
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise MalformedMessage("An acknowledgement has a sequence number.")
    return number


def read_errors(payload: bytes) -> str:
    """What a client couldn't do of what the handshake asks for; "" if it could all.

    Raises:
        MalformedMessage: it is no answer to a handshake.
    """
    errors = _read_object(payload).get("Errors") or []
    if not isinstance(errors, list):
        raise MalformedMessage("Errors are a list.")
    return "; ".join(str(error) for error in errors)[:1000]


def read_flag(payload: bytes) -> int:
    """A flag, four bytes.

    Raises:
        MalformedMessage: these are none.
    """
    if len(payload) != 4:
        raise MalformedMessage("A flag has four bytes.")
    return int.from_bytes(payload, "big")


def build_acknowledgement(message: Message) -> bytes:
    """The payload that says that a message arrived."""
    return _write(
        {
            "AcknowledgedMessageType": message.type,
            "AcknowledgedMessageId": str(message.id),
            "AcknowledgedMessageSequenceNumber": message.sequence,
            "IsSequentialMessage": True,
        }
    )


def build_handshake_request() -> bytes:
    """Asks the client for a terminal, without encryption of its own."""
    action = {
        "ActionType": "SessionType",
        "ActionParameters": {"SessionType": SHELL, "Properties": None},
    }
    return _write({"AgentVersion": AGENT_VERSION, "RequestedClientActions": [action]})


def build_handshake_complete() -> bytes:
    """Has the client begin."""
    return _write({"HandshakeTimeToComplete": 0, "CustomerMessage": ""})


def build_closed(session: str, message_id: str, moment: str, output: str) -> bytes:
    """Says that the session is over.

    Args:
        session: its id.
        message_id: of this message.
        moment: the present.
        output: what the client shows; "": that the session has ended.
    """
    return _write(
        {
            "MessageId": message_id,
            "CreatedDate": moment,
            "DestinationId": session,
            "SessionId": session,
            "MessageType": "channel_closed",
            "SchemaVersion": _SCHEMA_VERSION,
            "Output": output,
        }
    )


def _read_object(text: str | bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise MalformedMessage("This isn't an object of JSON.")
    return found


def _write(content: Any) -> bytes:
    return json.dumps(content).encode()
