"""What `plan` writes: a table in the order in which pods move, with a summary, or JSON. The JSON's fields only grow."""

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

import click
from rich.table import Table
from rich.text import Text

from monopod.cli.output.basis import describe_basis
from monopod.cli.output.cliff import build_cliff, describe_cliff
from monopod.cli.output.terminal import build_grid, print_lines
from monopod.cli.plan.forecast import Fate, Plan, Step
from monopod.pods.rules.size import format_capacity

_HEAD: Final = ("", "pod", "workload", "from", "to", "size", "per hour", "")
_STYLES: Final = {Fate.MOVES: "", Fate.BLOCKED: "red", Fate.LEFT: "yellow"}


def write_json(plan: Plan) -> None:
    """Writes one JSON object to stdout."""
    click.echo(json.dumps(build_report(plan), indent=2, ensure_ascii=False))


def build_report(plan: Plan) -> dict[str, Any]:
    """The object that is written."""
    prices = plan.rates.prices
    return {
        "profiles": [
            {"name": each.profile, "moves": each.moves, "paused": each.paused, "maxUnavailable": each.max_unavailable}
            for each in plan.profiles
        ],
        "pods": [_build_step(step) for step in plan.steps],
        "summary": {
            **{fate.value.lower(): len(compute_steps(plan, fate)) for fate in Fate},
            "hourlyPrice": _round(sum_hourly(plan)),
        },
        "notes": list(plan.notes),
        "prices": {"region": prices.book, "architecture": plan.rates.architecture, "currency": prices.currency},
    }


def _build_step(step: Step) -> dict[str, Any]:
    row = step.size.row if step.size else None
    return {
        "namespace": step.pod.namespace,
        "pod": step.pod.name,
        "workload": step.workload or None,
        "from": step.origin or None,
        "to": step.profile,
        "fate": step.fate,
        "reason": step.reason,
        "message": step.message or None,
        "capacity": format_capacity(row) if row else None,
        "size": {"cpuMillis": row.cpu_millis, "memoryMiB": row.memory_mib} if row else None,
        "hourlyPrice": None if step.hourly is None else _round(step.hourly),
        "capacityProvider": step.provider or None,
        "cliff": build_cliff(step.cliff),
    }


def _round(amount: Decimal) -> float:
    return float(round(amount, 8))


def compute_steps(plan: Plan, fate: Fate) -> Sequence[Step]:
    """The steps of pods with this fate."""
    return [step for step in plan.steps if step.fate is fate]


def sum_hourly(plan: Plan) -> Decimal:
    """What the pods that move cost per hour once all of them have."""
    return sum((step.hourly or Decimal(0) for step in compute_steps(plan, Fate.MOVES)), Decimal(0))


def write_text(plan: Plan) -> None:
    """Writes a line per pod, the reasons and a summary to stdout, in colour on a terminal."""
    notes = [f"Note: {note}" for note in plan.notes]
    if not plan.steps:
        names = ", ".join(each.profile for each in plan.profiles)
        nothing = f"Nothing to move: no pod that would run by {names} runs elsewhere."
        print_lines(nothing, *notes)
        return
    reasons = _build_reasons(plan)
    explained = ("", reasons) if reasons.row_count else ()
    print_lines(_build_table(plan), *explained, "", *notes, *describe_cliffs(plan), *describe_summary(plan))


def _build_table(plan: Plan) -> Table:
    table = build_grid(len(_HEAD))
    for index in (0, 6):
        table.columns[index].justify = "right"
    table.add_row(*_HEAD, style="dim")
    for number, step in enumerate(plan.steps, 1):
        moves = step.fate is Fate.MOVES
        table.add_row(
            str(number) if moves else "–",
            str(step.pod),
            step.workload or "none",
            step.origin or "outside",
            step.profile,
            format_capacity(step.size.row) if step.size else "",
            "" if step.hourly is None else f"{step.hourly:.5f}",
            Text("" if moves else f"{step.fate}: {step.reason}", _STYLES[step.fate]),
        )
    return table


def _build_reasons(plan: Plan) -> Table:
    """What the last column's words mean, each once."""
    table = build_grid(2)
    for reason, message in dict.fromkeys((step.reason, step.message) for step in plan.steps if step.reason):
        table.add_row(str(reason), message)
    return table


def describe_cliffs(plan: Plan) -> list[str]:
    """A line for each workload that misses a smaller size by a little."""
    lines: dict[str, None] = {}
    for step in plan.steps:
        if step.cliff:
            subject, whose = (step.workload, " per replica") if step.workload else (f"Pod/{step.pod.name}", "")
            told = describe_cliff(step.cliff, plan.rates.prices.currency, whose)
            lines[f"{subject} in namespace {step.pod.namespace}: {told}."] = None
    return list(lines)


def describe_summary(plan: Plan) -> Iterator[str]:
    """How many pods move, how many don't, and what those that do cost."""
    moves, blocked, left = (compute_steps(plan, fate) for fate in Fate)
    workloads = {(step.pod.namespace, step.workload) for step in moves}
    shares = ", ".join(dict.fromkeys(str(each.max_unavailable) for each in plan.profiles))
    yield (
        f"{_count(len(moves), 'pod')} of {_count(len(workloads), 'workload')} would move, the oldest first, as budgets "
        f"allow (maxUnavailable: {shares}); {len(blocked)} blocked, {len(left)} left alone."
    )
    prices = plan.rates.prices
    yield (
        f"{prices.currency} {sum_hourly(plan):.5f} per hour once they have moved "
        f"({describe_basis(prices, plan.rates.architecture, {step.provider for step in moves})})."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
