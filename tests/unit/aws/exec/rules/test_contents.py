"""What the plugin's own code writes: the structures of session-manager-plugin's src/message, marshalled."""

import json
import uuid

import pytest

from monopod.aws.exec.rules.contents import (
    Size,
    build_acknowledgement,
    build_closed,
    build_handshake_complete,
    build_handshake_request,
    read_acknowledged,
    read_errors,
    read_flag,
    read_opening,
    read_size,
)
from monopod.aws.exec.rules.message import MalformedMessage, Message

ID = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
ACKNOWLEDGED = (
    '{"AcknowledgedMessageType":"output_stream_data","AcknowledgedMessageId":"00112233-4455-6677-8899-aabbccddeeff",'
    '"AcknowledgedMessageSequenceNumber":3,"IsSequentialMessage":true}'
)
DEEP = "[" * 100_000


def test_an_acknowledgement_is_the_plugins_own() -> None:
    assert json.loads(build_acknowledgement(Message("output_stream_data", 3, ID))) == json.loads(ACKNOWLEDGED)
    assert read_acknowledged(ACKNOWLEDGED.encode()) == 3


def test_a_channel_is_opened_by_a_token() -> None:
    text = '{"MessageSchemaVersion":"1.0","RequestId":"r","TokenValue":"t","ClientId":"c","ClientVersion":"1.2"}'
    assert read_opening(text).token == "t"


def test_a_size_is_read_within_what_a_terminal_has() -> None:
    assert read_size(b'{"cols":80,"rows":24}') == Size(80, 24)
    assert read_size(b'{"cols":4294967295,"rows":-1}') == Size(65_535, 0)


def test_an_answer_to_the_handshake_says_what_the_client_cannot_do() -> None:
    done = '{"ActionType":"SessionType","ActionStatus":1,"ActionResult":null,"Error":""}'
    assert read_errors(f'{{"ClientVersion":"1","ProcessedClientActions":[{done}],"Errors":null}}'.encode()) == ""
    assert read_errors(b'{"Errors":["Unknown session type X"]}') == "Unknown session type X"


def test_a_flag_is_a_number_of_four_bytes() -> None:
    assert read_flag(b"\0\0\0\2") == 2


def test_the_handshake_asks_for_a_terminal() -> None:
    (action,) = json.loads(build_handshake_request())["RequestedClientActions"]
    assert action["ActionType"] == "SessionType"
    assert action["ActionParameters"]["SessionType"] == "Standard_Stream"
    assert json.loads(build_handshake_complete())["CustomerMessage"] == ""


def test_what_closes_a_channel_says_why() -> None:
    told = json.loads(build_closed("s-1", "m", "2026-01-01T00:00:00Z", "it ended"))
    assert (told["SessionId"], told["MessageType"], told["Output"]) == ("s-1", "channel_closed", "it ended")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "null",
        "[]",
        "3",
        DEEP,
        '{"TokenValue":3}',
        '{"cols":"80","rows":24}',
        '{"cols":true,"rows":1}',
        '{"cols":1.5}',
    ],
)
def test_content_of_another_kind_is_refused(content: str) -> None:
    for read in (read_size, read_acknowledged):
        with pytest.raises(MalformedMessage):
            read(content.encode())
    with pytest.raises(MalformedMessage):
        read_opening(content)


@pytest.mark.parametrize("content", [b"\xff", b"{", b'{"Errors":3}'])
def test_an_answer_that_is_none_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedMessage):
        read_errors(content)


@pytest.mark.parametrize("content", [b"", b"\0\0\2", b"\0\0\0\0\2"])
def test_a_flag_of_other_lengths_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedMessage):
        read_flag(content)


@pytest.mark.parametrize("number", ["-1", "true", '"3"', "null", "1.5"])
def test_an_acknowledgement_without_a_number_is_refused(number: str) -> None:
    with pytest.raises(MalformedMessage):
        read_acknowledged(f'{{"AcknowledgedMessageSequenceNumber":{number}}}'.encode())
