"""How much of the API server the operator takes at once for work of one kind."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

Result = TypeVar("Result")

AT_ONCE = 8


async def gather_some(jobs: Iterable[Awaitable[Result]], at_once: int = AT_ONCE) -> list[Result]:
    """The results of all jobs, in their order; so many run at the same time."""
    slots = asyncio.Semaphore(at_once)

    async def run(job: Awaitable[Result]) -> Result:
        async with slots:
            return await job

    return await asyncio.gather(*map(run, jobs))
