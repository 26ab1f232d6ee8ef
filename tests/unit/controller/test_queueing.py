"""A queue of places to look at: each once, by a bounded number of workers, failures again and later."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import structlog

from monopod.cluster.client import ApiError
from monopod.controller import queueing
from monopod.controller.logs import Complaints
from monopod.controller.queueing import WorkQueue
from tests.unit.controller.waiting import until

Work = Callable[[str], Awaitable[None]]


@asynccontextmanager
async def a_queue(work: Work, workers: int = 4) -> AsyncIterator[WorkQueue[str]]:
    queue: WorkQueue[str] = WorkQueue(work, Complaints(structlog.stdlib.get_logger()))
    task = asyncio.create_task(queue.run(workers))
    yield queue
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_a_key_that_is_added_many_times_before_its_turn_is_worked_on_once() -> None:
    done: list[str] = []

    async def work(key: str) -> None:
        done.append(key)

    async with a_queue(work) as queue:
        for _ in range(100):
            queue.add("a")
        queue.add("b")
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

    async with a_queue(work) as queue:
        queue.add("a")
        await settle()
        for _ in range(3):
            queue.add("a")
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

    async with a_queue(work, workers=16) as queue:
        for number in range(1000):
            queue.add(f"{number}")
        await settle()
        assert (most, queue.depth) == (16, 984)
        going.set()
        await until(lambda: queue.depth == 0)
    assert most == 16


async def test_a_burst_in_which_nothing_has_to_be_waited_for_does_not_hold_up_the_loop() -> None:
    done: list[str] = []

    async def work(key: str) -> None:
        done.append(key)

    async with a_queue(work) as queue:
        for number in range(1000):
            queue.add(f"{number}")
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(done) < 100
        await until(lambda: len(done) == 1000)


async def test_what_is_urgent_goes_before_a_burst_that_waits() -> None:
    done: list[str] = []

    async def work(key: str) -> None:
        done.append(key)
        await asyncio.sleep(0)

    async with a_queue(work, workers=1) as queue:
        for number in range(20):
            queue.add(f"pod {number}")
        queue.add("namespace", urgent=True)
        queue.add("pod 19", urgent=True)  # known already: it moves to the front, and isn't done twice
        await until(lambda: len(done) == 21)
        await settle()
    assert done[:2] == ["pod 19", "namespace"]
    assert len(done) == 21


@pytest.mark.parametrize("trouble", [ApiError(500, "InternalError", "away"), RuntimeError("a bug")], ids=["api", "bug"])
async def test_what_fails_is_tried_again_and_holds_up_nothing_else(
    trouble: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queueing, "FIRST_RETRY_SECONDS", 0.0)
    attempts: list[str] = []

    async def work(key: str) -> None:
        attempts.append(key)
        if key == "bad" and attempts.count("bad") < 3:
            raise trouble

    async with a_queue(work, workers=1) as queue:
        queue.add("bad")
        queue.add("good")
        await until(lambda: attempts.count("bad") == 3)
        await settle()
    assert attempts[:2] == ["bad", "good"]
    assert attempts.count("bad") == 3


async def test_what_waits_for_its_time_is_done_sooner_if_it_is_added_meanwhile() -> None:
    done: list[str] = []

    async def work(key: str) -> None:
        done.append(key)

    async with a_queue(work) as queue:
        queue.add_later("a", 3600)
        await settle()
        assert done == []
        queue.add("a")
        await settle()
    assert done == ["a"]
