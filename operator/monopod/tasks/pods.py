"""What is done to the pods of tasks: created behind their gate, released, stopped, removed if no record names them.

Each names the pod's uid, so that nothing is done to another pod of the name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from monopod.api.ecs.names import ECS_TASK_GATE
from monopod.eviction.api import request_eviction
from monopod.eviction.rules.order import Candidate, Changed, Evicted, Gone
from monopod.kube.client.api import Api, ApiError
from monopod.kube.metrics import WRITES
from monopod.kube.objects.resources import PODS
from monopod.tasks.rules.lifecycle.facts import STOP_SECONDS

Json = dict[str, Any]

_LOST_RACE: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)
"""The pod is gone, is another, or has changed: it is looked at again."""

_HOPELESS: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The API server doesn't take a pod.

    Attributes:
        is_final: whether it wouldn't another time either. A quota or a policy may change its mind.
    """

    message: str
    is_final: bool


class TaskPods:
    """Writes the pods of tasks."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def fetch(self, namespace: str, name: str) -> Json | None:
        """The pod of this name, whosever it is."""
        try:
            return await self._api.get(PODS.path(name, namespace))
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None

    async def create(self, pod: Json) -> Refusal | None:
        """Creates a pod; one of its name that exists is for the next step to look at."""
        try:
            await self._api.create(PODS.list_path(pod["metadata"]["namespace"]), pod)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                return None
            WRITES.labels("pods", "failed").inc()
            return Refusal(error.message, is_final=is_final(error))
        WRITES.labels("pods", "ok").inc()
        return None

    async def release(self, pod: Mapping[str, Any]) -> None:
        """Takes the pod out of its gate."""
        gates = [gate.get("name") for gate in pod["spec"].get("schedulingGates") or ()]
        place = f"/spec/schedulingGates/{gates.index(ECS_TASK_GATE)}"
        # Only the gate where it was seen: others may be lifted meanwhile.
        test = {"op": "test", "path": place, "value": {"name": ECS_TASK_GATE}}
        await self._patch(pod, [test, {"op": "remove", "path": place}])

    async def stop(self, pod: Mapping[str, Any]) -> None:
        """Has the kubelet stop the containers, and keep the pod."""
        await self._patch(pod, [{"op": "add", "path": "/spec/activeDeadlineSeconds", "value": STOP_SECONDS}])

    async def _patch(self, pod: Mapping[str, Any], operations: list[Json]) -> None:
        metadata = pod["metadata"]
        uid: Json = {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]}
        try:
            await self._api.patch(PODS.path(metadata["name"], metadata["namespace"]), [uid, *operations])
        except ApiError as error:
            if error.status not in _LOST_RACE:
                WRITES.labels("pods", "failed").inc()
                raise
            return
        WRITES.labels("pods", "ok").inc()

    async def discard(self, pod: Mapping[str, Any]) -> str:
        """Removes a pod as it was seen, unless it has changed; what refuses it, "" if nothing does.

        By the Eviction API, which deletes a pod that hasn't started at once: the operator has no right to delete pods.
        """
        metadata = pod["metadata"]
        candidate = Candidate(
            metadata["namespace"], metadata["name"], metadata["uid"], version=metadata["resourceVersion"]
        )
        answer = await request_eviction(self._api, candidate)
        return "" if isinstance(answer, Evicted | Gone | Changed) else f"the pod can't be removed: {answer}"


def is_final(error: ApiError) -> bool:
    """Whether the object itself is wrong. A quota, a webhook or a policy, which names no field, may change."""
    return error.status in _HOPELESS or any(cause.field for cause in error.causes)
