"""The life of the DaemonSet's pod on one node.

    install ──► restart containerd ──► the node reports the runtime ──► label on, startup taint off ──► wait
       │               └── doesn't come back: undo, restart, say so, wait unready                        │ SIGTERM
       └── can't be installed: say so, look again soon                                                   ▼
                       the DaemonSet stays: leave all ◄── is it being deleted? ──► label off, remove, restart

A restart that went wrong isn't tried again until somebody has looked, since each takes the node's containerd away for
seconds. All else is tried again and again.
"""

import itertools
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gvisor_node.containerd import Unsupported, check_containerd
from gvisor_node.installation import Installation, Saved
from gvisor_node.kubernetes import Api, Node, Refused, list_handlers
from gvisor_node.restart import NotRestarted, restart

_POLL_SECONDS = 2.0
_REPORT_SECONDS = 120.0
_RETRY_SECONDS = 5.0
_LAST_TRIES = 5


def say(text: str) -> None:
    """Writes a line of the pod's log."""
    print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Agent:
    """What the pod does.

    Attributes:
        units: systemd units of which one runs containerd; none: those that the installation finds.
        restarts: whether it restarts containerd; if not, somebody else does.
        daemon_set: its path at the API server.
        ready_file: is there while all is in order.
        ending: is set when the pod is told to end.
    """

    installation: Installation
    node: Node
    api: Api
    daemon_set: str
    ready_file: Path
    ending: threading.Event
    units: tuple[str, ...] = ()
    restarts: bool = True
    restart: Callable[[tuple[str, ...]], str] = restart
    report_seconds: float = _REPORT_SECONDS
    sleep: Callable[[float], None] = time.sleep

    def run(self) -> None:
        """Lives until it is told to end."""
        self.ready_file.unlink(missing_ok=True)
        self._insist(self._begin, forever=True)
        self.ending.wait()
        self.ready_file.unlink(missing_ok=True)
        self._insist(self._end)

    def _begin(self) -> None:
        if self._set_up():
            self.node.open()
            self.ready_file.touch()
            say(f"runtime {self.installation.handler} is there; node {self.node.name} takes its pods")

    def _insist(self, action: Callable[[], None], *, forever: bool = False) -> None:
        """Does it until nothing is in its way: on a new node the API server may be out of reach for a while.

        Args:
            action: changes nothing where it fails so, or may be repeated.
            forever: until the pod is told to end; otherwise some times, as it has little time left then.
        """
        said = ""
        for _ in itertools.count() if forever else range(_LAST_TRIES):
            try:
                return action()
            except (Unsupported, Refused, OSError) as problem:
                if str(problem) != said:
                    said = str(problem)
                    say(f"error: {said}")
            if forever and self.ending.wait(_RETRY_SECONDS):
                return None
            if not forever:
                self.sleep(_POLL_SECONDS)
        return None

    def _set_up(self) -> bool:
        check_containerd(self.node.fetch()["status"]["nodeInfo"]["containerRuntimeVersion"])
        saved = self.installation.install()
        if not self.restarts:
            say("waiting until somebody restarts containerd")
            return self._await_report(float("inf")) and self._note()
        if self.installation.is_loaded:
            return True
        try:
            say(f"restarted {self._restart()}")
        except NotRestarted as problem:
            return self._give_up(saved, str(problem))
        if not self._await_report(self.report_seconds):
            if self.ending.is_set():
                return False
            return self._give_up(saved, f"after {self.report_seconds:g} s the node doesn't report the runtime")
        return self._note()

    def _note(self) -> bool:
        self.installation.note_loaded()
        return True

    def _restart(self) -> str:
        return self.restart(self.units or self.installation.find_distribution().units)

    def _give_up(self, saved: Saved, why: str) -> bool:
        say(f"error: {why}; containerd's configuration is put back")
        self.installation.undo(saved)
        try:
            self._restart()
        except NotRestarted as problem:
            say(f"error: {problem}")
        return False

    def _await_report(self, seconds: float) -> bool:
        """Whether the kubelet comes to report the runtime. One that reports none at all is believed."""
        deadline = time.monotonic() + seconds
        while not self.ending.wait(_POLL_SECONDS):
            try:
                handlers = list_handlers(self.node.fetch())
            except Refused as refusal:  # the API server may run in a pod of this very node
                say(f"node {self.node.name} can't be read: {refusal}")
            else:
                if handlers is None or self.installation.handler in handlers:
                    return True
            if time.monotonic() > deadline:
                return False
        return False

    def _end(self) -> None:
        if not self._is_going():
            say("the DaemonSet stays, so all stays as it is")
            return
        self.node.close()
        if self.installation.has_sandboxes():
            say("error: pods of the runtime still run on this node, so it stays; delete them, and install and "
                "uninstall the chart once more")  # fmt: skip
            return
        self.installation.uninstall()
        if self.restarts:
            try:
                self._restart()
            except NotRestarted as problem:
                say(f"error: {problem}")
        say(f"runtime {self.installation.handler} is removed")

    def _is_going(self) -> bool:
        """Whether the DaemonSet goes for good, and not only this pod. If that can't be told, nothing is removed."""
        try:
            found = self.api.request("GET", self.daemon_set)
        except Refused as refusal:
            if refusal.status == 404:
                return True
            if refusal.status in (401, 403):
                return False
            raise
        return "deletionTimestamp" in found["metadata"]
