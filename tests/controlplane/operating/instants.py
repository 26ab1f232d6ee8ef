"""Every instant of a namespace's pods, as a watch tells it: an audit of budgets that shares nothing with the operator.

The API server tells of every change, one after the other; after each, the pods that are Ready are counted anew. A
stream that breaks off, as on a busy machine, is taken up at the change that it told of last, and so misses none; if the
API server doesn't know that any more, or breaks off again and again, the test fails: what wasn't seen can't be vouched
for.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self
from urllib.parse import quote

from monopod.api.names import PROFILE_LABEL
from monopod.kube.objects.resources import PODS
from tests.controlplane.operating.lab import Json, Lab
from tests.controlplane.operating.observer import STREAM_SECONDS, follow_until


@dataclass(frozen=True)
class Instant:
    """How many pods of an app were Ready, and not being deleted, after a change."""

    version: int
    app: str
    ready: int


@dataclass(frozen=True)
class Eviction:
    """A pod that the Eviction API ended: at which second by the API server's clock, and on which profile it was."""

    second: int
    pod: str
    profile: str | None


class Instants:
    """Follows the watch of a namespace, or of all for "", until it is stopped.

    Attributes:
        all: every instant, in order.
        evictions: by the pod's uid.
        changes: how many changes the watch has told of.
        breaks: how often a stream broke off and was taken up.
    """

    def __init__(self, lab: Lab, namespace: str, selector: str = "") -> None:
        self._lab = lab
        chosen = f"labelSelector={quote(selector)}"
        path = PODS.list_path(namespace) if namespace else PODS.list_path()
        self._path = f"{path}?{chosen}&watch=true&timeoutSeconds={STREAM_SECONDS}"
        self._ready: defaultdict[str, set[str]] = defaultdict(set)
        self._version = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._failure: Exception | None = None
        self.all: list[Instant] = []
        self.evictions: dict[str, Eviction] = {}
        self.changes = 0
        self.breaks = 0
        for pod in lab.list_all("Pod", namespace, f"?{chosen}"):
            self._take_in("ADDED", pod)
        # The first instant is that of the whole list.
        self.all = [Instant(self._version, app, len(ready)) for app, ready in self._ready.items()]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        if error is None:
            self.check()

    def check(self) -> None:
        """Raises what broke the watch, if anything did."""
        if self._failure:
            raise AssertionError("the watch broke off") from self._failure

    def find_violations(self, minimums: Mapping[str, int]) -> list[Instant]:
        """The instants at which fewer pods of an app were Ready than its budget wants."""
        return [one for one in self.all if one.ready < minimums[one.app]]

    def find_fewest(self) -> dict[str, int]:
        """The lowest count of each app."""
        fewest: dict[str, int] = {}
        for one in self.all:
            fewest[one.app] = min(one.ready, fewest.get(one.app, one.ready))
        return fewest

    def count_most_evictions(self, seconds: int) -> int:
        """The most evictions in any `seconds` that follow each other."""
        at = Counter(one.second for one in self.evictions.values())
        return max((sum(at[start + offset] for offset in range(seconds)) for start in at), default=0)

    def count_evictions_per_minute(self) -> float:
        """On average, from the first to the last."""
        seconds = [one.second for one in self.evictions.values()]
        return 60 * (len(seconds) - 1) / max(1, max(seconds) - min(seconds))

    def _follow(self) -> None:
        try:
            follow_until(self._stopping, self._follow_once, self._note_break)
        except Exception as failure:
            self._failure = failure

    def _note_break(self) -> None:
        self.breaks += 1

    def _follow_once(self) -> None:
        for event in self._lab.watch(f"{self._path}&resourceVersion={self._version}"):
            assert event["type"] in ("ADDED", "MODIFIED", "DELETED"), event
            self._take_in(event["type"], event["object"])

    def _take_in(self, event: str, pod: Json) -> None:
        metadata, status = pod["metadata"], pod.get("status", {})
        self._version = max(self._version, int(metadata["resourceVersion"]))
        self.changes += 1
        conditions = {one["type"]: one for one in status.get("conditions", ())}
        is_ready = conditions.get("Ready", {}).get("status") == "True"
        is_ending = event == "DELETED" or "deletionTimestamp" in metadata
        ready = self._ready[metadata["labels"]["app"]]
        (ready.add if is_ready and not is_ending else ready.discard)(metadata["uid"])
        self.all.append(Instant(int(metadata["resourceVersion"]), metadata["labels"]["app"], len(ready)))
        disruption = conditions.get("DisruptionTarget", {})
        if disruption.get("reason") == "EvictionByEvictionAPI" and metadata["uid"] not in self.evictions:
            second = int(datetime.fromisoformat(disruption["lastTransitionTime"]).timestamp())
            profile = metadata["labels"].get(PROFILE_LABEL)
            self.evictions[metadata["uid"]] = Eviction(second, metadata["name"], profile)
