"""Runs tasks: has each ECSTask go through its life, one step after the other, as `rules.lifecycle` decides.

The task and its pod are read again before each step. A status is written only over the version that was decided about,
so of two operators one fails and looks again. Nothing is remembered but what the API server refused lately, since when
a task is known, and how pods were last seen that are gone.
"""

import datetime
from collections import OrderedDict
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, assert_never

import structlog

from monopod.api.ecs.names import ECS_API_VERSION, ECS_TASK_LABEL
from monopod.api.names import TOPOLOGY_ZONE
from monopod.api.reasons import EventType, TaskReason
from monopod.kube.client.api import Api, ApiError
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.controller import DONE, WHOLE, After, Backoff, Controller, Incomplete, Result
from monopod.kube.event_recorder import Recording
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import WRITES
from monopod.kube.objects.resources import ECS_TASKS
from monopod.kube.objects.status import build_status_patch
from monopod.notices.rules.notice import Notice
from monopod.tasks.caches import Caches
from monopod.tasks.definitions import Definitions
from monopod.tasks.metadata import MetadataAccess
from monopod.tasks.options import TaskOptions
from monopod.tasks.pods import Refusal, TaskPods, is_final
from monopod.tasks.rules.lifecycle.begin import build_failure
from monopod.tasks.rules.lifecycle.facts import PodFacts
from monopod.tasks.rules.lifecycle.snapshot import Surroundings
from monopod.tasks.rules.lifecycle.states import STOPPED
from monopod.tasks.rules.lifecycle.steps import Create, Discard, Record, Release, Step, Stop, Wait, decide_step
from monopod.tasks.rules.pod.file_systems import read_file_systems
from monopod.tasks.rules.pod.task_pod import build_task_pod
from monopod.tasks.rules.pod.volumes import UnknownFileSystem
from monopod.tasks.rules.retention import find_expired
from monopod.tasks.rules.state_change import describe_change, get_cluster, is_changed, is_recent

WORKERS: Final = 4
MOST_STEPS: Final = 20
"""In one reconcile. A whole life has fewer."""

RECHECK_SECONDS: Final = 300.0
"""How often a task is looked at that nothing happens to: what a watch has missed comes to light."""

LONGEST_PAUSE: Final = 30.0
"""Between two attempts at a task that the API server refuses to record. Each is three requests, so of hundreds of such
tasks the workers are still free for others nearly all the time."""

EXPIRY_SECONDS: Final = 30.0
MOST_SEEN: Final = 1000

Key = tuple[str, str]
Json = dict[str, Any]
logger = structlog.stdlib.get_logger(__name__)


class _Hopeless(Incomplete):
    """A step can't be decided or recorded, and couldn't another time either; the message says why."""


class TaskRunner:
    """Runs the tasks of all clusters, and forgets them an hour after they have stopped."""

    def __init__(
        self,
        api: Api,
        caches: Caches,
        options: TaskOptions,
        problems: ProblemLog,
        send: Callable[[Notice], None],
        record_event: Recording,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._api = api
        self._caches = caches
        self._clock = clock
        self._problems = problems
        self._send = send
        self._record_event = record_event
        self._patience = datetime.timedelta(seconds=options.ecs_capacity_seconds)
        self._file_systems = read_file_systems(options.ecs_file_system)
        self._pods = TaskPods(api)
        self._definitions = Definitions(api)
        self._metadata = MetadataAccess(api, caches, options, problems)
        self._since: dict[Key, datetime.datetime] = {}
        self._refused: dict[Key, Refusal] = {}
        self._failures: dict[Key, int] = {}
        self._backoff = Backoff(first=1.0, longest=LONGEST_PAUSE)
        self._last_seen: OrderedDict[str, Json] = OrderedDict()
        """By uid: pods that are being deleted, as they were last seen."""
        backoff = Backoff(longest=LONGEST_PAUSE)
        self.controller = Controller("tasks", self._reconcile, problems, workers=WORKERS, backoff=backoff, clock=clock)
        self.expiry = Controller("task-expiry", self._expire, problems, clock=clock)
        caches.ecs_tasks.listeners.append(self._note_change)

    @property
    def controllers(self) -> tuple[Controller[Any], ...]:
        """All that has to run."""
        return self.controller, self.expiry

    def begin(self) -> None:
        """Looks at every task there is."""
        for task in self._caches.ecs_tasks.views():
            self.controller.enqueue(_key(task))
            if is_recent(task, self._clock.now()):
                self._tell(task)
        self.expiry.enqueue(WHOLE)

    def observe_pod(self, event_type: str | None, pod: Mapping[str, Any]) -> None:
        """Takes notice of an event of a pod, if it is a task's."""
        metadata = pod["metadata"]
        key = metadata["namespace"], metadata["name"]
        task = self._caches.ecs_tasks.find(*key) if ECS_TASK_LABEL in (metadata.get("labels") or {}) else None
        if task is None or _has_stopped(task):
            return
        if event_type == "DELETED" or metadata.get("deletionTimestamp"):
            self._last_seen[metadata["uid"]] = dict(pod)
            self._last_seen.move_to_end(metadata["uid"])
            if len(self._last_seen) > MOST_SEEN:
                self._last_seen.popitem(last=False)
        self.controller.enqueue(key)

    def _note_change(self, key: Key, _: Json | None, now: Json | None) -> None:
        if now is None:
            self._forget(key)
            self.controller.forget(key)
        elif not _has_stopped(now):
            self.controller.enqueue(key)

    def _forget(self, key: Key) -> None:
        self._since.pop(key, None)
        self._refused.pop(key, None)
        self._failures.pop(key, None)
        self._problems.clear(_name(key))

    async def _reconcile(self, key: Key) -> Result:
        for _ in range(MOST_STEPS):
            task = self._caches.ecs_tasks.find(*key)
            if task is None:
                return DONE  # its pod goes with it
            if _has_stopped(task):
                self._forget(key)
                self._last_seen.pop(_get_pod_uid(task), None)
                return DONE
            pod = await self._pods.fetch(*key)
            try:
                step = await self._decide(key, task, pod)
                if isinstance(step, Wait):
                    self._problems.clear(_name(key))
                    return self._wait(step)
                result = await self._apply(key, task, pod, step)
            except _Hopeless as problem:
                result = await self._give_up(key, task, pod, str(problem))
            if result:
                return result
        return After(self._backoff.first)

    async def _decide(self, key: Key, task: Json, pod: Json | None) -> Step:
        definition = await self._definitions.fetch(task)
        try:
            return self._decide_step(key, task, definition, pod)
        except Exception as problem:  # something that users may write, and no one thought of
            raise _Hopeless(f"what is to be done can't be decided: {_show(problem)}") from problem

    def _decide_step(self, key: Key, task: Json, definition: Mapping[str, Any] | None, pod: Json | None) -> Step:
        now = self._clock.now()
        facts = PodFacts.read(pod) if pod else self._recall(task)
        node = self._caches.nodes.find("", facts.node) if facts and facts.node else None
        refusal = self._refused.get(key)
        around = Surroundings(
            since=self._since.setdefault(key, now),
            patience=self._patience,
            refusal=refusal.message if refusal else "",
            is_refused=refusal is not None and refusal.is_final,
            zone=node.labels.get(TOPOLOGY_ZONE, "") if node else "",
        )
        return decide_step(task, definition, facts, now, around)

    def _recall(self, task: Json) -> PodFacts | None:
        """How the task's pod, which is gone, was last seen; None if no one saw it end."""
        seen = self._last_seen.get(_get_pod_uid(task))
        return PodFacts.read(seen, is_gone=True) if seen else None

    def _wait(self, step: Wait) -> Result:
        if step.until is None:
            return After(RECHECK_SECONDS)
        left = (step.until - self._clock.now()).total_seconds()
        return After(min(RECHECK_SECONDS, max(0.1, left)))

    async def _apply(
        self, key: Key, task: Json, pod: Json | None, step: Record | Create | Release | Discard | Stop
    ) -> Result | None:
        """Carries a step out; None if the next may follow at once."""
        match step:
            case Record(status):
                await self._record(task, status)
            case Create(effective):
                return await self._create(key, task, effective)
            case Release() if pod:
                await self._pods.release(pod)
            case Stop() if pod:
                await self._pods.stop(pod)
            case Discard(is_replaced=is_replaced) if pod:
                if refusal := await self._pods.discard(pod):
                    self._problems.report(_name(key), refusal)
                    raise Incomplete
                return self._pause(key) if is_replaced else None
            case Release() | Stop() | Discard():
                pass  # the pod is gone, which the next step sees
            case never:
                assert_never(never)
        return None

    async def _give_up(self, key: Key, task: Json, pod: Json | None, problem: str) -> Result | None:
        """Fails a task that would hang for ever. One whose pod is on record isn't over, and is tried again."""
        self._problems.report(_name(key), problem, traceback=True)
        own = pod if pod and _is_own(task, pod) else None
        discard = Discard(own["metadata"]["uid"], is_replaced=False) if own else None
        if _get_pod_uid(task):
            if own and discard and _is_to_stop(task):
                await self._apply(key, task, own, Stop(discard.uid) if "nodeName" in own["spec"] else discard)
            raise Incomplete
        # First the record, which fails if another operator has recorded the pod meanwhile.
        await self._record(task, build_failure(task, self._clock.now(), problem))
        return await self._apply(key, task, own, discard) if own and discard else None

    async def _record(self, task: Json, status: Json) -> None:
        """Writes the status, unless someone else has changed the task meanwhile."""
        metadata = task["metadata"]
        patch = {
            "metadata": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]},
            **(build_status_patch(task.get("status"), status) or {}),
        }
        path = ECS_TASKS.path(metadata["name"], metadata["namespace"], "status")
        try:
            written = await self._api.merge(path, patch)
        except ApiError as error:
            WRITES.labels("ecstasks", "failed").inc()
            if error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                # What is in the cache is old: the watch brings what is new.
                raise Incomplete from None
            if error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                await self._tell_refused(task, error.message)
            if is_final(error):
                raise _Hopeless(f"the API server refuses the task's status: {error.message}") from error
            raise
        WRITES.labels("ecstasks", "ok").inc()
        if written.get("status") == task.get("status"):
            self._problems.report(f"status of task {metadata['namespace']}/{metadata['name']}", _NOT_KEPT)
            raise Incomplete
        self._caches.ecs_tasks.observe("MODIFIED", written)
        if is_changed(task.get("status"), written.get("status") or {}):
            self._tell(written)

    async def _tell_refused(self, task: Json, message: str) -> None:
        """Records an event, at which the owner of a task looks whose status stands still."""
        metadata = task["metadata"]
        about = {"apiVersion": ECS_API_VERSION, "kind": "ECSTask", "name": metadata["name"], "uid": metadata["uid"]}
        about["namespace"] = metadata["namespace"]
        await self._record_event(about, EventType.WARNING, TaskReason.STATUS_REFUSED, message)

    def _tell(self, task: Json) -> None:
        if change := describe_change(task, self._caches.ecs_clusters.find("", get_cluster(task))):
            self._send(change)

    async def _create(self, key: Key, task: Json, effective: Json) -> Result | None:
        try:
            pod = build_task_pod(task, effective, self._file_systems, await self._metadata.prepare(key[0]))
        except UnknownFileSystem as problem:
            self._refused[key] = Refusal(f"failed to set up EFS volumes: {problem}", is_final=True)
            return None
        except ValueError as problem:
            self._refused[key] = Refusal(str(problem), is_final=True)
            return None
        except Exception as problem:  # something that users may write, and no one thought of
            self._problems.report(_name(key), str(problem), traceback=True)
            self._refused[key] = Refusal(f"the task's pod can't be built: {_show(problem)}", is_final=True)
            return None
        refusal = await self._pods.create(pod)
        if refusal is None:
            self._refused.pop(key, None)
            return None
        self._refused[key] = refusal
        return None if refusal.is_final else self._pause(key)

    def _pause(self, key: Key) -> Result:
        self._failures[key] = self._failures.get(key, 0) + 1
        return After(self._backoff.after(self._failures[key]))

    async def _expire(self, _: str) -> Result:
        """Deletes the records of tasks that stopped long ago; their pods and logs go with them."""
        for task in find_expired(self._caches.ecs_tasks.views(), self._clock.now()):
            metadata = task["metadata"]
            path = ECS_TASKS.path(metadata["name"], metadata["namespace"])
            subject = f"record of task {metadata['namespace']}/{metadata['name']}"
            try:
                await self._api.delete(path, metadata["uid"], metadata["resourceVersion"])
            except ApiError as error:  # the others are to go all the same
                if error.status != HTTPStatus.CONFLICT:
                    self._problems.report(subject, str(error))
            else:
                self._problems.clear(subject)
            self.expiry.note_progress()
        return After(EXPIRY_SECONDS)


_NOT_KEPT: Final = "the API server keeps nothing of what is written: is the CRD of ECSTasks of an older release?"


def _key(task: Mapping[str, Any]) -> Key:
    return task["metadata"]["namespace"], task["metadata"]["name"]


def _name(key: Key) -> str:
    """What the problem log calls a task."""
    return f"task {key[0]}/{key[1]}"


def _show(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}"


def _is_own(task: Mapping[str, Any], pod: Mapping[str, Any]) -> bool:
    """Whether the pod is the task's, and no one has deleted it."""
    metadata, recorded = pod["metadata"], _get_pod_uid(task)
    owners = [each["uid"] for each in metadata.get("ownerReferences") or ()]
    is_named = recorded in ("", metadata["uid"])
    return is_named and task["metadata"]["uid"] in owners and "deletionTimestamp" not in metadata


def _is_to_stop(task: Mapping[str, Any]) -> bool:
    desired = (task.get("status") or {}).get("desiredStatus")
    return desired == STOPPED or bool(task["spec"].get("stop")) or "deletionTimestamp" in task["metadata"]


def _has_stopped(task: Mapping[str, Any]) -> bool:
    return (task.get("status") or {}).get("lastStatus") == STOPPED


def _get_pod_uid(task: Mapping[str, Any]) -> str:
    return str(((task.get("status") or {}).get("pod") or {}).get("uid") or "")
