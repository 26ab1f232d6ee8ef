"""How long `kubectl fargate --help` takes, beside a Python that does nothing."""

import subprocess
import sys
import time
from dataclasses import dataclass

from lab.bench.figures import Figures, sum_up
from lab.progress import step

NOTHING = [sys.executable, "-c", "pass"]
HELP = [sys.executable, "-m", "monopod.cli", "--help"]


@dataclass(frozen=True)
class StartupFigures:
    """Seconds from start to end of a process.

    Attributes:
        nothing: Python itself.
        help: `kubectl fargate --help`.
    """

    nothing: Figures
    help: Figures


def measure_startup(count: int) -> StartupFigures:
    """Runs each `count` times, in turns, after once that fills the caches."""
    times: dict[str, list[float]] = {"nothing": [], "help": []}
    with step(f"starting the CLI {count} times", count * 0.5):
        for turn in range(count + 1):
            for name, command in (("nothing", NOTHING), ("help", HELP)):
                began = time.perf_counter()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                if turn:
                    times[name].append(time.perf_counter() - began)
    return StartupFigures(sum_up(times["nothing"]), sum_up(times["help"]))
