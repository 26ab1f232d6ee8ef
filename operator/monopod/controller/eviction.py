"""Evicts pods, one after the other: the task that does what `monopod.domain.eviction` decides.

Whoever wants pods moved says which, again in every pass; what isn't asked for any more is left alone. There is one
mover for all purposes, so that the bound on evictions holds over the whole cluster.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import assert_never

import structlog

from monopod.cluster.client import ApiClient
from monopod.cluster.evictions import request_eviction
from monopod.controller.metrics import EVICTIONS, EVICTIONS_LIMIT
from monopod.domain.eviction import LABELS, Candidate, Evict, Evicted, EvictionQueue, Obstacle, Purpose, Wait

# After a failure that nobody foresaw.
BREATH_SECONDS = 10.0
# While it isn't known whether this replica still leads.
STILL_SECONDS = 0.5

PURPOSES: Mapping[str, Purpose] = {"deletion": "deletion", "rescheduling": "rescheduling", "bare": "rescheduling"}
"""Who has pods evicted, the first of them first, and what for."""

logger = structlog.stdlib.get_logger(__name__)


class Mover:
    """Holds the queue, and runs while there is anything in it."""

    def __init__(
        self,
        api: ApiClient,
        per_minute: float,
        on_change: Callable[[], None],
        may_evict: Callable[[], bool] = lambda: True,
    ) -> None:
        self._api = api
        self._on_change = on_change
        self._may_evict = may_evict
        distance = 60 / per_minute
        self._queue = EvictionQueue(distance, free_at=time.monotonic() + distance)
        self._wanted: dict[str, tuple[Candidate, ...]] = dict.fromkeys(PURPOSES, ())
        self._listeners: list[Callable[[Candidate], None]] = []
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        EVICTIONS_LIMIT.set(per_minute)

    def require(self, source: str, pods: Iterable[Candidate]) -> None:
        """The pods that one of PURPOSES wants evicted from now on, none that is being terminated among them."""
        self._wanted[source] = tuple(replace(pod, purpose=PURPOSES[source]) for pod in pods)
        merged: dict[str, Candidate] = {}
        for wanted in self._wanted.values():
            for pod in wanted:
                merged.setdefault(pod.uid, pod)
        if self._queue.require(merged.values()):
            self._changed.set()
        if merged and self._task is None:
            self._task = asyncio.create_task(self._run(), name="mover")

    def listen(self, listener: Callable[[Candidate], None]) -> None:
        """Has `listener` told of every pod that is evicted."""
        self._listeners.append(listener)

    def find_obstacles(self, pods: Iterable[Candidate], lasting: float = 0.0) -> tuple[Obstacle, ...]:
        """What keeps these pods from being evicted; budgets only if they have refused for some pauses."""
        return self._queue.find_obstacles(pods, lasting)

    def stop(self) -> None:
        """Evicts nothing more."""
        if self._task:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self._step()
            except Exception:
                logger.exception("an eviction failed")
                await asyncio.sleep(BREATH_SECONDS)

    async def _step(self) -> None:
        self._changed.clear()
        match step := self._queue.decide(time.monotonic()):
            case Wait(until):
                await self._wait(until)
            case Evict() if not self._may_evict():
                # Another replica may evict by now, and the bound is for both.
                await asyncio.sleep(STILL_SECONDS)
            case Evict(pod):
                answer = await request_eviction(self._api, pod)
                self._queue.take_in(pod, answer, time.monotonic())
                EVICTIONS.labels(LABELS[type(answer)], pod.purpose).inc()
                if isinstance(answer, Evicted):
                    for listener in self._listeners:
                        listener(pod)
                log = logger.info if isinstance(answer, Evicted) else logger.debug
                log("eviction", pod=str(pod), answer=str(answer))
                self._on_change()
            case _:
                assert_never(step)

    async def _wait(self, until: float | None) -> None:
        left = None if until is None else max(0.0, until - time.monotonic())
        try:
            async with asyncio.timeout(left):
                await self._changed.wait()
        except TimeoutError:
            return
