"""The controller of ECS' clusters: each has a namespace, and all have one profile.

It asks the API server for what it decides by: there are few clusters, and a namespace must not be deleted by what is
remembered of it.
"""

from collections.abc import Mapping
from typing import Any, Final, assert_never

import structlog

from monopod.api.ecs.names import ECS_PROFILE, NAMESPACE_PREFIX
from monopod.kube.client.api import Api, ApiError
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.controller import DONE, After, Controller, Incomplete, Result
from monopod.kube.logs import ProblemLog
from monopod.kube.objects.resources import ECS_CLUSTERS, ECS_TASKS, NAMESPACES, PROFILES
from monopod.kube.statuses import StatusWriter
from monopod.tasks.caches import ClusterCaches
from monopod.tasks.rules.lifecycle.cluster import (
    CreateNamespace,
    DeleteCluster,
    DeleteNamespace,
    Report,
    build_namespace,
    build_profile,
    decide_deletion,
    decide_step,
    get_namespace,
    read_namespace,
)

_GONE: Final = 404
_CONFLICT: Final = 409
PROFILE_KEY: Final = ""
"""The key of what all clusters share."""

Json = dict[str, Any]
logger = structlog.stdlib.get_logger(__name__)


class ClusterKeeper:
    """Brings clusters to what they should be; keys are their names."""

    def __init__(self, api: Api, caches: ClusterCaches, problems: ProblemLog, clock: Clock = SYSTEM_CLOCK) -> None:
        self._api = api
        self._caches = caches
        self._clock = clock
        self._statuses = StatusWriter(api, caches.ecs_clusters, "ECSCluster", problems)
        self.controller = Controller("ecs-clusters", self._reconcile, problems, workers=4, clock=clock)
        caches.ecs_clusters.listeners.append(lambda key, old, new: self.controller.enqueue(key[1]))
        caches.namespaces.listeners.append(lambda key, old, new: self._observe_namespace(key[1]))
        caches.profiles.listeners.append(lambda key, old, new: self._observe_profile(key[1]))
        self.controller.enqueue(PROFILE_KEY)

    def _observe_namespace(self, name: str) -> None:
        if name.startswith(NAMESPACE_PREFIX):
            self.controller.enqueue(name.removeprefix(NAMESPACE_PREFIX))

    def _observe_profile(self, name: str) -> None:
        if name == ECS_PROFILE:
            self.controller.enqueue(PROFILE_KEY)

    async def _reconcile(self, name: str) -> Result:
        if name == PROFILE_KEY:
            return await self._ensure_profile()
        cluster = await self._fetch(ECS_CLUSTERS.path(name))
        if cluster is None:
            return DONE
        if "deletionTimestamp" in cluster["metadata"]:
            report = decide_deletion(cluster)
            return await self._report(cluster, report) if report else DONE
        found = await self._fetch(NAMESPACES.path(get_namespace(cluster)))
        namespace = read_namespace(found) if found else None
        left = await self._fetch_left(cluster) if namespace else None
        step = decide_step(cluster, namespace, self._clock.now(), left=left)
        match step:
            case Report():
                return await self._report(cluster, step)
            case CreateNamespace(report):
                await self._report(cluster, report)
                await self._create_namespace(cluster)
                return After(0)
            case DeleteNamespace(uid, report):
                await self._report(cluster, report)
                await self._api.delete(NAMESPACES.path(get_namespace(cluster)), uid)
                logger.info("namespace of a deleted cluster deleted", cluster=name)
                return await self._report(cluster, report)
            case DeleteCluster():
                await self._delete(cluster)
                return DONE
            case _:
                assert_never(step)

    async def _ensure_profile(self) -> Result:
        if self._caches.profiles.find("", ECS_PROFILE) is None:
            try:
                self._caches.profiles.observe("ADDED", await self._api.create(PROFILES.list_path(), build_profile()))
            except ApiError as error:
                if error.status != _CONFLICT:  # someone else was faster, and it is theirs: the watch is about to tell
                    raise
            else:
                logger.info("profile of tasks created", name=ECS_PROFILE)
        return DONE

    async def _fetch_left(self, cluster: Mapping[str, Any]) -> Json | None:
        """A task that is left. Asked only where it matters: of a cluster that was deleted."""
        if (cluster.get("spec") or {}).get("active", True):
            return None
        listed = self._api.list_pages(ECS_TASKS.list_path(get_namespace(cluster)), {"limit": "1"}, metadata_only=True)
        async for task in listed:
            return task
        return None

    async def _create_namespace(self, cluster: Json) -> None:
        try:
            await self._api.create(NAMESPACES.list_path(), build_namespace(cluster))
        except ApiError as error:
            if error.status != _CONFLICT:  # it is looked at again in any case
                raise
        else:
            logger.info("namespace of a cluster created", cluster=cluster["metadata"]["name"])

    async def _delete(self, cluster: Json) -> None:
        metadata = cluster["metadata"]
        try:
            # Of the version that was judged: it may have been made active again in this moment.
            await self._api.delete(ECS_CLUSTERS.path(metadata["name"]), metadata["uid"], metadata["resourceVersion"])
        except ApiError as error:
            if error.status != _CONFLICT:
                raise
            self.controller.enqueue(metadata["name"])

    async def _report(self, cluster: Json, report: Report) -> Result:
        if not await self._statuses.write(cluster["metadata"]["name"], cluster.get("status"), report.status):
            raise Incomplete
        return After(report.again.total_seconds()) if report.again else DONE

    async def _fetch(self, path: str) -> Json | None:
        try:
            return await self._api.get(path)
        except ApiError as error:
            if error.status == _GONE and not error.is_unserved:
                return None
            raise
