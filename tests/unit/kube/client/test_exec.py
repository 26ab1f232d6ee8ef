"""The protocol by which the API server runs commands, spoken by a server of the test's own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import WSMsgType, web
from kubernetes.aio.client.configuration import Configuration

from monopod.kube.client.api import ApiError, ApiUnreachable, Json
from monopod.kube.client.asynchronous import ApiClient
from monopod.kube.client.exec import PROTOCOL, Ended, Exec, ExecClient, ExecStream, read_status
from monopod.kube.client.request import Impersonation

WANTED = Exec("ecs-prod", "task", "app", ("sh", "-c", "echo a&b"))
Script = Callable[[web.WebSocketResponse], Awaitable[None]]


async def end_at_once(socket: web.WebSocketResponse) -> None:
    await socket.send_bytes(b'\x03{"status":"Success"}')


class Server:
    def __init__(self, script: Script, refusal: Json | None = None, protocol: str = PROTOCOL) -> None:
        self.script, self.refusal, self.protocol = script, refusal, protocol
        self.requests: list[web.BaseRequest] = []

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        if self.refusal:
            return web.json_response(self.refusal, status=self.refusal["code"])
        socket = web.WebSocketResponse(protocols=(self.protocol,))
        await socket.prepare(request)
        await self.script(socket)
        await socket.close()
        return socket


@asynccontextmanager
async def running(server: Server) -> AsyncIterator[tuple[ApiClient, ExecClient]]:
    runner = web.ServerRunner(web.Server(server.answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    configuration = Configuration()
    configuration.host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    api, client = ApiClient(configuration), ExecClient()
    try:
        yield api.impersonate(Impersonation("ana", ("developers", "ops"))), client
    finally:
        await client.close()
        await api.close()
        await runner.cleanup()


async def read_all(stream: ExecStream) -> tuple[bytes, Ended]:
    shown = b""
    while not isinstance(read := await stream.read(), Ended):
        shown += read
    return shown, read


async def test_a_command_is_started_in_the_callers_name_with_a_terminal() -> None:
    server = Server(end_at_once)
    async with running(server) as (api, client):
        assert await read_all(await client.start(api, WANTED)) == (b"", Ended(0))
    (request,) = server.requests
    assert request.method == "GET"
    assert request.path == "/api/v1/namespaces/ecs-prod/pods/task/exec"
    assert request.query.getall("command") == ["sh", "-c", "echo a&b"]
    assert {name: request.query[name] for name in ("container", "stdin", "stdout", "tty")} == {
        "container": "app",
        "stdin": "true",
        "stdout": "true",
        "tty": "true",
    }
    assert request.headers["Impersonate-User"] == "ana"
    assert request.headers.getall("Impersonate-Group") == ["developers", "ops"]


async def test_what_is_typed_and_shown_and_the_size_have_their_channels() -> None:
    heard: list[bytes] = []

    async def script(socket: web.WebSocketResponse) -> None:
        heard.append(await socket.receive_bytes())
        heard.append(await socket.receive_bytes())
        for message in (b"\x01", b"\x01out", b"\x02err", b"\x07?", b"", b"\x01 more"):
            await socket.send_bytes(message)
        await socket.send_str("text is nothing")
        await socket.send_bytes(b'\x03{"status":"Failure","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}')

    async with running(Server(script)) as (api, client):
        stream = await client.start(api, WANTED)
        await stream.resize(80, 24)
        await stream.write(b"ls\r")
        assert await read_all(stream) == (b"outerr more", Ended(3))
    assert heard == [b'\x04{"Width": 80, "Height": 24}', b"\x00ls\r"]


async def test_a_connection_that_breaks_off_is_an_end_that_nobody_knows() -> None:
    async def script(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\x01out")

    async with running(Server(script)) as (api, client):
        stream = await client.start(api, WANTED)
        assert await read_all(stream) == (b"out", Ended(None, "The connection to the container broke off."))
        with pytest.raises(ApiUnreachable):
            await stream.write(b"x")


async def test_a_refusal_has_the_api_servers_words() -> None:
    refusal = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": "ana may not", "status": "Failure"}
    async with running(Server(end_at_once, refusal)) as (api, client):
        with pytest.raises(ApiError, match="ana may not"):
            await client.start(api, WANTED)


async def test_a_server_that_has_trouble_is_unreachable() -> None:
    async with running(Server(end_at_once, {"code": 500, "message": "no"})) as (api, client):
        with pytest.raises(ApiUnreachable):
            await client.start(api, WANTED)


async def test_a_server_of_another_protocol_is_refused() -> None:
    async with running(Server(end_at_once, protocol="v1.channel.k8s.io")) as (api, client):
        with pytest.raises(ApiUnreachable, match=PROTOCOL):
            await client.start(api, WANTED)


async def test_a_ping_is_answered_and_closing_ends_it() -> None:
    kinds: list[WSMsgType] = []

    async def script(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\x01out")
        kinds.append((await socket.receive()).type)

    async with running(Server(script)) as (api, client):
        stream = await client.start(api, WANTED)
        await stream.ping()
        assert await stream.read() == b"out"
        await stream.close()
    assert kinds == [WSMsgType.CLOSE]


@pytest.mark.parametrize(
    ("content", "ended"),
    [
        (b'{"status":"Success"}', Ended(0)),
        (
            b'{"status":"Failure","message":"m","details":{"causes":[{"reason":"ExitCode","message":"137"}]}}',
            Ended(137, "m"),
        ),
        (b'{"status":"Failure","message":"executable file not found"}', Ended(None, "executable file not found")),
        (b'{"status":"Failure"}', Ended(None, "The command failed.")),
        (b"", Ended(None, "The command ended, nobody says how.")),
        (b"not JSON", Ended(None, "not JSON")),
        (b"[]", Ended(None, "[]")),
        (b'{"status":"Failure","details":{"causes":[{"reason":"ExitCode","message":"x"}]}}', Ended(None, "{")),
    ],
)
def test_a_status_says_how_a_command_ended(content: bytes, ended: Ended) -> None:
    told = read_status(content)
    assert told.exit_code == ended.exit_code
    assert told.message.startswith(ended.message)
