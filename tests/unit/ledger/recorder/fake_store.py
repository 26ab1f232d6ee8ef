"""A store in memory, and threads that are none, so that a test decides when something happens."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Any

from monopod.ledger.store.answers import Position, SpoolFullError, StoreUnavailableError
from monopod.ledger.store.spool import SpooledStore
from monopod.ledger.store.store import Store
from monopod.usage.rules.lifetime import Lifetime, Watched, join, join_watched


class Inline(Executor):
    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments, **named))
        except Exception as error:
            future.set_exception(error)
        return future


class FakeStore(Store, SpooledStore):
    def __init__(self) -> None:
        self.lifetimes: dict[str, Lifetime] = {}
        self.windows: dict[tuple[str, int], Watched] = {}
        self.positions: dict[str, Position] = {}
        self.commits: list[list[Lifetime]] = []
        self.is_away = False
        self.is_full = False

    def join(
        self, lifetimes: Sequence[Lifetime], *, position: Position | None = None, watched: Sequence[Watched] = ()
    ) -> None:
        if self.is_full:
            raise SpoolFullError("the spool is full")
        self.commits.append([*lifetimes])
        for lifetime in lifetimes:
            known = self.lifetimes.get(lifetime.uid)
            self.lifetimes[lifetime.uid] = join(known, lifetime) if known else lifetime
        for window in watched:
            key = (window.recorder, window.since)
            self.windows[key] = join_watched(self.windows[key], window) if key in self.windows else window
        if position:
            self.positions[position.source] = position

    def fetch_position(self, source: str) -> Position | None:
        self._answer_or_not()
        return self.positions.get(source)

    def fetch_watched(self) -> list[Watched]:
        self._answer_or_not()
        return sorted(self.windows.values(), key=lambda window: (window.recorder, window.since))

    def list_open(self) -> list[Lifetime]:
        self._answer_or_not()
        return [lifetime for lifetime in self.lifetimes.values() if lifetime.is_open]

    def fetch(self, uid: str) -> Lifetime | None:
        self._answer_or_not()
        return self.lifetimes.get(uid)

    def _answer_or_not(self) -> None:
        if self.is_away:
            raise StoreUnavailableError("away")
