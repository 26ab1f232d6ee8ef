"""What was seen and isn't committed yet: facts, how far they were read, and up to when nothing was missed, in one.

    reader ──add, advance, extend──► pending ──every second, or 500 facts──► one transaction
      ▲                                 │
      └── waits while it is full ───────┘

It is full while neither the database nor the spool takes more: reading stops then, and nothing is dropped.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Final

import structlog

from monopod.kube.clock import SYSTEM_CLOCK, Clock, timeout
from monopod.kube.controller import Backoff
from monopod.kube.logs import ProblemLog
from monopod.ledger.store.answers import Position, SpoolFullError, StoreUnavailableError
from monopod.ledger.store.spool import SpooledStore
from monopod.usage.rules.lifetime import Lifetime, Watched, join

COMMIT_SECONDS: Final = 1.0
COMMIT_FACTS: Final = 500
MOST_PENDING: Final = 5_000
BACKOFF: Final = Backoff(first=0.5, longest=10.0)

logger = structlog.stdlib.get_logger(__name__)


class Journal:
    """Collects what a recorder sees, and commits it.

    Args:
        source: whose position is committed with the facts.
        store: where to.
        writer: the one thread in which it is written.
        problems: the log of problems.
        clock: tells when to commit.
    """

    def __init__(
        self, source: str, store: SpooledStore, writer: Executor, problems: ProblemLog, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._source = source
        self._store = store
        self._writer = writer
        self._problems = problems
        self._clock = clock
        self._pending: dict[str, Lifetime] = {}
        self._version = ""
        self._window: Watched | None = None
        self._changed = asyncio.Event()
        self._due = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._lock = asyncio.Lock()
        self.trouble = ""
        """Why nothing is committed, "" while all is well."""

    def add(self, lifetime: Lifetime) -> None:
        """A fact."""
        known = self._pending.get(lifetime.uid)
        self._pending[lifetime.uid] = join(known, lifetime) if known else lifetime
        self._changed.set()
        if len(self._pending) >= COMMIT_FACTS:
            self._due.set()
        if len(self._pending) >= MOST_PENDING:
            self._room.clear()

    def advance(self, version: str) -> None:
        """Everything up to this resourceVersion has been added."""
        self._version = version
        self._changed.set()

    def extend(self, window: Watched) -> None:
        """Nothing has been missed in this window."""
        self._window = window
        self._changed.set()

    async def wait_for_room(self) -> None:
        """Returns once more may be added."""
        await self._room.wait()

    async def run(self) -> None:
        """Commits from time to time, until cancelled; what is pending then, `flush` commits."""
        failures = 0
        while True:
            await self._changed.wait()
            await self._wait_until_due(BACKOFF.after(failures) if failures else COMMIT_SECONDS)
            failures = 0 if await self._commit() else failures + 1

    async def flush(self) -> None:
        """Commits what is pending; returns once it is kept."""
        failures = 0
        while not await self._commit():
            failures += 1
            await self._wait_until_due(BACKOFF.after(failures))

    async def _wait_until_due(self, seconds: float) -> None:
        self._due.clear()
        if len(self._pending) >= COMMIT_FACTS and not self.trouble:
            return
        try:
            async with timeout(self._clock, seconds):
                await self._due.wait()
        except TimeoutError:
            pass

    async def _commit(self) -> bool:
        """Whether all that was pending is kept."""
        async with self._lock:
            if not self._changed.is_set():
                return True
            self._changed.clear()
            pending, self._pending = self._pending, {}
            position = Position(self._source, self._version) if self._version else None
            try:
                await self._write([*pending.values()], position, [self._window] if self._window else [])
            except BaseException as error:
                self._take_back(pending)
                if not isinstance(error, SpoolFullError | StoreUnavailableError):
                    raise
                self.trouble = str(error) or type(error).__name__
                self._problems.report("ledger", self.trouble)
                return False
            self.trouble = ""
            self._problems.clear("ledger")
            self._room.set()
            return True

    async def _write(
        self, lifetimes: Sequence[Lifetime], position: Position | None, watched: Sequence[Watched]
    ) -> None:
        call = partial(self._store.join, lifetimes, position=position, watched=watched)
        await asyncio.get_running_loop().run_in_executor(self._writer, call)

    def _take_back(self, lifetimes: dict[str, Lifetime]) -> None:
        """What couldn't be kept is pending again; facts join in any order."""
        newer, self._pending = self._pending, lifetimes
        self._changed.set()
        for lifetime in newer.values():
            self.add(lifetime)
        if len(self._pending) >= MOST_PENDING:
            self._room.clear()
