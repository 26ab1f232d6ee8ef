"""What `lint` writes: a table and a summary for a person, or JSON. The JSON's fields only grow."""

import json
from decimal import Decimal
from typing import Any, assert_never

import click
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from monopod.cli.explain.as_json import build_explanation
from monopod.cli.lint.report import LintReport, Verdict
from monopod.cli.lint.task_output import build_task, describe_tasks
from monopod.cli.output.basis import describe_basis
from monopod.cli.output.cliff import build_cliff, compute_percent, describe_cliff
from monopod.cli.output.terminal import build_grid, print_lines
from monopod.pods.rules.decision import (
    OptOutRefused,
    OutOfBounds,
    ProviderRefused,
    Sandboxed,
    Skipped,
    Unmatched,
    Unsupported,
)
from monopod.pods.rules.node_demand import UNSATISFIED
from monopod.pods.rules.size import format_capacity

_HEAD = ("workload", "namespace", "pods", "profile", "size", "per hour", "")


def write_json(report: LintReport) -> None:
    """Writes one JSON object to stdout."""
    click.echo(json.dumps(build_report(report), indent=2, ensure_ascii=False))


def build_report(report: LintReport) -> dict[str, Any]:
    """The object that is written."""
    return {
        "workloads": [_build_verdict(verdict) for verdict in report.verdicts],
        "taskDefinitions": [build_task(task) for task in report.tasks],
        "summary": {
            "onFargate": sum(verdict.on_fargate for verdict in report.verdicts),
            "outside": sum(verdict.would_run and not verdict.on_fargate for verdict in report.verdicts),
            "unsupported": sum(not verdict.would_run for verdict in report.verdicts),
            "wasteful": sum(report.is_wasteful(verdict) for verdict in report.verdicts),
            "hourlyPrice": _round(sum_hourly(report)),
        },
        "prices": {
            "region": report.prices.book,
            "architecture": report.architecture,
            "currency": report.prices.currency,
        },
        "others": dict(sorted(report.others.items())),
        "problems": report.problems,
    }


def sum_hourly(report: LintReport) -> Decimal:
    """What all pods cost per hour while all of them run."""
    return sum((verdict.hourly_total or Decimal(0) for verdict in report.verdicts), Decimal(0))


def _build_verdict(verdict: Verdict) -> dict[str, Any]:
    price = None
    if verdict.hourly is not None:
        total = verdict.hourly_total
        price = {"each": _round(verdict.hourly), "total": None if total is None else _round(total)}
    return {
        "file": verdict.file,
        **build_explanation(verdict.explanation),
        "replicas": verdict.replicas,
        "hourlyPrice": price,
        "wastePercent": None if verdict.waste is None else compute_percent(verdict.waste),
        "cliff": build_cliff(verdict.cliff),
    }


def _round(amount: Decimal) -> float:
    return float(round(amount, 8))


def write_text(report: LintReport) -> None:
    """Writes what was found to stdout, in colour on a terminal: workloads, task definitions, what was passed over."""
    parts: list[RenderableType] = []
    if report.verdicts:
        notes = [f"Note: {note}" for verdict in report.verdicts for note in verdict.explanation.notes]
        notes += describe_spot_changes(report)
        parts += [_build_table(report), "", *dict.fromkeys(notes), *describe_cliffs(report), *describe_summary(report)]
    if report.tasks:
        parts += [*([""] if parts else []), *describe_tasks(report.tasks, report.prices)]
    if report.others:
        listed = ", ".join(f"{count} {kind}" for kind, count in sorted(report.others.items()))
        parts.append(f"Passed over, as they hold no pods that are known here: {listed}.")
    print_lines(*parts)


def _build_table(report: LintReport) -> Table:
    """A line per workload."""
    several = len({verdict.file for verdict in report.verdicts}) > 1
    table = build_grid(len(_HEAD) + several)
    for index in (2, 5):
        table.columns[index].justify = "right"
    table.add_row(*_HEAD, *(["file"] if several else []), style="dim")
    for verdict in report.verdicts:
        table.add_row(*_build_row(verdict, report), *([verdict.file] if several else []))
    return table


def describe_spot_changes(report: LintReport) -> list[str]:
    """A line for each workload whose pods are changed because they run on Spot."""
    return [
        f"{each.source} in namespace {each.namespace}: on Spot its {change}."
        for each in (verdict.explanation for verdict in report.verdicts)
        for change in (each.spot.describe_changes() if each.spot else ())
    ]


def describe_cliffs(report: LintReport) -> list[str]:
    """A line for each workload that misses a smaller size by a little."""
    lines = []
    for verdict in report.verdicts:
        if verdict.cliff:
            source, namespace = verdict.explanation.source, verdict.explanation.namespace
            whose = "" if source.startswith("Pod/") else " per replica"
            told = describe_cliff(verdict.cliff, report.prices.currency, whose)
            lines.append(f"{source} in namespace {namespace}: {told}.")
    return lines


def _build_row(verdict: Verdict, report: LintReport) -> tuple[str | Text, ...]:
    explanation = verdict.explanation
    winner = explanation.winner.name if explanation.winner else "–"
    size, fate = _describe_fate(verdict)
    if verdict.waste is not None and report.is_wasteful(verdict):
        fate = Text.assemble(fate, (f", and wastes {compute_percent(verdict.waste)} % of its price", "red"))
    total = verdict.hourly_total if verdict.hourly_total is not None else verdict.hourly
    price = "" if total is None else f"{total:.5f}" + ("" if verdict.replicas is not None else " each")
    pods = "–" if verdict.replicas is None else str(verdict.replicas)
    return explanation.source, explanation.namespace, pods, winner, size, price, fate


def _describe_fate(verdict: Verdict) -> tuple[str, Text]:
    """The size, and what becomes of the pods."""
    match verdict.explanation.decision:
        case OutOfBounds(text=text) | OptOutRefused(text=text) | ProviderRefused(text=text):
            return "", Text(f"would be refused: {text}", "red")
        case Unmatched():
            return "", Text("outside Fargate: no profile matches")
        case Skipped(skip=skip):
            return "", Text(f"outside Fargate: {skip.sentence.rstrip('.')}")
        case Sandboxed(profile=profile, size=size) if verdict.explanation.off_fargate:
            return format_capacity(size.row), Text(f"would stay Pending: {UNSATISFIED.format(profile.name)}", "red")
        case Sandboxed(size=size):
            refusal = verdict.explanation.refusal
            verdict_text = Text(f"would be refused: {refusal}", "red") if refusal else Text("runs on Fargate", "green")
            return format_capacity(size.row), verdict_text
        case Unsupported(profile=profile, text=text, size=size):
            fate = "would be refused" if profile.unsupported == "Reject" else "would stay Pending"
            return (format_capacity(size.row) if size else ""), Text(f"{fate}: {text}", "red")
    assert_never(verdict.explanation.decision)


def describe_summary(report: LintReport) -> list[str]:
    """How many run where, and what that costs."""
    inside = sum(verdict.on_fargate for verdict in report.verdicts)
    stuck = sum(not verdict.would_run for verdict in report.verdicts)
    outside = len(report.verdicts) - inside - stuck
    prices = report.prices
    priced = (each.explanation.winner for each in report.verdicts if each.hourly is not None)
    providers = {profile.capacity_provider for profile in priced if profile}
    lines = [
        f"{_count(len(report.verdicts), 'workload')}: {inside} on Fargate, {outside} outside, {stuck} would not run.",
        f"{prices.currency} {sum_hourly(report):.5f} per hour while all of these pods run "
        f"({describe_basis(prices, report.architecture, providers)}).",
    ]
    if wasteful := sum(report.is_wasteful(verdict) for verdict in report.verdicts):
        verb = "wastes" if wasteful == 1 else "waste"
        lines.append(
            f"{_count(wasteful, 'workload')} {verb} more than {report.max_waste} % of the price (--max-waste)."
        )
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
