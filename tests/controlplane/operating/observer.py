"""Watches the pods of a namespace beside the operator, and remembers how few were ready at any instant."""

import threading
from collections.abc import Callable
from http.client import IncompleteRead
from types import TracebackType
from typing import Self
from urllib.error import URLError

from tests.controlplane.operating.lab import Json, Lab

# A stream can't be closed under the thread that reads it, so each is short and the next goes on where it ended.
STREAM_SECONDS = 2
# How one breaks off on a busy machine.
BROKEN_OFF = TimeoutError, ConnectionError, IncompleteRead, URLError
MOST_BREAKS = 20


def follow_until(
    stopping: threading.Event, follow_once: Callable[[], None], note_break: Callable[[], None] = lambda: None
) -> None:
    """Follows one stream after the other, each from the change that the one before told of last.

    What was before the end is told once a stream has gone on until then. If they break off again and again, so does
    this.
    """
    in_a_row = 0
    while in_a_row or not stopping.is_set():
        try:
            follow_once()
        except BROKEN_OFF:
            note_break()
            in_a_row += 1
            if in_a_row == MOST_BREAKS:
                raise
        else:
            in_a_row = 0


class Observer:
    """Counts what the watch tells: pods that are Ready and not being deleted.

    Attributes:
        fewest: the lowest count since the start.
        ended: the names of pods that are gone or going.
        uids: of all pods that there were.
    """

    def __init__(self, lab: Lab, namespace: str) -> None:
        self._lab, self._namespace = lab, namespace
        self._path = f"/api/v1/namespaces/{namespace}/pods?watch=true&timeoutSeconds={STREAM_SECONDS}"
        self._ready: set[str] = set()
        self._version = "0"
        self._names: set[str] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._failure: Exception | None = None
        self.ended: set[str] = set()
        self.uids: set[str] = set()
        for pod in lab.list_all("Pod", namespace):
            self._take_in("ADDED", pod)
        self.fewest = len(self._ready)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        if error is None:
            self._end()

    def _end(self) -> None:
        """Sees what was between the last stream and this moment; raises what broke the watch, if anything did."""
        if self._failure:
            raise AssertionError("the watch broke off") from self._failure
        pods = self._lab.list_all("Pod", self._namespace)
        for pod in pods:
            self._take_in("MODIFIED", pod)
        self.ended |= self._names - {pod["metadata"]["name"] for pod in pods}

    def _follow(self) -> None:
        try:
            follow_until(self._stopping, self._follow_once)
        except Exception as failure:
            self._failure = failure

    def _follow_once(self) -> None:
        for event in self._lab.watch(f"{self._path}&resourceVersion={self._version}"):
            assert event["type"] in ("ADDED", "MODIFIED", "DELETED"), event
            self._take_in(event["type"], event["object"])
            self.fewest = min(self.fewest, len(self._ready))

    def _take_in(self, event: str, pod: Json) -> None:
        name = pod["metadata"]["name"]
        self._names.add(name)
        self.uids.add(pod["metadata"]["uid"])
        self._version = max(self._version, pod["metadata"]["resourceVersion"], key=int)
        ending = event == "DELETED" or "deletionTimestamp" in pod["metadata"]
        conditions = pod.get("status", {}).get("conditions", ())
        ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
        (self._ready.add if ready and not ending else self._ready.discard)(name)
        if ending:
            self.ended.add(name)
