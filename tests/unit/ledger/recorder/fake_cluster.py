"""A cluster that has revisions and a past, and an API server that lists and watches them, as time is stepped.

Next to it stands the truth: when each pod was created and deleted.
"""

import asyncio
import copy
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass

from monopod.api.names import CAPACITY_ANNOTATION, PROFILE_LABEL
from monopod.kube.client.api import ApiError, ApiUnreachable, Json, WatchEvent
from monopod.kube.client.request import WATCH_SECONDS
from monopod.kube.clock import sleep
from monopod.ledger.recorder.listing import compute_now_ms
from tests.unit.fake_api import FakeApi
from tests.unit.fake_clock import FakeClock

LATENCY_SECONDS = 0.05


@dataclass
class Truth:
    """What an all-knowing observer saw of one pod."""

    created: int
    deleted: int | None = None


class FakeCluster(FakeApi):
    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock
        self.revision = 100
        self.pods: dict[str, Json] = {}
        self.history: list[tuple[int, WatchEvent]] = []
        self.truth: dict[str, Truth] = {}
        self.is_away = False
        self.is_deaf = False
        self.forgets = False
        self._compacted = 0
        self._connection = 0

    # What users and the control plane do.

    def create_pod(self, uid: str) -> None:
        now = self._now_ms()
        self.truth[uid] = Truth(now)
        self.pods[uid] = {
            "metadata": {
                "name": uid,
                "namespace": "web",
                "uid": uid,
                "creationTimestamp": self._stamp(),
                "labels": {PROFILE_LABEL: "web"},
                "annotations": {CAPACITY_ANNOTATION: "0.25vCPU 0.5GB"},
            },
            "spec": {"containers": [{"name": "c"}], "nodeName": "n1"},
            "status": {},
        }
        self._write("ADDED", uid)

    def start_pod(self, uid: str) -> None:
        stamp = self._stamp()
        self.pods[uid]["status"] = {
            "startTime": stamp,
            "conditions": [{"type": "PodReadyToStartContainers", "status": "True", "lastTransitionTime": stamp}],
        }
        self._write("MODIFIED", uid)

    def delete_pod(self, uid: str) -> None:
        self.truth[uid].deleted = self._now_ms()
        self._write("DELETED", uid)
        del self.pods[uid]

    def write_something_else(self) -> None:
        self.revision += 1

    # What becomes of the API server.

    def compact(self) -> None:
        self._compacted = self.revision

    def break_connections(self) -> None:
        self._connection += 1

    def take_snapshot(self) -> tuple[int, dict[str, Json]]:
        return self.revision, copy.deepcopy(self.pods)

    def restore_snapshot(self, snapshot: tuple[int, dict[str, Json]]) -> None:
        """Pods that were created since never were; those that were deleted since are back."""
        self.revision, pods = snapshot
        for uid in self.pods.keys() - pods.keys():
            self.truth[uid].deleted = self._now_ms()
        for uid in pods:
            self.truth[uid].deleted = None
        self.pods = copy.deepcopy(pods)
        self.history = [each for each in self.history if each[0] <= self.revision]
        self.break_connections()

    # The API server.

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        await sleep(self.clock, LATENCY_SECONDS)
        self._answer_or_not()
        self.requests.append(("get", path, dict(query or {})))
        items = [copy.deepcopy(pod) for pod in self.pods.values()] if path == "/api/v1/pods" else []
        return {"metadata": {"resourceVersion": str(self.revision)}, "items": items}

    async def read_pages(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        metadata_only: bool = False,
        is_snapshot: bool = False,
    ) -> AsyncIterator[Json]:
        yield await self.get(path, query)

    async def watch(
        self, path: str, version: str, query: Mapping[str, str] | None = None
    ) -> AsyncGenerator[WatchEvent, None]:
        self._answer_or_not()
        if self.forgets or int(version) < self._compacted:
            raise ApiError(410, "Expired", f"too old resource version: {version} ({self._compacted})")
        self.requests.append(("watch", path, {"version": version}))
        position, connection, end = int(version), self._connection, self.clock.monotonic() + WATCH_SECONDS
        has_bookmark = False
        while True:
            await sleep(self.clock, LATENCY_SECONDS)
            if self.is_away or connection != self._connection:
                raise ApiUnreachable("the stream broke off")
            if self.is_deaf:
                continue
            if path == "/api/v1/pods":
                for revision, event in [each for each in self.history if each[0] > position]:
                    yield copy.deepcopy(event)
                    position = revision
            if self.clock.monotonic() >= end - 2 and not has_bookmark:
                has_bookmark = True
                yield WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": str(max(position, self.revision))}})
            if self.clock.monotonic() >= end:
                return

    def _answer_or_not(self) -> None:
        if self.is_away:
            raise ApiUnreachable("away")

    def _write(self, kind: str, uid: str) -> None:
        self.revision += 1
        self.pods[uid]["metadata"]["resourceVersion"] = str(self.revision)
        self.history.append((self.revision, WatchEvent(kind, copy.deepcopy(self.pods[uid]))))

    def _now_ms(self) -> int:
        return compute_now_ms(self.clock)

    def _stamp(self) -> str:
        return self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")


async def pass_time(clock: FakeClock, seconds: float) -> None:
    """Lets time pass by twentieths of a second, and all tasks do what they do then."""
    for _ in range(round(seconds / LATENCY_SECONDS)):
        clock.step(LATENCY_SECONDS)
        for _ in range(12):
            await asyncio.sleep(0)
