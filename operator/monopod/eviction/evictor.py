"""Evicts pods, one after the other: the controller that does what `monopod.eviction.rules.order` decides.

Whoever wants pods moved says which, in each reconcile again; what isn't asked for any more isn't evicted. There is one
evictor for all purposes, so that the bound on evictions holds over the whole cluster.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import assert_never

import structlog

from monopod.eviction.api import request_eviction, terminate
from monopod.eviction.options import EvictionOptions
from monopod.eviction.rules.order import (
    LABELS,
    Candidate,
    Evict,
    Evicted,
    EvictionQueue,
    Obstacle,
    Refusal,
    Unanswered,
    Wait,
)
from monopod.eviction.rules.turns import Purpose
from monopod.kube.client.api import Api
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.controller import DONE, WHOLE, After, Backoff, Controller, Result
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import EVICTIONS, EVICTIONS_LIMIT
from monopod.kube.signals import Signal

# After a failure that no one foresaw.
BREATH_SECONDS = 10.0
# While it isn't known whether this replica still leads.
STILL_SECONDS = 0.5

PURPOSES: Mapping[str, Purpose] = {
    "deletion": "deletion",
    "rescheduling": "rescheduling",
    "bare": "rescheduling",
    "spot": "spot",
    "drill": "drill",
    "patching": "patching",
}
"""Who has pods evicted, and what for: a pod that several name is evicted for the first of them."""

logger = structlog.stdlib.get_logger(__name__)


class Evictor:
    """Holds the queue of the pods to evict, and works it off."""

    def __init__(
        self,
        api: Api,
        options: EvictionOptions,
        problems: ProblemLog,
        may_evict: Callable[[], bool] = lambda: True,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._api = api
        self._may_evict = may_evict
        self._clock = clock
        distance = 60 / options.evictions_per_minute
        self._queue = EvictionQueue(distance, free_at=clock.monotonic() + distance)
        self._wanted: dict[str, tuple[Candidate, ...]] = dict.fromkeys(PURPOSES, ())
        self._listeners: list[Callable[[Candidate], None]] = []
        self._doubters: list[Callable[[Candidate], None]] = []
        self.answered = Signal()
        """The API server has answered a request."""
        self.controller = Controller(
            "evictions", self._reconcile, problems, backoff=Backoff(first=BREATH_SECONDS), clock=clock
        )
        EVICTIONS_LIMIT.set(options.evictions_per_minute)

    def update(self, source: str, pods: Iterable[Candidate]) -> None:
        """The pods that one of PURPOSES wants evicted from now on, none that is being terminated among them."""
        self._wanted[source] = tuple(replace(pod, purpose=PURPOSES[source]) for pod in pods)
        merged: dict[str, Candidate] = {}
        for wanted in self._wanted.values():
            for pod in wanted:
                merged.setdefault(pod.uid, pod)
        if self._queue.update(merged.values()):
            self.controller.enqueue(WHOLE)

    def listen(self, listener: Callable[[Candidate], None]) -> None:
        """Has `listener` told of every pod that is evicted."""
        self._listeners.append(listener)

    def listen_for_doubt(self, listener: Callable[[Candidate], None]) -> None:
        """Has `listener` told of every pod that may have been evicted: no answer came."""
        self._doubters.append(listener)

    def compute_obstacles(self, pods: Iterable[Candidate], lasting: float = 0.0) -> tuple[Obstacle, ...]:
        """What keeps these pods from being evicted; budgets only if they have refused for some pauses."""
        return self._queue.compute_obstacles(pods, lasting)

    def find_refused(self, pods: Iterable[Candidate], lasting: float = 0.0) -> dict[str, Refusal]:
        """The last refusal of each of these pods that has one, by uid; budgets only if they have refused for long."""
        return self._queue.find_refused(pods, lasting)

    async def _reconcile(self, _: str) -> Result:
        now = self._clock.monotonic()
        match step := self._queue.decide(now):
            case Wait(until):
                return DONE if until is None else After(max(0.0, until - now))
            case Evict() if not self._may_evict():
                # Another replica may evict by now, and the bound is for both.
                return After(STILL_SECONDS)
            case Evict(pod):
                await self._evict(pod)
                return After(0.0)
            case _:
                assert_never(step)

    async def _evict(self, pod: Candidate) -> None:
        request = terminate if pod.overdue else request_eviction
        answer = await request(self._api, pod)
        self._queue.record_answer(pod, answer, self._clock.monotonic())
        EVICTIONS.labels(LABELS[type(answer)], pod.purpose).inc()
        if isinstance(answer, Evicted | Unanswered):
            for listener in self._listeners if isinstance(answer, Evicted) else self._doubters:
                listener(pod)
        log = logger.info if isinstance(answer, Evicted) else logger.debug
        log("eviction", pod=str(pod), answer=str(answer))
        self.answered.fire()
