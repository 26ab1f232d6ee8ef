"""Waits for what other tasks do, without any time passing but a test's own."""

import asyncio
from collections.abc import Callable

from tests.unit.fake_clock import FakeClock


async def until(holds: Callable[[], bool], clock: FakeClock | None = None) -> None:
    """Waits; a clock is stepped by a tenth of a second now and then, up to 20 s in all."""
    for turn in range(10_000):
        if holds():
            return
        await asyncio.sleep(0)
        if clock and turn % 50 == 49:
            clock.step(0.1)
    raise AssertionError("it never came to that")
