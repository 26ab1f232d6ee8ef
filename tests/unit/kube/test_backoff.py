"""How long a key waits after a failure, and what ends the pause."""

import pytest

from monopod.kube.controller import Backoff, Controller, Incomplete, Result
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS, running, settle


def test_failures_wait_twice_as_long_each_time_up_to_a_bound() -> None:
    assert [Backoff(first=1, longest=10).after(failures) for failures in (1, 2, 3, 4, 5, 1000)] == [1, 2, 4, 8, 10, 10]


@pytest.mark.parametrize(("firm", "attempted"), [(False, [0, 1, 2]), (True, [0, 2, 6])], ids=["ends early", "firm"])
async def test_events_end_a_pause_after_a_failure_unless_it_is_firm(firm: bool, attempted: list[float]) -> None:
    clock = FakeClock()
    attempts: list[float] = []

    async def reconcile(_: str) -> Result:
        attempts.append(clock.monotonic() - began)
        raise Incomplete

    began = clock.monotonic()
    backoff = Backoff(first=2.0, longest=30.0, is_firm=firm)
    controller = Controller("test", reconcile, PROBLEMS, backoff=backoff, clock=clock)
    async with running(controller):
        while len(attempts) < 3:
            controller.enqueue("a")
            await settle(20)
            clock.step(1)
    assert attempts == attempted
