"""Clusters' tasks, as one caller may see and change them: what ECS asks, in requests to the API server."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from monopod.aws.access.failures import fetch_existing, is_another, is_conflict, is_missing
from monopod.aws.ecs.failures import translating
from monopod.aws.ecs.rules.refusals import refuse_inactive
from monopod.kube.client.api import Api, ApiError, Json
from monopod.kube.concurrency import gather_some
from monopod.kube.objects.resources import ECS_TASKS, SECURITY_GROUPS
from monopod.tasks.rules.names import compute_namespace

_TASK_ID: Final = re.compile(r"[0-9a-f]{32}")
_GROUP_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_TERMINATING: Final = "NamespaceTerminating"
_STOP: Final = "spec.stop"
# Kubernetes' plugin/pkg/admission/resourcequota/controller.go says so, and gives no reason of its own.
_QUOTA: Final = "exceeded quota: "


@dataclass(frozen=True, slots=True)
class Refused:
    """A task beyond a quota that is used up."""

    message: str


class Exists(Exception):
    """A task of this id exists already."""


class NoNamespace(Exception):
    """The cluster's namespace doesn't exist yet."""


class Tasks:
    """The tasks of all clusters, by the clusters' names on ECS. Methods raise `AwsError`, unless they say otherwise."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def fetch(self, cluster: str, task: str) -> Json | None:
        """A task; None if there is none of this id."""
        if not _TASK_ID.fullmatch(task):
            return None
        with translating():
            return await fetch_existing(self._api, ECS_TASKS.path(task, compute_namespace(cluster)))

    async def fetch_all(self, cluster: str, tasks: Iterable[str]) -> list[Json | None]:
        """Several tasks, in their order."""
        return await gather_some([self.fetch(cluster, task) for task in tasks])

    async def list_all(self, cluster: str) -> list[Json]:
        """All tasks of a cluster."""
        with translating():
            listed = self._api.list_pages(ECS_TASKS.list_path(compute_namespace(cluster)))
            return [each async for each in listed]

    async def create(self, task: Json) -> Json | Refused:
        """Creates a task.

        Raises:
            AwsError: it is refused.
            Exists: there is one of this id.
            NoNamespace: the cluster has no namespace yet.
        """
        with translating():
            try:
                return await self._api.create(ECS_TASKS.list_path(task["metadata"]["namespace"]), task)
            except ApiError as error:
                if error.has_cause(_TERMINATING):
                    raise refuse_inactive() from error
                if error.status == HTTPStatus.FORBIDDEN and _QUOTA in error.message:
                    return Refused(error.message)
                if is_conflict(error):
                    raise Exists from error
                if is_missing(error):
                    raise NoNamespace from error
                raise

    async def stop(self, task: Json, patch: Json) -> Json | None:
        """Has a task stopped; None if it's gone, another by now, or was told to stop by someone else meanwhile."""
        metadata = task["metadata"]
        with translating():
            try:
                return await self._api.merge(ECS_TASKS.path(metadata["name"], metadata["namespace"]), patch)
            except ApiError as error:
                was_stopped = any(cause.field.startswith(_STOP) for cause in error.causes)
                if is_missing(error) or is_another(error) or was_stopped:
                    return None
                raise

    async def list_unknown_groups(self, groups: Sequence[str]) -> list[str]:
        """Which security groups don't exist, as far as the caller may see.

        Whoever may run tasks needn't be allowed to see groups. A task in a group that doesn't exist reaches nothing.
        """

        async def is_unknown(group: str) -> bool:
            if not _GROUP_NAME.fullmatch(group):
                return True
            try:
                return await fetch_existing(self._api, SECURITY_GROUPS.path(group)) is None
            except ApiError as error:
                if error.status == HTTPStatus.FORBIDDEN:
                    return False
                raise

        with translating():
            unknown = await gather_some([is_unknown(each) for each in groups])
        return [group for group, is_one in zip(groups, unknown, strict=True) if is_one]
