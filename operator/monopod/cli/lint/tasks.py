"""ECS task definitions: judged by Fargate's rules, and priced."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from monopod.api.names import FARGATE
from monopod.pods.rules.size import PodSize
from monopod.tasks.rules.rule import Effect, Finding
from monopod.tasks.rules.sizes import UNITS_PER_VCPU, TaskSize, find_smaller_size, read_size, read_storage_gib
from monopod.tasks.rules.validation import validate
from monopod.tasks.rules.view import View, show
from monopod.usage.rules.cliff import HOURS_PER_MONTH
from monopod.usage.rules.lifetime import ARM, X86
from monopod.usage.rules.price import PriceList

RUNS: Final = "Runs"
"""The outcome of a task definition in which nothing was found that keeps it from running; else it is an effect's."""


@dataclass(frozen=True, slots=True)
class TaskVerdict:
    """What becomes of a task definition.

    Attributes:
        file: where it stands; `-` is stdin.
        family: its name, "" without one.
        size: what it says that a task takes; None unless that is one of Fargate's sizes.
        storage_gib: the ephemeral storage of a task.
        architecture: `x86` or `arm`.
        hourly: the price of one task per hour; None unless its size has one.
        smaller: the size with the same CPU that its containers can't exceed, and by how much it is cheaper per hour.
    """

    file: str
    family: str
    findings: tuple[Finding, ...]
    size: TaskSize | None
    storage_gib: int
    architecture: str
    hourly: Decimal | None
    smaller: tuple[PodSize, Decimal] | None

    @property
    def monthly(self) -> Decimal | None:
        """The price of one task that runs for a month."""
        return None if self.hourly is None else self.hourly * HOURS_PER_MONTH

    @property
    def outcome(self) -> str:
        """`Runs`, or the effect that keeps it from that; Fargate's goes before Monopod's."""
        effects = {finding.rule.effect for finding in self.findings}
        return next((each for each in (Effect.REFUSED, Effect.UNAVAILABLE) if each in effects), RUNS)

    @property
    def would_run(self) -> bool:
        """Whether both take it."""
        return self.outcome == RUNS

    def count(self, effect: Effect) -> int:
        """How many findings have this effect."""
        return sum(finding.rule.effect is effect for finding in self.findings)


def judge_definition(file: str, definition: Mapping[str, Any], prices: PriceList) -> TaskVerdict:
    """The verdict on a definition, which may hold anything."""
    root = View(definition)
    platform = root.child("runtimePlatform")
    architecture = ARM if platform.text("cpuArchitecture") == "ARM64" else X86
    windows = (platform.text("operatingSystemFamily") or "").startswith("WINDOWS")
    size, storage, smaller = read_size(root), read_storage_gib(root), find_smaller_size(root)
    hourly, saving = None, Decimal(0)
    if size and not windows and (FARGATE, architecture) in prices.rates:
        row = PodSize(size.cpu_units * 1000 // UNITS_PER_VCPU, size.memory_mib)
        hourly = prices.compute_hourly(architecture, row, storage)
        saving = hourly - prices.compute_hourly(architecture, smaller, storage) if smaller else saving
    cheaper = (smaller, saving) if smaller and saving > 0 else None
    family = show(root.text("family") or "")
    return TaskVerdict(file, family, validate(definition), size, storage, architecture, hourly, cheaper)
