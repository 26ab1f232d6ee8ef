"""What `patch plan` writes: a table in the order in which pods go, with a summary, or JSON. Its fields only grow."""

from collections.abc import Iterator
from typing import Any, Final, assert_never

from rich.table import Table
from rich.text import Text

from monopod.cli.output.rows import write_json
from monopod.cli.output.terminal import build_grid, print_lines
from monopod.cli.patch.forecast import PatchPlan, Replacement
from monopod.kube.objects.timestamps import format_time
from monopod.patching.rules.rounds import Done, Evicting, Noticed, Overdue, Waiting

_HEAD: Final = ("zone", "pod", "profile", "sandbox since", "because of", "may go from", "")


def write(plan: PatchPlan, output: str) -> None:
    """Writes the plan to stdout, as `text` or `json`."""
    if output == "json":
        write_json(build_report(plan))
        return
    table = (_build_table(plan), "") if plan.replacements else ()
    print_lines(*table, *describe(plan))


def build_report(plan: PatchPlan) -> dict[str, Any]:
    """The object that is written."""
    patch = plan.terms.patch
    return {
        "runtimeClassName": plan.terms.runtime_class,
        "patched": format_time(patch.date) if patch else None,
        "phase": type(plan.round).__name__,
        "evictionsFrom": _format_beginning(plan),
        "pods": [_build_pod(each) for each in plan.replacements],
        "summary": {
            "sandboxes": plan.sandboxes,
            "stale": len(plan.replacements),
            "blocked": sum(bool(each.refusal) for each in plan.replacements),
        },
    }


def _build_pod(each: Replacement) -> dict[str, Any]:
    return {
        "namespace": each.pod.namespace,
        "pod": each.pod.name,
        "profile": each.pod.profile,
        "node": each.pod.node or None,
        "zone": each.zone or None,
        "startedAt": format_time(each.pod.started),
        "cause": each.pod.cause.value,
        "eligibleFrom": format_time(each.pod.eligible_from),
        "terminating": each.pod.is_terminating,
        "refusal": each.refusal or None,
    }


def _format_beginning(plan: PatchPlan) -> str | None:
    match plan.round:
        case Noticed(evictions_from=moment) | Waiting(evictions_from=moment):
            return format_time(moment)
        case Evicting() | Overdue():
            return format_time(plan.terms.now)
        case Done():
            return None
    assert_never(plan.round)


def _build_table(plan: PatchPlan) -> Table:
    table = build_grid(len(_HEAD))
    table.add_row(*_HEAD, style="dim")
    for each in plan.replacements:
        fate = "is terminating" if each.pod.is_terminating else f"blocked now: {each.refusal}" if each.refusal else ""
        moments = format_time(each.pod.started), each.pod.cause.lower(), format_time(each.pod.eligible_from)
        table.add_row(each.zone or "none", str(each.pod), each.pod.profile, *moments, Text(fate, "red"))
    return table


def describe(plan: PatchPlan) -> Iterator[str]:
    """How many sandboxes are stale, and when evictions would begin."""
    name, patch, stale = plan.terms.runtime_class, plan.terms.patch, len(plan.replacements)
    since = f", patched at {format_time(patch.date)}" if patch else ""
    if not stale:
        yield f"RuntimeClass {name}{since}: none of {_count(plan.sandboxes, 'sandbox')} is to be replaced."
        return
    verb = "is" if stale == 1 else "are"
    yield f"RuntimeClass {name}{since}: {stale} of {_count(plan.sandboxes, 'sandbox')} {verb} to be replaced."
    beginning = _format_beginning(plan)
    yield f"With a notice now, evictions would begin at {beginning}, zone after zone, the oldest pods first."
    if blocked := sum(bool(each.refusal) for each in plan.replacements):
        yield f"{_count(blocked, 'pod')} couldn't be evicted now."


def _count(number: int, noun: str) -> str:
    plural = "es" if noun.endswith("x") else "s"
    return f"{number} {noun}{'' if number == 1 else plural}"
