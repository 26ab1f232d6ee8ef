"""`hack/bench`: what Monopod costs, measured side by side with plain Kubernetes in one run.

Twelve questions, each in a module of its own: pods.py (how long until a pod is Ready), admission.py (what admission
adds to creating a pod), profiles.py (how soon a thousand profiles are enforced), isolation.py (how soon each of
thousands of pods has its NetworkPolicy), moves.py (how fast running pods are moved into sandboxes), startup.py (how
long `kubectl fargate` takes to say anything), ledger/usage.py (how soon the ledger says what a month cost),
ledger/recorder.py (what a recorder costs beside thousands of pods, and how far it lags), tasks.py (how fast ECS tasks
are told of), launches.py (how long one takes to run), starts/measure.py (what warm room and images save of a pod's
start), scale/measure.py (how long thousands of pods take from nothing, nodes included). Nothing here judges a figure:
machines differ, and a timed test fails on a busy one. beside.py compares two checkouts.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from lab.bench.admission import measure_admission
from lab.bench.beside import measure_beside, print_compared
from lab.bench.isolation import measure_isolation
from lab.bench.launches import measure_launches
from lab.bench.ledger.recorder import measure_ledger
from lab.bench.ledger.usage import measure_usage
from lab.bench.moves import measure_moves
from lab.bench.pods import measure_pods
from lab.bench.profiles import measure_profiles
from lab.bench.report import Measured, describe_machine, print_report, write_documents
from lab.bench.scale.measure import measure_scale
from lab.bench.starts.measure import measure_starts
from lab.bench.startup import measure_startup
from lab.bench.tasks import measure_tasks
from lab.cluster.installation import ROOT
from lab.commands import run_command
from lab.privilege import become_root

PARTS = (
    "pods",
    "admission",
    "profiles",
    "isolation",
    "moves",
    "startup",
    "usage",
    "ledger",
    "tasks",
    "launches",
    "starts",
    "scale",
)


@dataclass(frozen=True)
class Counts:
    """How often each thing is measured."""

    pods: int
    creates: int
    burst: int
    rate: float
    moves: int
    startups: int
    lifetimes: int
    running: int
    churn: int
    tasks: int
    launches: int
    starts: int
    scaled: int


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option("--pods", type=click.IntRange(1), default=30, show_default=True, help="Pods to start of each sort.")
@click.option("--creates", type=click.IntRange(1), default=240, show_default=True, help="Pods to create of each sort.")
@click.option("--burst", type=click.IntRange(1), default=10_000, show_default=True, help="Pods to isolate.")
@click.option(
    "--rate", type=click.FloatRange(1), default=100, show_default=True, help="Of these in a second, and of --churn."
)
@click.option(
    "--running", type=click.IntRange(1), default=10_000, show_default=True, help="Pods that a recorder knows."
)
@click.option(
    "--churn", type=click.IntRange(1), default=6_000, show_default=True, help="Pods that come and go meanwhile."
)
@click.option("--moves", type=click.IntRange(1), default=1000, show_default=True, help="Pods to move.")
@click.option("--startups", type=click.IntRange(1), default=20, show_default=True, help="Times to run the CLI.")
@click.option(
    "--lifetimes", type=click.IntRange(1), default=10_000_000, show_default=True, help="Pods that lived in the month."
)
@click.option("--tasks", type=click.IntRange(1), default=1000, show_default=True, help="ECS tasks to be asked for.")
@click.option(
    "--launches", type=click.IntRange(1), default=10, show_default=True, help="ECS tasks to run, and as many pods."
)
@click.option(
    "--starts", type=click.IntRange(1), default=20, show_default=True, help="Pods to start by warm room and images."
)
@click.option("--scaled", type=click.IntRange(2), default=3500, show_default=True, help="Pods to run from nothing.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here, too.")
@click.option(
    "--beside",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Measure another checkout, too, in turns with this one, and print the ratios.",
)
@click.option("--turns", type=click.IntRange(1), default=2, show_default=True, help="With --beside, of each checkout.")
@click.option(
    "--write",
    is_flag=True,
    help="Put the figures into docs/performance.md; those of pods, admission and startup together into README.md, too.",
)
def main(
    parts: tuple[str, ...], file: Path | None, beside: Path | None, turns: int, write: bool, **counts: Any
) -> None:
    """Measure what Monopod costs, side by side with plain Kubernetes: all PARTS, or those named.

    Takes about an hour and a quarter on two cores, most of it for --burst and --lifetimes, and makes and removes its
    clusters itself. Figures of a busy machine say little: leave it alone meanwhile.
    """
    wanted = parts or PARTS
    if {"pods", "launches", "starts"} & {*wanted}:
        become_root("lab.bench")
    if beside:
        if write:
            raise click.UsageError("--write is for the figures of this checkout alone, without --beside.")
        # Only those that were given: an earlier checkout lacks the options of parts that came later.
        given = click.get_current_context().get_parameter_source
        options = [
            word
            for name, count in counts.items()
            if given(name) is not ParameterSource.DEFAULT
            for word in (f"--{name}", str(count))
        ]
        compared = measure_beside(beside.resolve(), ROOT, [*wanted, *options], turns)
        print_compared(compared, beside)
        if file:
            file.write_text(json.dumps([asdict(one) for one in compared], indent=2) + "\n")
        return
    measured = measure(wanted, Counts(**counts))
    print_report(measured)
    if file:
        file.write_text(json.dumps(measured.to_json(), indent=2) + "\n")
    if write:
        write_documents(measured, ROOT)


def measure(parts: tuple[str, ...], counts: Counts) -> Measured:
    """Measures the named parts."""
    return Measured(
        machine=describe_machine(),
        pods=measure_pods(counts.pods) if "pods" in parts else None,
        admission=measure_admission(counts.creates) if "admission" in parts else None,
        profiles=measure_profiles() if "profiles" in parts else None,
        isolation=measure_isolation(counts.burst, counts.rate) if "isolation" in parts else None,
        moves=measure_moves(counts.moves) if "moves" in parts else None,
        startup=measure_startup(counts.startups) if "startup" in parts else None,
        usage=measure_usage(counts.lifetimes) if "usage" in parts else None,
        ledger=measure_ledger(counts.running, counts.churn, counts.rate) if "ledger" in parts else None,
        tasks=measure_tasks(counts.tasks) if "tasks" in parts else None,
        launches=measure_launches(counts.launches) if "launches" in parts else None,
        starts=measure_starts(counts.starts) if "starts" in parts else None,
        scale=measure_scale(counts.scaled) if "scale" in parts else None,
    )


if __name__ == "__main__":
    run_command(main, "hack/bench")
