"""A queue of keys to work on, worked off by a fixed number of workers.

    added ──► waiting ──worker──► working ──done──► forgotten
                 ▲                   │└─ added meanwhile ──► waiting
                 └───after a while── failed

A key says where to look, never what to do, so adding it twice is adding it once; and no two workers have the same one.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import structlog

from monopod.cluster.client import ApiError, ApiUnreachable
from monopod.controller.logs import Complaints

FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 30.0

Key = TypeVar("Key", bound=Hashable)
logger = structlog.stdlib.get_logger(__name__)


class WorkQueue(Generic[Key]):
    """`work` is given one key after the other, and raises what is to be tried again."""

    def __init__(self, work: Callable[[Key], Awaitable[None]], complaints: Complaints) -> None:
        self._work = work
        self._complaints = complaints
        self._waiting: deque[Key] = deque()
        self._known: set[Key] = set()
        self._working: set[Key] = set()
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._delayed: dict[Key, tuple[float, asyncio.TimerHandle]] = {}
        self._filled = asyncio.Event()

    @property
    def depth(self) -> int:
        """How many keys wait, those that are worked on or wait for their time not among them."""
        return len(self._waiting)

    def add(self, key: Key, *, urgent: bool = False) -> None:
        """Has the key worked on, before all others if it is urgent."""
        if delayed := self._delayed.pop(key, None):
            delayed[1].cancel()
        if key in self._working:
            self._again.add(key)
            return
        if key in self._known:
            if urgent:
                self._waiting.appendleft(key)  # the second time it is met, nothing is left to do
            return
        self._known.add(key)
        (self._waiting.appendleft if urgent else self._waiting.append)(key)
        self._filled.set()

    def add_later(self, key: Key, delay: float) -> None:
        """Has the key worked on after some seconds, or sooner if it is added meanwhile."""
        due = time.monotonic() + delay
        delayed = self._delayed.get(key)
        if key in self._known or (delayed and delayed[0] <= due):
            return
        if delayed:
            delayed[1].cancel()
        self._delayed[key] = (due, asyncio.get_running_loop().call_later(delay, self.add, key))

    async def run(self, workers: int) -> None:
        """Works until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(workers):
                    group.create_task(self._run_worker(), name=f"isolation {number}")
        finally:
            for _, timer in self._delayed.values():
                timer.cancel()

    async def _run_worker(self) -> None:
        while True:
            while not self._waiting:
                self._filled.clear()
                await self._filled.wait()
            key = self._waiting.popleft()
            if key not in self._known:
                continue
            self._known.discard(key)
            self._working.add(key)
            failed = await self._attempt(key)
            self._working.discard(key)
            # Of thousands of keys for which nothing has to be written none waits for anything: the Lease must go on.
            await asyncio.sleep(0)
            if key in self._again:
                self._again.discard(key)
                self.add(key)
            elif failed:
                self.add_later(key, self._find_delay(key))

    async def _attempt(self, key: Key) -> bool:
        """Works on a key; whether that is to be done again."""
        subject = f"isolation of {key}"
        try:
            await self._work(key)
        except (ApiError, ApiUnreachable) as error:
            self._complaints.raise_about(subject, str(error))
        except Exception:
            logger.exception("isolation failed", key=str(key))
        else:
            self._failures.pop(key, None)
            self._complaints.settle(subject)
            return False
        self._failures[key] = self._failures.get(key, 0) + 1
        return True

    def _find_delay(self, key: Key) -> float:
        return min(FIRST_RETRY_SECONDS * 2.0 ** min(self._failures.get(key, 1) - 1, 10), LONGEST_RETRY_SECONDS)
