import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from monopod.aws.exec.connection import Connection
from monopod.aws.exec.rules.channel import MOST_IN_FLIGHT
from monopod.aws.exec.rules.message import MalformedMessage, Message, PayloadType, build_message
from monopod.aws.exec.session import (
    DELIVERY_SECONDS,
    HANDSHAKE_SECONDS,
    IDLE_SECONDS,
    INTERRUPT,
    LARGEST_INPUT,
    RESUME_SECONDS,
    Session,
    Terminal,
)
from monopod.kube.client.api import ApiError, ApiUnreachable
from monopod.kube.client.exec import Ended
from tests.unit.aws.exec.client import Client
from tests.unit.aws.exec.serving import FakeTerminal
from tests.unit.fake_clock import FakeClock
from tests.unit.waiting import until


@dataclass
class Line:
    """A connection of a client's, without a network."""

    session: Session
    client: Client
    is_cut: bool = False
    pings: int = 0
    sent: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connection = Connection(self)
        self.writer = asyncio.create_task(self.connection.run())

    async def send_bytes(self, data: bytes) -> None:
        if self.is_cut:
            raise ConnectionResetError
        self.sent.append(data)
        for frame in self.client.take(data):
            self.session.receive(frame)

    async def ping(self, message: bytes = b"") -> None:
        self.pings += 1

    async def close(self) -> bool:
        return True

    def cut(self) -> None:
        self.is_cut = True
        self.session.detach(self.connection)
        self.connection.finish()


@dataclass
class Stage:
    clock: FakeClock
    terminal: FakeTerminal
    session: Session
    client: Client
    life: asyncio.Task[None]
    lines: list[Line] = field(default_factory=list)
    allowed: list[bool] = field(default_factory=lambda: [True])

    def connect(self) -> Line:
        line = Line(self.session, self.client)
        self.lines.append(line)
        self.session.attach(line.connection)
        return line

    def type(self, payload: bytes, payload_type: int = PayloadType.OUTPUT) -> None:
        self.session.receive(self.client.type(payload, payload_type))

    async def until_over(self) -> None:
        await until(lambda: self.life.done(), self.clock)
        await self.life
        await until(lambda: all(line.writer.done() for line in self.lines))

    async def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.clock.step(1)
            for _ in range(5):
                await asyncio.sleep(0)


@asynccontextmanager
async def playing(
    failure: Exception | None = None, client: Client | None = None, *, connects: bool = True
) -> AsyncIterator[Stage]:
    clock, terminal = FakeClock(), FakeTerminal()

    async def start() -> Terminal:
        if failure:
            raise failure
        return terminal

    async def may_go_on() -> bool:
        return stage.allowed[0]

    session = Session("s-1", start, may_go_on, clock)
    stage = Stage(clock, terminal, session, client or Client(), asyncio.create_task(session.run()))
    if connects:
        stage.connect()
    try:
        yield stage
    finally:
        for task in (stage.life, *(line.writer for line in stage.lines)):
            task.cancel()
        await asyncio.gather(stage.life, *(line.writer for line in stage.lines), return_exceptions=True)


def shows(stage: Stage, text: bytes) -> Callable[[], bool]:
    return lambda: bytes(stage.client.shown) == text


async def test_what_is_shown_and_typed_goes_through_and_the_end_is_told() -> None:
    async with playing() as stage:
        stage.terminal.show(b"$ ")
        await until(shows(stage, b"$ "))
        stage.type(b"exit\r")
        await until(lambda: stage.terminal.typed == b"exit\r")
        stage.terminal.show(b"bye", Ended(0))
        await stage.until_over()
        assert bytes(stage.client.shown) == b"$ bye"
        assert stage.client.closed == ""
        assert stage.terminal.is_closed


async def test_the_terminal_has_the_clients_size_from_the_start_and_when_it_changes() -> None:
    async with playing() as stage:
        await until(lambda: stage.terminal.sizes == [(100, 30)])
        stage.type(b'{"cols":120,"rows":40}', PayloadType.SIZE)
        await until(lambda: stage.terminal.sizes == [(100, 30), (120, 40)])


async def test_a_terminal_that_says_no_size_has_an_ordinary_one() -> None:
    async with playing() as stage:
        await until(lambda: stage.terminal.sizes == [(100, 30)])
        stage.type(b'{"cols":0,"rows":0}', PayloadType.SIZE)
        await until(lambda: stage.terminal.sizes[1:] == [(80, 24)])


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (Ended(3, "command terminated with non-zero exit code"), "The command ended with exit code 3."),
        (Ended(None, "executable file not found in $PATH"), "executable file not found in $PATH"),
        (Ended(None), "The command ended, and nobody says how."),
    ],
)
async def test_a_command_that_fails_says_how(ended: Ended, told: str) -> None:
    async with playing() as stage:
        stage.terminal.show(ended)
        await stage.until_over()
        assert stage.client.closed == told


@pytest.mark.parametrize(
    "failure",
    [ApiError(403, "Forbidden", "no exec for you"), ApiUnreachable("no exec for you")],
    ids=["refused", "away"],
)
async def test_a_command_that_cannot_start_says_why(failure: Exception) -> None:
    async with playing(failure) as stage:
        await stage.until_over()
        assert stage.client.closed == "Unable to start command: no exec for you"


async def test_an_unforeseen_failure_ends_the_session() -> None:
    async with playing(RuntimeError("a bug")) as stage:
        await stage.until_over()
        assert stage.client.closed == "The session failed because of an error in Monopod."


async def test_a_client_that_cannot_have_a_terminal_is_told() -> None:
    async with playing(client=Client(errors=["Unknown session type"])) as stage:
        await stage.until_over()
        assert stage.client.closed == "The client can't have this session: Unknown session type"


async def test_a_client_that_never_answers_gets_no_command() -> None:
    async with playing(client=Client(), connects=False) as stage:
        line = Line(stage.session, stage.client)
        line.client.take = lambda frame: []  # type: ignore[method-assign]  # it says nothing
        stage.lines.append(line)
        stage.session.attach(line.connection)
        await stage.pass_time(HANDSHAKE_SECONDS + DELIVERY_SECONDS + 2)
        await stage.until_over()
        assert stage.terminal.sizes == []


async def test_a_command_waits_while_the_client_does_not_take_what_it_shows() -> None:
    async with playing(client=Client(acknowledges=False)) as stage:
        stage.terminal.show(*[b"x" * 1024 for _ in range(MOST_IN_FLIGHT + 50)])
        await until(lambda: len(stage.lines[0].sent) >= MOST_IN_FLIGHT)
        await stage.pass_time(5)
        assert stage.terminal.shown.qsize() >= 49


async def test_what_is_typed_waits_at_the_client_while_the_command_does_not_take_it() -> None:
    async with playing() as stage:
        stage.terminal.show(b"$")
        await until(shows(stage, b"$"))
        stage.terminal.takes_input.clear()
        for _ in range(2 * LARGEST_INPUT // 1024):
            stage.type(b"y" * 1024)
        typed = stage.client.sequence
        await until(lambda: len(stage.client.acknowledged) > 10)
        assert LARGEST_INPUT // 2048 < len(stage.client.acknowledged) < typed
        stage.terminal.takes_input.set()
        await until(lambda: len(stage.terminal.typed) > 0)
        stage.terminal.show(b"#")  # what it shows still comes
        await until(shows(stage, b"$#"))


async def test_a_connection_that_breaks_off_is_replaced_and_nothing_is_lost_or_shown_twice() -> None:
    async with playing() as stage:
        stage.terminal.show(b"1")
        await until(shows(stage, b"1"))
        stage.lines[0].cut()
        stage.terminal.show(*[b"%d" % number for number in range(2, 10)])
        await stage.pass_time(RESUME_SECONDS / 2)
        stage.connect()
        await until(shows(stage, b"123456789"))
        stage.type(b"k")
        await until(lambda: stage.terminal.typed == b"k")
        stage.terminal.show(Ended(0))
        await stage.until_over()
        assert stage.client.closed == ""


async def test_acknowledgements_that_were_lost_hold_nothing_up() -> None:
    async with playing() as stage:
        stage.terminal.show(b"1")
        await until(shows(stage, b"1"))
        line = stage.lines[0]
        taken = line.client.take
        line.client.take = lambda frame: taken(frame) and []  # type: ignore[method-assign]  # takes, and is cut off
        stage.terminal.show(*[b"x" for _ in range(MOST_IN_FLIGHT)])
        await until(lambda: stage.client.shown.count(b"x") == MOST_IN_FLIGHT)
        line.cut()
        line.client.take = taken  # type: ignore[method-assign]  # of this one only
        stage.connect()
        stage.terminal.show(b"2", Ended(0))
        await stage.until_over()
        assert bytes(stage.client.shown) == b"1" + b"x" * MOST_IN_FLIGHT + b"2"
        assert stage.client.closed == ""


async def test_a_client_that_stays_away_ends_its_command() -> None:
    async with playing() as stage:
        stage.terminal.show(b"$")
        await until(shows(stage, b"$"))
        stage.lines[0].cut()
        await stage.pass_time(2 * RESUME_SECONDS + DELIVERY_SECONDS)
        await stage.until_over()
        assert stage.terminal.typed == INTERRUPT
        assert stage.terminal.is_closed


async def test_the_end_waits_for_a_client_that_is_away() -> None:
    async with playing() as stage:
        stage.terminal.show(b"$")
        await until(shows(stage, b"$"))
        stage.lines[0].cut()
        stage.terminal.show(b"last", Ended(0))
        await stage.pass_time(5)
        stage.connect()
        await stage.until_over()
        assert bytes(stage.client.shown) == b"$last"
        assert stage.client.closed == ""


async def test_a_session_in_which_nothing_happens_ends() -> None:
    async with playing() as stage:
        stage.terminal.show(b"$")
        await until(shows(stage, b"$"))
        await stage.pass_time(IDLE_SECONDS - 60)
        stage.type(b"x")
        await until(lambda: stage.terminal.typed == b"x")
        await stage.pass_time(IDLE_SECONDS - 60)
        assert not stage.life.done()
        assert stage.lines[0].pings > 10
        assert stage.terminal.pings > 10
        await stage.pass_time(120)
        await stage.until_over()
        assert stage.client.closed == "Your session timed out due to inactivity."
        assert stage.terminal.typed == b"x" + INTERRUPT


async def test_a_session_of_a_key_that_is_deleted_ends() -> None:
    async with playing() as stage:
        stage.terminal.show(b"$")
        await until(shows(stage, b"$"))
        stage.allowed[0] = False
        await stage.pass_time(60)
        await stage.until_over()
        assert stage.client.closed == "The access key of this session is gone."


async def test_a_client_may_end_its_session() -> None:
    async with playing() as stage:
        stage.terminal.show(b"$")
        await until(shows(stage, b"$"))
        stage.type(b"\0\0\0\2", PayloadType.FLAG)
        await stage.until_over()
        assert stage.client.closed == ""
        assert stage.terminal.typed == INTERRUPT


async def test_a_command_that_takes_nothing_is_left_all_the_same() -> None:
    async with playing() as stage:
        stage.terminal.show(b"$")
        await until(shows(stage, b"$"))
        stage.terminal.takes_input.clear()
        stage.type(b"\0\0\0\2", PayloadType.FLAG)
        await stage.until_over()
        assert stage.terminal.is_closed


@pytest.mark.parametrize(
    ("payload", "payload_type"),
    [(b"{}", PayloadType.SIZE), (b"", PayloadType.FLAG), (b"x", 99), (b"{", 6)],
)
async def test_what_is_no_message_is_told_apart(payload: bytes, payload_type: int) -> None:
    async with playing() as stage:
        stage.terminal.show(b"$")
        await until(shows(stage, b"$"))
        with pytest.raises(MalformedMessage):
            stage.type(payload, payload_type)


async def test_whatever_a_client_sends_is_taken_or_told_apart() -> None:
    draws = random.Random(48)
    kinds = [
        "input_stream_data",
        "acknowledge",
        "output_stream_data",
        "channel_closed",
        "pause_publication",
        "",
        "x" * 32,
    ]
    payloads = [b"", b"{}", b"null", b"[" * 2000, b'{"cols":1e400,"rows":2}', b"\xff\0", b'{"Errors":{}}', b"x" * 8000]
    payloads += [b'{"cols":%d,"rows":%d}' % (10**9, 3), b'{"AcknowledgedMessageSequenceNumber":%d}' % 10**18]
    async with playing() as stage:
        stage.terminal.show(b"$")
        await until(shows(stage, b"$"))
        refused = 0
        for _ in range(4000):
            message = Message(
                draws.choice(kinds),
                draws.choice([0, 1, 2, 3, stage.client.sequence, draws.randrange(200), 2**63 - 1]),
                uuid.UUID(int=draws.getrandbits(128)),
                draws.choice([*range(15), 2**32 - 1]),
                draws.choice(payloads),
                draws.getrandbits(64),
                draws.getrandbits(64),
            )
            try:
                stage.session.receive(build_message(message))
            except MalformedMessage:
                refused += 1
        assert 0 < refused < 4000
        for line in stage.lines:
            line.cut()


async def test_a_client_that_takes_nothing_while_it_types_loses_its_connection() -> None:
    async with playing() as stage:
        stage.terminal.show(b"$")
        await until(shows(stage, b"$"))
        stuck = asyncio.Event()

        async def stick(data: bytes) -> None:
            await stuck.wait()

        stage.lines[0].send_bytes = stick  # type: ignore[method-assign]  # of this one only
        for _ in range(2000):
            stage.type(b"")
        assert stage.lines[0].connection.lost.is_set()
        stuck.set()
