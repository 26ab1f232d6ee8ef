"""What strangers send without an access key waits with them, not in the endpoint's memory."""

import asyncio
import contextlib
import datetime

import pytest

from monopod.aws.wire import connections
from monopod.aws.wire.call import AccessKey
from monopod.aws.wire.endpoint import Endpoint
from monopod.aws.wire.server import Server
from monopod.kube.clock import SYSTEM_CLOCK
from tests.unit.aws.wire.serving import REGION


def build_head(length: int = 0) -> bytes:
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    lines = (
        "GET /clusters HTTP/1.1",
        "Host: monopod",
        f"X-Amz-Date: {now}",
        f"Content-Length: {length}",
        f"Authorization: AWS4-HMAC-SHA256 Credential=MPODBBBBBBBBBBBBBBBB/{now[:8]}/{REGION}/eks/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}",
    )
    return "\r\n".join([*lines, "", ""]).encode()


async def test_nothing_is_read_behind_a_head_while_its_key_is_looked_for() -> None:
    is_reading: list[bool] = []

    async def find(_: str) -> AccessKey | None:
        assert server._runner
        assert server._runner.server
        is_reading.extend(each.transport.is_reading() for each in server._runner.server.connections if each.transport)
        return None

    server = Server(Endpoint((), REGION, find, SYSTEM_CLOCK), "127.0.0.1", 0)
    await server.start(None)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for _ in range(2):  # the second is answered too, so it goes on
            writer.write(build_head())
            async with asyncio.timeout(10):
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                assert b"UnrecognizedClientException" in await reader.readexactly(length)
        writer.write(build_head(10**6))
        async with asyncio.timeout(10):
            assert b"UnrecognizedClientException" in await reader.read()
        writer.close()
    finally:
        await server.stop()
    assert is_reading == [False] * 3


async def test_a_head_has_a_bound() -> None:
    server = Server(Endpoint((), REGION, _find_none, SYSTEM_CLOCK), "127.0.0.1", 0)
    await server.start(None)
    try:
        for more in (b"X: y\r\n" * 100, b"X: " + b"y" * 10_000 + b"\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(build_head().removesuffix(b"\r\n") + more + b"\r\n")
            async with asyncio.timeout(10):
                assert b" 400 " in await reader.readline()
            writer.close()
    finally:
        await server.stop()


async def test_connections_have_a_bound_and_those_that_ask_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 3)
    asked, answers = asyncio.Event(), asyncio.Event()

    async def find(_: str) -> AccessKey | None:
        asked.set()
        await answers.wait()
        return None

    server = Server(Endpoint((), REGION, find, SYSTEM_CLOCK), "127.0.0.1", 0)
    await server.start(None)
    try:
        asking, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(build_head())
        async with asyncio.timeout(10):
            await asked.wait()
            idle = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(10)]
            idle[-1][1].write(b"GET / HTT")  # half a head is none
            for reader, _ in idle[:8]:
                with contextlib.suppress(ConnectionError):
                    assert not await reader.read()
            answers.set()
            assert b" 403 " in await asking.readline()
        assert server._runner
        assert server._runner.server
        assert len(server._runner.server.connections) == 3
        for each in (writer, *(each for _, each in idle)):
            each.close()
    finally:
        await server.stop()


async def _find_none(_: str) -> AccessKey | None:
    return None
