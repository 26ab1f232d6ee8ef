"""Waits for what other tasks do, without any time passing."""

import asyncio
from collections.abc import Callable


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to that")
