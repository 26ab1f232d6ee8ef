"""Both of the ledger's servers, put together: people on the loopback, replicas and operator on the pod's address."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from monopod.kube.client.api import Api
from monopod.kube.clock import Clock
from monopod.kube.controller import WHOLE, Controller
from monopod.kube.server.certificate import ServerCertificate
from monopod.ledger.identity import Identity
from monopod.ledger.server.access import Access
from monopod.ledger.server.answers import Ledger
from monopod.ledger.server.authentication import Authenticator
from monopod.ledger.server.authorization import Authorizer
from monopod.ledger.server.listener import Listener
from monopod.ledger.server.options import ServerOptions
from monopod.ledger.server.peers import PeersServer
from monopod.ledger.server.people import People
from monopod.ledger.store.answers import Changes, StoreUnavailableError
from monopod.usage.ledger_identity import AUDIENCE, LedgerAccount

LOOPBACK: Final = "127.0.0.1"
SERVER_NAME: Final = "monopod-ledger"
_SHUTDOWN_SECONDS: Final = 5.0
_LONGEST_LINE: Final = 32_768
"""Of a request: tokens that name a user's groups are longer than the 8 KiB that aiohttp takes otherwise."""


class Servers:
    """Answers people and the other recorder.

    Args:
        api: the API server, which knows users and their rights.
        clock: tells the time.
        ledger: what answers are made from.
        options: where to listen.
        account: the ledger's own: no one else is a peer.
        scratch: a folder on the database's volume, for copies of it while they are sent.
        is_caught_up: whether this replica knows what others knew before it started.
    """

    def __init__(
        self,
        api: Api,
        clock: Clock,
        ledger: Ledger,
        options: ServerOptions,
        account: LedgerAccount,
        scratch: Path | None,
        is_caught_up: Callable[[], bool] = lambda: True,
    ) -> None:
        self._options = options
        self._clock = clock
        self._ledger = ledger
        self._is_caught_up = is_caught_up
        authorizer = Authorizer(api, clock)
        self._people = People(ledger, Access(Authenticator(api, clock), authorizer), clock, scratch)
        people = _build_runner(self._people.build_application())
        self._certificate = ServerCertificate(clock.now(), (SERVER_NAME,))
        self._listener = Listener(api, self._certificate, people, LOOPBACK, options.api_port)
        peers = Access(Authenticator(api, clock, (AUDIENCE,)), authorizer)
        identity = Identity(api, clock, account, self._certificate.fingerprint)
        server = PeersServer(account.user_name, identity, peers, self._fetch_changes, self._answer_profiles)
        self._peers = _build_runner(server.build_application())
        self.controllers: tuple[Controller[str], ...] = (self._listener.controller,)
        """To be run by the process."""

    @property
    def api_port(self) -> int:
        """The port for people."""
        return self._listener.port

    @property
    def peers_port(self) -> int:
        """The port for the other recorder, once it listens."""
        return int(self._peers.addresses[0][1])

    async def start(self) -> None:
        """Listens on both ports.

        Raises:
            OSError: one of them is taken.
        """
        await self._listener.start()
        self._listener.controller.enqueue(WHOLE)
        await self._peers.setup()
        context = self._certificate.build_context()
        await web.TCPSite(
            self._peers, self._options.peers_listen, self._options.peers_port, ssl_context=context
        ).start()

    async def stop(self) -> None:
        """Closes everything; answers that have begun get a few seconds."""
        await self._listener.stop()
        await self._peers.cleanup()
        self._people.close()

    async def _answer_profiles(self) -> dict[str, Any]:
        if not self._is_caught_up():
            raise StoreUnavailableError("this replica has still to read what the others know")
        now = int(self._clock.now().timestamp() * 1000)
        return await asyncio.to_thread(self._ledger.answer_profiles, now)

    async def _fetch_changes(self, after: int, limit: int) -> Changes:
        return await asyncio.to_thread(self._ledger.store.fetch_changes, after, limit)


def _build_runner(application: web.Application) -> web.AppRunner:
    return web.AppRunner(
        application,
        access_log=None,
        shutdown_timeout=_SHUTDOWN_SECONDS,
        handler_cancellation=True,  # a user who leaves ends the work on the answer
        max_field_size=_LONGEST_LINE,
        max_line_size=_LONGEST_LINE,
    )
