"""A controller: each key once, by a bounded number of workers; failures again and later."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from monopod.kube.client.api import ApiError
from monopod.kube.controller import DONE, STALLED_SECONDS, After, Backoff, Controller, Incomplete, Result
from monopod.kube.metrics import REGISTRY
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS, running, settle
from tests.unit.waiting import until

Work = Callable[[str], Awaitable[Result | None]]


@asynccontextmanager
async def a_controller(
    work: Work, workers: int = 4, clock: FakeClock | None = None, rest: float = 0.0
) -> AsyncIterator[Controller[str]]:
    async def reconcile(key: str) -> Result:
        return await work(key) or DONE

    controller = Controller(
        "test",
        reconcile,
        PROBLEMS,
        workers=workers,
        backoff=Backoff(first=1.0, longest=4.0),
        rest=lambda _: rest,
        clock=clock or FakeClock(),
    )
    async with running(controller):
        yield controller


async def test_a_key_that_is_added_many_times_before_its_turn_is_worked_on_once() -> None:
    done: list[str] = []

    async def work(key: str) -> None:
        done.append(key)

    async with a_controller(work) as controller:
        for _ in range(100):
            controller.enqueue("a")
        controller.enqueue("b")
        await settle()
    assert done == ["a", "b"]


async def test_a_key_that_changes_while_it_is_worked_on_is_worked_on_again_and_never_twice_at_once() -> None:
    going, at_once, done = asyncio.Event(), 0, 0

    async def work(_: str) -> None:
        nonlocal at_once, done
        at_once += 1
        assert at_once == 1
        await going.wait()
        at_once -= 1
        done += 1

    async with a_controller(work) as controller:
        controller.enqueue("a")
        await settle()
        for _ in range(3):
            controller.enqueue("a")
        going.set()
        await settle()
    assert done == 2


async def test_no_more_than_the_workers_are_at_work_at_once() -> None:
    going, at_once, most = asyncio.Event(), 0, 0

    async def work(_: str) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await going.wait()
        at_once -= 1

    async with a_controller(work, workers=16) as controller:
        for number in range(1000):
            controller.enqueue(f"{number}")
        await settle()
        assert (most, controller.depth) == (16, 984)
        going.set()
        await until(lambda: controller.depth == 0)
    assert most == 16


async def test_a_burst_in_which_nothing_has_to_be_waited_for_does_not_hold_up_the_loop() -> None:
    done: list[str] = []

    async def work(key: str) -> None:
        done.append(key)

    async with a_controller(work) as controller:
        for number in range(1000):
            controller.enqueue(f"{number}")
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(done) < 100
        await until(lambda: len(done) == 1000)


@pytest.mark.parametrize(
    "trouble",
    [lambda: ApiError(500, "InternalError", "away"), lambda: RuntimeError("a bug"), Incomplete],
    ids=["api", "bug", "incomplete"],
)
async def test_what_fails_is_tried_again_later_each_time_and_holds_up_nothing_else(
    trouble: Callable[[], Exception],
) -> None:
    clock = FakeClock()
    attempts: list[tuple[str, float]] = []

    async def work(key: str) -> None:
        attempts.append((key, clock.monotonic() - began))
        if key == "bad" and len(attempts) < 4:
            raise trouble()

    began = clock.monotonic()
    async with a_controller(work, workers=1, clock=clock) as controller:
        controller.enqueue("bad")
        controller.enqueue("good")
        for _ in range(30):
            await settle(20)
            clock.step(1)
    assert attempts == [("bad", 0), ("good", 0), ("bad", 1), ("bad", 3)]


async def test_after_a_success_the_next_failure_is_the_first_again() -> None:
    clock, fails = FakeClock(), True
    attempts: list[float] = []

    async def work(_: str) -> None:
        attempts.append(clock.monotonic() - began)
        if fails:
            raise Incomplete

    began = clock.monotonic()
    async with a_controller(work, clock=clock) as controller:
        controller.enqueue("a")
        for seconds in (1, 2):
            await settle(20)
            clock.step(seconds)
        fails = False
        await settle(20)
        fails = True
        controller.enqueue("a")
        await settle(20)
        clock.step(1)
        await settle(20)
    assert attempts == [0, 1, 3, 3, 4]


async def test_what_waits_for_its_time_is_done_sooner_if_it_is_enqueued_meanwhile() -> None:
    clock = FakeClock()
    done: list[str] = []

    async def work(key: str) -> None:
        done.append(key)

    async with a_controller(work, clock=clock) as controller:
        controller.enqueue_after("a", 3600)
        clock.step(3599)
        await settle()
        assert done == []
        controller.enqueue("a")
        await settle()
        clock.step(3600)
        await settle()
    assert done == ["a"]


async def test_of_two_times_the_earlier_counts() -> None:
    clock = FakeClock()
    done: list[float] = []

    async def work(_: str) -> None:
        done.append(clock.monotonic() - began)

    began = clock.monotonic()
    async with a_controller(work, clock=clock) as controller:
        for seconds in (20, 10, 30):
            controller.enqueue_after("a", seconds)
        clock.step(100)
        await settle()
    assert done == [100], "due at 10, and done as soon as anything could be done"
    assert len(done) == 1


async def test_a_key_is_reconciled_again_after_the_time_that_it_asks_for() -> None:
    clock = FakeClock()
    done: list[float] = []

    async def work(_: str) -> Result:
        done.append(clock.monotonic() - began)
        return After(5)

    began = clock.monotonic()
    async with a_controller(work, clock=clock) as controller:
        controller.enqueue("a")
        for _ in range(11):
            await settle(20)
            clock.step(1)
    assert done == [0, 5, 10]


async def test_a_burst_of_changes_during_a_rest_is_one_reconcile_at_its_end() -> None:
    clock = FakeClock()
    done: list[float] = []

    async def work(_: str) -> None:
        done.append(clock.monotonic() - began)

    began = clock.monotonic()
    async with a_controller(work, clock=clock, rest=2.0) as controller:
        for _ in range(30):
            controller.enqueue("a")
            await settle(20)
            clock.step(0.1)
    assert done == pytest.approx([0, 2], abs=0.01)


async def test_a_forgotten_key_is_not_reconciled() -> None:
    clock = FakeClock()
    done: list[str] = []

    async def work(key: str) -> None:
        done.append(key)

    async with a_controller(work, clock=clock) as controller:
        controller.enqueue("a")
        controller.enqueue_after("b", 1)
        controller.forget("a")
        controller.forget("b")
        clock.step(10)
        await settle()
    assert done == []


async def test_a_reconcile_that_hangs_is_noticed() -> None:
    clock, going = FakeClock(), asyncio.Event()

    async def work(_: str) -> None:
        await going.wait()

    async with a_controller(work, clock=clock) as controller:
        controller.enqueue("a")
        await settle()
        seen = []
        for seconds in (STALLED_SECONDS, 1):
            clock.step(seconds)
            seen.append(controller.is_stalled)
        going.set()
        await settle()
        assert [*seen, controller.is_stalled] == [False, True, False]


async def test_a_reconcile_that_takes_long_and_gets_on_does_not_hang() -> None:
    clock, going = FakeClock(), asyncio.Event()

    async def work(_: str) -> None:
        await going.wait()

    async with a_controller(work, clock=clock) as controller:
        controller.enqueue("a")
        await settle()
        for _ in range(5):
            clock.step(STALLED_SECONDS)
            assert not controller.is_stalled
            controller.note_progress()
        clock.step(STALLED_SECONDS + 1)
        assert controller.is_stalled


async def test_those_that_wait_for_each_other_do_not_hang_while_one_after_the_other_ends() -> None:
    clock, turns, done = FakeClock(), asyncio.Semaphore(0), 0

    async def work(_: str) -> None:
        nonlocal done
        await turns.acquire()
        done += 1

    async with a_controller(work, clock=clock) as controller:
        for key in "abcd":
            controller.enqueue(key)
        await settle()
        for _ in range(4):
            clock.step(STALLED_SECONDS)
            assert not controller.is_stalled
            turns.release()
            await settle()
        assert done == 4


async def test_a_worker_outlives_what_it_waited_for_being_cancelled() -> None:
    clock, done = FakeClock(), 0

    async def work(_: str) -> None:
        nonlocal done
        done += 1
        if done == 1:
            raise asyncio.CancelledError  # as a future does that others share

    async with a_controller(work, workers=1, clock=clock) as controller:
        controller.enqueue("a")
        await settle()
        clock.step(1.0)
        await settle()
        assert done == 2, "it is tried again like any failure"


async def test_metrics_count_by_controller_and_result() -> None:
    def count(result: str) -> float:
        labels = {"controller": "test", "result": result}
        return REGISTRY.get_sample_value("monopod_controller_reconciles_total", labels) or 0.0

    async def work(key: str) -> None:
        if key == "refused":
            raise ApiError(403, "Forbidden", "no")
        if key == "bug":
            raise RuntimeError

    before = {result: count(result) for result in ("ok", "error", "failed")}
    async with a_controller(work) as controller:
        for key in ("fine", "refused", "bug"):
            controller.enqueue(key)
        await settle()
    assert {result: count(result) - value for result, value in before.items()} == {"ok": 1, "error": 1, "failed": 1}


async def test_a_key_that_waits_twice_or_no_more_does_not_count_as_another_that_waits() -> None:
    going = asyncio.Event()

    async def work(_: str) -> None:
        await going.wait()

    async with a_controller(work, workers=1) as controller:
        controller.enqueue("busy")
        await settle()
        controller.enqueue("a")
        controller.enqueue("a", urgent=True)
        controller.enqueue("b")
        controller.forget("b")
        assert controller.depth == 1
        going.set()
