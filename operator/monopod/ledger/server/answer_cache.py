"""What the API server answered a short while ago, so that a page of questions doesn't ask it again for each."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from monopod.kube.clock import Clock

SECONDS: Final = 60.0
"""How long an answer counts, and so how long a right that was withdrawn lasts."""
MOST: Final = 4096

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class AnswerCache(Generic[Key, Value]):
    """Keeps answers for a while, and of these the newest; keys and values are small."""

    def __init__(self, clock: Clock, *, seconds: float = SECONDS, most: int = MOST) -> None:
        self._clock = clock
        self._seconds = seconds
        self._most = most
        self._kept: OrderedDict[Key, tuple[float, Value]] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """Returns the answer, or None if there is none that still counts."""
        kept = self._kept.get(key)
        if kept is None or kept[0] <= self._clock.monotonic():
            return None
        return kept[1]

    def put(self, key: Key, value: Value) -> None:
        """Keeps an answer from now on."""
        self._kept.pop(key, None)
        self._kept[key] = (self._clock.monotonic() + self._seconds, value)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
