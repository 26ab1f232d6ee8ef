"""The WebSockets that clients open sessions' channels by. Who may is in the first thing that they send."""

import asyncio
import json
from contextlib import AbstractContextManager
from typing import Final

from aiohttp import WSMsgType, web

from monopod.aws.exec.connection import Connection
from monopod.aws.exec.rules.channel import DataChannel
from monopod.aws.exec.rules.contents import read_opening
from monopod.aws.exec.rules.grant import LONGEST_TOKEN
from monopod.aws.exec.rules.message import LARGEST_FRAME, MalformedMessage
from monopod.aws.exec.session import Session
from monopod.aws.exec.sessions import Refused, Sessions
from monopod.kube.clock import Clock, timeout

PATH: Final = "/v1/data-channel/"
"""As on AWS; the session's id follows."""

OPENING_SECONDS: Final = 10.0
MOST_OPENING: Final = 100
"""Channels of clients that haven't said yet who they are."""

_LARGEST_MESSAGE: Final = max(LARGEST_FRAME, LONGEST_TOKEN + 4096)
_CLOSING_SECONDS: Final = 2.0
_LONGEST_ID: Final = 96


class Channels:
    """Answers requests for channels.

    Args:
        sessions: the sessions.
        clock: tells the time.
    """

    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock
        self._opening = 0

    def takes(self, request: web.BaseRequest) -> bool:
        """Whether a request is for a channel."""
        return request.raw_path.startswith(PATH)

    async def answer(self, request: web.BaseRequest, kept: AbstractContextManager[None]) -> web.StreamResponse:
        """Answers one, for as long as the client stays; a session's connection isn't closed for others."""
        socket = web.WebSocketResponse(timeout=_CLOSING_SECONDS, max_msg_size=_LARGEST_MESSAGE, compress=False)
        if request.method != "GET" or not socket.can_prepare(request).ok:
            return _refuse(400, "A channel is opened by a WebSocket.")
        if self._opening >= MOST_OPENING:
            return _refuse(503, "Too many channels are being opened.")
        session_id = request.raw_path.removeprefix(PATH).partition("?")[0][:_LONGEST_ID]
        self._opening += 1
        try:
            await socket.prepare(request)
            token = await self._read_token(socket)
        finally:
            self._opening -= 1
        connection = Connection(socket)
        writer = asyncio.create_task(connection.run(), name="channel")
        try:
            session = await self._open(connection, session_id, token)
            if session is not None:
                with kept:
                    await _listen(socket, session, connection)
        finally:
            connection.finish()
            await writer
        return socket

    async def _read_token(self, socket: web.WebSocketResponse) -> str:
        try:
            async with timeout(self._clock, OPENING_SECONDS):
                first = await socket.receive()
            return read_opening(first.data).token if first.type is WSMsgType.TEXT else ""
        except (TimeoutError, MalformedMessage):
            return ""

    async def _open(self, connection: Connection, session_id: str, token: str) -> Session | None:
        """The session; None if the client has been told why there is none."""
        try:
            return await self._sessions.open(session_id, token, connection)
        except Refused as refused:
            now = self._clock.now()
            closed = DataChannel(session_id).close(str(refused), int(now.timestamp() * 1000), now.isoformat())
            connection.send(closed)
            return None


async def _listen(socket: web.WebSocketResponse, session: Session, connection: Connection) -> None:
    try:
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                _take(session, message.data)
    finally:
        session.detach(connection)


def _take(session: Session, frame: bytes) -> None:
    try:
        session.receive(frame)
    except MalformedMessage as malformed:
        session.end(f"The client sent what can't be read: {malformed}")


def _refuse(status: int, message: str) -> web.Response:
    response = web.Response(status=status, body=json.dumps({"message": message}), content_type="application/json")
    response.force_close()
    return response
