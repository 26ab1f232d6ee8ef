"""What a process can't begin without, and so asks for until it is there."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from monopod.kube.clock import SYSTEM_CLOCK, Clock, sleep
from monopod.kube.controller import Backoff
from monopod.kube.logs import ProblemLog

Result = TypeVar("Result")

BACKOFF = Backoff(first=0.5, longest=5.0)


async def retry(
    attempt: Callable[[], Awaitable[Result]],
    subject: str,
    troubles: tuple[type[Exception], ...],
    problems: ProblemLog,
    clock: Clock = SYSTEM_CLOCK,
) -> Result:
    """What an attempt returns, however many fail before.

    Args:
        attempt: what is tried.
        subject: what the log calls it.
        troubles: what is waited out; anything else is raised.
        problems: the log of problems.
        clock: tells when it is tried again.
    """
    failures = 0
    while True:
        try:
            result = await attempt()
        except troubles as trouble:
            failures += 1
            problems.report(subject, str(trouble))
            await sleep(clock, BACKOFF.after(failures))
        else:
            problems.clear(subject)
            return result
