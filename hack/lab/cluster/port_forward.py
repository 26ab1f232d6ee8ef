"""Forwards a local port to a pod or service, by kubectl.

kubectl ends when a connection to the pod breaks off, for whatever reason. It is then started again, at the same port.
"""

import contextlib
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

PAUSE_SECONDS = 0.5


@contextlib.contextmanager
def forward_port(
    kubectl: Path, kubeconfig: Path, name: str, remote_port: int, *args: str, local_port: int | None = None
) -> Iterator[int]:
    """Forwards a port for as long as the context lasts; gives the local port.

    Raises:
        RuntimeError: If kubectl forwards nothing.
    """
    forward = _Forward([str(kubectl), "--kubeconfig", str(kubeconfig), "port-forward", name, *args], remote_port)
    port = forward.start(local_port)
    if not port:
        raise RuntimeError(f"kubectl port-forward {name}: no port forwarded")
    keeper = threading.Thread(target=forward.keep, args=(port,), daemon=True)
    keeper.start()
    try:
        yield port
    finally:
        forward.stop()
        keeper.join()


class _Forward:
    """A `kubectl port-forward`, and those after it."""

    def __init__(self, command: Sequence[str], remote_port: int) -> None:
        self._command = command
        self._remote_port = remote_port
        self._process: subprocess.Popen[str] | None = None
        self._stopped = threading.Event()
        self._starting = threading.Lock()

    def start(self, local_port: int | None) -> int:
        """The local port; 0 if nothing is forwarded."""
        with self._starting:
            if self._stopped.is_set():
                return 0
            command = [*self._command, f"{local_port or ''}:{self._remote_port}"]
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        said = self._process.stdout.readline() if self._process.stdout else ""  # Forwarding from 127.0.0.1:PORT -> …
        return int(said.split("127.0.0.1:")[1].split()[0]) if "127.0.0.1:" in said else 0

    def keep(self, local_port: int) -> None:
        """Starts it again whenever it ends."""
        while not self._stopped.is_set():
            if self._process and self._process.stdout:
                with self._process as process:
                    for _ in process.stdout or ():
                        pass  # or a full pipe would keep kubectl
            if not self._stopped.wait(PAUSE_SECONDS):
                self.start(local_port)

    def stop(self) -> None:
        """Ends it."""
        with self._starting:
            self._stopped.set()
            if self._process:
                self._process.kill()
