"""What `interrupt` writes: a line for each pod and a summary, or JSON. The JSON's fields only grow."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from monopod.api.names import FARGATE_SPOT
from monopod.cli.output.rows import write_json
from monopod.cli.output.terminal import build_grid, print_lines

Row = dict[str, Any]

_SENTENCES = {
    "WouldBeInterrupted": ("would be interrupted", ""),
    "Interrupted": ("interrupted", "green"),
    "Blocked": ("blocked", "yellow"),
    "Gone": ("gone already", ""),
    "Failed": ("failed", "red"),
}


def write(rows: Sequence[Row], candidates: int, seed: str, output: str) -> None:
    """Writes what became of the pods to stdout, as `text` or `json`.

    Args:
        rows: a pod each.
        candidates: how many pods they were chosen from.
        seed: what they were chosen by; "" if they were named.
        output: the format.
    """
    if output == "json":
        write_json({"pods": list(rows), "candidates": candidates, "seed": seed or None})
        return
    print_lines(_build_table(rows), "", *describe(rows, candidates, seed))


def _build_table(rows: Sequence[Row]) -> Table:
    table = build_grid(4)
    table.add_row("pod", "runs", "grace", "", style="dim")
    for row in rows:
        words, style = _SENTENCES[row["outcome"]]
        fate = f"{words}: {row['message']}" if row["message"] else words
        runs = "on Spot" if row["capacityProvider"] == FARGATE_SPOT else "on demand"
        table.add_row(f"{row['namespace']}/{row['pod']}", runs, f"{row['graceSeconds']}s", Text(fate, style))
    return table


def describe(rows: Sequence[Row], candidates: int, seed: str) -> Iterator[str]:
    """How many pods were chosen, by what, and what became of them."""
    counts = Counter(row["outcome"] for row in rows)
    told = ", ".join(f"{counts[outcome]} {words}" for outcome, (words, _) in _SENTENCES.items() if counts[outcome])
    chosen = f"{len(rows)} of {candidates} pod{'' if candidates == 1 else 's'}"
    yield f"{chosen}: {told}."
    if seed:
        yield f"The same pods again: --seed {seed}."
