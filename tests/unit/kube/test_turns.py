"""Whose turn it is of the keys that wait in a controller: urgent ones, others, and those in the background."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from monopod.kube.controller import DONE, Controller, Result
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS, running, settle
from tests.unit.waiting import until


@asynccontextmanager
async def a_controller(work: Callable[[str], Awaitable[None]]) -> AsyncIterator[Controller[str]]:
    async def reconcile(key: str) -> Result:
        await work(key)
        return DONE

    controller = Controller("test", reconcile, PROBLEMS, workers=1, clock=FakeClock())
    async with running(controller):
        yield controller


async def test_what_is_urgent_goes_before_a_burst_that_waits() -> None:
    done: list[str] = []

    async def work(key: str) -> None:
        done.append(key)
        await asyncio.sleep(0)

    async with a_controller(work) as controller:
        for number in range(20):
            controller.enqueue(f"pod {number}")
        controller.enqueue("namespace", urgent=True)
        controller.enqueue("pod 19", urgent=True)  # known already: it goes before the others, and isn't done twice
        await until(lambda: len(done) == 21)
        await settle()
    assert done[:2] == ["namespace", "pod 19"]
    assert len(done) == 21


async def test_urgent_work_without_end_keeps_no_other_waiting_for_ever() -> None:
    done: list[str] = []

    async def work(key: str) -> None:
        done.append(key)
        for number in range(20):  # as the pods of a namespace whose owner changes its policies again and again
            controller.enqueue(f"urgent-{number}", urgent=True)
        await asyncio.sleep(0)

    async with a_controller(work) as controller:
        controller.enqueue("urgent-0", urgent=True)
        for key in "abc":
            controller.enqueue(key)
        await settle(60)
        assert controller.depth <= 20, "each waits once"
    assert {"a", "b", "c"} <= set(done[:16])
    assert done.count("a") == 1


async def test_what_is_in_the_background_leaves_every_other_turn_to_the_rest() -> None:
    done: list[str] = []

    async def work(key: str) -> None:
        done.append(key)
        await asyncio.sleep(0)

    async with a_controller(work) as controller:
        for number in range(20):
            controller.enqueue(f"old {number}", background=True)
        for number in range(5):
            controller.enqueue(f"new {number}")
        controller.enqueue("new 0", background=True)  # keeps its place
        controller.enqueue("old 19")  # is no longer in the background
        await until(lambda: controller.depth == 0)
        await settle()
    assert {"new 0", "new 1", "new 2", "new 3", "new 4", "old 19"} <= set(done[:12])
    assert {"old 0", "old 1", "old 2", "old 3", "old 4"} <= set(done[:12])
    assert len(done) == len(set(done)) == 25


@pytest.mark.parametrize("urgent", [False, True])
async def test_other_work_without_end_keeps_nothing_in_the_background_waiting_for_ever(urgent: bool) -> None:
    done: list[str] = []

    async def work(key: str) -> None:
        done.append(key)
        for number in range(20):
            controller.enqueue(f"new {number}", urgent=urgent)
        controller.enqueue("neither")
        await asyncio.sleep(0)

    async with a_controller(work) as controller:
        controller.enqueue("new 0", urgent=urgent)
        for key in "abc":
            controller.enqueue(key, background=True)
        await settle(100)
    assert {"a", "b", "c", "neither"} <= set(done[:32])
