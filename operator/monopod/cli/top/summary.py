"""What runs, summed by what people ask for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

Json = Mapping[str, Any]

KEYS: Final = {
    "namespace": ("namespace",),
    "profile": ("profile",),
    "workload": ("namespace", "workload"),
    "pod": ("namespace", "pod"),
}


@dataclass(frozen=True, slots=True)
class Running:
    """Pods that run and have a key in common.

    Attributes:
        hourly: what they cost in an hour.
    """

    key: tuple[str, ...]
    pods: int
    cpu_millis: int
    memory_mib: int
    hourly: Decimal


def sum_running(pods: Sequence[Json], by: str) -> list[Running]:
    """The pods summed, the dearest first."""
    groups = dict[tuple[str, ...], list[Json]]()
    for pod in pods:
        groups.setdefault(tuple(pod[name] for name in KEYS[by]), []).append(pod)
    found = [
        Running(
            key,
            len(group),
            sum(pod["cpuMillis"] for pod in group),
            sum(pod["memoryMib"] for pod in group),
            sum((Decimal(pod["hourly"]) for pod in group), Decimal()),
        )
        for key, group in groups.items()
    ]
    return sorted(found, key=lambda each: (-each.hourly, each.key))
