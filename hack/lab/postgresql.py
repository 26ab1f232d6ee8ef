"""A PostgreSQL server of its own in a folder, on a socket there: Debian's package, and nobody else's server."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lab.build.apt import install_packages
from lab.shell import run

START_SECONDS: Final = 60
USER: Final = "postgres"
"""Made by the package; the server refuses to run as root."""

SETTINGS: Final = {
    "listen_addresses": "",
    "fsync": "off",  # a process that is killed loses nothing by it, only a machine would
    "shared_buffers": "32MB",
    "max_connections": "40",
}


class Postgresql:
    """A server that can be stopped, killed and started again.

    Attributes:
        folder: where its data and its socket are.
    """

    def __init__(self, folder: Path) -> None:
        """Makes the data.

        Raises:
            lab.shell.CommandFailed: If the package can't be installed, or the data not be made.
        """
        self.folder = folder
        self._programs = _find_programs()
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            shutil.chown(folder, USER, USER)
        run([*self._as_user(), self._programs / "initdb", "-D", folder / "data", "-U", USER, "-A", "trust", "-N"])

    @property
    def url(self) -> str:
        """Where its first database is."""
        return self.get_url(USER)

    def get_url(self, database: str) -> str:
        """Where a database of it is."""
        return f"postgresql://{USER}@/{database}?host={self.folder}"

    def create_database(self, name: str) -> str:
        """Makes a database and returns its URL."""
        run([self._programs / "createdb", "-h", self.folder, "-U", USER, name])
        return self.get_url(name)

    def start(self) -> None:
        """Starts the server and returns once it answers.

        Raises:
            TimeoutError: It doesn't.
        """
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        program: list[str | Path] = [self._programs / "postgres", "-D", self.folder / "data", "-k", self.folder]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([*self._as_user(), *program, *settings], stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while run([self._programs / "pg_isready", "-q", "-h", self.folder], check=False).returncode:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise TimeoutError(f"PostgreSQL doesn't answer: {self.folder / 'log'}")
            time.sleep(0.1)

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """Ends the server: at once with SIGQUIT, as a crash with all connections; after them with SIGTERM."""
        if self._process:
            self._process.send_signal(how)
            self._process.wait(START_SECONDS)
            self._process = None

    def _as_user(self) -> list[str | Path]:
        return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if os.geteuid() == 0 else []


@contextmanager
def run_postgresql() -> Iterator[Postgresql]:
    """A server that runs meanwhile, on data of its own."""
    folder = Path(tempfile.mkdtemp(prefix="monopod-postgresql-"))
    try:
        server = Postgresql(folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _find_programs() -> Path:
    """Returns the newest version's programs; installs the package if there is none."""
    found = _list_versions()
    if not found:
        install_packages({"pg_ctlcluster": "postgresql"})
        found = _list_versions()
    if not found:
        raise FileNotFoundError("the package postgresql has brought no /usr/lib/postgresql/*/bin/postgres")
    return found[-1]


def _list_versions() -> list[Path]:
    folders = (program.parent for program in Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return sorted(folders, key=lambda folder: int(folder.parent.name))
