"""Time, as something that is handed down: tests step it instead of waiting."""

import asyncio
import contextlib
import datetime
import time
from collections.abc import AsyncIterator, Callable
from typing import Protocol


class Timer(Protocol):
    """A call that is to come."""

    def cancel(self) -> None:
        """Has it not come any more."""


class Clock(Protocol):
    """What tells the time, and calls when it has come."""

    def monotonic(self) -> float:
        """Seconds since some moment; never less than before."""

    def now(self) -> datetime.datetime:
        """The time of day, in UTC."""

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Calls back after some seconds, in the event loop."""


class SystemClock:
    """The clock of this machine and of the event loop that runs."""

    def monotonic(self) -> float:
        """Seconds since some moment; never less than before."""
        return time.monotonic()

    def now(self) -> datetime.datetime:
        """The time of day, in UTC."""
        return datetime.datetime.now(datetime.UTC)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Calls back after some seconds, in the event loop."""
        return asyncio.get_running_loop().call_later(seconds, callback)


SYSTEM_CLOCK = SystemClock()


def format_now() -> str:
    """The present, as Kubernetes writes times."""
    return SYSTEM_CLOCK.now().strftime("%Y-%m-%dT%H:%M:%SZ")


async def sleep(clock: Clock, seconds: float) -> None:
    """Lets some time pass."""
    over = asyncio.Event()
    timer = clock.call_later(seconds, over.set)
    try:
        await over.wait()
    finally:
        timer.cancel()


@contextlib.asynccontextmanager
async def lasting(clock: Clock, seconds: float) -> AsyncIterator[None]:
    """Takes some time at least, however soon what is done inside ends; what fails, fails at once."""
    until = clock.monotonic() + seconds
    yield
    if (rest := until - clock.monotonic()) > 0:
        await sleep(clock, rest)


@contextlib.asynccontextmanager
async def timeout(clock: Clock, seconds: float) -> AsyncIterator[None]:
    """Cancels what is awaited inside after some seconds.

    Raises:
        TimeoutError: it was.
    """
    async with asyncio.timeout(None) as scope:
        timer = clock.call_later(seconds, lambda: scope.reschedule(asyncio.get_running_loop().time()))
        try:
            yield
        finally:
            timer.cancel()
