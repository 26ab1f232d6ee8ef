"""Writes that the API server refuses: each is tried again, ever more slowly, and holds up nothing else.

An answer is about the object that was written: a quota, a webhook, a bound. No answer at all is about the API server,
so that is no refusal, and whoever got none tries again with everything else.
"""

import time
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass

from monopod.kube.client.api import ApiError, ApiUnreachable, ServerTrouble
from monopod.kube.controller import Backoff
from monopod.kube.options import LONGEST_RETRY_SECONDS

FIRST_RETRY_SECONDS = 0.5

Failure = ApiError | ApiUnreachable


def is_answer(failure: Failure) -> bool:
    """Whether the API server answered."""
    return isinstance(failure, ApiError | ServerTrouble)


@dataclass(frozen=True, slots=True)
class _Refusal:
    wanted: Hashable
    answer: str
    due: float
    times: int


class Refusals:
    """Remembers what was refused, by the name of what it was to be written on."""

    def __init__(self, longest: float = LONGEST_RETRY_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._backoff = Backoff(FIRST_RETRY_SECONDS, longest)
        self._clock = clock
        self._refused: dict[str, _Refusal] = {}

    def __contains__(self, name: str) -> bool:
        """Whether the last write was refused."""
        return name in self._refused

    def get_answer(self, name: str) -> str:
        """Why it was refused; "" if it wasn't."""
        refusal = self._refused.get(name)
        return refusal.answer if refusal else ""

    def is_due(self, name: str, wanted: Hashable) -> bool:
        """Whether this may be tried: it wasn't refused, or long enough ago."""
        refusal = self._refused.get(name)
        return refusal is None or refusal.wanted != wanted or self._clock() >= refusal.due

    def add(self, name: str, wanted: Hashable, answer: str) -> None:
        """Notes that this was refused."""
        before = self._refused.get(name)
        again = before is not None and before.wanted == wanted
        times = before.times + 1 if before and again else 1
        self._refused[name] = _Refusal(wanted, answer, self._clock() + self._backoff.after(times), times)

    def drop(self, name: str) -> None:
        """Forgets it: it was written."""
        self._refused.pop(name, None)

    def retain(self, names: Collection[str]) -> None:
        """Forgets all but these."""
        for name in self._refused.keys() - set(names):
            del self._refused[name]

    def get_delay(self) -> float | None:
        """After how many seconds the next is due; None if there is none."""
        due = min((refusal.due for refusal in self._refused.values()), default=None)
        return None if due is None else max(0.0, due - self._clock())
