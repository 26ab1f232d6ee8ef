"""The task definitions that tasks run by. A revision never changes, so what was read once is kept for a while."""

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

    async def fetch(self, task: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """AWS's document of a task's definition; None if there is none."""
        reference = task["spec"]["taskDefinition"]
        name = compute_definition_name(reference["family"], reference["revision"])
        if name in self._kept:
            self._kept.move_to_end(name)
            return self._kept[name]
        try:
            found = await self._api.get(ECS_TASK_DEFINITIONS.path(name))
        except ApiError as error:
            if error.status != 404 or error.is_unserved:
                raise
            return None
        definition: Mapping[str, Any] = found["spec"]["definition"]
        self._kept[name] = definition
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return definition
