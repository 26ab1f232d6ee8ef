"""Calls operations of ECS Exec, and opens channels as a client does."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from monopod.aws.wire.call import AwsError, Call, Caller
from monopod.kube.client.api import Json
from tests.unit.aws.exec.client import Client
from tests.unit.aws.exec.serving import TASK_ID, Door
from tests.unit.aws.wire.serving import ANA, REGION


async def call(door: Door, operation: str, caller: Caller = ANA, **params: Any) -> Json:
    """Calls an operation as the wire does; botocore's own client takes half a second to be made."""
    host = door.url.removeprefix("http://")
    return await door.handlers[operation](Call("", operation, params, caller, REGION, "r-1", host))


async def execute(door: Door, caller: Caller = ANA, **params: Any) -> Json:
    wanted = {"cluster": "prod", "task": TASK_ID, "command": "sh -c 'exit 3'", "interactive": True, **params}
    return await call(door, "ExecuteCommand", caller, **wanted)


async def refused(door: Door, caller: Caller = ANA, **params: Any) -> tuple[str, str]:
    with pytest.raises(AwsError) as refusal:
        await execute(door, caller, **params)
    return refusal.value.code, refusal.value.message


@dataclass
class Channel:
    """A connection whose client takes what comes by itself."""

    socket: aiohttp.ClientWebSocketResponse
    client: Client

    def __post_init__(self) -> None:
        self._changed = asyncio.Condition()
        self.task = asyncio.create_task(self._take())

    async def _take(self) -> None:
        async for message in self.socket:
            for answer in self.client.take(message.data):
                await self.socket.send_bytes(answer)
            async with self._changed:
                self._changed.notify_all()

    async def until_over(self) -> str | None:
        """Goes on until the connection is closed; what was told."""
        async with asyncio.timeout(15):
            await self.task
        return self.client.closed

    async def until_shown(self, text: bytes) -> None:
        async with asyncio.timeout(15), self._changed:
            await self._changed.wait_for(lambda: bytes(self.client.shown) == text)

    async def type(self, text: bytes) -> None:
        await self.socket.send_bytes(self.client.type(text))


@asynccontextmanager
async def opening(session: Json, client: Client | None = None, token: str | None = None) -> AsyncIterator[Channel]:
    async with aiohttp.ClientSession() as http, http.ws_connect(session["streamUrl"]) as socket:
        await socket.send_str(json.dumps({"TokenValue": session["tokenValue"] if token is None else token}))
        channel = Channel(socket, client or Client())
        try:
            yield channel
        finally:
            channel.task.cancel()
            await asyncio.gather(channel.task, return_exceptions=True)


async def open_again(door: Door, session: Json, token: str | None = None) -> str | None:
    async with opening(session, token=token) as channel:
        return await channel.until_over()


async def get_terminal(door: Door) -> Any:
    async with asyncio.timeout(15):
        await door.began.wait()
    return door.terminals[-1]
