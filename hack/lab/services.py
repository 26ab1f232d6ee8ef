"""Starts and stops the services of one supervised folder (supervisor.py), from outside."""

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.build.pins import HACK
from lab.shell import run

PROCESS_SECONDS = 90
"""On a busy machine even a process takes long to start or to end."""

_LAUNCHED: list[subprocess.Popen[bytes]] = []
"""Supervisors that outlive what started them: Python warns of a running process that nothing refers to."""


class NotReady(RuntimeError):
    """A component wasn't ready in time; the message says which and where its log is."""


@dataclass(frozen=True)
class Services:
    """The services of one machine of a cluster: a node, or the control plane alone.

    Attributes:
        folder: The supervised folder.
        isolated: Whether it has namespaces of its own (network, mounts, processes, host name), as a node has.
    """

    folder: Path
    isolated: bool

    def launch(self, hostname: str, lifeline: int | None) -> None:
        """Starts the supervisor, detached from this process.

        Args:
            hostname: The host name of an isolated machine.
            lifeline: Reading end of a pipe whose writer keeps the machine alive; None: it runs until stopped.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        command: list[str | Path] = [sys.executable, "-m", "lab.supervisor", self.folder]
        if self.isolated:
            setup = (
                "mount --make-rshared / && mount -t tmpfs tmpfs /run && mkdir -p /run/lock /run/calico && "
                'hostname "$0" && ip link set lo up && exec "$@"'
            )
            unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts", "--net"]
            command = [*unshare, "sh", "-c", setup, hostname, *command]
        env = {**os.environ, "PYTHONPATH": str(HACK), "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
        if lifeline is not None:
            env["LAB_LIFELINE"] = str(lifeline)
        with (self.folder / "supervisor.log").open("w") as log:
            process = subprocess.Popen(
                [str(word) for word in command],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[] if lifeline is None else [lifeline],
            )
        _LAUNCHED.append(process)
        (self.folder / "launcher.pid").write_text(str(process.pid))
        self.wait_until(self.alive, "the supervisor", self.folder / "supervisor.log", PROCESS_SECONDS)

    def alive(self) -> bool:
        """Tells whether the supervisor runs: it holds a lock for as long as it lives."""
        try:
            lock = (self.folder / "lock").open("r+")
        except FileNotFoundError:
            return False
        with lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
        return True

    def kill(self) -> None:
        """Ends the supervisor and with it everything that it runs; waits until it is gone."""
        if not self.alive():
            return
        launcher = int((self.folder / "launcher.pid").read_text())
        with contextlib.suppress(ProcessLookupError):
            os.killpg(launcher, 9)  # unshare --kill-child takes process 1 of the namespace with it
        log = self.folder / "supervisor.log"
        self.wait_until(lambda: not self.alive(), "the end of the supervisor", log, PROCESS_SECONDS)

    def start(self, name: str, argv: Sequence[str | Path], env: Mapping[str, str] | None = None) -> None:
        """Runs a service from now on, restarted whenever it ends."""
        base = {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", "HOME": str(Path.home())}
        spec = json.dumps({"argv": [str(word) for word in argv], "env": {**base, **(env or {})}}, indent=1)
        fresh = self.folder / f"{name}.new"
        fresh.write_text(spec)
        fresh.rename(self.folder / "services" / f"{name}.json")

    def stop(self, name: str) -> None:
        """Stops a service."""
        (self.folder / "services" / f"{name}.json").unlink(missing_ok=True)
        pid = self.folder / "pids" / name
        self.wait_until(lambda: not pid.exists(), f"the end of {name}", self.log(name), PROCESS_SECONDS)

    def restart(self, name: str) -> None:
        """Ends a service and starts it again, as it was."""
        path = self.folder / "services" / f"{name}.json"
        spec = json.loads(path.read_text())
        self.stop(name)
        self.start(name, spec["argv"], spec["env"])

    def log(self, name: str) -> Path:
        """The log file of a service."""
        return self.folder / "logs" / f"{name}.log"

    def init_pid(self) -> int:
        """The supervisor's process id as seen from outside its namespace."""
        launcher = (self.folder / "launcher.pid").read_text()
        children = Path(f"/proc/{launcher}/task/{launcher}/children")
        words = children.read_text().split() if children.exists() else run(["pgrep", "-P", launcher]).stdout.split()
        return int(words[0])

    def enter(self, *argv: str | Path) -> list[str | Path]:
        """The command that runs `argv` inside an isolated machine's namespaces."""
        if not self.isolated:
            return list(argv)
        return ["nsenter", "--target", str(self.init_pid()), "--mount", "--net", "--uts", "--pid", "--", *argv]

    def wait_until(self, ready: Callable[[], bool], what: str, log: Path, seconds: float) -> None:
        """Polls until something is ready.

        Raises:
            NotReady: If it isn't after `seconds`; with the last lines of the log.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline:
                tail = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
                raise NotReady("\n".join([f"{what}: not ready after {seconds:.0f} s; see {log}", *tail]))
            time.sleep(0.05)
