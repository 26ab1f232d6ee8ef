import random

import pytest

from monopod.aws.logs.rules.lines import LONGEST_MESSAGE, Event, LineReader, Place, read_nanoseconds
from tests.unit.aws.logs.kubelet import NOON, SECOND, a_line


def read(content: bytes, piece: int = 1 << 20, *, is_over: bool = True) -> list[Event]:
    reader = LineReader()
    pieces = [content[begin : begin + piece] for begin in range(0, len(content), piece)]
    events = [event for each in pieces for event in reader.read(each)]
    return [*events, *(reader.finish() if is_over else ())]


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:01Z", SECOND),
        ("1970-01-01T00:00:01.5Z", SECOND + 500_000_000),
        ("1970-01-01T00:00:01.000000001Z", SECOND + 1),
        ("1970-01-01T01:00:01.25+01:00", SECOND + 250_000_000),
        ("1969-12-31T23:00:01.25-01:00", SECOND + 250_000_000),
        ("1969-12-31T23:59:59Z", None),
        ("1970-01-01T00:00:01", None),
        ("1970-01-01T00:00:01.xZ", None),
        ("failed", None),
        ("", None),
    ],
)
def test_a_time_is_read_to_the_nanosecond(text: str, ns: int | None) -> None:
    assert read_nanoseconds(text) == ns


def test_lines_of_one_time_are_told_apart() -> None:
    content = a_line(NOON, "a") + a_line(NOON, "b") + a_line(NOON + 1, "c")
    assert [(each.place, each.message) for each in read(content)] == [
        (Place(NOON), "a"),
        (Place(NOON, 1), "b"),
        (Place(NOON + 1), "c"),
    ]


def test_a_clock_that_is_set_back_gives_no_place_twice() -> None:
    events = read(a_line(NOON, "a") + a_line(NOON - SECOND, "b") + a_line(NOON, "c") + a_line(NOON + 1, "d"))
    assert [each.message for each in events] == ["a", "b", "c", "d"]
    assert [each.place for each in events] == sorted({each.place for each in events})


def test_an_empty_line_is_no_event_and_spaces_are() -> None:
    assert [each.message for each in read(a_line(NOON, "") + a_line(NOON + 1, "  ") + a_line(NOON + 2, ""))] == ["  "]


@pytest.mark.parametrize("size", [7, 1 << 20])
def test_the_kubelets_own_remarks_are_no_events(size: int) -> None:
    remark = b"unable to retrieve container logs for containerd://" + b"0123456789abcdef" * 10_000
    content = a_line(NOON, "a") + remark + b"\n" + a_line(NOON + 1, "b") + remark
    assert [each.message for each in read(content, size)] == ["a", "b"]


def test_a_line_without_an_end_waits_for_it_while_the_container_runs() -> None:
    content = a_line(NOON, "a") + a_line(NOON + 1, "beg")[:-1]
    assert [each.message for each in read(content, is_over=False)] == ["a"]
    assert [each.message for each in read(content, is_over=True)] == ["a", "beg"]


def test_a_line_that_is_too_long_becomes_several_events_at_the_same_places_however_it_comes() -> None:
    text = "ä" * LONGEST_MESSAGE
    content = a_line(NOON, text) + a_line(NOON + 1, "b")
    whole = read(content)
    assert "".join(each.message for each in whole[:-1]) == text
    assert all(len(each.message.encode()) <= LONGEST_MESSAGE for each in whole)
    assert [each.place.ordinal for each in whole] == [0, 1, 2, 0] or len(whole) == 3
    for size in (1000, 99_991, 262_200):
        assert read(content, size) == whole


def test_pieces_of_any_size_give_the_same_events() -> None:
    draw = random.Random(7)
    texts = ["", "x", "größer", "a b  c", "\t", "z" * 500]
    content = b"".join(a_line(NOON + index // 3, draw.choice(texts)) for index in range(200))
    expected = read(content)
    assert len(expected) > 100
    for size in range(1, 60):
        assert read(content, size) == expected


def test_what_is_no_utf8_is_replaced() -> None:
    assert read(a_line(NOON, "a")[:-2] + b"\xff\xfe\n")[0].message == "\ufffd\ufffd"


def test_a_log_without_lines_takes_no_memory() -> None:
    reader = LineReader()
    for _ in range(200):
        assert list(reader.read(b"x" * 65_536)) == []
    assert len(reader._rest) < 65_536


def test_a_line_that_never_ends_is_told_piece_by_piece_and_takes_no_memory() -> None:
    reader, events = LineReader(), list[Event]()
    events += reader.read(a_line(NOON, "")[:-1])
    for _ in range(40):
        events += reader.read(b"x" * 65_536)
        assert len(reader._rest) <= LONGEST_MESSAGE
    assert [each.place for each in events] == [Place(NOON, ordinal) for ordinal in range(10)]
