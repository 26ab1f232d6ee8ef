"""The endpoint's HTTP server: bodies have a bound, in bytes and in time, and so has what is answered at once."""

import asyncio
import contextlib
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import Final, Protocol

from aiohttp import web

from monopod.aws.wire.call import AwsError
from monopod.aws.wire.connections import Connections
from monopod.aws.wire.endpoint import Endpoint
from monopod.aws.wire.message import HttpAnswer, HttpRequest

LARGEST_BODY: Final = 1024 * 1024
"""In bytes; AWS's own bound for these services."""

BODY_SECONDS: Final = 10.0
MOST_ACTIVE: Final = 100
"""Requests with a known key that are answered at once, so that their bodies have a bound together; clients ask again by
themselves. Those without one have no place that they could take from others."""

MOST_OF_A_KEY: Final = 20
"""Of these, with one key: its id is no secret, and whoever knows it takes places until the signature is checked."""

IDLE_SECONDS: Final = 60.0
HANDSHAKE_SECONDS: Final = 10.0
LINGERING_SECONDS: Final = 1.0
"""How long the rest of a refused body is thrown away, so that the refusal isn't lost when the connection is closed."""

SHUTDOWN_SECONDS: Final = 10.0
_LONGEST_LINE: Final = 16_384
"""Of a request's first line."""

_LONGEST_HEADER: Final = 8192
"""A signature of many headers is one."""

_MOST_HEADERS: Final = 64
_READ_AHEAD: Final = 16_384
"""Bytes of a body that are accepted before anything reads it."""


class Upgrades(Protocol):
    """What answers requests that no operation is, such as those for WebSockets."""

    def takes(self, request: web.BaseRequest) -> bool:
        """Whether it answers this one; by its head."""

    async def answer(self, request: web.BaseRequest, kept: AbstractContextManager[None]) -> web.StreamResponse:
        """Answers one; while `kept` is entered its connection isn't closed for others."""
        ...


class Server:
    """Serves an endpoint.

    Args:
        endpoint: what answers.
        host: where to listen.
        port: where to listen; 0 takes a free one.
        upgrades: what answers instead, where it says so.
    """

    def __init__(self, endpoint: Endpoint, host: str, port: int, upgrades: Upgrades | None = None) -> None:
        self._endpoint = endpoint
        self._upgrades = upgrades
        self._host = host
        self.port = port
        """The port; after `start` the one that it got."""
        self._active: Counter[str] = Counter()
        self._connections: Connections | None = None
        self._runner: web.ServerRunner | None = None
        self._listening: asyncio.Server | None = None

    async def start(self, context: ssl.SSLContext | None) -> None:
        """Listens, by TLS if there is a context.

        Raises:
            OSError: the port is taken.
        """
        # No application: nothing may decode, normalize or redirect a path before its signature is checked.
        self._connections = Connections(
            self._answer,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGERING_SECONDS,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_HEADER,
            max_headers=_MOST_HEADERS,
            read_bufsize=_READ_AHEAD,
        )
        self._runner = web.ServerRunner(self._connections, shutdown_timeout=SHUTDOWN_SECONDS)
        await self._runner.setup()
        self._listening = await asyncio.get_running_loop().create_server(
            self._connections,
            self._host,
            self.port,
            ssl=context,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if context else None,
        )
        self.port = int(self._listening.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Closes everything; answers that have begun get a few seconds."""
        if self._listening is not None:
            self._listening.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._upgrades and self._upgrades.takes(request):
            return await self._upgrades.answer(request, self._keep(request))
        path, _, query = request.raw_path.partition("?")
        headers = tuple((name.lower(), value) for name, value in request.headers.items())
        head = HttpRequest(request.method, path, query, headers)
        connection = _Hold(request.transport)
        async with contextlib.AsyncExitStack() as held:
            held.enter_context(self._keep(request))

            async def read_body(key: str) -> bytes:
                held.enter_context(self._take_place(key))
                connection.release()
                try:
                    return await _read_body(request)
                finally:
                    connection.hold()

            # A few strangers who send one large head after the other would take all memory while the first waits.
            connection.hold()
            held.callback(connection.release)
            return _build_response(request, await self._endpoint.answer(head, read_body))

    def _keep(self, request: web.BaseRequest) -> AbstractContextManager[None]:
        return self._connections.answering(request.protocol) if self._connections else contextlib.nullcontext()

    @contextlib.contextmanager
    def _take_place(self, key: str) -> Iterator[None]:
        if self._active.total() >= MOST_ACTIVE or self._active[key] >= MOST_OF_A_KEY:
            raise AwsError("ThrottlingException", "Rate exceeded", status=HTTPStatus.TOO_MANY_REQUESTS)
        self._active[key] += 1
        try:
            yield
        finally:
            self._active[key] -= 1
            if not self._active[key]:
                del self._active[key]


class _Hold:
    """Keeps what a connection sends out of memory for as long as nothing is to read it."""

    def __init__(self, transport: asyncio.Transport | None) -> None:
        self._transport = transport
        self._is_held = False

    def hold(self) -> None:
        # Where aiohttp has stopped reading by itself, it also goes on by itself.
        if self._transport and self._transport.is_reading():
            self._transport.pause_reading()
            self._is_held = True

    def release(self) -> None:
        if self._transport and self._is_held:
            self._transport.resume_reading()
            self._is_held = False


async def _read_body(request: web.BaseRequest) -> bytes:
    if "Content-Encoding" in request.headers:
        raise AwsError("SerializationException", "A body with a Content-Encoding isn't read.")
    if (request.content_length or 0) > LARGEST_BODY:
        raise _build_refusal()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > LARGEST_BODY:
                    raise _build_refusal()
    except TimeoutError:
        raise AwsError(
            "RequestTimeoutException", "The body took too long.", status=HTTPStatus.REQUEST_TIMEOUT
        ) from None
    except (ConnectionError, web.RequestPayloadError):  # the sender's doing, and no failure of ours
        raise AwsError("SerializationException", "The body broke off, or isn't written as HTTP says.") from None
    return bytes(body)


def _build_refusal() -> AwsError:
    message = f"The body is larger than {LARGEST_BODY:,} bytes."
    return AwsError("RequestEntityTooLargeException", message, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def _build_response(request: web.BaseRequest, answer: HttpAnswer) -> web.Response:
    headers = {**answer.headers, "Content-Type": answer.content_type, "Server": "monopod", "Cache-Control": "no-store"}
    response = web.Response(body=answer.body, status=answer.status, headers=headers)
    if not request.content.is_eof():  # what wasn't read would be taken for the next request
        response.force_close()
    return response
