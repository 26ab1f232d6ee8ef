"""Runs the processes of one node, restarts those that end, and takes all of them down with itself.

Used as `python -m lab.supervisor FOLDER`. The folder holds:

    services/NAME.json   what to run: {"argv": […], "env": {…}}; a new file starts a service, a removed one stops it
    logs/NAME.log        its output
    lock                 locked for as long as the supervisor lives: who can lock it knows that it is dead
    pids/NAME            the process id (in the supervisor's own PID namespace)

On a node it is process 1 of a PID namespace: when it dies, however it dies, the kernel kills everything in it,
sandboxes and shims included, and the node's mounts and network go with them. Without a namespace (the control plane of
a developer who isn't root) each child asks the kernel to be killed with its parent.

It must know nothing about Kubernetes.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import select
import signal
import sys
import time
from pathlib import Path

RESTART_DELAY = 1.0  # seconds
POLL = 0.05  # seconds
STOP_TIMEOUT = 10.0  # seconds
LOCK_TIMEOUT = 2.0  # seconds
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Supervisor:
    """The services of one folder, by name."""

    def __init__(self, folder: Path, lifeline: int | None) -> None:
        """Takes the folder's lock.

        Args:
            folder: See the module.
            lifeline: A pipe's reading end; when its writer is gone, so is the reason to run.
        """
        self.folder = folder
        self.lifeline = lifeline
        self.running: dict[str, int] = {}
        self.restart_at: dict[str, float] = {}
        self.stopping = False
        for name in ("services", "logs", "pids"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.lock = (folder / "lock").open("w")
        self._take_lock()

    def _take_lock(self) -> None:
        # Who asks whether this process lives holds the lock for a moment.
        deadline = time.monotonic() + LOCK_TIMEOUT
        while True:
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.001)
            else:
                return

    def run(self) -> None:
        """Supervises until told to stop or until the lifeline ends."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        while not self.stopping:
            self._reap()
            self._reconcile()
            self._wait()
        self._stop_all()

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _wait(self) -> None:
        if self.lifeline is None:
            time.sleep(POLL)
        elif select.select([self.lifeline], [], [], POLL)[0] and not os.read(self.lifeline, 1):
            self.stopping = True

    def _reconcile(self) -> None:
        wanted = {path.stem: path for path in (self.folder / "services").glob("*.json")}
        for name in set(self.running) - set(wanted):
            self._end(name)
        for name, path in wanted.items():
            if name not in self.running and time.monotonic() >= self.restart_at.get(name, 0):
                self._start(name, path)

    def _start(self, name: str, path: Path) -> None:
        spec = json.loads(path.read_text())
        parent = os.getpid()
        pid = os.fork()
        if pid:
            self.running[name] = pid
            (self.folder / "pids" / name).write_text(str(pid))
            return
        try:
            os.setsid()
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
            log = os.open(self.folder / "logs" / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.closerange(3, 1024)
            os.execvpe(spec["argv"][0], spec["argv"], spec["env"])  # noqa: S606 - after fork: no shell wanted
        except OSError as error:
            os.write(2, f"supervisor: {name}: {error}\n".encode())
        os._exit(127)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                self._note_end(*found)

    def _note_end(self, pid: int, status: int) -> None:
        # Process 1 also inherits what its services leave behind; those are only reaped.
        name = next((name for name, running in self.running.items() if running == pid), None)
        if name is None:
            return
        del self.running[name]
        self.restart_at[name] = time.monotonic() + RESTART_DELAY
        with (self.folder / "logs" / f"{name}.log").open("a") as log:
            log.write(f"supervisor: {name} ended ({os.waitstatus_to_exitcode(status)}); starting it again\n")

    def _end(self, name: str) -> None:
        pid = self.running.get(name)
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT
        while name in self.running:
            self._reap()
            if time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        (self.folder / "pids" / name).unlink(missing_ok=True)

    def _stop_all(self) -> None:
        # No grace: the data of a test cluster isn't kept, and an API server waits a minute for its watches.
        for pid in self.running.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def main() -> None:
    """Runs the supervisor of the folder named on the command line."""
    lifeline = os.environ.pop("LAB_LIFELINE", None)
    Supervisor(Path(sys.argv[1]), int(lifeline) if lifeline else None).run()


if __name__ == "__main__":
    main()
