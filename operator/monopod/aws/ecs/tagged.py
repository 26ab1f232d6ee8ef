"""What has tags on ECS, clusters, task definitions and tasks, and how its tags are changed.

A change says nothing of the other tags, so that no two changes undo each other.
"""

from collections.abc import Mapping

from monopod.aws.access.failures import fetch_existing, is_another, is_missing
from monopod.aws.ecs.failures import translating
from monopod.aws.ecs.rules.arns import ClusterName, DefinitionName, TaskName
from monopod.kube.client.api import Api, ApiError, Json
from monopod.kube.objects.resources import ECS_CLUSTERS, ECS_TASK_DEFINITIONS, ECS_TASKS
from monopod.tasks.rules.names import compute_definition_name, compute_namespace, compute_object_name

Named = ClusterName | DefinitionName | TaskName


class Tagged:
    """What has tags. Methods raise `AwsError`, also where the API server refuses."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def fetch(self, named: Named) -> Json | None:
        """The object; None if there is none."""
        with translating():
            return await fetch_existing(self._api, _build_path(named))

    async def change(self, named: Named, found: Json, tags: Mapping[str, str | None]) -> bool:
        """Adds tags, or removes those that are None; False if the object is gone, or another by now."""
        patch = {"metadata": {"uid": found["metadata"]["uid"]}, "spec": {"tags": dict(tags)}}
        with translating():
            try:
                await self._api.merge(_build_path(named), patch)
            except ApiError as error:
                if is_missing(error) or is_another(error):
                    return False
                raise
        return True


def _build_path(named: Named) -> str:
    match named:
        case ClusterName(name):
            return ECS_CLUSTERS.path(compute_object_name(name))
        case DefinitionName(family, revision):
            return ECS_TASK_DEFINITIONS.path(compute_definition_name(family, revision or 0))
        case TaskName(cluster, task):
            return ECS_TASKS.path(task, compute_namespace(cluster))
