"""ECS' clusters, as one caller may see and change them, in requests to the API server."""

from collections.abc import Mapping
from typing import Any, Final

from monopod.aws.access.failures import fetch_existing, is_another, is_conflict, is_missing
from monopod.aws.ecs.failures import translating
from monopod.aws.ecs.rules.clusters import PROVISIONING, is_active, is_as_asked, read_name, read_status
from monopod.aws.ecs.rules.refusals import miss_cluster, refuse_repetition
from monopod.aws.wire.call import AwsError
from monopod.kube.client.api import Api, ApiError, Json
from monopod.kube.clock import Clock, sleep
from monopod.kube.objects.resources import ECS_CLUSTERS, ECS_TASKS
from monopod.tasks.rules.names import compute_namespace, compute_object_name

_ATTEMPTS: Final = 5

SETTLING_SECONDS: Final = 10.0
"""How long a new cluster may take to become active before it is answered as it is: clients run tasks right away."""

_LOOK_SECONDS: Final = 0.2


class Clusters:
    """The clusters, by their names on ECS. Methods raise `AwsError`, also where the API server refuses."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock

    async def fetch(self, name: str) -> Json | None:
        """A cluster, active or not; None if there is none of this name."""
        with translating():
            cluster = await fetch_existing(self._api, _build_path(name))
        return cluster if cluster and read_name(cluster) == name else None

    async def fetch_active(self, name: str) -> Json:
        """A cluster in which tasks may be run, or will be in a moment.

        Raises:
            AwsError: there is none.
        """
        cluster = await self.fetch(name)
        if cluster is None or not is_active(cluster):
            raise miss_cluster()
        return cluster

    async def list_names(self) -> list[str]:
        """The names of all that are active."""
        with translating():
            return [read_name(each) async for each in self._api.list_pages(ECS_CLUSTERS.list_path()) if is_active(each)]

    async def list_tasks(self, name: str) -> list[Json]:
        """The tasks of a cluster, stopped ones too."""
        with translating():
            path = ECS_TASKS.list_path(compute_namespace(name))
            return [each async for each in self._api.list_pages(path)]

    async def create(self, cluster: Json) -> Json:
        """Creates a cluster; one that exists already isn't changed.

        Args:
            cluster: the object.

        Raises:
            AwsError: one exists that differs from what is asked for.
        """
        for _ in range(_ATTEMPTS):
            with translating():
                try:
                    return await self._api.create(ECS_CLUSTERS.list_path(), cluster)
                except ApiError as error:
                    if not is_conflict(error):
                        raise
            found = await self.fetch(read_name(cluster))
            if found is None:  # gone meanwhile, or an object of this name that is another cluster
                continue
            if is_active(found):
                if is_as_asked(found, cluster):
                    return found
                break
            if again := await self._activate(found, cluster["spec"]):
                return again
        raise refuse_repetition()

    async def settle(self, cluster: Json) -> Json:
        """A cluster once it is active, or as it is after a while."""
        until = self._clock.monotonic() + SETTLING_SECONDS
        while read_status(cluster) == PROVISIONING and self._clock.monotonic() < until:
            await sleep(self._clock, _LOOK_SECONDS)
            try:
                found = await self.fetch(read_name(cluster))
            except AwsError:  # it was created, though the caller may not see it
                break
            if found is None:
                break
            cluster = found
        return cluster

    async def change(self, cluster: Json, spec: Mapping[str, Any]) -> Json:
        """Changes members of a cluster's spec.

        Raises:
            AwsError: it is gone, or another by now.
        """
        if (changed := await self._patch(cluster, spec)) is None:
            raise miss_cluster()
        return changed

    async def _activate(self, cluster: Json, spec: Mapping[str, Any]) -> Json | None:
        """Makes a deleted cluster active again; None if it was changed meanwhile."""
        fresh = {"capacityProviders": None, "defaultCapacityProviderStrategy": None, **spec}
        # Of the old one's tags none stays: a merge patch removes what it names with null.
        old = dict.fromkeys((cluster["spec"].get("tags") or {}), None)
        fresh["tags"] = {**old, **(spec.get("tags") or {})}
        return await self._patch(cluster, fresh, version=cluster["metadata"]["resourceVersion"])

    async def _patch(self, cluster: Json, spec: Mapping[str, Any], version: str = "") -> Json | None:
        metadata = {"uid": cluster["metadata"]["uid"], **({"resourceVersion": version} if version else {})}
        with translating():
            try:
                path = ECS_CLUSTERS.path(cluster["metadata"]["name"])
                return await self._api.merge(path, {"metadata": metadata, "spec": dict(spec)})
            except ApiError as error:
                if is_another(error) or is_missing(error):
                    return None
                raise


def _build_path(name: str) -> str:
    return ECS_CLUSTERS.path(compute_object_name(name))
