"""A TLS listener that begins to accept other client certificates when the cluster's authorities change.

    reconcile: fetch the authorities ── as before ──► After(…)
                                     └─ others ──► listen again with a new context ──► After(…)

OpenSSL can't take an authority from a context that is in use, so the socket is opened again: on a loopback that takes
a moment in which only new connections fail.
"""

import ssl
from typing import Final

import structlog
from aiohttp import web

from monopod.kube.client.api import Api
from monopod.kube.controller import After, Controller, Result
from monopod.kube.logs import ProblemLog
from monopod.kube.server.certificate import ServerCertificate
from monopod.ledger.server.client_ca import fetch_client_ca

REFRESH_SECONDS: Final = 300.0
"""How often the authorities are read again; clusters change theirs once in years."""

logger = structlog.stdlib.get_logger(__name__)


class Listener:
    """Serves an application by TLS, with optional client certificates.

    Args:
        api: the API server, which knows the authorities.
        certificate: what it shows.
        runner: the application.
        host: where to listen.
        port: where to listen; 0 takes a free one.
    """

    def __init__(self, api: Api, certificate: ServerCertificate, runner: web.AppRunner, host: str, port: int) -> None:
        self._api = api
        self._certificate = certificate
        self._runner = runner
        self._host = host
        self.port = port
        """The port; after `start` the one that it got."""
        self._site: web.TCPSite | None = None
        self._authorities = ""
        self.controller: Controller[str] = Controller("client-ca", self._reconcile, ProblemLog(logger))

    async def start(self) -> None:
        """Listens, for the time being without client certificates.

        Raises:
            OSError: the port is taken.
        """
        await self._runner.setup()
        await self._listen(self._certificate.build_context())

    async def stop(self) -> None:
        """Closes everything."""
        await self._runner.cleanup()

    async def _reconcile(self, _: str) -> Result:
        authorities = await fetch_client_ca(self._api)
        if authorities != self._authorities:
            try:
                context = self._certificate.build_context(authorities)
            except ssl.SSLError as error:
                # Tokens still work; whoever published it will publish something better.
                logger.warning("client certificates aren't accepted: the authorities can't be read", error=str(error))
                context = self._certificate.build_context()
            await self._listen(context)
            self._authorities = authorities
        elif self._site is None:  # the last time it couldn't listen
            await self._listen(self._certificate.build_context(authorities))
        return After(REFRESH_SECONDS)

    async def _listen(self, context: ssl.SSLContext) -> None:
        if self._site is not None:
            closing, self._site = self._site, None
            await closing.stop()
        site = web.TCPSite(self._runner, self._host, self.port, ssl_context=context, reuse_address=True)
        await site.start()
        self._site = site
        self.port = int(self._runner.addresses[0][1])
