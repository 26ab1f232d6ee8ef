"""Tasks and the logs of their containers, as one caller may see them: requests to the API server, and nothing kept."""

import datetime
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Final

from monopod.api.ecs.names import NAMESPACE_PREFIX
from monopod.aws.access.failures import translate_failure, translating
from monopod.aws.logs.rules.lines import LATEST, Event, LineReader
from monopod.aws.logs.rules.streams import Stream
from monopod.kube.client.api import ApiError, ApiUnreachable, Json, TextApi
from monopod.kube.objects.resources import ECS_CLUSTERS, ECS_TASK_DEFINITIONS, ECS_TASKS, PODS

_NANOSECONDS: Final = 1_000_000_000
_NOTHING: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST)
"""What is said of a pod that is gone, and of a container that hasn't begun."""


class Unreadable(Exception):
    """The kubelet that has a log can't be asked now."""


class TaskLogs:
    """Reads them. Methods raise `AwsError` where the API server refuses."""

    def __init__(self, api: TextApi) -> None:
        self._api = api

    async def list_tasks(self, ids: Collection[str] | None = None) -> list[Json]:
        """The tasks that the caller may list: those of all clusters, or else of each where that's allowed.

        Args:
            ids: of the only ones that are wanted.
        """
        queries = [{}] if ids is None else [{"fieldSelector": f"metadata.name={each}"} for each in sorted(ids)]
        with translating():
            try:
                return await self._list(ECS_TASKS.list_path(), queries)
            except ApiError as error:
                if error.status != HTTPStatus.FORBIDDEN:
                    raise
                return await self._list_by_cluster(error, queries)

    async def _list(self, path: str, queries: Sequence[Mapping[str, str]]) -> list[Json]:
        return [each for query in queries async for each in self._api.list_pages(path, query)]

    async def _list_by_cluster(self, forbidden: ApiError, queries: Sequence[Mapping[str, str]]) -> list[Json]:
        found: list[Json] = []
        is_allowed = False
        async for cluster in self._api.list_pages(ECS_CLUSTERS.list_path(), metadata_only=True):
            path = ECS_TASKS.list_path(f"{NAMESPACE_PREFIX}{cluster['metadata']['name']}")
            try:
                found += await self._list(path, queries)
            except ApiError as error:
                if error.status != HTTPStatus.FORBIDDEN:
                    raise
            else:
                is_allowed = True
        if not is_allowed:
            raise forbidden
        return found

    async def list_definitions(self) -> list[Json]:
        """All task definitions; none if the caller may not list them."""
        with translating():
            try:
                return [each async for each in self._api.list_pages(ECS_TASK_DEFINITIONS.list_path())]
            except ApiError as error:
                if error.status != HTTPStatus.FORBIDDEN:
                    raise
                return []

    async def read(self, stream: Stream, since: int = 0, last: int | None = None) -> AsyncGenerator[Event, None]:
        """The events of a stream, in order, read as they are asked for; close it, if not all were.

        Args:
            stream: the stream.
            since: not those that are older, in nanoseconds; some of the same second come nevertheless.
            last: only this many lines, from the end.

        Raises:
            Unreadable: the node of the pod can't be asked.
        """
        query = {"container": stream.container, "timestamps": "true"}
        if since >= _NANOSECONDS:
            moment = datetime.datetime.fromtimestamp(min(since, LATEST) // _NANOSECONDS, datetime.UTC)
            query["sinceTime"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        if last is not None:
            query["tailLines"] = str(last)
        path = PODS.path(stream.pod, stream.namespace, "log")
        reader = LineReader()
        try:
            async with self._api.read_text(path, query) as pieces:
                async for piece in pieces:
                    for event in reader.read(piece):
                        yield event
            # A line of a running container that has no end yet would be another event once it has.
            for event in reader.finish() if stream.is_over else ():
                yield event
        except ApiError as error:
            if error.status not in _NOTHING:
                raise translate_failure(error) from error
        except ApiUnreachable as trouble:
            raise Unreadable(str(trouble)) from trouble
