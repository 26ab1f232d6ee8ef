"""Runs controllers in a test, in which no time passes but what the test's clock is stepped by."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog

from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.controller import Controller
from monopod.kube.event_recorder import EventRecorder
from monopod.kube.logs import ProblemLog
from tests.unit.fake_api import FakeApi

PROBLEMS = ProblemLog(structlog.stdlib.get_logger())


def a_recorder(api: FakeApi, clock: Clock = SYSTEM_CLOCK) -> EventRecorder:
    return EventRecorder(api, PROBLEMS, clock)


async def settle(turns: int = 300) -> None:
    """Lets all tasks go as far as they get without any time passing."""
    for _ in range(turns):
        await asyncio.sleep(0)


@asynccontextmanager
async def running(*controllers: Controller[Any]) -> AsyncIterator[None]:
    """The controllers at work; what was enqueued before is done when this begins."""
    tasks = [asyncio.create_task(controller.run()) for controller in controllers]
    await settle()
    yield
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
