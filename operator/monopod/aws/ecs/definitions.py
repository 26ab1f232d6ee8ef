"""ECS' task definitions, as one caller may see and change them, in requests to the API server.

    family's counter: n ─► n + 1, if no one else changed it ─► task definition family.n+1
                     ▲                 │ someone did              │ there is one already, of kubectl's
                     └─────────────────┴───────────◄──────────────┘

A number is counted before it is used, so that none is used twice, whoever is killed in between.
"""

import datetime
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from monopod.aws.access.failures import fetch_existing, is_another, is_conflict, is_missing
from monopod.aws.ecs.failures import translating
from monopod.aws.ecs.rules.arns import DefinitionName
from monopod.aws.ecs.rules.definitions import build_definition, build_family, is_named, read_revision
from monopod.aws.ecs.rules.refusals import miss_definition, miss_deregistered, refuse_concurrency
from monopod.aws.ecs.rules.times import format_time
from monopod.kube.client.api import Api, ApiError, Json
from monopod.kube.objects.resources import ECS_TASK_DEFINITIONS, ECS_TASK_FAMILIES
from monopod.tasks.rules.names import compute_definition_name, compute_object_name
from monopod.tasks.rules.task import NAME

_ATTEMPTS: Final = 20


class Definitions:
    """The task definitions. Methods raise `AwsError`, also where the API server refuses."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def register(self, definition: Json, tags: Mapping[str, str], user: str, now: datetime.datetime) -> Json:
        """Creates the next revision of a family."""
        family = definition["family"]
        for _ in range(_ATTEMPTS):
            revision = await self._count(family)
            if revision is None:
                continue
            body = build_definition(definition, revision, tags, user, now)
            with translating():
                try:
                    return await self._api.create(ECS_TASK_DEFINITIONS.list_path(), body)
                except ApiError as error:
                    if not is_conflict(error):
                        raise
        raise refuse_concurrency()

    async def find(self, named: DefinitionName) -> Json | None:
        """A task definition; where no revision is named, the latest that is active. None if there is none."""
        if not NAME.fullmatch(named.family):
            return None
        revision = named.revision
        if revision is None:
            revision = max((number for _, number in await self.list_revisions(named.family)), default=0)
        path = ECS_TASK_DEFINITIONS.path(compute_definition_name(named.family, revision))
        with translating():
            found = await fetch_existing(self._api, path)
        return found if found and is_named(found, named) else None

    async def fetch(self, named: DefinitionName) -> Json:
        """The same.

        Raises:
            AwsError: there is none.
        """
        if (found := await self.find(named)) is None:
            raise miss_definition()
        return found

    async def list_revisions(self, family: str = "", *, is_active: bool = True) -> list[tuple[str, int]]:
        """Families and revisions, of a family or of all."""
        wanted = {"spec.active": str(is_active).lower(), **({"spec.family": family} if family else {})}
        query = {"fieldSelector": ",".join(f"{path}={value}" for path, value in wanted.items())}
        with translating():
            listed = self._api.list_pages(ECS_TASK_DEFINITIONS.list_path(), query, metadata_only=True)
            found = [read_revision(each["metadata"]) async for each in listed]
        return [each for each in found if each is not None and family in ("", each[0])]

    async def deregister(self, definition: Json, now: datetime.datetime) -> Json:
        """Deregisters a task definition, so that no new task runs by it; one that was deregistered stays as it is.

        Raises:
            AwsError: it is gone, or another by now.
        """
        if not definition["spec"].get("active", True):
            return definition
        metadata = definition["metadata"]
        patch = {
            "metadata": {"uid": metadata["uid"]},
            "spec": {"active": False, "deregisteredAt": format_time(now)},
        }
        with translating():
            try:
                return await self._api.merge(ECS_TASK_DEFINITIONS.path(metadata["name"]), patch)
            except ApiError as error:
                if is_another(error) or is_missing(error):
                    raise miss_deregistered() from error
                raise

    async def _count(self, family: str) -> int | None:
        """The next number of a family, which no one else gets; None if someone else counted meanwhile."""
        path = ECS_TASK_FAMILIES.path(compute_object_name(family))
        with translating():
            counter = await fetch_existing(self._api, path)
            try:
                if counter is None:
                    await self._api.create(ECS_TASK_FAMILIES.list_path(), build_family(family))
                    return 1
                number = int(counter["spec"].get("latestRevision", 0)) + 1
                metadata = {"resourceVersion": counter["metadata"]["resourceVersion"]}
                await self._api.merge(path, {"metadata": metadata, "spec": {"latestRevision": number}})
                return number
            except ApiError as error:
                if error.status in (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND):
                    return None
                raise
