"""Runs conformance specs on a cluster; each writes a line to a file as it ends, so a run that was stopped can go on.

Ginkgo's own program gives the specs to processes side by side. Serial ones, which
change what all others see (taints, daemons, the whole cluster's capacity), run by one process on another cluster.
"""

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.build.toolchain import build_kubectl, build_tools
from lab.cluster.provider import Cluster
from lab.conformance.ginkgo import read_results
from lab.progress import say
from lab.shell import CommandFailed, run

PROGRESS_SECONDS = 60.0
HOURS = 6
_RUNNING: set[int] = set()
"""Process groups."""

_STOPPING = threading.Event()
"""Also ends what a thread starts only now, because it was making a cluster until then."""


@dataclass(frozen=True)
class Part:
    """Specs that run on one cluster.

    Attributes:
        name: A word.
        labels: Ginkgo's filter of their labels.
        processes: How many run side by side.
        nodes: Number of the cluster's nodes.
    """

    name: str
    labels: str
    processes: int
    nodes: int


@dataclass(frozen=True)
class Run:
    """A part, once: without a profile or with one.

    Attributes:
        part: The part.
        specs: Whole names of its specs.
        folder: Gets results and log.
    """

    part: Part
    specs: Sequence[str]
    folder: Path

    @property
    def results(self) -> Path:
        """A line for each spec that has ended."""
        return self.folder / f"{self.part.name}.jsonl"

    @property
    def log(self) -> Path:
        """What failed specs said."""
        return self.folder / f"{self.part.name}.log"

    @property
    def title(self) -> str:
        """For lines of progress."""
        return f"{self.folder.name} a profile, {self.part.name}"

    def find_left(self) -> list[str]:
        """The specs that haven't ended yet."""
        ended = read_results(self.results)
        return [spec for spec in self.specs if spec not in ended]


def list_specs(part: Part, focuses: Iterable[str], skipped: Iterable[str]) -> list[str]:
    """Whole names of a part's specs, of those that match a focus and no expression to skip."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        flags = [f"--results={results}", "--ginkgo.dry-run", f"--ginkgo.label-filter={part.labels}"]
        flags += [*(f"--ginkgo.focus={each}" for each in focuses), *(f"--ginkgo.skip={each}" for each in skipped)]
        run([build_tools("conformance")["conformance.test"], *flags])
        return sorted(read_results(results))


def build_command(wanted: Run, left: Sequence[str], kubeconfig: Path) -> list[str | Path]:
    """The command that runs what is left of a run."""
    programs = build_tools("conformance")
    return [
        programs["ginkgo"],
        f"--procs={wanted.part.processes}",
        f"--timeout={HOURS}h",
        f"--label-filter={wanted.part.labels}",
        *(f"--focus={re.escape(spec)}$" for spec in left),
        "--no-color",
        "--silence-skips",
        # Or it waits for the end of whatever a spec has started and left.
        "--output-interceptor-mode=none",
        programs["conformance.test"],
        "--",
        f"--kubeconfig={kubeconfig}",
        f"--kubectl-path={build_kubectl()}",
        f"--results={wanted.results}",
    ]


def run_specs(wanted: Run, cluster: Cluster) -> None:
    """Runs what is left of a run.

    Raises:
        CommandFailed: If specs have still not ended.
    """
    left, started = wanted.find_left(), time.monotonic()
    say(f"  {wanted.title}: {len(left)} of {len(wanted.specs)} specs to run; log: {wanted.log}")
    command = [str(word) for word in build_command(wanted, left, cluster.kubeconfig_path)]
    with (
        wanted.log.open("a") as output,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        ) as process,
    ):
        _RUNNING.add(process.pid)
        if _STOPPING.is_set():
            interrupt_all()
        while not _ended(process):
            _tell(wanted, started)
        _RUNNING.discard(process.pid)
    _tell(wanted, started)
    if missing := wanted.find_left():
        raise CommandFailed(f"{wanted.title}: {len(missing)} specs haven't ended: {wanted.log.read_text()[-2000:]}")


def interrupt_all() -> None:
    """Ends all runs, before their clusters end: specs that are interrupted have no result, others would have failed."""
    _STOPPING.set()
    for group in list(_RUNNING):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGINT)


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(PROGRESS_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def _tell(wanted: Run, started: float) -> None:
    ended = read_results(wanted.results)
    failed, minutes = sum(map(bool, ended.values())), (time.monotonic() - started) / 60
    say(f"  {wanted.title}: {len(ended)} of {len(wanted.specs)} specs, {failed} failed, after {minutes:.0f} min")
