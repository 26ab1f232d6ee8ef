"""The frames here were written by the plugin's own code: `SerializeClientMessage` of session-manager-plugin's
src/message, with this id and this time."""

import random
import uuid

import pytest

from monopod.aws.exec.rules.message import LARGEST_FRAME, MalformedMessage, Message, build_message, parse_message

ID = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
AT = 1_700_000_000_123
REST = "0000018bcfe5687b"
SWAPPED = "8899aabbccddeeff0011223344556677"
INPUT = "00000074696e7075745f73747265616d5f64617461202020202020202020202020202020" + "00000001" + REST
TYPED = (
    INPUT
    + "00000000000000070000000000000000"
    + SWAPPED
    + "3674c13c3eb42ef32effd127a689c6118191a811bca335ffa3f509eff051d253"
    + "00000001000000066c73202d6c0d"
)
ENDED = (
    INPUT
    + "00000100000000000000000000000001"
    + SWAPPED
    + "433ebf5bc03dffa38536673207a21281612cef5faa9bc7a4d5b9be2fdb12cf1a"
    + "0000000a0000000400000002"
)
ACKNOWLEDGED = (
    "0000007461636b6e6f776c65646765202020202020202020202020202020202020202020"
    + "00000001"
    + REST
    + "00000000000000000000000000000003"
    + SWAPPED
    + "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    + "00000000000000027b7d"
)
FRAMES = {
    "typed": (TYPED, Message("input_stream_data", 7, ID, 1, b"ls -l\r", 0, AT)),
    "ended": (ENDED, Message("input_stream_data", 1 << 40, ID, 10, b"\0\0\0\2", 1, AT)),
    "acknowledged": (ACKNOWLEDGED, Message("acknowledge", 0, ID, 0, b"{}", 3, AT)),
}


@pytest.mark.parametrize(("frame", "message"), FRAMES.values(), ids=FRAMES)
def test_a_frame_of_the_plugins_is_read_and_written_as_it_does(frame: str, message: Message) -> None:
    assert parse_message(bytes.fromhex(frame)) == message
    assert build_message(message).hex() == frame


def test_a_type_may_be_padded_by_zeros_as_the_plugin_takes_it() -> None:
    frame = bytes.fromhex(ACKNOWLEDGED)
    assert parse_message(frame[:15] + bytes(21) + frame[36:]).type == "acknowledge"


def change(at: int, to: bytes) -> bytes:
    frame = bytes.fromhex(TYPED)
    return frame[:at] + to + frame[at + len(to) :]


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (b"", "bytes"),
        (bytes(119), "bytes"),
        (bytes(LARGEST_FRAME + 1), "bytes"),
        (change(3, b"\x75"), "version"),
        (change(39, b"\x02"), "version"),
        (change(48, b"\xff"), "negative"),
        (change(80, b"\x00"), "digest"),
        (change(120, b"L"), "digest"),
        (bytes.fromhex(TYPED) + b"\0", "length"),
        (bytes.fromhex(TYPED)[:-1], "length"),
        (change(119, b"\xff"), "length"),
        (change(4, b"\xe9"), "ASCII"),
    ],
    ids=[
        "nothing",
        "short",
        "large",
        "header",
        "schema",
        "sequence",
        "digest",
        "altered",
        "longer",
        "shorter",
        "length",
        "type",
    ],
)
def test_what_is_no_frame_is_refused(frame: bytes, why: str) -> None:
    with pytest.raises(MalformedMessage, match=why):
        parse_message(frame)


def test_any_bytes_are_read_or_refused() -> None:
    draws = random.Random(48)
    whole = bytes.fromhex(TYPED)
    read = 0
    for _ in range(3000):
        frame = bytearray(whole)
        for _ in range(draws.randint(1, 4)):
            frame[draws.randrange(len(frame))] = draws.randrange(256)
        try:
            read += parse_message(bytes(frame)).payload == b"ls -l\r"
        except MalformedMessage:
            continue
    assert 0 < read < 3000
