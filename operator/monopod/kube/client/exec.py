"""A command that runs in a container with a terminal, over a WebSocket to the API server (v5.channel.k8s.io).

A message's first byte is its channel: 0 what is typed, 1 what is shown, 2 errors (none where there is a terminal),
3 how the command ended, as a Status, 4 the terminal's size.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
from multidict import CIMultiDict

from monopod import __version__
from monopod.kube.client.api import ApiError, ApiUnreachable
from monopod.kube.client.asynchronous import ApiClient
from monopod.kube.client.request import REQUEST_TIMEOUT_SECONDS
from monopod.kube.objects.resources import PODS

PROTOCOL: Final = "v5.channel.k8s.io"

_STDIN, _STDOUT, _STDERR, _ERROR, _RESIZE = range(5)
_LARGEST_MESSAGE: Final = 1024 * 1024
_LONGEST_TEXT: Final = 1000


@dataclass(frozen=True, slots=True)
class Exec:
    """A command, and where it is to run."""

    namespace: str
    pod: str
    container: str
    command: Sequence[str]

    @property
    def target(self) -> str:
        """The path and the query."""
        query = [("container", self.container), *(("command", word) for word in self.command)]
        query += [(name, "true") for name in ("stdin", "stdout", "tty")]
        return f"{PODS.path(self.pod, self.namespace, 'exec')}?{urlencode(query)}"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended.

    Attributes:
        exit_code: its own; None if it never ran, or nobody knows what became of it.
        message: what went wrong, if something did.
    """

    exit_code: int | None
    message: str = ""


class ExecStream:
    """A command that runs. What it writes waits for whoever reads; nothing is read ahead but a little."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def read(self) -> bytes | Ended:
        """The next of what the command shows, or its end; never empty bytes."""
        while True:
            message = await self._socket.receive()
            if message.type is not aiohttp.WSMsgType.BINARY:
                if message.type is aiohttp.WSMsgType.TEXT:
                    continue
                return Ended(None, "The connection to the container broke off.")
            channel, content = message.data[0] if message.data else None, message.data[1:]
            if channel in (_STDOUT, _STDERR) and content:
                return bytes(content)
            if channel == _ERROR:
                return read_status(content)

    async def write(self, typed: bytes) -> None:
        """Hands on what was typed.

        Raises:
            ApiUnreachable: the connection broke off.
        """
        await self._send(bytes([_STDIN]) + typed)

    async def resize(self, columns: int, rows: int) -> None:
        """Tells the terminal's size.

        Raises:
            ApiUnreachable: the connection broke off.
        """
        await self._send(bytes([_RESIZE]) + json.dumps({"Width": columns, "Height": rows}).encode())

    async def ping(self) -> None:
        """Shows whoever is in between that the connection is still wanted.

        Raises:
            ApiUnreachable: it broke off.
        """
        try:
            await self._socket.ping()
        except (aiohttp.ClientError, OSError) as error:
            raise _broke_off(error) from error

    async def close(self) -> None:
        """Ends the connection. What the kubelet does with the command then is its affair."""
        await self._socket.close()

    async def _send(self, message: bytes) -> None:
        try:
            await self._socket.send_bytes(message)
        except (aiohttp.ClientError, OSError) as error:
            raise _broke_off(error) from error


class ExecClient:
    """Starts commands in containers, over connections of their own: other requests never wait for these to end."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def start(self, api: ApiClient, wanted: Exec) -> ExecStream:
        """Starts a command.

        Args:
            api: in whose name.
            wanted: the command.

        Raises:
            ApiError: the API server refuses.
            ApiUnreachable: it doesn't answer.
        """
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=api.ssl_context),
                **(api.configuration.client_session_kwargs or {}),
            )
        headers = CIMultiDict(await api.build_headers())
        headers["User-Agent"] = f"monopod/{__version__}"
        limits = aiohttp.ClientWSTimeout(ws_close=1.0)
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS):
                socket = await self._session.ws_connect(
                    api.configuration.host.rstrip("/") + wanted.target,
                    protocols=(PROTOCOL,),
                    headers=headers,
                    timeout=limits,
                    max_msg_size=_LARGEST_MESSAGE,
                    proxy=api.configuration.proxy,
                )
        except aiohttp.WSServerHandshakeError as refusal:
            raise await _explain(api, wanted, refusal.status) from refusal
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnreachable(f"exec: {str(error) or type(error).__name__}") from error
        if socket.protocol != PROTOCOL:
            await socket.close()
            raise ApiUnreachable(f"exec: the API server doesn't speak {PROTOCOL}")
        return ExecStream(socket)

    async def close(self) -> None:
        """Closes all connections."""
        if self._session is not None:
            await self._session.close()


def read_status(content: bytes) -> Ended:
    """How a command ended, from the Status that says so."""
    try:
        status: Any = json.loads(content)
        if status["status"] == "Success":
            return Ended(0)
        message = str(status.get("message") or "")[:_LONGEST_TEXT]
        causes = (status.get("details") or {}).get("causes") or ()
        codes = [int(cause["message"]) for cause in causes if cause.get("reason") == "ExitCode"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Ended(None, content[:_LONGEST_TEXT].decode(errors="replace") or "The command ended, nobody says how.")
    return Ended(codes[0], message) if codes else Ended(None, message or "The command failed.")


async def _explain(api: ApiClient, wanted: Exec, status: int) -> ApiError | ApiUnreachable:
    """Asks once more as an ordinary request: the answer to the other one is lost, and this one starts nothing."""
    try:
        await api.get(wanted.target)
    except ApiError as error:
        if error.status == status:
            return error
    except ApiUnreachable as error:
        return error
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
        return ApiError(status, "", f"exec was refused ({status})")
    return ApiUnreachable(f"exec: the API server answered {status}")


def _broke_off(error: Exception) -> ApiUnreachable:
    return ApiUnreachable(f"exec: {str(error) or type(error).__name__}")
