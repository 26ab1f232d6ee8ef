"""The API server as task runners know it, with a task and its pod in it; requests may fail, and answers be lost."""

import copy
import random
from collections.abc import Callable, Mapping
from typing import Any

from monopod.kube.cache import Kind
from monopod.kube.client.api import ApiError, ApiUnreachable, Json
from monopod.kube.objects.resources import ECS_CLUSTERS, ECS_TASKS, NETWORK_POLICIES, NODES, PODS
from monopod.kube.objects.views import NodeView, read_node, read_whole
from monopod.notices.rules.notice import Notice
from monopod.tasks.controller import TaskRunner
from monopod.tasks.options import TaskOptions
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS
from tests.unit.tasks.rules.lifecycle.world import TASK_ID, World

KEY = ("ecs-prod", TASK_ID)
POD = PODS.path(TASK_ID, "ecs-prod")
TASK = ECS_TASKS.path(TASK_ID, "ecs-prod")


class WorldClock(FakeClock):
    """The world's time of day."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def now(self) -> Any:
        return self._world.now


class Caches:
    def __init__(self) -> None:
        self.ecs_tasks: Kind[dict[str, Any]] = Kind(ECS_TASKS, read_whole, metadata_only=False)
        self.ecs_clusters: Kind[dict[str, Any]] = Kind(ECS_CLUSTERS, read_whole, metadata_only=False)
        self.nodes: Kind[NodeView] = Kind(NODES, read_node, metadata_only=False)
        self.network_policies: Kind[dict[str, Any]] = Kind(NETWORK_POLICIES, read_whole, metadata_only=False)


class ClusterApi:
    """With `chance`, a request may get no answer: it wasn't done, or it was."""

    def __init__(self, world: World, chance: random.Random | None = None) -> None:
        self.world = world
        self.chance = chance
        self.version = 1
        self.refusals: list[ApiError] = []
        self.requests: list[str] = []
        self.refuse_status: Callable[[Json], ApiError | None] = lambda status: None
        world.task["metadata"]["resourceVersion"] = "1"

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        self.fail()
        if path == POD:
            if self.world.pod is None:
                raise ApiError(404, "NotFound", "not found")
            return copy.deepcopy(self.world.pod)
        assert path.endswith("/ecstaskdefinitions/web.1")
        return {"spec": {"definition": self.world.definition}}

    async def create(self, path: str, body: Json, *, dry_run: bool = False) -> Json:
        self.requests.append(f"create {path.rpartition('/')[2]}")
        self.fail()
        if path.endswith("/eviction"):
            self.evict(body)
            return body
        if self.refusals:
            raise self.refusals.pop()
        if self.world.pod is not None:
            raise ApiError(409, "AlreadyExists", "already exists")
        self.world._create(copy.deepcopy(body))
        self.touch_pod()
        self.fail()
        return self.copy_pod()

    def copy_pod(self) -> Json:
        assert self.world.pod
        return copy.deepcopy(self.world.pod)

    def evict(self, body: Json) -> None:
        wanted = body["deleteOptions"]["preconditions"]
        pod = self.world.pod
        if pod is None:
            raise ApiError(404, "NotFound", "not found")
        if pod["metadata"]["uid"] != wanted["uid"]:
            raise ApiError(409, "Conflict", "the UID in the precondition doesn't match")
        if pod["metadata"]["resourceVersion"] != wanted["resourceVersion"]:
            raise ApiError(409, "Conflict", "the ResourceVersion in the precondition doesn't match")
        # One that runs goes only if nothing says that it is the task's.
        assert "nodeName" not in pod["spec"] or "pod" not in self.world.status
        self.world.delete_pod()
        self.touch_pod()
        self.fail()

    async def patch(self, path: str, operations: list[Json]) -> Json:
        self.requests.append("patch")
        self.fail()
        assert path == POD
        pod = self.world.pod
        if pod is None:
            raise ApiError(404, "NotFound", "not found")
        uid, *rest = operations
        if uid["value"] != pod["metadata"]["uid"]:
            raise ApiError(422, "Invalid", "the test failed")
        if rest[0]["op"] == "test":
            if not pod["spec"]["schedulingGates"]:
                raise ApiError(422, "Invalid", "the test failed")
            # Whoever lets it go must have it on record.
            assert self.world.status["pod"]["uid"] == pod["metadata"]["uid"]
            pod["spec"]["schedulingGates"] = []
            self.world.released.append(pod["metadata"]["uid"])
        else:
            pod["spec"]["activeDeadlineSeconds"] = rest[0]["value"]
        self.touch_pod()
        self.fail()
        return copy.deepcopy(pod)

    async def merge(self, path: str, patch: Json) -> Json:
        self.requests.append("record")
        self.fail()
        assert path == f"{TASK}/status"
        task = self.world.task
        if refusal := self.refuse_status(patch["status"]):
            raise refusal
        if patch["metadata"]["resourceVersion"] != task["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "the object has been modified")
        status = {**self.world.status, **patch["status"]}
        task["status"] = {key: value for key, value in status.items() if value is not None}
        self.world.statuses.append(copy.deepcopy(task["status"]))
        self.touch_task()
        self.fail()
        return copy.deepcopy(task)

    async def delete(self, path: str, uid: str, version: str = "") -> None:
        self.requests.append("delete")
        if self.refusals:
            raise self.refusals.pop()
        assert (path, uid, version) == (TASK, "task-uid", self.world.task["metadata"]["resourceVersion"])

    def touch_task(self) -> None:
        self.version += 1
        self.world.task["metadata"]["resourceVersion"] = str(self.version)

    def touch_pod(self) -> None:
        if self.world.pod:
            self.version += 1
            self.world.pod["metadata"]["resourceVersion"] = str(self.version)

    def fail(self) -> None:
        if self.chance and self.chance.random() < 0.15:
            raise ApiUnreachable("no answer")


class Operator:
    """A task runner, and the watch that feeds its caches."""

    def __init__(self, api: ClusterApi, **options: Any) -> None:
        self.api = api
        self.clock = WorldClock(api.world)
        self.caches = Caches()
        self.sent: list[Notice] = []
        self.events: list[tuple[str, str, str]] = []
        send, given = self.sent.append, TaskOptions(**options)
        self.runner = TaskRunner(api, self.caches, given, PROBLEMS, send, self._record_event, self.clock)  # type: ignore[arg-type]  # it needs no more of it
        self._seen: Json | None = None
        self.watch()
        self.runner.begin()

    async def _record_event(self, about: Mapping[str, str], _: object, reason: str, message: str) -> bool:
        self.events.append((about["name"], reason, message))
        return True

    def watch(self) -> None:
        """Brings what has happened."""
        world = self.api.world
        self.caches.ecs_tasks.observe("MODIFIED", copy.deepcopy(world.task))
        if world.pod and world.pod != self._seen:
            self._seen = copy.deepcopy(world.pod)
            self.runner.observe_pod("MODIFIED", self._seen)
        elif world.pod is None and self._seen and world.last_seen:
            self._seen = None
            self.runner.observe_pod("DELETED", copy.deepcopy(world.last_seen))
