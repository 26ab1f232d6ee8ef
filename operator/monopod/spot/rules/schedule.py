"""When the drill that a profile asks for interrupts its next pod.

    hour ÷ rate = slots;  in each slot a moment of its own ──► due ──► chosen ──► on record ──► evicted ──► next slot

Slots and moments follow from the clock and the profile's uid alone, so every operator finds the same ones. What was
interrupted last stands in the profile's status: a slot has its pod once that is no older than the slot's moment.
"""

import datetime
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from monopod.spot.rules.enforcement import is_enforced

HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class LastDrill:
    """The pod that was chosen last, and when."""

    at: datetime.datetime
    namespace: str
    pod: str
    uid: str

    @classmethod
    def read(cls, status: Mapping[str, Any]) -> Self | None:
        """From the status of a profile; None if it says none."""
        told = status.get("spotDrill")
        if not told:
            return None
        at = datetime.datetime.fromisoformat(told["interruptedAt"])
        return cls(at, told["namespace"], told["pod"], told["podUid"])

    def write(self) -> dict[str, str]:
        """For the status of a profile."""
        at = self.at.astimezone(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"interruptedAt": at, "namespace": self.namespace, "pod": self.pod, "podUid": self.uid}


@dataclass(frozen=True, slots=True)
class Off:
    """The profile asks for no drill, or isn't enforced."""


@dataclass(frozen=True, slots=True)
class Choose:
    """A pod is to be chosen.

    Attributes:
        seed: what it is drawn by.
        due: the slot's moment: what was chosen before it was for another.
        until: when the next slot's moment comes.
    """

    seed: str
    due: datetime.datetime
    until: datetime.datetime


@dataclass(frozen=True, slots=True)
class Interrupt:
    """The pod that was chosen is to be evicted, if it is still there."""

    last: LastDrill
    until: datetime.datetime


Step = Off | Choose | Interrupt


def get_rate(profile: Mapping[str, Any]) -> int:
    """How many pods an hour the profile asks for."""
    return int(((profile.get("spec") or {}).get("spot") or {}).get("interruptionsPerHour") or 0)


def decide(profile: Mapping[str, Any], now: datetime.datetime) -> Step:
    """What the drill of a profile does now."""
    rate, uid = get_rate(profile), str(profile["metadata"]["uid"])
    if not rate or not is_enforced(profile):
        return Off()
    length = HOUR / rate
    slot = int(now.timestamp() // length)
    if now < _compute_due(uid, slot, length):
        slot -= 1
    due, until = (_compute_due(uid, number, length) for number in (slot, slot + 1))
    last = LastDrill.read(profile.get("status") or {})
    return Interrupt(last, until) if last and last.at >= due else Choose(f"{uid}/{slot}", due, until)


def _compute_due(uid: str, slot: int, length: float) -> datetime.datetime:
    """The moment of a slot, in whole seconds: of all profiles with the same rate none has another's."""
    share = int.from_bytes(hashlib.sha256(f"{uid}/{slot}".encode()).digest()[:4]) / 2**32
    return datetime.datetime.fromtimestamp(int((slot + share) * length), datetime.UTC)
