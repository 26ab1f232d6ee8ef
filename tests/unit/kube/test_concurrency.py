"""Jobs of one kind: some at a time, and none that goes on by itself."""

import asyncio

import pytest

from monopod.kube.concurrency import attempt_some, gather_some
from tests.unit.running import settle


async def test_a_failure_is_raised_once_all_have_ended() -> None:
    going, ended = asyncio.Event(), list[str]()

    async def fail(name: str) -> None:
        raise ValueError(name)

    async def write() -> None:
        await going.wait()
        ended.append("written")

    gathering = asyncio.create_task(gather_some([fail("first"), write(), fail("second")]))
    await settle()
    assert not gathering.done(), "what writes would go on by itself, and nobody could stop it"
    going.set()
    with pytest.raises(ValueError, match="first"):
        await gathering
    assert ended == ["written"]


async def test_whoever_is_cancelled_takes_the_jobs_along() -> None:
    written = False

    async def write() -> None:
        nonlocal written
        await asyncio.Event().wait()
        written = True

    gathering = asyncio.create_task(gather_some([write(), write()]))
    await settle()
    gathering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gathering
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert (others, written) == (set(), False)


async def test_one_failure_stops_no_other() -> None:
    async def answer(number: int) -> int:
        if number == 1:
            raise ValueError
        return number

    first, failure, last = await attempt_some(map(answer, range(3)))
    assert (first, type(failure), last) == (0, ValueError, 2)
