"""What a process can't begin without is asked for until it is there."""

import asyncio

import pytest
import structlog
from structlog.testing import capture_logs

from monopod.kube.client.api import ApiUnreachable
from monopod.kube.logs import ProblemLog
from monopod.kube.retry import BACKOFF, retry
from tests.unit.fake_clock import FakeClock
from tests.unit.running import settle


class Store:
    """Something that is away for a while."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = [*failures]
        self.asked = 0

    async def ask(self) -> str:
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return "there"


async def test_it_is_asked_with_pauses_that_grow_and_the_trouble_is_said_once() -> None:
    clock, store = FakeClock(), Store(*[ApiUnreachable("away")] * 4)
    with capture_logs() as logs:
        task = asyncio.create_task(
            retry(store.ask, "the store", (ApiUnreachable,), ProblemLog(structlog.stdlib.get_logger()), clock)
        )
        for failures in range(1, 5):
            await settle()
            assert store.asked == failures
            clock.step(BACKOFF.after(failures) - 0.01)
            await settle()
            assert store.asked == failures
            clock.step(0.01)
        assert await task == "there"
    assert len(logs) == 2  # that it is away, and that it is back


async def test_what_is_no_such_trouble_is_raised() -> None:
    store = Store(ValueError("never"))
    with pytest.raises(ValueError, match="never"):
        await retry(store.ask, "the store", (ApiUnreachable,), ProblemLog(structlog.stdlib.get_logger()), FakeClock())
    assert store.asked == 1
