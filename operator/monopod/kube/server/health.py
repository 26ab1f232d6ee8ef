"""The HTTP endpoints: /healthz (restart me?), /readyz (does it work?), /metrics."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from monopod.kube.metrics import REGISTRY

Check = Callable[[], str]
"""What is wrong, or "" if nothing is."""


class HealthServer:
    """Serves the endpoints; the checks are asked at each request."""

    def __init__(self, alive: Check, ready: Check, registry: CollectorRegistry = REGISTRY) -> None:
        application = web.Application()
        application.router.add_get("/healthz", _serve(alive))
        application.router.add_get("/readyz", _serve(ready))
        application.router.add_get("/metrics", _serve_metrics(registry))
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)

    async def start(self, host: str, port: int) -> int:
        """Listens; the port that it got, which matters where 0 was asked for."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Closes everything."""
        await self._runner.cleanup()


def _serve(check: Check) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        trouble = check()
        return web.Response(status=503 if trouble else 200, text=f"{trouble or 'ok'}\n")

    return answer


def _serve_metrics(registry: CollectorRegistry) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return answer
