"""Two checkouts side by side: each measures itself by its own `hack/bench`, in turns, on the same machine.

Other work on the machine changes from minute to minute, so a figure is the median of all turns, and what one checkout
uses (CPU time, memory, requests) says more than how long it takes.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from lab.progress import say
from lab.shell import CommandFailed

UNMEASURED = "machine"
TITLES = ("mode", "title")
"""The fields that name an item of a list; an item without any has its number."""


@dataclass(frozen=True)
class Compared:
    """One figure in both checkouts, by turn."""

    name: str
    other: tuple[float, ...]
    this: tuple[float, ...]

    @property
    def ratio(self) -> float | None:
        """How much more it is here; None where the other has nothing."""
        return median(self.this) / median(self.other) if median(self.other) else None


def measure_beside(other: Path, this: Path, arguments: Sequence[str], turns: int) -> list[Compared]:
    """Has both checkouts measure what `hack/bench` is to with these arguments, so many times each.

    Raises:
        CommandFailed: One of them can't.
    """
    runs: dict[Path, list[Any]] = {other: [], this: []}
    for turn in range(turns):
        # Who is first changes, so that neither always has what the one before it left in caches.
        for checkout in (other, this) if turn % 2 == 0 else (this, other):
            say(f"turn {turn + 1} of {turns}: {checkout}")
            runs[checkout].append(_measure(checkout, arguments))
    return compare(runs[other], runs[this])


def compare(other: Sequence[Any], this: Sequence[Any]) -> list[Compared]:
    """The figures that both have and that aren't the same in all runs, as how many pods there were is."""
    others, these = ([dict(flatten(run)) for run in runs] for runs in (other, this))
    names = [name for name in these[0] if all(name in run for run in (*others, *these))]
    found = [Compared(name, tuple(run[name] for run in others), tuple(run[name] for run in these)) for name in names]
    return [one for one in found if len({*one.other, *one.this}) > 1]


def flatten(measured: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """The numbers in what `hack/bench --json` writes, by where they are: `isolation PerPod cpu`."""
    match measured:
        case dict():
            for key, value in measured.items():
                if key != UNMEASURED:
                    yield from flatten(value, f"{name} {key}".strip())
        case list():
            for number, item in enumerate(measured):
                title = next((item[key] for key in TITLES if key in item), str(number))
                yield from flatten(item, f"{name} {title}")
        case int() | float() if not isinstance(measured, bool):
            yield name, float(measured)
        case _:
            pass  # words, and parts that weren't measured


def print_compared(figures: Sequence[Compared], other: Path) -> None:
    """Prints a table: seconds, bytes and counts as they are in the JSON."""
    table = Table(title=f"Medians, beside {other}", title_justify="left", box=box.SIMPLE_HEAD)
    for index, heading in enumerate(("", "there", "here", "ratio", "there, each turn", "here, each turn")):
        table.add_column(heading, justify="right" if index else "left")
    for one in figures:
        values = (f"{median(one.other):.4g}", f"{median(one.this):.4g}")
        turns = (" ".join(f"{value:.4g}" for value in values) for values in (one.other, one.this))
        table.add_row(one.name, *values, "" if one.ratio is None else f"{one.ratio:.2f}", *turns)
    console = Console()
    (console if console.is_terminal else Console(width=160)).print(table)


def _measure(checkout: Path, arguments: Sequence[str]) -> Any:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "figures.json")
        command = [str(checkout / "hack/bench"), *arguments, "--json", str(file)]
        done = subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise CommandFailed(f"{' '.join(command)}: exit status {done.returncode}")
        return json.loads(file.read_text())
