"""Forwards a local port to a pod or service, by kubectl."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def forward_port(
    kubectl: Path, kubeconfig: Path, name: str, remote_port: int, *args: str, local_port: int | None = None
) -> Iterator[int]:
    """Forwards a port for as long as the context lasts; gives the local port.

    Raises:
        RuntimeError: If kubectl forwards nothing.
    """
    command = [str(kubectl), "--kubeconfig", str(kubeconfig), "port-forward", name]
    with subprocess.Popen(
        [*command, f"{local_port or ''}:{remote_port}", *args], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            said = process.stdout.readline() if process.stdout else ""  # Forwarding from 127.0.0.1:PORT -> …
            if "127.0.0.1:" not in said:
                raise RuntimeError(f"kubectl port-forward {name}: no port forwarded")
            yield int(said.split("127.0.0.1:")[1].split()[0])
        finally:
            process.kill()
