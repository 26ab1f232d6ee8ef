"""`aws ecs execute-command` in a terminal, with AWS's own session-manager-plugin, and an endpoint for it."""

import asyncio
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from lab.build.toolchain import build_tool
from tests.unit.aws.exec.serving import Door, describe_tasks, serving
from tests.unit.aws.wire.serving import KEY, REGION, SECRET

SECONDS: Final = 90
"""A busy machine takes long to start the AWS CLI, which is written in Python, and then the plugin."""


def set_size(terminal: int, columns: int, rows: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Terminal:
    """A person's: runs a command, types, and has what is shown."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], size: tuple[int, int]) -> None:
        self._ours, theirs = pty.openpty()
        set_size(self._ours, *size)
        self._shown = bytearray()
        self._process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *command], env=dict(environment), stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def shown(self) -> str:
        """All that was shown so far, without carriage returns."""
        return bytes(self._shown).decode(errors="replace").replace("\r", "")

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def resize(self, columns: int, rows: int) -> None:
        set_size(self._ours, columns, rows)

    def until(self, text: str) -> None:
        """Waits until something was shown."""
        deadline = time.monotonic() + SECONDS
        while text not in self.shown:
            assert time.monotonic() < deadline, f"{text!r} was never shown, but\n{self.shown[-4000:]}"
            assert self._process.poll() is None or text in self.shown, self.shown[-4000:]
            time.sleep(0.05)

    def interrupt(self, prompt: str) -> None:
        """Types Ctrl-C and waits for a prompt: what is typed at the same time, the plugin numbers as it does this."""
        before = self.shown.count(prompt)
        self.type("\x03")
        deadline = time.monotonic() + SECONDS
        while self.shown.count(prompt) == before:
            assert time.monotonic() < deadline, f"nothing was interrupted:\n{self.shown[-4000:]}"
            time.sleep(0.05)

    def until_over(self) -> int:
        """Waits for the command to end; its exit code."""
        code = self._process.wait(SECONDS)
        self._reader.join(SECONDS)
        return code

    def kill(self) -> None:
        """Ends everything in the terminal, as a window that is closed does."""
        os.close(self._ours)
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        with suppress(OSError):  # the other side is closed
            while content := os.read(self._ours, 65_536):
                self._shown += content


@contextmanager
def execute_command(
    environment: Mapping[str, str], task: str, command: str, cluster: str = "prod", size: tuple[int, int] = (111, 33)
) -> Iterator[Terminal]:
    """Runs the AWS CLI with the plugin.

    Args:
        environment: in which it finds the endpoint, the key and the plugin.
        task: where the command runs.
        command: what runs there.
        cluster: the task's.
        size: of the terminal.
    """
    words = ["ecs", "execute-command", "--cluster", cluster, "--task", task, "--interactive", "--command", command]
    terminal = Terminal(["aws", *words], environment, size)
    try:
        yield terminal
    finally:
        terminal.kill()


def build_environment(url: str, folder: Path) -> dict[str, str]:
    """The environment of AWS's tools for an endpoint of a test's own.

    Args:
        url: the endpoint's.
        folder: is their home.
    """
    return {
        "PATH": f"{build_tool('session-manager-plugin')}:{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(folder),
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": url,
    }


@contextmanager
def serving_beside(door: Door) -> Iterator[Door]:
    """Serves in a thread of its own, so that a test may block."""
    loop = asyncio.new_event_loop()
    ready, stop = threading.Event(), asyncio.Event()

    async def run() -> None:
        async with serving(door, further=[("DescribeTasks", describe_tasks)]):
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    try:
        assert ready.wait(30), "the endpoint doesn't listen"
        yield door
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()
