"""How far a rollout is, before it is written as text or JSON."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a profile's rescheduling stands."""

    UNKNOWN = "Unknown"
    MOVING = "Moving"
    PAUSED = "Paused"
    BLOCKED = "Blocked"
    DONE = "Done"


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why some pods aren't moved; `examples` are a few of them, NAMESPACE/NAME."""

    reason: str
    message: str
    pods: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rollout:
    """A profile's rescheduling.

    Attributes:
        message: the operator's own words.
        pods: how many there were to look at when it began.
        waiting: those that are moved in turn.
        left: those that are left alone because the profile says so.
        started: when it began, as the API server writes times; "" if there was never anything to move.
    """

    profile: str
    state: State
    message: str
    pods: int = 0
    moved: int = 0
    waiting: int = 0
    blocked: int = 0
    left: int = 0
    started: str = ""
    blockers: tuple[Blocker, ...] = ()

    @property
    def finished(self) -> int:
        """Pods about which nothing is left to do."""
        return self.moved + self.left
