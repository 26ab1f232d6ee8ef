"""The benchmark's figures as tables: on the terminal, as JSON, and in the documents."""

import datetime
import os
import platform
import re
import textwrap
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from lab.bench.admission import AdmissionFigures
from lab.bench.isolation import IsolationFigures
from lab.bench.launches import LaunchFigures
from lab.bench.ledger.recorder import LedgerFigures, ProcessFigures
from lab.bench.ledger.usage import UsageFigures
from lab.bench.moves import MoveFigures
from lab.bench.pods import PodFigures
from lab.bench.profiles import ProfileFigures
from lab.bench.scale.measure import ScaleFigures
from lab.bench.scale.table import build_scale_table
from lab.bench.starts.measure import StartFigures
from lab.bench.starts.table import build_start_table
from lab.bench.startup import StartupFigures
from lab.bench.tasks import TaskFigures
from lab.build.pins import read_pins

SUMMARY = "figures"
"""What the README's part is called in its markers; those of docs/performance.md are `figures of pods` and so on."""
PERFORMANCE = Path("docs/performance.md")
README = Path("README.md")
CompiledSelectors = list[list[str]]
POD_HEADINGS = ["pod", "median", "p99", "longest", "median, as a ratio", "p99, as a ratio"]
ADMISSION_HEADINGS = ["pods are created with", "median", "p99", "added to the median", "server, mean", "policies, mean"]
PROFILE_HEADINGS = ["many profiles", ""]
ISOLATION_HEADINGS = ["", "`PerPod`", "`PerGroup`"]
MOVE_HEADINGS = ["moving pods that run outside", ""]
STARTUP_HEADINGS = ["command", "median", "p99"]
USAGE_HEADINGS = ["what the ledger does", ""]
LEDGER_HEADINGS = ["", "a recorder", "a bare watch", "as a ratio"]
TASK_HEADINGS = ["operation of ECS", "median", "p99", "longest"]
LAUNCH_HEADINGS = ["", "median", "longest", "median, as a ratio"]


@dataclass(frozen=True)
class Machine:
    """What the figures were taken on."""

    date: str
    cores: int
    processor: str
    kernel: str
    kubernetes: str
    gvisor: str
    load: float
    """Processes that ran or waited for a core in the minute before: work that the figures shared the machine with."""

    def __str__(self) -> str:
        parts = (
            f"{self.cores} cores ({self.processor})",
            f"Linux {self.kernel}",
            f"Kubernetes {self.kubernetes}",
            f"gVisor {self.gvisor.split('-')[1][:8]} on systrap",
            f"load average {self.load:.1f} at the start",
        )
        return ", ".join(parts) + f"; {self.date}"


@dataclass(frozen=True)
class Measured:
    """All figures of a run; None for a part that wasn't measured."""

    machine: Machine
    pods: PodFigures | None = None
    admission: tuple[AdmissionFigures, ...] | None = None
    profiles: ProfileFigures | None = None
    isolation: tuple[IsolationFigures, ...] | None = None
    moves: MoveFigures | None = None
    startup: StartupFigures | None = None
    usage: UsageFigures | None = None
    ledger: LedgerFigures | None = None
    tasks: TaskFigures | None = None
    launches: LaunchFigures | None = None
    starts: StartFigures | None = None
    scale: ScaleFigures | None = None

    def to_json(self) -> dict[str, Any]:
        """Everything, times in seconds."""
        return asdict(self)


def describe_machine() -> Machine:
    """This machine."""
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    pins = read_pins()
    return Machine(
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        cores=len(os.sched_getaffinity(0)),
        processor=found.group(1) if found else platform.machine(),
        kernel=platform.release(),
        kubernetes=pins["kubernetes"],
        gvisor=pins["gvisor"],
        load=os.getloadavg()[0],
    )


def mark(name: str) -> tuple[str, str]:
    """The lines between which a document holds figures."""
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def print_report(measured: Measured) -> None:
    """Prints the tables."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=132)
    console.print(f"\n{measured.machine}\n")
    for title, headings, rows in build_tables(measured).values():
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
        for index, heading in enumerate(headings):
            table.add_column(heading, justify="right" if index else "left")
        for row in rows:
            table.add_row(*row)
        console.print(table)


def build_tables(measured: Measured) -> dict[str, tuple[str, list[str], CompiledSelectors]]:
    """Title, headings and rows of each part that was measured."""
    tables: dict[str, tuple[str, list[str], CompiledSelectors]] = {}
    if measured.pods:
        title = f"From creating a pod to Ready ({measured.pods.monopod.count} of each)"
        tables["pods"] = (title, POD_HEADINGS, _build_pod_rows(measured.pods))
    if measured.admission:
        title = f"Creating a pod ({measured.admission[0].client.count} of each)"
        tables["admission"] = (title, ADMISSION_HEADINGS, _build_admission_rows(measured.admission))
    if measured.profiles:
        one = measured.profiles
        title = f"{one.profiles:,} profiles in {one.namespaces:,} namespaces, {one.crowded} of them on one"
        tables["profiles"] = (title, PROFILE_HEADINGS, _build_profile_rows(one))
    if measured.isolation:
        title = f"Isolating pods ({measured.isolation[0].pods:,} in a row)"
        tables["isolation"] = (title, ISOLATION_HEADINGS, _build_isolation_rows(measured.isolation))
    if measured.moves:
        title = f"Rescheduling ({measured.moves.pods:,} pods of {measured.moves.deployments} Deployments)"
        tables["moves"] = (title, MOVE_HEADINGS, _build_move_rows(measured.moves))
    if measured.startup:
        title = f"Starting the CLI ({measured.startup.help.count} of each)"
        tables["startup"] = (title, STARTUP_HEADINGS, _build_startup_rows(measured.startup))
    if measured.usage:
        month = measured.usage
        title = f"The ledger with {month.lifetimes:,} ended pods of a month and {month.open:,} running"
        tables["usage"] = (title, USAGE_HEADINGS, _build_usage_rows(month))
    if measured.ledger:
        title = f"Recording {measured.ledger.running:,} running pods, and {measured.ledger.churned:,} that come and go"
        tables["ledger"] = (title, LEDGER_HEADINGS, _build_ledger_rows(measured.ledger))
    if measured.tasks:
        title = f"The AWS endpoint beside {measured.tasks.tasks:,} ECS tasks ({measured.tasks.one.count} of each)"
        tables["tasks"] = (title, TASK_HEADINGS, _build_task_rows(measured.tasks))
    if measured.launches:
        title = f"From RunTask to RUNNING ({measured.launches.task.count} of each)"
        tables["launches"] = (title, LAUNCH_HEADINGS, _build_launch_rows(measured.launches))
    if measured.starts:
        tables["starts"] = build_start_table(measured.starts)
    if measured.scale:
        tables["scale"] = build_scale_table(measured.scale)
    return tables


def write_documents(measured: Measured, root: Path) -> None:
    """Puts what was measured into docs/performance.md, each part between its markers, and a summary into README.md.

    The summary is left as it is if parts of it weren't measured.
    """
    for part, text in build_details(measured).items():
        _replace(root / PERFORMANCE, f"figures of {part}", text)
    if measured.pods and measured.admission and measured.startup:
        _replace(root / README, SUMMARY, build_summary(measured))


def build_details(measured: Measured) -> dict[str, str]:
    """The tables in Markdown, by part; each says where it was measured, because parts may be measured apart."""
    return {
        part: "\n\n".join([f"### {title}", _to_markdown(headings, rows), _wrap(f"Measured on {measured.machine}.")])
        for part, (title, headings, rows) in build_tables(measured).items()
    }


def build_summary(measured: Measured) -> str:
    """A few lines for the README.

    Raises:
        ValueError: If a part wasn't measured.
    """
    if not (measured.pods and measured.admission and measured.startup):
        raise ValueError("a summary needs all parts")
    pods, plain = measured.pods, measured.admission[0]
    added = [one for one in measured.admission if one.profiles]
    headings = ["", "plain", "with Monopod", ""]
    rows = [
        ["pod start, median", _seconds(pods.node.median), _seconds(pods.monopod.median), _ratio(pods, "median")],
        ["pod start, p99", _seconds(pods.node.p99), _seconds(pods.monopod.p99), _ratio(pods, "p99")],
    ]
    rows += [
        [
            f"creating a pod, {_count_profiles(one)}, median",
            _milliseconds(plain.client.median),
            _milliseconds(one.client.median),
            _difference(one.client.median - plain.client.median),
        ]
        for one in added
    ]
    rows.append(["`kubectl fargate --help`", "", _seconds(measured.startup.help.median), ""])
    note = (
        f"Pod start is creation to Ready, {pods.node.count} pods of each in turns on one node; plain is runc, and with "
        f"Monopod each pod starts a gVisor of its own. A gVisor pod without Monopod has a median of "
        f"{_seconds(pods.by_hand.median)}. {measured.machine}."
    )
    return "\n\n".join([_to_markdown(headings, rows), _wrap(note)])


def _build_pod_rows(pods: PodFigures) -> CompiledSelectors:
    named = (
        ("on the node's kernel (runc)", pods.node),
        ("in a sandbox by its manifest, no profile", pods.by_hand),
        ("in a sandbox by Monopod", pods.monopod),
    )
    return [
        [
            name,
            _seconds(one.median),
            _seconds(one.p99),
            _seconds(one.longest),
            f"{one.median / pods.node.median:.2f}",
            f"{one.p99 / pods.node.p99:.2f}",
        ]
        for name, one in named
    ]


def _build_admission_rows(series: tuple[AdmissionFigures, ...]) -> CompiledSelectors:
    plain = series[0].client.median
    return [
        [
            one.title,
            _milliseconds(one.client.median),
            _milliseconds(one.client.p99),
            _difference(one.client.median - plain) if one.policies else "",
            _milliseconds(one.server),
            _milliseconds(one.admission),
        ]
        for one in series
    ]


def _build_profile_rows(one: ProfileFigures) -> CompiledSelectors:
    return [
        ["creating them, eight at a time", _seconds(one.created)],
        ["from the first one's creation until all are ACTIVE", _seconds(one.active)],
        ["the operator's CPU time until then", _seconds(one.cpu)],
        ["its CPU time in a minute without changes", _seconds(one.idle)],
        ["the operator's memory at its most", _mebibytes(one.memory)],
        ["one more profile, from its creation until it is ACTIVE", _seconds(one.one_more)],
    ]


def _build_isolation_rows(series: tuple[IsolationFigures, ...]) -> CompiledSelectors:
    offered = f"{series[0].offered:.0f}"
    rows: tuple[tuple[str, Callable[[IsolationFigures], str]], ...] = (
        ("from a pod's creation to its policy, median", lambda one: _seconds(one.policy.median)),
        ("the same, p99", lambda one: _seconds(one.policy.p99)),
        ("the same, longest", lambda one: _seconds(one.policy.longest)),
        (f"pods created in a second ({offered} offered)", lambda one: f"{one.reached:.0f}"),
        ("writes of NetworkPolicies, for each pod", lambda one: f"{one.policy_writes:.2f}"),
        ("writes of the operator on pods, for each pod", lambda one: f"{one.pod_writes:.2f}"),
        ("the operator's CPU time, for each pod", lambda one: _milliseconds(one.cpu)),
        ("the operator's memory at its most", lambda one: _mebibytes(one.memory)),
    )
    return [[name, *(show(one) for one in series)] for name, show in rows]


def _build_move_rows(one: MoveFigures) -> CompiledSelectors:
    return [
        ["pods moved in a minute", f"{one.per_minute:.0f}"],
        ["the operator's requests to the API server, for each pod", f"{one.requests:.1f}"],
        ["the operator's CPU time, for each pod", _milliseconds(one.cpu)],
        ["the operator's CPU time, in all", _seconds(one.cpu * one.pods)],
        ["the operator's memory at its most", f"{one.memory / 2**20:.0f} MiB"],
    ]


def _build_startup_rows(startup: StartupFigures) -> CompiledSelectors:
    named = (("python -c pass", startup.nothing), ("kubectl fargate --help", startup.help))
    return [[name, _seconds(one.median), _seconds(one.p99)] for name, one in named]


def _build_usage_rows(one: UsageFigures) -> CompiledSelectors:
    return [
        ["usage of the month by namespace", _seconds(one.by_namespace)],
        ["CPU time of the same", _seconds(one.by_namespace_cpu)],
        ["the same without hourly sums, by one SQL query", _seconds(one.by_namespace_from_rows)],
        ["usage of the last 24 hours by namespace", _seconds(one.day_by_namespace)],
        ["usage of the month by workload, of all namespaces", _seconds(one.by_workload)],
        ["the same of one namespace", _seconds(one.tenant_by_workload)],
        ["usage of the month by a label, which isn't summed ahead", _seconds(one.by_label)],
        ["keeping 500 facts, on disk", _milliseconds(one.join)],
        ["size of the database", f"{one.size / 2**30:.1f} GiB"],
    ]


def _build_ledger_rows(one: LedgerFigures) -> CompiledSelectors:
    compared: tuple[tuple[str, Callable[[float], str], Callable[[ProcessFigures], float]], ...] = (
        ("CPU time to start and to read the running pods", _seconds, lambda process: process.started),
        ("share of a core while no pod changes", lambda share: f"{share:.2%}", lambda process: process.idle),
        ("CPU time for each pod that comes and goes", _milliseconds, lambda process: process.churn),
        ("memory at its most", lambda size: _mebibytes(round(size)), lambda process: process.memory),
    )
    rows = [
        [name, show(get(one.recorder)), show(get(one.watch)), _divide(get(one.recorder), get(one.watch))]
        for name, show, get in compared
    ]
    lag = (("median", one.lag.median), ("p99", one.lag.p99), ("longest", one.lag.longest))
    rows += [[f"from a pod's creation until it is committed, {name}", _seconds(value), "", ""] for name, value in lag]
    rows.append([f"pods created in a second ({one.offered:.0f} offered)", f"{one.reached:.0f}", "", ""])
    return rows


def _build_task_rows(one: TaskFigures) -> CompiledSelectors:
    named = (
        ("DescribeTasks of one", one.one),
        ("DescribeTasks of a hundred", one.hundred),
        ("ListTasks, one page", one.listed),
        ("RunTask", one.run),
    )
    rows = [[name, *map(_milliseconds, (each.median, each.p99, each.longest))] for name, each in named]
    return [*rows, ["memory of the endpoint at its most", _mebibytes(one.memory), "", ""]]


def _build_launch_rows(one: LaunchFigures) -> CompiledSelectors:
    named = (
        ("a pod in a sandbox, until its container has started", one.pod),
        ("the same, as simple as a task's", one.simple),
        ("an ECS task, until RUNNING", one.task),
    )
    return [
        [name, _seconds(each.median), _seconds(each.longest), _divide(each.median, one.pod.median)]
        for name, each in named
    ]


def _divide(above: float, below: float) -> str:
    return f"{above / below:.2f}" if below else ""


def _ratio(pods: PodFigures, which: str) -> str:
    above: float = getattr(pods.monopod, which)
    below: float = getattr(pods.node, which)
    return f"× {above / below:.2f}"


def _count_profiles(one: AdmissionFigures) -> str:
    return f"{one.profiles} profile" + ("s" if one.profiles != 1 else "")


def _seconds(value: float) -> str:
    return f"{value:.2f} s"


def _milliseconds(value: float) -> str:
    return f"{value * 1000:.1f} ms"


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"


def _difference(seconds: float) -> str:
    return f"{seconds * 1000:+.1f} ms".replace("-", "−")


def _to_markdown(headings: list[str], rows: CompiledSelectors) -> str:
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [headings, rule, *rows])


def _wrap(text: str, width: int = 118) -> str:
    return "\n".join(textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False))


def _replace(path: Path, name: str, text: str) -> None:
    begin, end = mark(name)
    old = path.read_text()
    if old.count(begin) != 1 or old.count(end) != 1:
        raise ValueError(f"{path}: lacks the lines {begin} and {end}")
    before, _, rest = old.partition(begin)
    path.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}")
