"""The unmodified AWS CLI and session-manager-plugin against the endpoint, and a terminal of this machine behind it."""

import asyncio
import os
import pty
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from monopod.aws.exec.session import Terminal as Remote
from monopod.kube.client.exec import Ended, Exec
from tests.exec_clients import build_environment, execute_command, serving_beside, set_size
from tests.unit.aws.exec.serving import TASK_ID, Door, TaskApi, a_task


class LocalTerminal:
    """A command of this machine in a terminal, as a kubelet would run one in a container."""

    def __init__(self, wanted: Exec) -> None:
        self._ours, theirs = pty.openpty()
        command = ["setsid", "--ctty", "--wait", *wanted.command]
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)

    async def read(self) -> bytes | Ended:
        try:
            shown = await asyncio.to_thread(os.read, self._ours, 32_768)
        except OSError:  # the other side is closed
            shown = b""
        return shown or Ended(await asyncio.to_thread(self.process.wait))

    async def write(self, typed: bytes) -> None:
        await asyncio.to_thread(os.write, self._ours, typed)

    async def resize(self, columns: int, rows: int) -> None:
        set_size(self._ours, columns, rows)

    async def ping(self) -> None:
        pass

    async def close(self) -> None:
        os.close(self._ours)


class LocalDoor(Door):
    async def make_terminal(self, wanted: Exec) -> Remote:
        return LocalTerminal(wanted)


@pytest.fixture
def door() -> Iterator[Door]:
    with serving_beside(LocalDoor(TaskApi(a_task()))) as door:
        yield door


def test_a_shell_is_typed_in_resized_interrupted_and_left(door: Door, tmp_path: Path) -> None:
    with execute_command(build_environment(door.url, tmp_path), TASK_ID, "sh") as terminal:
        terminal.until("Starting session with SessionId: ecs-execute-command-")
        terminal.type("stty size\r")
        terminal.until("33 111")
        terminal.type("echo $((6*7))ü\r")
        terminal.until("42ü")
        terminal.resize(90, 40)
        terminal.type("until stty size | grep 90; do sleep 0.1; done\r")
        terminal.until("40 90")
        terminal.type("echo sleeps-$((1+1)); sleep 1000; echo not-$((1+1))\r")
        terminal.until("sleeps-2")
        terminal.interrupt("# " if os.geteuid() == 0 else "$ ")
        terminal.type("exit 0\r")
        assert terminal.until_over() == 0
        assert "Exiting session with sessionId: ecs-execute-command-" in terminal.shown
        assert "not-2" not in terminal.shown


def test_all_that_a_command_shows_arrives_in_order_and_its_exit_code_is_told(door: Door, tmp_path: Path) -> None:
    with execute_command(build_environment(door.url, tmp_path), TASK_ID, "sh -c 'seq 1 40000; exit 3'") as terminal:
        assert terminal.until_over() == 0  # the plugin has no other
        assert re.findall(r"^(\d+)$", terminal.shown, re.MULTILINE) == [str(number) for number in range(1, 40_001)]
        assert "The command ended with exit code 3." in terminal.shown


def test_a_session_whose_connection_breaks_off_goes_on(door: Door, tmp_path: Path) -> None:
    with execute_command(build_environment(door.url, tmp_path), TASK_ID, "sh") as terminal:
        terminal.until("# ") if os.geteuid() == 0 else terminal.until("$ ")
        terminal.type("for i in $(seq 1 40); do echo line-$i; sleep 0.1; done; echo over-$((1+1))\r")
        terminal.until("line-5\n")
        cut(door)
        terminal.until("over-2")
        assert re.findall(r"^line-(\d+)$", terminal.shown, re.MULTILINE) == [str(number) for number in range(1, 41)]
        terminal.type("echo still-$((2+2))\r")
        terminal.until("still-4")
        terminal.type("exit\r")
        assert terminal.until_over() == 0
    assert len(door.started) == 1


def cut(door: Door) -> None:
    """Has the network lose the clients' connections."""
    assert door.sessions
    for running in list(door.sessions._running.values()):
        connection = running.session._connection
        assert connection
        connection.lost.set()
        connection.finish()


def test_a_refusal_is_told_before_anything_starts(tmp_path: Path) -> None:
    with (
        serving_beside(LocalDoor(TaskApi(a_task(enabled=False)))) as door,
        execute_command(build_environment(door.url, tmp_path), TASK_ID, "sh") as terminal,
    ):
        assert terminal.until_over() != 0
        assert "InvalidParameterException" in terminal.shown
        assert "execute command was not enabled when the task was run" in terminal.shown.replace("\n", " ")
