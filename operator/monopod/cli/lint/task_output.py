"""What `lint` writes of ECS task definitions: a table and what was found, or JSON. The JSON's fields only grow."""

from collections.abc import Iterator, Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

from rich.console import RenderableType
from rich.text import Text

from monopod.cli.lint.tasks import TaskVerdict
from monopod.cli.output.cliff import format_money
from monopod.cli.output.terminal import build_grid
from monopod.pods.rules.size import PodSize, format_capacity
from monopod.tasks.rules.rule import Effect, Finding
from monopod.tasks.rules.sizes import UNITS_PER_VCPU, TaskSize
from monopod.usage.rules.cliff import HOURS_PER_MONTH
from monopod.usage.rules.price import PriceList

_HEAD: Final = ("task definition", "size", "per month", "")
_CENT: Final = Decimal("0.01")
_HEADINGS: Final = {
    Effect.REFUSED: ("Fargate refuses it", "red"),
    Effect.UNAVAILABLE: ("Fargate takes it, and Monopod can't run it", "yellow"),
    Effect.NOTE: ("to know", "cyan"),
}


def build_task(verdict: TaskVerdict) -> dict[str, Any]:
    """The object that is written of a task definition."""
    size, smaller = verdict.size, None
    if verdict.smaller:
        row, saving = verdict.smaller
        smaller = {"capacity": format_capacity(row), "monthlySaving": _round(saving * HOURS_PER_MONTH)}
    return {
        "file": verdict.file,
        "family": verdict.family,
        "outcome": str(verdict.outcome),
        "capacity": None if size is None else _format(size),
        "size": None if size is None else {"cpuUnits": size.cpu_units, "memoryMiB": size.memory_mib},
        "ephemeralStorageGiB": verdict.storage_gib,
        "architecture": verdict.architecture,
        "monthlyPrice": None if verdict.monthly is None else _round(verdict.monthly),
        "smaller": smaller,
        "findings": [_build_finding(finding) for finding in verdict.findings],
    }


def _build_finding(finding: Finding) -> dict[str, Any]:
    return {
        "path": finding.path,
        "rule": finding.rule.name,
        "effect": str(finding.rule.effect),
        "words": str(finding.rule.words),
        "code": finding.rule.code or None,
        "message": finding.message,
        "advice": finding.advice,
    }


def _round(amount: Decimal) -> float:
    return float(amount.quantize(_CENT, ROUND_DOWN))


def _format(size: TaskSize) -> str:
    return format_capacity(PodSize(size.cpu_units * 1000 // UNITS_PER_VCPU, size.memory_mib))


def describe_tasks(verdicts: Sequence[TaskVerdict], prices: PriceList) -> Iterator[RenderableType]:
    """A line for each, then all that was found, and a summary."""
    several = len({verdict.file for verdict in verdicts}) > 1
    table = build_grid(len(_HEAD) + several)
    table.columns[2].justify = "right"
    table.add_row(*_HEAD, *(["file"] if several else []), style="dim")
    for verdict in verdicts:
        table.add_row(*_build_row(verdict), *([verdict.file] if several else []))
    yield table
    for verdict in verdicts:
        yield from _describe_findings(verdict, several)
    yield ""
    for verdict in verdicts:
        if verdict.smaller:
            row, saving = verdict.smaller
            yield (
                f"{_name(verdict)}: its containers can't exceed {format_capacity(row)}: "
                f"−{format_money(saving * HOURS_PER_MONTH, prices.currency)} a month."
            )
    stuck = sum(not verdict.would_run for verdict in verdicts)
    refused = sum(verdict.outcome == Effect.REFUSED for verdict in verdicts)
    plural = "" if len(verdicts) == 1 else "s"
    yield (
        f"{len(verdicts)} task definition{plural}: {len(verdicts) - stuck} would run, {refused} refused by Fargate, "
        f"{stuck - refused} only by Monopod."
    )
    yield f"{prices.currency} for one task in a month of {HOURS_PER_MONTH} hours ({prices.book}, on demand)."


def _name(verdict: TaskVerdict) -> str:
    return verdict.family or "without a family"


def _build_row(verdict: TaskVerdict) -> tuple[str | Text, ...]:
    size = "" if verdict.size is None else _format(verdict.size)
    price = "" if verdict.monthly is None else f"{_round(verdict.monthly):.2f}"
    return _name(verdict), size, price, _describe_outcome(verdict)


def _describe_outcome(verdict: TaskVerdict) -> Text:
    refused, unavailable = verdict.count(Effect.REFUSED), verdict.count(Effect.UNAVAILABLE)
    if refused:
        beside = f", and {unavailable} that Monopod can't do" if unavailable else ""
        return Text(f"Fargate refuses it: {_count(refused)}{beside}", "red")
    if unavailable:
        return Text(f"Fargate takes it, and Monopod can't run it: {_count(unavailable)}", "yellow")
    return Text("would run", "green")


def _count(number: int) -> str:
    return f"{number} finding{'' if number == 1 else 's'}"


def _describe_findings(verdict: TaskVerdict, several: bool) -> Iterator[Text]:
    where = f" in {verdict.file}" if several else ""
    for effect, (heading, colour) in _HEADINGS.items():
        found = [finding for finding in verdict.findings if finding.rule.effect is effect]
        if found:
            yield Text()
            yield Text(f"{_name(verdict)}{where}, {heading}:", colour)
        for finding in found:
            code = f" ({finding.rule.code})" if effect is Effect.REFUSED else ""
            yield Text(f"  {finding.path}: {finding.message}{code}")
            yield Text(f"      {finding.advice}", "dim")
