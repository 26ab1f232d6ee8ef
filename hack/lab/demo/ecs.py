"""`hack/demo ecs`: a task of ECS's from its definition to its end, by nothing but the AWS CLI.

cluster ─► task definition ─► run-task ─► RUNNING: its address, its logs, a command in it ─► stop-task ─► its end
"""

import json
import os
import pty
import re
import select
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.text import Text

from lab.aws.registry import BUSYBOX
from lab.cluster.installation import ROOT
from lab.demo.table import make_console
from lab.shell import CommandFailed, run

USER = "demo"
CLUSTER = "demo"
NAMESPACE = f"ecs-{CLUSTER}"
FAMILY = "hello"
DEFINITION = ROOT / "manifests/samples/ecs/hello.json"
NETWORK = "awsvpcConfiguration={subnets=[subnet-demo]}"
COMMAND_SECONDS = 150
WAIT_SECONDS = 300

Say = Callable[[str], None]


class Terminal:
    """Runs the AWS CLI, and shows each command as a person would type it, and what it prints."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._console = make_console()

    def run(self, *words: str, seconds: float = COMMAND_SECONDS) -> str:
        """Runs a command, shows it, and returns what it prints.

        Raises:
            CommandFailed: it fails.
        """
        self._show(words)
        said = run(["aws", *words], env=self._environment, timeout=seconds).stdout.strip()
        self._print(said)
        return said

    def run_interactively(self, *words: str) -> str:
        """The same for one that wants a terminal.

        Raises:
            CommandFailed: it fails.
        """
        self._show(words)
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            ["aws", *words], env=self._environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        ) as process:
            os.close(theirs)
            said = _read_all(ours, COMMAND_SECONDS).decode(errors="replace").replace("\r\n", "\n").strip()
            os.close(ours)  # which hangs up on whoever still reads
            if process.poll() is None:
                process.terminate()
            status = process.wait()
        if status:
            raise CommandFailed(f"aws {' '.join(words)}: exit status {status}\n{said}")
        self._print(said)
        return said

    def _show(self, words: tuple[str, ...]) -> None:
        typed = Text(f"\n$ aws {' '.join(map(_quote, words))}", "bold")
        self._console.print(typed, soft_wrap=True)

    def _print(self, text: str) -> None:
        if text:
            self._console.print(text, soft_wrap=True, highlight=False, markup=False)


def play(environment: Mapping[str, str]) -> str:
    """Plays it, and returns what the task printed of its kernel.

    Args:
        environment: in which AWS's tools ask the endpoint.

    Raises:
        CommandFailed: a step fails.
    """
    terminal = Terminal(environment)
    terminal.run("ecs", "create-cluster", "--cluster-name", CLUSTER, "--query", "cluster.status", "--output", "text")
    task = _run_task(terminal, _register(terminal))
    _show_task(terminal, task)
    logged = terminal.run(
        *("logs", "get-log-events", "--log-group-name", "/ecs/hello", "--log-stream-name", f"demo/hello/{task}"),
        *("--query", "events[].message", "--output", "text"),
    )
    terminal.run_interactively(
        *("ecs", "execute-command", "--cluster", CLUSTER, "--task", task, "--container", "hello", "--interactive"),
        *("--command", "dmesg"),
    )
    _stop_task(terminal, task)
    return logged


def _register(terminal: Terminal) -> str:
    """Registers the sample; its family and revision."""
    with tempfile.TemporaryDirectory(prefix="monopod-demo-") as folder:
        definition = f"file://{_write_definition(Path(folder))}"
        words = ("--cli-input-json", definition, "--query", "taskDefinition.taskDefinitionArn", "--output", "text")
        return terminal.run("ecs", "register-task-definition", *words).rpartition("/")[2]


def _run_task(terminal: Terminal, definition: str) -> str:
    """Runs a task, and waits until it runs; its id."""
    arn = terminal.run(
        *("ecs", "run-task", "--cluster", CLUSTER, "--task-definition", definition),
        *("--launch-type", "FARGATE", "--enable-execute-command", "--network-configuration", NETWORK),
        *("--query", "tasks[0].taskArn", "--output", "text"),
    )
    task = arn.rpartition("/")[2]
    terminal.run("ecs", "wait", "tasks-running", "--cluster", CLUSTER, "--tasks", task, seconds=WAIT_SECONDS)
    return task


def _show_task(terminal: Terminal, task: str) -> None:
    address = "containers[0].networkInterfaces[0].privateIpv4Address"
    look = f"tasks[0].{{status: lastStatus, cpu: cpu, memory: memory, address: {address}}}"
    _describe(terminal, task, look)


def _stop_task(terminal: Terminal, task: str) -> None:
    """Stops it, waits until it has, and shows how it ended."""
    terminal.run("ecs", "stop-task", "--cluster", CLUSTER, "--task", task, "--query", "task.desiredStatus")
    terminal.run("ecs", "wait", "tasks-stopped", "--cluster", CLUSTER, "--tasks", task, seconds=WAIT_SECONDS)
    end = "tasks[0].{status: lastStatus, code: stopCode, why: stoppedReason, exit: containers[0].exitCode}"
    _describe(terminal, task, end)


def _describe(terminal: Terminal, task: str, query: str) -> None:
    about = ("--cluster", CLUSTER, "--tasks", task)
    terminal.run("ecs", "describe-tasks", *about, "--query", query, "--output", "table")


def print_next_steps(kubeconfig: Path, authority: Path, name: str | None) -> None:
    """Prints what to try next."""
    option = f" --name {name}" if name else ""
    lines = (
        f"export KUBECONFIG={kubeconfig}",
        "./hack/run kubectl get ecsclusters,taskdefs,tasks -A",
        "./hack/run kubectl port-forward -n monopod-system service/monopod-aws 8443:443 &",
        f'eval "$(./hack/run kubectl fargate access-key create --user {USER} -o env)"',
        f"export AWS_ENDPOINT_URL=https://localhost:8443 AWS_CA_BUNDLE={authority}",
        f"./hack/run aws ecs list-tasks --cluster {CLUSTER} --desired-status STOPPED",
        f"./hack/demo down{option}",
    )
    out = make_console()
    out.print("\nThe cluster stays up. Try:\n")
    for line in lines:
        out.print(f"  {line}", soft_wrap=True, highlight=False, markup=False)


def _write_definition(folder: Path) -> Path:
    """The sample, with an image that the node's registry has."""
    definition: dict[str, Any] = json.loads(DEFINITION.read_text())
    for container in definition["containerDefinitions"]:
        container["image"] = BUSYBOX
    path = folder / DEFINITION.name
    path.write_text(json.dumps(definition))
    return path


def _read_all(terminal: int, seconds: float) -> bytes:
    """What is shown until the other end is closed, or for so long."""
    said, deadline = b"", time.monotonic() + seconds
    while select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
        try:
            chunk = os.read(terminal, 65_536)
        except OSError:  # the other end is closed
            break
        said += chunk
    return said


def _quote(word: str) -> str:
    return word if re.fullmatch(r"[\w@%+=:,./-]+", word) else f"'{word}'"
