"""Connections: how many there may be, and what is answered to what isn't HTTP.

Where there are too many, the one that has been without a request longest is closed: whoever opens many loses his own,
and a client that asks at once is answered. None whose request is being answered is closed for others.
"""

import asyncio
import contextlib
import json
import uuid
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

MOST_CONNECTIONS: Final = 500
"""A process often may have 1,024 files open, and this one needs some for the API server."""


class Connections(web.Server):
    """The protocol server of aiohttp, with a bound on its connections."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._waiting: dict[web.RequestHandler, asyncio.Transport] = {}
        """Those without a request, the one that waits longest first."""

    def __call__(self) -> web.RequestHandler:
        """A new connection's protocol."""
        return _Connection(self, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Takes a connection in, and closes another one if there are too many."""
        super().connection_made(handler, transport)
        self._waiting[handler] = transport
        if len(self._connections) > MOST_CONNECTIONS and self._waiting:
            longest = next(iter(self._waiting))
            self._waiting.pop(longest).abort()

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """Forgets a connection."""
        super().connection_lost(handler, exc)
        self._waiting.pop(handler, None)

    @contextlib.contextmanager
    def answering(self, handler: web.RequestHandler) -> Iterator[None]:
        """Keeps a connection for as long as its request is being answered."""
        transport = self._waiting.pop(handler, None)
        try:
            yield
        finally:
            if transport and handler in self._connections and not transport.is_closing():
                self._waiting[handler] = transport


class _Connection(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answers what isn't HTTP as AWS's clients read it, without a line in the log: it is the sender's doing."""
        is_ours = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if is_ours:
            self.logger.error("a request failed outside of its answer", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun")
        code, told = ("InternalFailure", "") if is_ours else ("SerializationException", "The request isn't HTTP.")
        response = web.Response(
            body=json.dumps({"__type": code, "message": told}).encode(),
            status=status,
            headers={
                "Content-Type": "application/json",
                "Server": "monopod",
                "Cache-Control": "no-store",
                "x-amzn-ErrorType": code,
                "x-amzn-RequestId": str(uuid.uuid4()),
            },
        )
        response.force_close()
        return response
