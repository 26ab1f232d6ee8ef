"""How much of the API server the operator takes at once for work of one kind."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

Result = TypeVar("Result")

AT_ONCE = 8


async def attempt_some(jobs: Iterable[Awaitable[Result]]) -> list[Result | BaseException]:
    """What came of all jobs, in their order; AT_ONCE run at the same time, and the failure of one stops no other."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def run(job: Awaitable[Result]) -> Result:
        async with slots:
            return await job

    return await asyncio.gather(*map(run, jobs), return_exceptions=True)


async def gather_some(jobs: Iterable[Awaitable[Result]]) -> list[Result]:
    """The results of all jobs, as `attempt_some`.

    If some fail, what the first of them raised is raised once all have ended: one that went on by itself might write
    while the same is tried again, or when this replica leads no more.
    """
    results: list[Result] = []
    for result in await attempt_some(jobs):
        if isinstance(result, BaseException):
            raise result
        results.append(result)
    return results
