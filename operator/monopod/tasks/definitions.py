"""The task definitions that tasks run by, each of which a task reads once.

No other task has it from there: `kubectl` may delete a revision and create another of its name, which RunTask goes by.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from monopod.kube.client.api import Api, ApiError
from monopod.kube.objects.resources import ECS_TASK_DEFINITIONS
from monopod.tasks.rules.names import compute_definition_name

MOST_KEPT: Final = 500


class Definitions:
    """Reads task definitions, and keeps those that were read last."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._kept: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        """By the task's uid."""

    async def fetch(self, task: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """AWS's document of a task's definition; None if there is none."""
        uid, reference = task["metadata"]["uid"], task["spec"]["taskDefinition"]
        if uid in self._kept:
            self._kept.move_to_end(uid)
            return self._kept[uid]
        name = compute_definition_name(reference["family"], reference["revision"])
        try:
            found = await self._api.get(ECS_TASK_DEFINITIONS.path(name))
        except ApiError as error:
            if error.status != 404 or error.is_unserved:
                raise
            return None
        definition: Mapping[str, Any] = found["spec"]["definition"]
        self._kept[uid] = definition
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return definition
