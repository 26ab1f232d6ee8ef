"""Before the chart is uninstalled: nothing uses the runtime any more, and the pods of the DaemonSet have cleaned up.

Helm deletes a DaemonSet and its rights in one go, and its pods could then ask nobody whether they are to clean up.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from gvisor_node.kubernetes import Api, Refused

_PAGE = 500
_POLL_SECONDS = 2.0
_SHOWN = 5


class StillUsed(Exception):
    """Pods of the RuntimeClass run; the message names some."""


@dataclass(frozen=True)
class Removal:
    """Deletes a DaemonSet in its turn."""

    api: Api
    daemon_set: str
    runtime_class: str
    seconds: float = 240.0
    sleep: Callable[[float], None] = time.sleep

    def run(self) -> None:
        """Raises StillUsed, or deletes the DaemonSet and waits until its pods are gone.

        Raises:
            StillUsed: pods of the class run.
            Refused: the API server refuses it, or the pods don't end in time.
        """
        if users := [pod for pod in self._list_pods() if self._uses(pod)]:
            names = [f"{pod['metadata']['namespace']}/{pod['metadata']['name']}" for pod in users[:_SHOWN]]
            more = f" and {len(users) - _SHOWN} more" if len(users) > _SHOWN else ""
            raise StillUsed(f"pods of RuntimeClass {self.runtime_class} still run: {', '.join(names)}{more}")
        try:
            self.api.request("DELETE", self.daemon_set, {"propagationPolicy": "Foreground"})
        except Refused as refusal:
            if refusal.status != 404:
                raise
        for _ in range(int(self.seconds / _POLL_SECONDS)):
            if not self._exists():
                return
            self.sleep(_POLL_SECONDS)
        raise Refused(0, f"the pods of {self.daemon_set} haven't ended after {self.seconds:g} s")

    def _exists(self) -> bool:
        try:
            self.api.request("GET", self.daemon_set)
        except Refused as refusal:
            if refusal.status == 404:
                return False
            if refusal.status:
                raise
        return True  # also while the API server doesn't answer: a node's containerd is being restarted

    def _uses(self, pod: dict[str, Any]) -> bool:
        ended = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
        return not ended and pod["spec"].get("runtimeClassName") == self.runtime_class

    def _list_pods(self) -> Iterator[dict[str, Any]]:
        following = ""
        while True:
            page = self.api.request("GET", f"/api/v1/pods?limit={_PAGE}&continue={quote(following)}")
            yield from page["items"]
            following = page["metadata"].get("continue") or ""
            if not following:
                return
