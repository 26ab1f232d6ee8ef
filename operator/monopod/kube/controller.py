"""The one run-time model: controllers, each of which reconciles keys from a queue.

    enqueued ──► waiting ──worker──► reconcile(key) ── Done ──────────► forgotten
                    ▲                     │ │ └─ enqueued meanwhile ──► waiting
                    ├── After(seconds) ───┘ │
                    └── back-off ── error ──┘

A key says where to look, never what to do, so that enqueuing it twice is the same as once. No two workers ever have
the same key. What fails is tried again after a back-off, and is logged when it begins, changes and ends.

A key keeps the lane that it was enqueued in (urgent, ordinary, in the background) until it is reconciled, whatever it
waits for meanwhile: its turn, a rest, a back-off. `After` leaves it in the background if it was there. What was urgent
has been done then, and the next time is ordinary: many such keys would keep those waiting that are urgent now.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, TypeVar, assert_never

import structlog

from monopod.kube.client.api import ApiError, ApiUnreachable
from monopod.kube.clock import SYSTEM_CLOCK, Clock, Timer
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import QUEUE_DEPTH, RECONCILE_SECONDS, RECONCILES

STALLED_SECONDS = 180.0
"""A reconcile in which nothing moves for longer hangs: the liveness probe says so, and the kubelet starts the process
again."""

Key = TypeVar("Key", bound=Hashable)
logger = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """All is as it should be, until something changes."""


@dataclass(frozen=True, slots=True)
class After:
    """The key is to be reconciled again after some seconds, whatever happens."""

    seconds: float


Result = Done | After
DONE = Done()
WHOLE = ""
"""The one key of a controller that reconciles everything at once."""


class Incomplete(Exception):
    """Raised by a reconcile that couldn't write everything, and has logged why."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds until what failed is tried again: twice as long each time, up to a bound.

    Attributes:
        is_firm: whether the pause lasts, whatever is enqueued meanwhile. What fails because the API server can't keep
            up would else be tried again at each of its events.
    """

    first: float = 0.5
    longest: float = 30.0
    is_firm: bool = False

    def after(self, failures: int) -> float:
        """The seconds to wait after a number of failures in a row, at least one."""
        return min(self.first * 2.0 ** min(failures - 1, 20), self.longest)


class _Lane(IntEnum):
    """Which keys go first; the smaller is the better."""

    URGENT = 0
    ORDINARY = 1
    BACKGROUND = 2


@dataclass(slots=True)
class _Delayed:
    """A key that waits for its time."""

    due: float
    timer: Timer
    lane: _Lane


class _Waiting(Generic[Key]):
    """The keys that wait, each once: the urgent ones first, but of four that are taken one isn't urgent.

    A tenant may cause urgent work without end, for which the pods of the others mustn't wait for ever. Of the keys that
    aren't urgent, every other one is taken from the background, so that neither kind waits for all of the other.
    """

    def __init__(self) -> None:
        self._lanes: dict[_Lane, OrderedDict[Key, None]] = {lane: OrderedDict() for lane in _Lane}
        self._taken = self._not_urgent = 0

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def __contains__(self, key: object) -> bool:
        return any(key in keys for keys in self._lanes.values())

    def add(self, key: Key, lane: _Lane) -> None:
        if not any(key in keys for better, keys in self._lanes.items() if better <= lane):
            self.discard(key)
            self._lanes[lane][key] = None

    def discard(self, key: Key) -> None:
        for keys in self._lanes.values():
            keys.pop(key, None)

    def take(self) -> tuple[Key, _Lane]:
        """The next, and its lane; there must be one."""
        lane = self._choose_lane()
        return self._lanes[lane].popitem(last=False)[0], lane

    def _choose_lane(self) -> _Lane:
        self._taken += 1
        ordinary, background = self._lanes[_Lane.ORDINARY], self._lanes[_Lane.BACKGROUND]
        if self._lanes[_Lane.URGENT] and (self._taken % 4 or not (ordinary or background)):
            return _Lane.URGENT
        self._not_urgent += 1
        if ordinary and background:
            return _Lane.ORDINARY if self._not_urgent % 2 else _Lane.BACKGROUND
        return _Lane.ORDINARY if ordinary else _Lane.BACKGROUND


class Controller(Generic[Key]):
    """Reconciles keys, one after the other or by several workers."""

    def __init__(
        self,
        name: str,
        reconcile: Callable[[Key], Awaitable[Result]],
        problems: ProblemLog,
        *,
        workers: int = 1,
        backoff: Backoff = Backoff(),
        rest: Callable[[float], float] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Does nothing until it runs.

        Args:
            name: What logs and metrics call it.
            reconcile: Brings what a key names to what it should be; what it raises is tried again.
            problems: The log of problems.
            workers: How many keys are reconciled at once.
            backoff: How long a key waits after a failure.
            rest: How many seconds a key rests after it was reconciled, by how long that took. What is enqueued
                meanwhile waits, so that a burst of changes is one reconcile.
            clock: Tells the time.
        """
        self.name = name
        self._reconcile = reconcile
        self._problems = problems
        self._workers = workers
        self._backoff = backoff
        self._rest = rest
        self._clock = clock
        self._waiting = _Waiting[Key]()
        self._working: dict[Key, float] = {}
        self._moved_at = -math.inf
        self._again: dict[Key, _Lane] = {}
        self._failures: dict[Key, int] = {}
        self._delayed: dict[Key, _Delayed] = {}
        self._rested: dict[Key, float] = {}
        self._filled = asyncio.Event()
        self.completed = 0
        self._seconds = RECONCILE_SECONDS.labels(name)
        QUEUE_DEPTH.labels(name).set_function(lambda: self.depth)

    @property
    def depth(self) -> int:
        """How many keys wait, those that are worked on or wait for their time not among them."""
        return len(self._waiting)

    @property
    def is_stalled(self) -> bool:
        """Whether a reconcile hangs: it has gone on for long, and nothing has moved since."""
        now = self._clock.monotonic()
        return any(now - max(began, self._moved_at) > STALLED_SECONDS for began in self._working.values())

    def note_progress(self) -> None:
        """A reconcile of many things has done one of them: it may take long and yet not hang."""
        self._moved_at = self._clock.monotonic()

    def enqueue(self, key: Key, *, urgent: bool = False, background: bool = False) -> None:
        """Has the key reconciled, before those that aren't urgent if it is.

        Args:
            key: what to reconcile.
            urgent: whether it goes first.
            background: whether it is one of many that only bring up to date what exists; these take every other of the
                turns that aren't urgent, and leave the rest to new objects.
        """
        self._add(key, _Lane.URGENT if urgent else _Lane.BACKGROUND if background else _Lane.ORDINARY)

    def _add(self, key: Key, lane: _Lane) -> None:
        if key in self._working:
            self._again[key] = min(lane, self._again.get(key, lane))
            return
        if (left := self._rested.get(key, 0.0) - self._clock.monotonic()) > 0:
            self._delay(key, left, lane)
            return
        self._rested.pop(key, None)
        if delayed := self._delayed.pop(key, None):
            delayed.timer.cancel()
            if key in self._failures:
                lane = min(lane, delayed.lane)
        self._waiting.add(key, lane)
        self._filled.set()

    def enqueue_after(self, key: Key, seconds: float) -> None:
        """Has the key reconciled after some seconds, or sooner if it is enqueued meanwhile."""
        self._delay(key, seconds, _Lane.ORDINARY)

    def _delay(self, key: Key, seconds: float, lane: _Lane) -> None:
        due = self._clock.monotonic() + seconds
        if key in self._waiting:
            return
        if delayed := self._delayed.get(key):
            lane = delayed.lane = min(lane, delayed.lane)
            if delayed.due <= due:
                return
            delayed.timer.cancel()
        self._delayed[key] = _Delayed(due, self._clock.call_later(seconds, lambda: self._come_due(key)), lane)

    def _come_due(self, key: Key) -> None:
        self._add(key, self._delayed.pop(key).lane)

    def forget(self, key: Key) -> None:
        """Reconciles the key no more, unless it is enqueued again."""
        if delayed := self._delayed.pop(key, None):
            delayed.timer.cancel()
        self._waiting.discard(key)
        self._again.pop(key, None)
        self._failures.pop(key, None)
        self._rested.pop(key, None)

    async def run(self) -> None:
        """Reconciles until cancelled.

        Raises:
            RuntimeError: All workers have ended, which nothing but a cancellation should bring about: without this the
                process would live on and do nothing.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._workers):
                    group.create_task(self._run_worker(), name=f"{self.name} {number}")
            raise RuntimeError(f"the workers of controller {self.name} have ended")
        finally:
            for delayed in self._delayed.values():
                delayed.timer.cancel()
            self._delayed.clear()

    async def _run_worker(self) -> None:
        while True:
            while not self._waiting:
                self._filled.clear()
                await self._filled.wait()
            await self._work_on(*self._waiting.take())
            # Of thousands of keys for which nothing has to be written none waits for anything: the Lease must go on.
            await asyncio.sleep(0)

    async def _work_on(self, key: Key, lane: _Lane) -> None:
        self._working[key] = began = self._clock.monotonic()
        try:
            result = await self._attempt(key)
        finally:
            del self._working[key]
            self.note_progress()  # for those that wait for what this one held
        took = self._clock.monotonic() - began
        self._seconds.observe(took)
        if self._rest and (rest := self._rest(took)) > 0:
            self._rested[key] = max(self._rested.get(key, 0.0), self._clock.monotonic() + rest)
        has_failed = key in self._failures
        if (again := self._again.pop(key, None)) is not None:
            self._add(key, min(again, lane) if has_failed else again)
        match result:
            case After(seconds):
                self._delay(key, seconds, lane if has_failed else max(lane, _Lane.ORDINARY))
            case Done():
                pass
            case _:
                assert_never(result)

    async def _attempt(self, key: Key) -> Result:
        """Reconciles a key; what is to be done about a failure is to try again."""
        subject = f"{self.name} {key}".strip()
        outcome = "error"
        try:
            result = await self._reconcile(key)
        except (ApiError, ApiUnreachable) as error:
            self._problems.report(subject, str(error))
        except Incomplete:
            pass
        except (Exception, asyncio.CancelledError):
            if _is_cancelled():
                raise
            outcome = "failed"
            logger.exception("reconcile failed", controller=self.name, key=str(key))
        else:
            self.completed += 1
            self._failures.pop(key, None)
            self._problems.clear(subject)
            RECONCILES.labels(self.name, "ok").inc()
            return result
        RECONCILES.labels(self.name, outcome).inc()
        self._failures[key] = self._failures.get(key, 0) + 1
        pause = self._backoff.after(self._failures[key])
        if self._backoff.is_firm:
            self._rested[key] = self._clock.monotonic() + pause
        return After(pause)


def _is_cancelled() -> bool:
    """Whether somebody cancels this task. What it waited for may be cancelled, too, and then a worker must go on.

    A group of tasks doesn't miss one that ends so, and no one else would.
    """
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
