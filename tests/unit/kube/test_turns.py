"""Whose turn it is of the keys that wait in a controller: urgent ones, others, and those in the background."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from monopod.kube.controller import DONE, After, Backoff, Controller, Incomplete, Result
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


Lane = dict[str, bool]
URGENT: Lane = {"urgent": True}
ORDINARY: Lane = {}
BACKGROUND: Lane = {"background": True}


class Repetitions:
    """A key `x`, what comes of its attempts, what is done during the first, and others that wait."""

    def __init__(self, *results: Result | type[Incomplete], rest: float = 0.0) -> None:
        self.clock, self.done, self.meanwhile = FakeClock(), list[str](), list[Callable[[], None]]()
        self._results = list(results)
        self.controller = Controller(
            "test",
            self._reconcile,
            PROBLEMS,
            backoff=Backoff(first=1.0),
            rest=lambda _: rest if self.done == ["x"] else 0.0,
            clock=self.clock,
        )

    async def _reconcile(self, key: str) -> Result:
        self.done.append(key)
        while key == "x" and self.meanwhile:
            self.meanwhile.pop(0)()
        match self._results.pop(0) if key == "x" and self._results else DONE:
            case type() as failure:
                raise failure
            case result:
                return result

    def add_others(self, lane: Lane) -> None:
        for number in range(8):
            self.controller.enqueue(f"{number}", **lane)

    async def find_place(self) -> int:
        """After how many of the others it was worked on again."""
        await settle()
        assert self.done.count("x") == 2
        return self.done.index("x", 1) - 1


LANES = pytest.mark.parametrize(
    ("lane", "others", "places"),
    [
        (URGENT, ORDINARY, (0, 1)), (ORDINARY, ORDINARY, (8,)),
        (ORDINARY, BACKGROUND, (0, 1)), (BACKGROUND, BACKGROUND, (8,)),
    ],
    ids=["urgent", "ordinary", "ordinary before the background", "background"],
)  # fmt: skip


@LANES
async def test_what_fails_is_tried_again_in_its_lane(lane: Lane, others: Lane, places: tuple[int, ...]) -> None:
    made = Repetitions(Incomplete)
    async with running(made.controller):
        made.controller.enqueue("x", **lane)
        await settle()
        made.add_others(others)
        made.clock.step(1)
        assert await made.find_place() in places


@LANES
async def test_what_is_enqueued_while_it_is_worked_on_keeps_the_lane(
    lane: Lane, others: Lane, places: tuple[int, ...]
) -> None:
    made = Repetitions()
    made.meanwhile = [lambda: made.add_others(others), lambda: made.controller.enqueue("x", **lane)]
    async with running(made.controller):
        made.controller.enqueue("x")
        assert await made.find_place() in places


@LANES
async def test_what_is_enqueued_while_it_rests_keeps_the_lane(
    lane: Lane, others: Lane, places: tuple[int, ...]
) -> None:
    made = Repetitions(rest=5.0)
    async with running(made.controller):
        made.controller.enqueue("x")
        await settle()
        made.controller.enqueue("x", **lane)
        made.add_others(others)
        made.clock.step(5)
        assert await made.find_place() in places


@pytest.mark.parametrize(
    ("lane", "others", "places"),
    [(URGENT, ORDINARY, (8,)), (ORDINARY, BACKGROUND, (0, 1)), (BACKGROUND, BACKGROUND, (8,))],
    ids=["urgent becomes ordinary", "ordinary", "background"],
)
async def test_what_is_to_be_done_again_after_a_time_stays_in_the_background_and_is_no_longer_urgent(
    lane: Lane, others: Lane, places: tuple[int, ...]
) -> None:
    made = Repetitions(After(5))
    async with running(made.controller):
        made.controller.enqueue("x", **lane)
        await settle()
        made.add_others(others)
        made.clock.step(5)
        assert await made.find_place() in places


@pytest.mark.parametrize(
    "is_meanwhile", [True, False], ids=["while it is worked on", "while it waits to be tried again"]
)
async def test_an_urgent_key_that_failed_stays_urgent_if_it_is_enqueued_for_the_background(is_meanwhile: bool) -> None:
    made = Repetitions(Incomplete)

    def enqueue() -> None:
        made.controller.enqueue("x", **BACKGROUND)

    async with running(made.controller):
        made.controller.enqueue("x", **URGENT)
        if is_meanwhile:
            made.meanwhile = [lambda: made.add_others(BACKGROUND), enqueue]
        await settle()
        if not is_meanwhile:
            made.add_others(BACKGROUND)
            enqueue()
        assert await made.find_place() in (0, 1)


async def test_urgent_keys_that_fail_without_end_keep_no_other_waiting_for_ever() -> None:
    clock, done = FakeClock(), list[str]()

    async def reconcile(key: str) -> Result:
        done.append(key)
        if key.startswith("bad"):
            raise Incomplete
        return DONE

    controller = Controller("test", reconcile, PROBLEMS, backoff=Backoff(first=1.0, longest=1.0), clock=clock)
    async with running(controller):
        for number in range(20):
            controller.enqueue(f"bad {number}", urgent=True)
        await settle()
        done.clear()
        clock.step(1)
        controller.enqueue("ordinary")
        controller.enqueue("old", background=True)
        controller.enqueue("urgent", urgent=True)
        await settle()
    assert {"ordinary", "old"} <= set(done[:8])
    assert "urgent" in done[:23]
