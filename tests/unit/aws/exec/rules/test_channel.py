import random
import uuid

from monopod.aws.exec.rules.channel import MOST_AHEAD, MOST_IN_FLIGHT, DataChannel
from monopod.aws.exec.rules.contents import read_acknowledged
from monopod.aws.exec.rules.message import Message, PayloadType, parse_message

NOW = 1_700_000_000_123


def typed(sequence: int) -> Message:
    return Message("input_stream_data", sequence, uuid.UUID(int=sequence), PayloadType.OUTPUT, b"%d" % sequence)


def receive(channel: DataChannel, sequence: int, *, has_room: bool = True) -> tuple[list[int], int | None]:
    taken, answer = channel.receive(typed(sequence), NOW, has_room=has_room)
    if answer is None:
        return [each.sequence for each in taken], None
    message = parse_message(answer)
    assert message.type == "acknowledge"
    return [each.sequence for each in taken], read_acknowledged(message.payload)


def send(channel: DataChannel, payload: bytes = b"x") -> Message:
    return parse_message(channel.send(PayloadType.OUTPUT, payload, NOW))


def test_messages_are_counted_from_nought_and_the_first_says_so() -> None:
    channel = DataChannel("s")
    sent = [send(channel) for _ in range(3)]
    assert [message.sequence for message in sent] == [0, 1, 2]
    assert [message.flags for message in sent] == [1, 0, 0]
    assert {message.type for message in sent} == {"output_stream_data"}


def test_no_two_messages_have_one_id() -> None:
    channel, other = DataChannel("s"), DataChannel("t")
    ids = [send(each).id for each in (channel, other) for _ in range(50)]
    assert len(set(ids)) == 100


def test_there_is_room_again_when_the_client_has_what_was_sent() -> None:
    channel = DataChannel("s")
    for _ in range(MOST_IN_FLIGHT):
        assert channel.has_room()
        send(channel)
    assert not channel.has_room()
    assert not channel.is_delivered()
    channel.acknowledge(0)
    assert channel.has_room()
    channel.acknowledge(MOST_IN_FLIGHT - 1)
    assert channel.is_delivered()


def test_an_acknowledgement_of_what_was_never_sent_forgets_nothing_that_comes() -> None:
    channel = DataChannel("s")
    send(channel)
    channel.acknowledge(10**18)
    send(channel)
    assert not channel.is_delivered()


def test_a_new_connection_begins_with_what_the_client_may_lack() -> None:
    channel = DataChannel("s")
    sent = [channel.send(PayloadType.OUTPUT, b"%d" % number, NOW) for number in range(3)]
    channel.acknowledge(0)
    assert channel.resend() == sent[1:]


def test_what_was_resent_needs_no_acknowledgement_as_the_plugin_has_none_for_what_it_had() -> None:
    channel = DataChannel("s")
    for _ in range(MOST_IN_FLIGHT):
        send(channel)
    channel.resend()
    assert channel.has_room()
    assert channel.is_delivered()
    send(channel)
    assert not channel.is_delivered()
    channel.acknowledge(MOST_IN_FLIGHT)
    assert channel.resend() == []


def test_input_is_taken_in_its_order() -> None:
    channel = DataChannel("s")
    assert receive(channel, 0) == ([0], 0)
    assert receive(channel, 2) == ([], 2)
    assert receive(channel, 3) == ([], 3)
    assert receive(channel, 1) == ([1, 2, 3], 1)


def test_what_comes_twice_is_taken_once_and_acknowledged_twice() -> None:
    channel = DataChannel("s")
    assert receive(channel, 0) == ([0], 0)
    assert receive(channel, 0) == ([], 0)


def test_two_that_the_plugin_gave_one_number_are_taken_both_whichever_number_it_goes_on_with() -> None:
    for step in (1, 2):
        channel = DataChannel("s")
        taken, sent, number = [], [typed(0)], 1
        for turn in range(20):  # some in turn between
            same = Message("input_stream_data", number, uuid.UUID(int=1000 + turn), PayloadType.OUTPUT, b"\x03")
            sent += [typed(number), same, *(typed(number + step + each) for each in range(turn % 3))]
            number += step + turn % 3
        for message in (each for each in sent for _ in range(2)):  # each comes twice
            found, answer = channel.receive(message, NOW, has_room=True)
            assert answer
            taken += found
        assert taken == sent


def test_what_there_is_no_room_for_comes_again() -> None:
    channel = DataChannel("s")
    assert receive(channel, 0, has_room=False) == ([], None)
    assert receive(channel, 1, has_room=False) == ([], None)
    assert receive(channel, 0) == ([0], 0)
    assert receive(channel, 0, has_room=False) == ([], 0)


def test_what_is_far_ahead_is_not_kept() -> None:
    channel = DataChannel("s")
    assert receive(channel, MOST_AHEAD) == ([], MOST_AHEAD)
    assert receive(channel, MOST_AHEAD + 1) == ([], None)


def test_in_whatever_order_messages_come_each_is_taken_once_in_order() -> None:
    draws = random.Random(48)
    for _ in range(50):
        channel = DataChannel("s")
        waiting, taken = set(range(60)), []
        while waiting:
            sequence = draws.choice(sorted(waiting)[:40])
            found, acknowledged = receive(channel, sequence, has_room=draws.random() < 0.8)
            taken += found
            if acknowledged is not None and draws.random() < 0.9:  # else it was lost
                waiting.discard(sequence)
        assert taken == list(range(60))


def test_the_end_is_told_outside_of_the_order() -> None:
    closed = parse_message(DataChannel("s").close("why", NOW, "2026-01-01T00:00:00Z"))
    assert (closed.type, closed.sequence) == ("channel_closed", 0)
    assert b'"Output": "why"' in closed.payload
