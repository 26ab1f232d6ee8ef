"""One session: a client's data channel on one side, a command in a container on the other.

    opened ──► handshake ──► the client's first size ──► the command starts ──► what is typed, what is shown
                  │               │                            │                        │ the command ends,
                  └───────────────┴────────────────────────────┴──► ended ◄─────────────┘ nothing happens, the client
                                                                      │                   stays away, somebody ends it
                                            the rest is delivered, and why it ended ──► closed

The connection may break off and another one take its place meanwhile: what the client may lack is sent again. What the
command shows waits in the container while the client has not acknowledged what was sent, and what is typed waits at the
client while the command doesn't take it.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog

from monopod.aws.exec.connection import Connection
from monopod.aws.exec.rules.channel import LARGEST_PAYLOAD, DataChannel
from monopod.aws.exec.rules.contents import (
    TERMINATE,
    Size,
    build_handshake_complete,
    build_handshake_request,
    read_acknowledged,
    read_errors,
    read_flag,
    read_size,
)
from monopod.aws.exec.rules.message import (
    ACKNOWLEDGE,
    INPUT_STREAM,
    MalformedMessage,
    Message,
    PayloadType,
    parse_message,
)
from monopod.kube.client.api import ApiError, ApiUnreachable
from monopod.kube.client.exec import Ended
from monopod.kube.clock import Clock, sleep, timeout

HANDSHAKE_SECONDS: Final = 15.0
SIZE_SECONDS: Final = 5.0
"""How long a client may take to say how large its terminal is; the plugin does so at once."""

RESUME_SECONDS: Final = 60.0
"""How long a session waits for a client whose connection broke off."""

IDLE_SECONDS: Final = 1200.0
"""How long nothing may happen, as on AWS."""

LOOK_SECONDS: Final = 30.0
"""How often is looked whether the session may go on, and connections are shown to be wanted."""

DELIVERY_SECONDS: Final = 30.0
"""How long the last output waits for the client to take it."""

LARGEST_INPUT: Final = 65_536
"""Bytes that were typed and that the command hasn't taken."""

COST_OF_MESSAGE: Final = 64
"""What each message counts in addition to its bytes, as it may have only one."""

PARTING_SECONDS: Final = 2.0
"""How long either side may take to hear of something that isn't worth waiting for."""

DEFAULT_SIZE: Final = Size(80, 24)
INTERRUPT: Final = b"\x03\x04"
"""What a terminal sends for Ctrl-C and Ctrl-D: no one else ends a command whose client is gone."""

logger = structlog.stdlib.get_logger(__name__)


class Terminal(Protocol):
    """A command that runs, as `monopod.kube.client.exec.ExecStream` is one."""

    async def read(self) -> bytes | Ended:
        """What it shows next, or its end."""
        ...

    async def write(self, typed: bytes) -> None:
        """Hands on what was typed."""

    async def resize(self, columns: int, rows: int) -> None:
        """Tells the terminal's size."""

    async def ping(self) -> None:
        """Shows that the connection is wanted."""

    async def close(self) -> None:
        """Leaves the command."""


Start = Callable[[], Awaitable[Terminal]]
"""Starts the command."""

MayGoOn = Callable[[], Awaitable[bool]]
"""Whether the caller may still do this."""


class Session:
    """A session.

    Args:
        id: its id.
        start: starts the command.
        may_go_on: asked now and then.
        clock: tells the time.
    """

    def __init__(self, id: str, start: Start, may_go_on: MayGoOn, clock: Clock) -> None:  # noqa: A002 as in AWS's API
        self.id = id
        self._start = start
        self._may_go_on = may_go_on
        self._clock = clock
        self._channel = DataChannel(id)
        self._connection: Connection | None = None
        self._terminal: Terminal | None = None
        self._away_since = clock.monotonic()
        self._active_at = clock.monotonic()
        self._size: Size | None = None
        self._typed: deque[bytes | Size] = deque()
        self._typed_bytes = 0
        self._answer = asyncio.Event()
        self._refusal = ""
        self._changed = asyncio.Event()
        """Set whenever the client has said something, has come or has gone."""

        self._ended = asyncio.Event()
        self._why = ""
        self._is_urgent = False

    def end(self, why: str, *, is_urgent: bool = False) -> None:
        """Ends the session.

        Args:
            why: what the client shows; "": that it has ended.
            is_urgent: whether a client that is away is not waited for.
        """
        self._is_urgent |= is_urgent
        self._changed.set()
        if not self._ended.is_set():
            self._why = why
            self._ended.set()

    def attach(self, connection: Connection) -> None:
        """Has a client's connection, in place of the one before, if there was one."""
        if self._connection is not None:
            self._connection.finish()
        self._connection = connection
        for frame in self._channel.resend():
            connection.send(frame)
        self._changed.set()

    def detach(self, connection: Connection) -> None:
        """A connection is over."""
        if self._connection is connection:
            self._connection = None
            self._away_since = self._clock.monotonic()
            self._changed.set()

    def receive(self, frame: bytes) -> None:
        """Takes what the client sends.

        Raises:
            MalformedMessage: it is no message.
        """
        message = parse_message(frame)
        if message.type == ACKNOWLEDGE:
            self._channel.acknowledge(read_acknowledged(message.payload))
        elif message.type == INPUT_STREAM:
            has_room = self._typed_bytes < LARGEST_INPUT
            taken, acknowledgement = self._channel.receive(message, self._now(), has_room=has_room)
            if acknowledgement and self._connection:
                self._connection.send(acknowledgement)
            for each in taken:
                self._take(each)
        self._changed.set()

    async def run(self) -> None:
        """Lives until the session has ended and the client knows it, or stays away."""
        life = asyncio.create_task(self._live(), name="session")
        watch = asyncio.create_task(self._watch(), name="session watch")
        ended = asyncio.create_task(self._ended.wait(), name="session end")
        tasks = (life, watch, ended)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for failure in results:
            if isinstance(failure, Exception):
                logger.error("a session failed", session=self.id, exc_info=failure)
                self.end("The session failed because of an error in Monopod.")
        if isinstance(results[0], str):
            self.end(results[0])
        await self._deliver()

    async def _live(self) -> str:
        """Why the session ended."""
        if why := await self._shake_hands():
            return why
        try:
            terminal = await self._start()
        except (ApiError, ApiUnreachable) as failure:
            return f"Unable to start command: {failure.message if isinstance(failure, ApiError) else failure}"
        self._terminal = terminal
        typing = asyncio.create_task(self._hand_on(terminal), name="session input")
        try:
            return _tell(await self._show(terminal))
        except asyncio.CancelledError:
            # Ended by someone else: the command doesn't know yet.
            with contextlib.suppress(ApiUnreachable, TimeoutError):
                async with timeout(self._clock, PARTING_SECONDS):
                    await terminal.write(INTERRUPT)
            raise
        finally:
            typing.cancel()
            await asyncio.gather(typing, return_exceptions=True)
            await terminal.close()

    async def _shake_hands(self) -> str:
        """Agrees on a terminal with the client; why not, if not."""
        self._send(PayloadType.HANDSHAKE_REQUEST, build_handshake_request())
        try:
            async with timeout(self._clock, HANDSHAKE_SECONDS):
                await self._answer.wait()
        except TimeoutError:
            return "The client didn't answer the handshake."
        if self._refusal:
            return f"The client can't have this session: {self._refusal}"
        self._send(PayloadType.HANDSHAKE_COMPLETE, build_handshake_complete())
        # The plugin drops what comes before it has begun, and says its size when it has.
        with contextlib.suppress(TimeoutError):
            async with timeout(self._clock, SIZE_SECONDS):
                while self._size is None:
                    await self._wait()
        if self._size is None:
            self._resize(DEFAULT_SIZE)
        return ""

    async def _show(self, terminal: Terminal) -> Ended:
        while not isinstance(shown := await terminal.read(), Ended):
            self._active_at = self._clock.monotonic()
            for at in range(0, len(shown), LARGEST_PAYLOAD):
                while not self._channel.has_room():
                    await self._wait()
                self._send(PayloadType.OUTPUT, shown[at : at + LARGEST_PAYLOAD])
        return shown

    async def _hand_on(self, terminal: Terminal) -> None:
        with contextlib.suppress(ApiUnreachable):  # reading will tell
            while True:
                while not self._typed:
                    await self._wait()
                match self._typed.popleft():
                    case Size(columns, rows):
                        await terminal.resize(columns, rows)
                    case typed:
                        await terminal.write(typed)
                        self._typed_bytes -= len(typed) + COST_OF_MESSAGE

    async def _watch(self) -> None:
        while True:
            await sleep(self._clock, LOOK_SECONDS)
            now = self._clock.monotonic()
            if self._connection is None and now - self._away_since >= RESUME_SECONDS:
                self.end("The client stayed away.")
            elif now - self._active_at >= IDLE_SECONDS:
                self.end("Your session timed out due to inactivity.")
            elif not await self._may_go_on():
                self.end("The access key of this session is gone.")
            else:
                await self._show_presence()

    async def _show_presence(self) -> None:
        """Keeps whoever is in between from taking the connections for dead."""
        for each in (self._connection, self._terminal):
            if each is not None:
                with contextlib.suppress(ApiUnreachable, TimeoutError):
                    async with timeout(self._clock, PARTING_SECONDS):
                        await each.ping()

    async def _deliver(self) -> None:
        """Waits for the client to have everything, then tells it that the session is over."""
        with contextlib.suppress(TimeoutError):
            async with timeout(self._clock, DELIVERY_SECONDS):
                while not (self._is_urgent if self._connection is None else self._channel.is_delivered()):
                    await self._wait()
        if self._connection is not None:
            moment = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
            self._connection.send(self._channel.close(self._why, self._now(), moment))
            self._connection.finish()

    def _take(self, message: Message) -> None:
        match message.payload_type:
            case PayloadType.OUTPUT:
                self._active_at = self._clock.monotonic()
                self._typed.append(message.payload)
                self._typed_bytes += len(message.payload) + COST_OF_MESSAGE
            case PayloadType.SIZE:
                self._resize(read_size(message.payload))
            case PayloadType.HANDSHAKE_RESPONSE:
                self._refusal = read_errors(message.payload)
                self._answer.set()
            case PayloadType.FLAG if read_flag(message.payload) == TERMINATE:
                self.end("")
            case _:
                raise MalformedMessage(f"Payloads of type {message.payload_type} aren't taken.")

    def _resize(self, size: Size) -> None:
        if self._typed and isinstance(self._typed[-1], Size):
            self._typed.pop()
        self._size = size if size.columns and size.rows else DEFAULT_SIZE
        self._typed.append(self._size)

    def _send(self, payload_type: PayloadType, payload: bytes) -> None:
        frame = self._channel.send(payload_type, payload, self._now())
        if self._connection is not None:
            self._connection.send(frame)

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _now(self) -> int:
        return int(self._clock.now().timestamp() * 1000)


def _tell(ended: Ended) -> str:
    match ended:
        case Ended(exit_code=0):
            return ""
        case Ended(exit_code=None, message=message):
            return message or "The command ended, and nobody says how."
        case Ended(exit_code=code):
            return f"The command ended with exit code {code}."
