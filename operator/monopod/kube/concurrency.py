"""How much of the API server the operator takes at once for work of one kind."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

Result = TypeVar("Result")

AT_ONCE = 8


async def gather_some(jobs: Iterable[Awaitable[Result]]) -> list[Result]:
    """The results of all jobs, in their order; AT_ONCE run at the same time. Raises what the first to fail raised."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def run(job: Awaitable[Result]) -> Result:
        async with slots:
            return await job

    return await asyncio.gather(*map(run, jobs))
