"""One WebSocket of a client's: frames go out in order, and whoever sends never waits."""

import asyncio
import contextlib
from collections import deque
from typing import Final, Protocol

MOST_WAITING: Final = 512
"""Frames that a client doesn't take; one that is slower than that is gone, or no friend."""


class Socket(Protocol):
    """As much of a WebSocket as a session needs."""

    async def send_bytes(self, data: bytes) -> None:
        """Sends a frame, and waits until there is room for more."""

    async def ping(self, message: bytes = b"") -> None:
        """Has the client show that it is there."""

    async def close(self) -> bool:
        """Closes the connection."""


class Connection:
    """Sends frames over a socket.

    Args:
        socket: the WebSocket.
    """

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._waiting: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self._is_finished = False
        self.lost = asyncio.Event()
        """Set once nothing can be sent any more."""

    def send(self, frame: bytes) -> None:
        """Sends a frame after those before it."""
        if len(self._waiting) >= MOST_WAITING:
            self.lost.set()
        if not self.lost.is_set():
            self._waiting.append(frame)
            self._changed.set()

    def finish(self) -> None:
        """Closes the connection once everything is sent."""
        self._is_finished = True
        self._changed.set()

    async def ping(self) -> None:
        """Shows whoever is in between that the connection is still wanted."""
        with contextlib.suppress(OSError):
            await self._socket.ping()

    async def run(self) -> None:
        """Sends until the connection is finished or lost."""
        try:
            while not self.lost.is_set():
                while self._waiting and not self.lost.is_set():
                    await self._socket.send_bytes(self._waiting.popleft())
                if self._is_finished:
                    break
                self._changed.clear()
                if not self._waiting:
                    await self._changed.wait()
        except OSError:  # the client is gone
            pass
        finally:
            self.lost.set()
            await self._socket.close()
