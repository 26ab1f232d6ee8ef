"""What profiles say of pods that find no room on Spot."""

import datetime
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from monopod.kube.objects.fields import InvalidProfile, Part

DEFAULT_AFTER: Final = "2m"
_DURATION: Final = re.compile("(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?")


@dataclass(frozen=True, slots=True)
class FallbackSettings:
    """That a profile's pods run on demand where Spot has no room.

    Attributes:
        after: how long a pod waits before.
    """

    after: datetime.timedelta


def read_fallbacks(profiles: Iterable[Mapping[str, Any]]) -> dict[str, FallbackSettings]:
    """The profiles that fall back, by name. Those that are being deleted, or can't be read, don't."""
    found = {}
    for profile in profiles:
        root = Part(profile, error=InvalidProfile)
        try:
            spot = root.child("spec").child("spot")
            if spot.text("fallback") == "OnDemand" and "deletionTimestamp" not in root.child("metadata").fields:
                after = read_duration(spot.text("fallbackAfter") or DEFAULT_AFTER)
                found[root.child("metadata").text("name")] = FallbackSettings(after)
        except InvalidProfile:  # the condition Valid says so
            continue
    return found


def read_duration(text: str) -> datetime.timedelta:
    """A duration as the API has it, `1h2m3s`; the API server refuses any other."""
    match = _DURATION.fullmatch(text)
    hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 2, 0)
    return datetime.timedelta(hours=hours, minutes=minutes, seconds=seconds)
