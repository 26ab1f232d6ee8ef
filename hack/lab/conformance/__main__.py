"""`make test-conformance`: Kubernetes' conformance tests without a profile and with one that takes every namespace.

On clusters of its own with Monopod in them. What a conformant cluster does anyway must still be so; where a rule of
Fargate's or the sandbox forbids it, the difference is expected, by class and with a reason (conformance.yaml).
"""

import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from lab.cluster.installation import ROOT
from lab.commands import run_command
from lab.conformance.clusters import Clusters
from lab.conformance.ginkgo import read_results, shorten
from lab.conformance.images import build_conformance_images
from lab.conformance.report import Comparison, Expectations, compare, read_expectations, render_comparison
from lab.conformance.run import Part, Run, interrupt_all, list_specs, run_specs
from lab.places import cache_dir
from lab.privilege import become_root

WITHOUT, WITH = "without", "with"
SERIAL, ELSE, ALONE = "serial", "parallel", "alone"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--focus", "focuses", multiple=True, help="Only specs whose names match this regular expression.")
@click.option("--resume", is_flag=True, help="Go on where the last run was stopped.")
@click.option("--clusters", type=click.IntRange(1, 4), default=2, show_default=True, help="Clusters side by side.")
@click.option("--processes", type=click.IntRange(1, 32), default=8, show_default=True, help="Specs side by side.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=ROOT / "artifacts/conformance",
    help="Gets results and logs.  [default: artifacts/conformance]",
)
def main(focuses: tuple[str, ...], resume: bool, clusters: int, processes: int, folder: Path) -> None:
    """Run Kubernetes' conformance tests without a profile and with one, and print the difference by class.

    Specs that fail without a profile, or unexpectedly with one, are run again alone, and that counts. Ends with 1 if a
    spec fails with a profile only and isn't expected to, or if none ran. All of them take an hour and a half on two
    cores.
    """
    become_root("lab.conformance")
    expectations = read_expectations()
    skipped = [pattern for each in expectations.not_run for pattern in each.specs]
    # The longest first: with a profile, serial specs wait one after another for pods that Fargate never runs.
    # The others need room: a pod of a profile takes at least 0.3 CPU, and a node has as many as the machine.
    parts = (Part(SERIAL, "Conformance && Serial", 1, 2), Part(ELSE, "Conformance && !Serial", processes, 3))
    specs = {part: list_specs(part, focuses, skipped) for part in parts}
    folder = folder.absolute()
    runs = [Run(part, specs[part], folder / case) for case in (WITH, WITHOUT) for part in parts]
    if not resume:
        _forget(folder)
    made = Clusters(build_conformance_images(cache_dir() / "images"))
    _run_side_by_side(made, runs, clusters)
    for case in (WITHOUT, WITH):
        again = Run(Part(ALONE, "Conformance", 1, 2), _find_doubtful(folder, case, expectations), folder / case)
        _run_side_by_side(made, [again], 1)
    comparison = _compare(folder, expectations)
    click.echo(render_comparison(comparison))
    if not comparison.as_expected:
        raise click.exceptions.Exit(1)


def _forget(folder: Path) -> None:
    for file in [*folder.glob("with*/*.jsonl"), *folder.glob("with*/*.log")]:
        file.unlink()


def _run_side_by_side(made: Clusters, runs: Sequence[Run], clusters: int) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    pool = ThreadPoolExecutor(clusters)
    try:
        for each in [pool.submit(_run, made, wanted) for wanted in runs]:
            each.result()
    except KeyboardInterrupt:
        interrupt_all()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _run(made: Clusters, wanted: Run) -> None:
    if wanted.find_left():
        wanted.folder.mkdir(parents=True, exist_ok=True)
        with made.provide(wanted.part.nodes, profile=wanted.folder.name == WITH) as cluster:
            run_specs(wanted, cluster)


def _read(folder: Path, case: str) -> dict[str, str]:
    """By short names; what ran alone counts."""
    results = read_results(*(folder / case / f"{part}.jsonl" for part in (SERIAL, ELSE, ALONE)))
    return {shorten(spec): failure for spec, failure in results.items()}


def _compare(folder: Path, expectations: Expectations) -> Comparison:
    return compare(_read(folder, WITHOUT), _read(folder, WITH), expectations.differences)


def _find_doubtful(folder: Path, case: str, expectations: Expectations) -> list[str]:
    """Whole names of the specs that may have failed only because others ran beside them."""
    first = read_results(*(folder / case / f"{part}.jsonl" for part in (SERIAL, ELSE)))
    unexpected = _compare(folder, expectations).unexpected
    return [spec for spec, failure in first.items() if failure and (case == WITHOUT or shorten(spec) in unexpected)]


if __name__ == "__main__":
    run_command(main, "make test-conformance")
