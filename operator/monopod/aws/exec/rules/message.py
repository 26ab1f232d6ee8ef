"""A frame of a session's data channel, as AWS's session-manager-plugin and its agent write it.

    header length │ type, 32 bytes │ version │ created, ms │ sequence │ flags │ id │ SHA-256 of the payload
    (u32)           padded           (u32)     (u64)         (i64)      (u64)   (16)  (32)
    │ payload's type (u32) │ payload's length (u32) │ payload

Numbers are big-endian. The header's length doesn't count the payload's. Of the id, a UUID, the second half stands
before the first.
"""

import hashlib
import struct
import uuid
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

OUTPUT_STREAM: Final = "output_stream_data"
INPUT_STREAM: Final = "input_stream_data"
ACKNOWLEDGE: Final = "acknowledge"
CHANNEL_CLOSED: Final = "channel_closed"

LARGEST_FRAME: Final = 16_384
"""Bytes of a frame that a client may send; the plugin reads its terminal 1,024 bytes at a time."""

_HEADER: Final = struct.Struct(">I32sIQqQ16s32sII")
_HEADER_LENGTH: Final = _HEADER.size - 4
_VERSION: Final = 1


class PayloadType(IntEnum):
    """What a payload is."""

    NONE = 0
    OUTPUT = 1
    """What a terminal shows, or, from the client, what was typed."""

    SIZE = 3
    HANDSHAKE_REQUEST = 5
    HANDSHAKE_RESPONSE = 6
    HANDSHAKE_COMPLETE = 7
    FLAG = 10


class MalformedMessage(Exception):
    """A frame that isn't one; the message says why."""


@dataclass(frozen=True, slots=True)
class Message:
    """A frame's content.

    Attributes:
        type: "input_stream_data".
        sequence: which message of its direction this is; 0 for those that aren't counted.
        id: of the message.
        payload_type: what the payload is; it may be none of `PayloadType`.
        payload: at most LARGEST_FRAME bytes.
        flags: 1 for the first message, 3 for acknowledgements.
        created: in milliseconds since 1970.
    """

    type: str
    sequence: int
    id: uuid.UUID
    payload_type: int = PayloadType.NONE
    payload: bytes = b""
    flags: int = 0
    created: int = 0


def parse_message(frame: bytes) -> Message:
    """Reads a frame.

    Raises:
        MalformedMessage: it is none, or not whole.
    """
    if not _HEADER.size <= len(frame) <= LARGEST_FRAME:
        raise MalformedMessage(f"A frame has {_HEADER.size} to {LARGEST_FRAME} bytes, not {len(frame)}.")
    length, kind, version, created, sequence, flags, swapped, digest, payload_type, size = _HEADER.unpack_from(frame)
    payload = frame[_HEADER.size :]
    if length != _HEADER_LENGTH or version != _VERSION:
        raise MalformedMessage("The header is of another version.")
    if size != len(payload):
        raise MalformedMessage(f"The payload has {len(payload)} bytes, and its length says {size}.")
    if hashlib.sha256(payload).digest() != digest:
        raise MalformedMessage("The payload isn't what its digest is of.")
    if sequence < 0:
        raise MalformedMessage("The sequence number is negative.")
    try:
        name = kind.strip(b"\0 ").decode("ascii")
    except UnicodeDecodeError:
        raise MalformedMessage("The type isn't ASCII.") from None
    return Message(name, sequence, uuid.UUID(bytes=swapped[8:] + swapped[:8]), payload_type, payload, flags, created)


def build_message(message: Message) -> bytes:
    """Writes a frame."""
    identity = message.id.bytes
    header = _HEADER.pack(
        _HEADER_LENGTH,
        message.type.encode("ascii").ljust(32),
        _VERSION,
        message.created,
        message.sequence,
        message.flags,
        identity[8:] + identity[:8],
        hashlib.sha256(message.payload).digest(),
        message.payload_type,
        len(message.payload),
    )
    return header + message.payload
