"""The HTTP endpoints answer whatever is sent to them."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from monopod.kube.logs import OwnFaultsOnly
from monopod.kube.server.health import HealthServer

BIG = b"x" * 200_000


@asynccontextmanager
async def serve() -> AsyncIterator[int]:
    server = HealthServer(lambda: "", lambda: "starting")
    yield await server.start("127.0.0.1", 0)
    await server.stop()


async def send(port: int, request: bytes) -> bytes:
    """The answer's first line."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return line


REQUESTS = {
    "alive": (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", b"200"),
    "not ready": (b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n", b"503"),
    "a large header": (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + BIG + b"\r\n\r\n", b"400"),
    "a long path": (b"GET /" + BIG + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
    "no HTTP": (b"\x16\x03\x01\r\n\r\n", b"400"),
}


@pytest.mark.parametrize(("request_", "status"), REQUESTS.values(), ids=REQUESTS.keys())
async def test_a_request_is_answered_and_nothing_is_logged_of_it(
    request_: bytes, status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.addFilter(OwnFaultsOnly())
    with caplog.at_level(logging.INFO):
        async with serve() as port:
            assert status in await send(port, request_)
    assert caplog.records == []


def test_faults_of_our_own_are_logged() -> None:
    fault = ValueError("ours")
    record = logging.LogRecord("aiohttp.server", logging.ERROR, "", 0, "", None, (ValueError, fault, None))
    assert OwnFaultsOnly().filter(record)
