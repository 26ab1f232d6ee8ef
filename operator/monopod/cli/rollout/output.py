"""What `rollout` writes: a few lines, JSON, or a progress bar. The JSON's fields only grow."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from monopod.cli.output.terminal import build_grid, print_lines
from monopod.cli.rollout.state import Rollout, State

_STYLES: Final = {State.DONE: "green", State.BLOCKED: "red", State.PAUSED: "yellow"}


def write_json(rollout: Rollout) -> None:
    """Writes one JSON object to stdout."""
    click.echo(json.dumps(build_report(rollout), indent=2, ensure_ascii=False))


def build_report(rollout: Rollout) -> dict[str, Any]:
    """The object that is written."""
    return {
        "profile": rollout.profile,
        "state": rollout.state,
        "message": rollout.message,
        "startedAt": rollout.started or None,
        "pods": rollout.pods,
        "moved": rollout.moved,
        "waiting": rollout.waiting,
        "blocked": rollout.blocked,
        "left": rollout.left,
        "blockers": [
            {"reason": each.reason, "message": each.message, "pods": each.pods, "examples": list(each.examples)}
            for each in rollout.blockers
        ],
    }


def write_text(rollout: Rollout) -> None:
    """Writes a line, and below it what blocks, to stdout; in colour on a terminal."""
    print_lines(Text.assemble((describe(rollout), _STYLES.get(rollout.state, ""))), *_build_blockers(rollout))


def describe(rollout: Rollout) -> str:
    """Where it stands, as one line."""
    if not rollout.pods:
        return f"{rollout.profile}: {rollout.state}: {rollout.message}"
    counts = f"{rollout.moved}/{rollout.pods} moved, {rollout.waiting} waiting, {rollout.blocked} blocked"
    return f"{rollout.profile}: {rollout.state}: {counts}, {rollout.left} left alone"


def write_blockers(rollout: Rollout) -> None:
    """Writes what blocks, where a line or a bar has said the rest."""
    print_lines(*_build_blockers(rollout))


def _build_blockers(rollout: Rollout) -> Iterator[Any]:
    if not rollout.blockers:
        return
    table = build_grid(3)
    for each in rollout.blockers:
        pods = "1 pod" if each.pods == 1 else f"{each.pods} pods"
        table.add_row(Text(each.reason, "yellow"), pods, each.message)
        more = " …" if each.pods > len(each.examples) else ""
        if each.examples:
            table.add_row("", "", Text(", ".join(each.examples) + more, "dim"))
    yield ""
    yield table


def show(rollouts: Iterable[Rollout]) -> Rollout:
    """Shows each state of a rescheduling as it comes, and returns the last: a bar on a terminal, else lines."""
    console = Console(highlight=False, markup=False, emoji=False)
    return _show_bar(rollouts, console) if console.is_terminal else _show_lines(rollouts)


def _show_lines(rollouts: Iterable[Rollout]) -> Rollout:
    last: Rollout | None = None
    for rollout in rollouts:
        if last is None or describe(rollout) != describe(last):
            click.echo(describe(rollout))
        last = rollout
    return _require(last)


def _show_bar(rollouts: Iterable[Rollout], console: Console) -> Rollout:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[counts]}"), TimeElapsedColumn())
    last: Rollout | None = None
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=None, counts="")
        for rollout in rollouts:
            counts = describe(rollout).partition(f"{rollout.state}: ")[2]
            # Without pods there is no share to show: an empty bar while it isn't known, a full one when it is done.
            total = rollout.pods or 1
            finished = total if rollout.state is State.DONE else rollout.finished
            title = f"{rollout.profile}: {rollout.state}"
            progress.update(task, description=title, total=total, completed=finished, counts=counts)
            last = rollout
    return _require(last)


def _require(last: Rollout | None) -> Rollout:
    if last is None:
        raise ValueError("there was nothing to show")
    return last
