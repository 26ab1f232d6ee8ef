"""Reads what controls pods: owners whose template is known, and the Deployment behind a ReplicaSet."""

from typing import Any

from monopod.kube.client.api import Api, ApiError
from monopod.kube.objects.resources import (
    BY_KIND,
    DEPLOYMENTS,
    PODS,
    REPLICA_SETS,
    REPLICATION_CONTROLLERS,
    STATEFUL_SETS,
)
from monopod.pods.rules.state import has_ended
from monopod.workloads.rules.creation import Census
from monopod.workloads.rules.replacement import Owner, Workload, get_owner, read_workload

_REPLICATED = (REPLICA_SETS, STATEFUL_SETS, REPLICATION_CONTROLLERS)
_WITH_REPLICAS = {resource.kind for resource in (*_REPLICATED, DEPLOYMENTS)}


async def fetch_workload(api: Api, namespace: str, owner: Owner) -> Workload | None:
    """The workload of pods with this controller; None if the controller is gone or going.

    Raises:
        ApiError: it can't be read.
        ApiUnreachable: no answer.
    """
    if not owner.has_template:
        return read_workload(namespace, owner, None)
    resource = await _fetch(api, namespace, owner)
    if resource is None:
        return None
    above = get_owner(resource)
    if above is None or not above.is_deployment:
        return read_workload(namespace, owner, resource)
    deployment = await _fetch(api, namespace, above)
    return read_workload(namespace, owner, resource, deployment) if deployment else None


async def count_desired(api: Api, workload: Workload) -> int:
    """How many pods the workload should have now; 0 if it is gone or going, or its kind doesn't tell.

    Raises:
        ApiError: it can't be read.
        ApiUnreachable: no answer.
    """
    if workload.kind not in _WITH_REPLICAS:
        return 0
    found = await _fetch(api, workload.namespace, Owner("", workload.kind, workload.name, workload.uid))
    replicas = found["spec"].get("replicas", 1) if found else 0
    return int(replicas)


async def fetch_census(api: Api, namespace: str) -> Census:
    """The namespace's pods, and what makes some.

    Raises:
        ApiError: they can't be listed.
        ApiUnreachable: no answer.
    """
    pods = [pod async for pod in api.list_pages(PODS.list_path(namespace)) if not has_ended(pod)]
    return Census(pods, await fetch_makers(api, namespace))


async def fetch_makers(api: Api, namespace: str) -> list[tuple[str, dict[str, Any]]]:
    """What should always have pods in the namespace, each with its kind.

    Raises:
        ApiError: they can't be listed.
        ApiUnreachable: no answer.
    """
    return [
        (resource.kind, each)
        for resource in _REPLICATED
        async for each in api.list_pages(resource.list_path(namespace))
    ]


async def _fetch(api: Api, namespace: str, owner: Owner) -> dict[str, Any] | None:
    if not owner.is_readable:
        return None
    try:
        found = await api.get(BY_KIND[owner.kind].path(owner.name, namespace))
    except ApiError as error:
        if error.status == 404:
            return None
        raise
    metadata = found["metadata"]
    return None if metadata.get("uid") != owner.uid or "deletionTimestamp" in metadata else found
