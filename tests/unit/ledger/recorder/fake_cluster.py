"""A cluster that has revisions and a past, and an API server that lists and watches them, as time is stepped.

Next to it stands the truth: when each pod was created and deleted.
"""

import asyncio
import copy
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass

from monopod.api.names import CAPACITY_ANNOTATION, PROFILE_LABEL
from monopod.kube.client.api import ApiError, ApiUnreachable, Json, WatchEvent
from monopod.kube.client.request import WATCH_SECONDS, Pages
from monopod.kube.clock import sleep
from monopod.ledger.recorder.listing import compute_now_ms
from tests.unit.fake_api import FakeApi
from tests.unit.fake_clock import FakeClock

LATENCY_SECONDS = 0.05
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


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
        self.leases: dict[str, list[Json]] = {}
        self.events: list[Json] = []
        self.truth: dict[str, Truth] = {}
        self.page_size = 500
        self.is_away = False
        self.is_deaf = False
        self.forgets = False
        self._compacted = 0
        self._cached = 0
        self._connection = 0

    # What users and the control plane do.

    def create_pod(self, uid: str, name: str = "", owner: str = "") -> None:
        now = self._now_ms()
        self.truth[uid] = Truth(now)
        self.pods[uid] = {
            "metadata": {
                "name": name or uid,
                "namespace": "web",
                "uid": uid,
                "creationTimestamp": self._stamp(),
                "labels": {PROFILE_LABEL: "web"},
                "annotations": {CAPACITY_ANNOTATION: "0.25vCPU 0.5GB"},
            },
            "spec": {"containers": [{"name": "c"}], "nodeName": "n1"},
            "status": {},
        }
        if owner:
            kind, _, called = owner.partition("/")
            self.pods[uid]["metadata"]["ownerReferences"] = [{"kind": kind, "name": called, "controller": True}]
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

    def renew_lease(self, node: str) -> None:
        self.revision += 1
        metadata = {
            "name": node,
            "resourceVersion": str(self.revision),
            "managedFields": [{"manager": "kubelet", "time": self._stamp()}],
        }
        self.leases.setdefault(node, []).append({"metadata": metadata, "spec": {}})

    def report(self, uid: str, reason: str, message: str = "") -> None:
        """An Event about a pod."""
        metadata = self.pods[uid]["metadata"]
        self.events.append(
            {
                "involvedObject": {"kind": "Pod", **{key: metadata[key] for key in ("namespace", "name", "uid")}},
                "reason": reason,
                "message": message,
                "firstTimestamp": self._stamp(),
                "reportingComponent": "default-scheduler" if reason == "Scheduled" else "kubelet",
            }
        )

    # What becomes of the API server.

    def compact(self) -> None:
        self._compacted = self.revision

    def restart(self) -> None:
        """It has lost its cache, not etcd."""
        self._cached = self.revision
        self.break_connections()

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
        return self._list(path, dict(query or {}))

    async def read_pages(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        metadata_only: bool = False,
        is_snapshot: bool = False,
    ) -> AsyncIterator[Json]:
        pages = Pages(path, query, metadata_only=metadata_only)
        while pages.next:
            page = await self.get(path, {**(pages.next.query or {}), "limit": str(self.page_size)})
            pages.take(page)
            yield page

    async def watch(
        self, path: str, version: str, query: Mapping[str, str] | None = None
    ) -> AsyncGenerator[WatchEvent, None]:
        self._answer_or_not()
        if self.forgets or int(version) < max(self._compacted, self._cached):
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
            for revision, event in [each for each in self._list_events(path) if each[0] > position]:
                yield copy.deepcopy(event)
                position = revision
            if self.clock.monotonic() >= end - 2 and not has_bookmark:
                has_bookmark = True
                yield WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": str(max(position, self.revision))}})
            if self.clock.monotonic() >= end:
                return

    def _list(self, path: str, query: dict[str, str]) -> Json:
        """As of now, or of a revision; in pages."""
        if "continue" in query and "resourceVersion" in query:
            raise ApiError(400, "BadRequest", "specifying resource version is not allowed when using continue")
        query["resourceVersion"], start = query.get("continue", f"{query.get('resourceVersion', '')}/0").split("/")
        revision, first = int(query["resourceVersion"] or self.revision), int(start)
        if revision < self._compacted:
            raise ApiError(410, "Expired", "The resourceVersion for the provided list is too old.")
        items = self._items(path, revision)
        end = first + int(query.get("limit", len(items)))
        rest = {"continue": f"{revision}/{end}"} if end < len(items) else {}
        return {"metadata": {"resourceVersion": str(revision), **rest}, "items": copy.deepcopy(items[first:end])}

    def _items(self, path: str, revision: int) -> list[Json]:
        match path:
            case "/api/v1/pods" if revision == self.revision:
                return [*self.pods.values()]
            case "/api/v1/pods":
                pods: dict[str, Json] = {}
                for _, event in [each for each in self.history if each[0] <= revision]:
                    pods[event.object["metadata"]["uid"]] = event.object
                    if event.type == "DELETED":
                        del pods[event.object["metadata"]["uid"]]
                return [*pods.values()]
            case "/api/v1/events":
                return self.events
            case _ if path == LEASES:
                known = (
                    [each for each in versions if int(each["metadata"]["resourceVersion"]) <= revision]
                    for versions in self.leases.values()
                )
                return [versions[-1] for versions in known if versions]
            case _:
                return []

    def _list_events(self, path: str) -> list[tuple[int, WatchEvent]]:
        if path != LEASES:
            return self.history if path == "/api/v1/pods" else []
        leases = (lease for versions in self.leases.values() for lease in versions)
        return sorted((int(each["metadata"]["resourceVersion"]), WatchEvent("MODIFIED", each)) for each in leases)

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
