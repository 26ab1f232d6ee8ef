"""A receiver of notices: a real HTTP server, which the test has answer, refuse, dawdle, go and come back."""

import asyncio
import ssl
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from lab.cluster.pki import Authority

HOST = "127.0.0.1"
Result = TypeVar("Result")


class Receiver:
    """Remembers what it was sent.

    Attributes:
        status: what it answers.
        status_of: what it answers to notices of certain ids instead.
        retry_after: the header of this name, if it isn't empty.
        answering: while it isn't set, requests get no answer.
        got: the bodies that it answered by 2xx.
        seen: headers of all requests.
        strays: how many requests came where the answers redirect to.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.status = 200
        self.status_of: dict[str, int] = {}
        self.retry_after = ""
        self.got: list[dict[str, Any]] = []
        self.seen: list[dict[str, str]] = []
        self.strays = 0
        self.answering = asyncio.Event()
        self.answering.set()
        self._context = context
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://{HOST}:{self.port}/hook"

    async def start(self) -> None:
        """Listens, at the port that it had before."""
        app = web.Application()
        app.router.add_post("/hook", self._answer)
        app.router.add_route("*", "/elsewhere", self._note_stray)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self.port, ssl_context=self._context, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Refuses connections from now on."""
        if self._runner:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.seen.append(dict(request.headers))
        body = await request.json()
        await self.answering.wait()
        status = self.status_of.get(body["id"], self.status)
        if status < 300:
            self.got.append(body)
        wish = {"Retry-After": self.retry_after} if self.retry_after else {}
        return web.Response(status=status, headers={"Location": "/elsewhere", **wish})

    async def _note_stray(self, request: web.Request) -> web.Response:
        self.strays += 1
        return web.Response()

    async def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
        """Polls until it holds."""
        end = asyncio.get_running_loop().time() + seconds
        while not condition():
            if asyncio.get_running_loop().time() > end:
                raise AssertionError(f"never: {what}; seen {len(self.seen)}, got {self.got}")
            await asyncio.sleep(0.005)


def build_tls(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context, and the certificate of the authority that signed its certificate."""
    authority = Authority.create(folder / "authority")
    certificate, key = authority.issue("receiver", "receiver", (), (HOST,))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context, authority.ca


class ReceiverThread:
    """The same for tests that don't run in a loop."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.receiver = self._run(self._make(context))

    def start(self) -> None:
        """Listens, at the port that it had before."""
        self._run(self.receiver.start())

    def stop(self) -> None:
        """Refuses connections from now on."""
        self._run(self.receiver.stop())

    def release(self) -> None:
        """Has requests that wait, and those that come, answered."""
        self._loop.call_soon_threadsafe(self.receiver.answering.set)

    def close(self) -> None:
        """Ends it for good."""
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    @staticmethod
    async def _make(context: ssl.SSLContext | None) -> Receiver:
        return Receiver(context)
