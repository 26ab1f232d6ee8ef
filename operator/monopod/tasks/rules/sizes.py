"""How large a task is: its `cpu` and `memory`, as one of Fargate's sizes, and what its containers make of them.

Sources: ECS developer guide, task definition parameters for Fargate (units, sizes); its troubleshooting pages (texts).
A task's size is what it says: unlike a pod's, nothing is added to it and nothing is rounded.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final

from monopod.pods.rules.size import DEFAULT_STORAGE_GIB, SIZE_TABLE, PodSize
from monopod.tasks.rules.rule import Finding, refused, refused_untold, unavailable
from monopod.tasks.rules.view import View, as_number, show

CPU_MISSING = refused(
    "CpuMissing", "Fargate requires that 'cpu' be defined at the task level.", 'Add the task\'s cpu, such as "256".'
)
MEMORY_MISSING = refused(
    "MemoryMissing",
    "Fargate requires that 'memory' be defined at the task level.",
    'Add the task\'s memory, such as "512".',
)
CPU_INVALID = refused(
    "CpuInvalid",
    "Invalid 'cpu' setting for task. For more information, see the Troubleshooting section of the Amazon ECS Developer "
    "Guide.",
    'Write CPU units ("1024") or vCPUs ("1 vCPU").',
)
MEMORY_INVALID = refused_untold(
    "MemoryInvalid", "{value} is no amount of memory.", 'Write MiB ("2048") or GB ("2 GB").'
)
SIZE_UNKNOWN = refused(
    "SizeUnknown",
    "No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. See the Amazon ECS documentation "
    "for the valid values.",
    "{remedy}",
)
CONTAINERS_CPU_ABOVE_TASK = refused(
    "ContainersCpuAboveTask",
    "The sum of all container 'cpu' values cannot be greater than the task-level 'cpu' value.",
    "The containers' cpu come to {total}, the task's is {task}: lower them, or leave them out.",
)
CONTAINER_MEMORY_ABOVE_TASK = refused(
    "ContainerMemoryAboveTask",
    "The 'memory' setting for container '{name}' is greater than for the task.",
    "The task has {task} MiB: lower the container's memory, or raise the task's.",
)
CONTAINERS_MEMORY_ABOVE_TASK = refused_untold(
    "ContainersMemoryAboveTask",
    "The containers reserve {total} MiB together, more than the task's {task} MiB.",
    "Lower their memoryReservation (or memory, where there is none), or raise the task's memory.",
)
CONTAINER_MEMORY_BELOW_RESERVATION = refused(
    "ContainerMemoryBelowReservation",
    "Invalid setting for container '{name}'. 'memory' must be greater than or equal to 'memoryReservation'.",
    "Lower memoryReservation to {memory}, or raise memory.",
)
CONTAINER_AMOUNT_TOO_SMALL = refused_untold(
    "ContainerAmountTooSmall", "A container's {field} can't be below {least}.", "Raise it, or leave it out."
)
STORAGE_TOO_SMALL = refused(
    "StorageTooSmall",
    "EphemeralStorage size should be at least 21.",
    "Leave ephemeralStorage out for the 20 GiB that every task has, or ask for 21 to 200.",
)
STORAGE_TOO_LARGE = refused(
    "StorageTooLarge", "EphemeralStorage size should be at most 200.", "Ask for 21 to 200 GiB, or mount a file system."
)
SIZE_TOO_LARGE = unavailable(
    "SizeTooLarge",
    "Monopod's largest size is 16 vCPU with 120 GB.",
    "Use at most 16384 CPU units and 122880 MiB, or split the task.",
)
STORAGE_ABOVE_LARGEST = unavailable(
    "StorageAboveLargest",
    "Monopod's largest ephemeral storage is 198 GiB.",
    "Ask for at most 198 GiB.",
)

SMALLEST_STORAGE_GIB: Final = 21
LARGEST_STORAGE_GIB: Final = 200
MONOPODS_LARGEST_STORAGE_GIB: Final = 198
UNITS_PER_VCPU: Final = 1024
LEAST_MEMORY_MIB: Final = 4
"""What Docker takes for a container's memory; the developer guide advises 6."""

_BEYOND: Final = {32768: (61440, 122880, 249856)}
"""Sizes of ECS on Fargate that EKS doesn't have, and Monopod doesn't either."""

_NUMBER: Final = r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?|\.[0-9]{1,9})\s*"
_CPU: Final = re.compile(_NUMBER + r"(vcpu)?\s*", re.IGNORECASE)
_MEMORY: Final = re.compile(_NUMBER + r"(gb)?\s*", re.IGNORECASE)


def _list_rows() -> Mapping[int, tuple[int, ...]]:
    rows: dict[int, tuple[int, ...]] = {}
    for row in SIZE_TABLE:
        units = row.cpu_millis * UNITS_PER_VCPU // 1000
        rows[units] = (*rows.get(units, ()), row.memory_mib)
    return rows | _BEYOND


ROWS: Final = _list_rows()
"""Which memory, in MiB, there is for each number of CPU units."""


@dataclass(frozen=True, slots=True)
class TaskSize:
    """What a task says that it takes: CPU units and MiB."""

    cpu_units: int
    memory_mib: int

    @property
    def row(self) -> PodSize | None:
        """The size in Monopod's table; None if it has none such."""
        row = PodSize(self.cpu_units * 1000 // UNITS_PER_VCPU, self.memory_mib)
        return row if row in SIZE_TABLE and self.cpu_units in ROWS else None


def read_cpu(value: object) -> int | None:
    """CPU units, from `256`, `"256"` or `"0.25 vCPU"`; None if it is no such amount."""
    return _read(value, _CPU)


def read_memory(value: object) -> int | None:
    """MiB, from `512`, `"512"` or `"0.5 GB"`; None if it is no such amount."""
    return _read(value, _MEMORY)


def _read(value: object, pattern: re.Pattern[str]) -> int | None:
    if not isinstance(value, str):
        number = as_number(value)
        return number if number is not None and number > 0 else None
    found = pattern.fullmatch(value)
    if not found:
        return None
    amount = Fraction(found[1]) * (UNITS_PER_VCPU if found[2] else 1)
    return int(amount) if amount.denominator == 1 and amount > 0 else None


def read_size(root: View) -> TaskSize | None:
    """The task's size; None unless it is one of Fargate's."""
    cpu, memory = read_cpu(root.fields.get("cpu")), read_memory(root.fields.get("memory"))
    if cpu is None or memory is None or memory not in ROWS.get(cpu, ()):
        return None
    return TaskSize(cpu, memory)


def read_storage_gib(root: View) -> int:
    """The ephemeral storage that the task has."""
    return root.child("ephemeralStorage").number("sizeInGiB") or DEFAULT_STORAGE_GIB


def check_size(root: View) -> Iterator[Finding]:
    """The task's own amounts."""
    values = {key: root.fields.get(key) for key in ("cpu", "memory")}
    cpu, memory = read_cpu(values["cpu"]), read_memory(values["memory"])
    if not root.has("cpu"):
        yield CPU_MISSING.at("cpu")
    elif cpu is None and isinstance(values["cpu"], str | int):
        yield CPU_INVALID.at("cpu")
    if not root.has("memory"):
        yield MEMORY_MISSING.at("memory")
    elif memory is None and isinstance(values["memory"], str | int):
        yield MEMORY_INVALID.at("memory", value=repr(show(values["memory"])))
    if cpu is not None and memory is not None:
        windows = (root.child("runtimePlatform").text("operatingSystemFamily") or "").startswith("WINDOWS")
        if memory not in ROWS.get(cpu, ()) or (windows and not UNITS_PER_VCPU <= cpu <= 4 * UNITS_PER_VCPU):
            remedy = (
                "Windows takes 1, 2 or 4 vCPU." if windows and memory in ROWS.get(cpu, ()) else _advise(cpu, memory)
            )
            yield SIZE_UNKNOWN.at("cpu", cpu=cpu, memory=memory, remedy=remedy)
        elif cpu in _BEYOND:
            yield SIZE_TOO_LARGE.at("cpu")
    yield from _check_storage(root)


def _advise(cpu: int, memory: int) -> str:
    """Which sizes there are near the one that isn't."""
    fitting = ((units, mib) for units, row in ROWS.items() for mib in row if units >= cpu and mib >= memory)
    smallest = next(fitting, None)
    told = [f"cpu {cpu} goes with a memory of {_list(ROWS[cpu])}"] if cpu in ROWS else [f"cpu is one of {_list(ROWS)}"]
    if smallest:
        told.append(f"the smallest size that holds both is cpu {smallest[0]} with memory {smallest[1]}")
    sentence = "; ".join(told)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _list(amounts: Sequence[int] | Mapping[int, object]) -> str:
    numbers = list(amounts)
    steps = {second - first for first, second in pairwise(numbers)}
    if len(numbers) > 3 and len(steps) == 1:
        return f"{numbers[0]} to {numbers[-1]} in steps of {steps.pop()}"
    return f"{', '.join(map(str, numbers[:-1]))} or {numbers[-1]}"


def _check_storage(root: View) -> Iterator[Finding]:
    storage = root.child("ephemeralStorage")
    size = storage.number("sizeInGiB")
    if size is not None and size < SMALLEST_STORAGE_GIB:
        yield STORAGE_TOO_SMALL.at(storage.path_of("sizeInGiB"))
    elif size is not None and size > LARGEST_STORAGE_GIB:
        yield STORAGE_TOO_LARGE.at(storage.path_of("sizeInGiB"))
    elif size is not None and size > MONOPODS_LARGEST_STORAGE_GIB:
        yield STORAGE_ABOVE_LARGEST.at(storage.path_of("sizeInGiB"))


def check_sums(root: View) -> Iterator[Finding]:
    """The containers' amounts against the task's."""
    containers = root.children("containerDefinitions")
    cpu, memory = read_cpu(root.fields.get("cpu")), read_memory(root.fields.get("memory"))
    total = sum(max(0, each.number("cpu") or 0) for each in containers)
    if cpu is not None and total > cpu:
        yield CONTAINERS_CPU_ABOVE_TASK.at("containerDefinitions", total=total, task=cpu)
    reserved = sum(max(0, get_reserved_mib(each)) for each in containers)
    if memory is not None and reserved > memory:
        yield CONTAINERS_MEMORY_ABOVE_TASK.at("containerDefinitions", total=reserved, task=memory)


def get_reserved_mib(container: View) -> int:
    """The memory that is set aside for a container: its reservation, or its limit where it has none."""
    reservation, limit = container.number("memoryReservation"), container.number("memory")
    return reservation if reservation is not None else limit or 0


def check_container_amounts(container: View, root: View) -> Iterator[Finding]:
    """One container's amounts."""
    name = show(container.text("name") or "")
    memory, reservation = container.number("memory"), container.number("memoryReservation")
    task = read_memory(root.fields.get("memory"))
    for key, least in (("cpu", 0), ("memory", LEAST_MEMORY_MIB), ("memoryReservation", LEAST_MEMORY_MIB)):
        amount = container.number(key)
        if amount is not None and amount < least:
            yield CONTAINER_AMOUNT_TOO_SMALL.at(container.path_of(key), field=key, least=least)
    if memory is not None and task is not None and memory > task:
        yield CONTAINER_MEMORY_ABOVE_TASK.at(container.path_of("memory"), name=name, task=task)
    if memory is not None and reservation is not None and reservation > memory:
        path = container.path_of("memoryReservation")
        yield CONTAINER_MEMORY_BELOW_RESERVATION.at(path, name=name, memory=memory)


def find_smaller_size(root: View) -> PodSize | None:
    """The smallest size with the task's CPU whose memory its containers can't exceed; None if that is the task's own.

    Only where every container has a limit: whatever the task has beyond the sum of these no container can use.
    """
    size, containers = read_size(root), root.children("containerDefinitions")
    limits = [each.number("memory") for each in containers]
    if size is None or size.row is None or not limits:
        return None
    total = sum(limit or 0 for limit in limits)
    if any(limit is None or limit <= 0 for limit in limits):
        return None
    own = size.row
    return next(
        (row for row in SIZE_TABLE if row.cpu_millis == own.cpu_millis and total <= row.memory_mib < own.memory_mib),
        None,
    )
