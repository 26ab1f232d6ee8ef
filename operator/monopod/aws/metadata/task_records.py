"""Reads tasks with the rights of this process' own account: no one signs what a container asks about itself.

Of ECS's kinds it may get single objects, and list none. What can't change is kept, a task for a moment.
"""

import math
from collections import OrderedDict
from http import HTTPStatus
from typing import Final

from monopod.aws.metadata.rules.caller import Question, is_named, list_addresses
from monopod.aws.metadata.rules.document import Records
from monopod.kube.client.api import Api, ApiError, Json
from monopod.kube.clock import Clock, sleep
from monopod.kube.objects.resources import ECS_CLUSTERS, ECS_TASK_DEFINITIONS, ECS_TASKS
from monopod.tasks.rules.names import compute_definition_name

FRESH_SECONDS: Final = 1.0
ADDRESS_SECONDS: Final = 10.0
"""For how long the address of a task that has just begun is waited for: a container may ask before the operator has
seen where it runs."""

PAUSE_SECONDS: Final = 0.5
MOST_KEPT: Final = 1000

_NAMESPACE_PREFIX: Final = "ecs-"


class TaskRecords:
    """Finds what there is of the task that asks.

    Args:
        api: the API server.
        clock: tells the time.
    """

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._tasks: OrderedDict[str, tuple[float, Json | None]] = OrderedDict()
        self._fixed: OrderedDict[tuple[str, str], Json] = OrderedDict()

    async def find(self, question: Question, source: str) -> Records | None:
        """The task that is asked about, if it is the one that asks; else None, whatever the reason.

        Args:
            question: what is asked.
            source: the address that it comes from.

        Raises:
            ApiError: the API server refuses to tell.
            ApiUnreachable: it doesn't answer.
        """
        task = await self._fetch_named(question)
        if task is None or source not in list_addresses(task):
            return None
        spec = task.get("spec") or {}
        revision = spec.get("taskDefinition") or {}
        name = compute_definition_name(str(revision.get("family")), int(revision.get("revision") or 0))
        definition = await self._fetch_definition(name, question.uid)
        return Records(task, definition, await self._fetch_cluster_name(question.namespace))

    async def _fetch_named(self, question: Question) -> Json | None:
        until = self._clock.monotonic() + ADDRESS_SECONDS
        while True:
            task = await self._fetch_task(question)
            if task is None or not is_named(task, question):
                return None
            if list_addresses(task) or self._clock.monotonic() >= until:
                return task
            await sleep(self._clock, PAUSE_SECONDS)
            self._tasks.pop(f"{question.namespace}/{question.task}", None)

    async def _fetch_task(self, question: Question) -> Json | None:
        key, now = f"{question.namespace}/{question.task}", self._clock.monotonic()
        since, task = self._tasks.get(key, (-math.inf, None))
        if now - since >= FRESH_SECONDS:
            task = await self._fetch(ECS_TASKS.path(question.task, question.namespace))
            self._tasks[key] = (now, task)
            self._tasks.move_to_end(key)
            if len(self._tasks) > MOST_KEPT:
                self._tasks.popitem(last=False)
        return task

    async def _fetch_definition(self, name: str, task_uid: str) -> Json:
        """What the task runs by: a later task's may be another one of this name."""
        spec = (await self._fetch_fixed(ECS_TASK_DEFINITIONS.path(name), task_uid)).get("spec") or {}
        definition: Json = spec.get("definition") or {}
        return definition

    async def _fetch_cluster_name(self, namespace: str) -> str:
        name = namespace.removeprefix(_NAMESPACE_PREFIX)
        spec = (await self._fetch_fixed(ECS_CLUSTERS.path(name))).get("spec") or {}
        return str(spec.get("name") or name)

    async def _fetch_fixed(self, path: str, task_uid: str = "") -> Json:
        """What of it is used here never changes, or doesn't for one task."""
        key = (path, task_uid)
        if found := self._fixed.get(key):
            return found
        found = await self._fetch(path) or {}
        if found:
            self._fixed[key] = found
            if len(self._fixed) > MOST_KEPT:
                self._fixed.popitem(last=False)
        return found

    async def _fetch(self, path: str) -> Json | None:
        try:
            return await self._api.get(path)
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise
