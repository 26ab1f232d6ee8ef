"""A port of this machine's loopback that leads into a pod, as long as the program kubectl runs.

kubectl does it, so that proxies, credential plugins and whatever else reaches the cluster count here too. The port is a
random one of 127.0.0.1. Nobody else can have it while kubectl lives, so a connection is to the pod if kubectl lives
when it stands: `is_open` has to be asked before anything is sent that another mustn't read.
"""

import re
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Final

from monopod.cli.failure import ApiFailure
from monopod.kube.objects.text import to_line

START_SECONDS: Final = 30.0
_LONGEST_COMPLAINT: Final = 4096
_FORWARDING: Final = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) ->")
_NO_KUBECTL: Final = (
    "The ledger is reached through `kubectl port-forward`, and the program kubectl can't be run: {}. "
    "Install it, or see that it is on the PATH."
)


class PortForward:
    """A running `kubectl port-forward`.

    Attributes:
        port: of 127.0.0.1.
    """

    def __init__(self, process: subprocess.Popen[str], complaints: list[str]) -> None:
        self._process = process
        self._complaints = complaints
        self.port = 0

    @property
    def is_open(self) -> bool:
        """Whether the port leads to the pod still."""
        return self._process.poll() is None

    @property
    def complaint(self) -> str:
        """What kubectl has said of its trouble, as a sentence on one line; "" if nothing."""
        told = "".join(self._complaints)[:_LONGEST_COMPLAINT].strip().removeprefix("error: ")
        return to_line(told) if told else ""


@contextmanager
def forward_port(
    namespace: str, pod: str, port: int, arguments: Sequence[str] = (), *, patience: float = START_SECONDS
) -> Iterator[PortForward]:
    """Forwards a port until the block is left.

    Args:
        namespace: of the pod.
        pod: its name.
        port: the port in the pod.
        arguments: which cluster, as kubectl's options.
        patience: how many seconds kubectl has to begin.

    Raises:
        ApiFailure: kubectl can't be run, or not reach the pod.
    """
    command = ["kubectl", *arguments, "port-forward", "--address=127.0.0.1", "--pod-running-timeout=10s",
               f"--namespace={namespace}", f"pod/{pod}", f":{port}"]  # fmt: skip
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    except OSError as problem:
        raise ApiFailure(_NO_KUBECTL.format(problem.strerror or problem)) from None
    with process:
        complaints = list[str]()
        reader = threading.Thread(target=_drain, args=(process.stderr, complaints), daemon=True)
        reader.start()
        try:
            opened = PortForward(process, complaints)
            opened.port = _read_port(process, patience)
            if not opened.port:
                reader.join(1)
                cause = opened.complaint or f"it hasn't begun within {patience:.0f} s."
                raise ApiFailure(f"kubectl can't forward a port to the ledger's pod {namespace}/{pod}: {cause}")
            yield opened
        finally:
            process.terminate()
            reader.join(1)


def _read_port(process: subprocess.Popen[str], patience: float) -> int:
    """The port that kubectl tells; 0 if it ends before, or takes too long."""
    out = process.stdout
    if out is None:
        return 0
    # Whoever waits for a line can't be told to stop, so one that waits for too long loses what it waits for.
    timer = threading.Timer(patience, process.kill)
    timer.daemon = True
    timer.start()
    try:
        for line in out:
            if found := _FORWARDING.match(line):
                threading.Thread(target=_drain, args=(out, []), daemon=True).start()
                return int(found[1])
    finally:
        timer.cancel()
    return 0


def _drain(stream: IO[str] | None, lines: list[str]) -> None:
    """Reads on, so that kubectl is never kept by a full pipe ("Handling connection for …")."""
    try:
        for line in stream or ():
            if len(lines) < 100:
                lines.append(line)
    except ValueError:
        pass  # it was closed meanwhile
