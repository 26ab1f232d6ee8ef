"""Reads what controls pods: owners whose template is known, and the Deployment behind a ReplicaSet."""

from typing import Any

from monopod.kube.client import ApiClient, ApiError
from monopod.pods.rules.state import has_ended
from monopod.workloads.rules.creation import Census
from monopod.workloads.rules.replacement import Owner, Workload, find_owner, read_workload

_PATHS = {
    "ReplicaSet": "/apis/apps/v1/namespaces/{}/replicasets",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "ReplicationController": "/api/v1/namespaces/{}/replicationcontrollers",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
}


async def fetch_workload(api: ApiClient, namespace: str, owner: Owner) -> Workload | None:
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
    above = find_owner(resource)
    if above is None or not above.is_deployment:
        return read_workload(namespace, owner, resource)
    deployment = await _fetch(api, namespace, above)
    return read_workload(namespace, owner, resource, deployment) if deployment else None


async def count_desired(api: ApiClient, workload: Workload) -> int:
    """How many pods the workload should have now; 0 if it is gone or going, or its kind doesn't tell.

    Raises:
        ApiError: it can't be read.
        ApiUnreachable: no answer.
    """
    if workload.kind not in _PATHS or workload.kind == "Job":
        return 0
    found = await _fetch(api, workload.namespace, Owner("", workload.kind, workload.name, workload.uid))
    replicas = found["spec"].get("replicas", 1) if found else 0
    return int(replicas)


async def fetch_census(api: ApiClient, namespace: str) -> Census:
    """The namespace's pods, and what makes some.

    Raises:
        ApiError: they can't be listed.
        ApiUnreachable: no answer.
    """
    pods = [pod async for pod in api.list_pages(f"/api/v1/namespaces/{namespace}/pods") if not has_ended(pod)]
    return Census(pods, await fetch_makers(api, namespace))


async def fetch_makers(api: ApiClient, namespace: str) -> list[tuple[str, dict[str, Any]]]:
    """What should always have pods in the namespace, each with its kind.

    Raises:
        ApiError: they can't be listed.
        ApiUnreachable: no answer.
    """
    return [
        (kind, each)
        for kind in ("ReplicaSet", "StatefulSet", "ReplicationController")
        async for each in api.list_pages(_PATHS[kind].format(namespace))
    ]


async def _fetch(api: ApiClient, namespace: str, owner: Owner) -> dict[str, Any] | None:
    try:
        found = await api.get(f"{_PATHS[owner.kind].format(namespace)}/{owner.name}")
    except ApiError as error:
        if error.status == 404:
            return None
        raise
    metadata = found["metadata"]
    return None if metadata.get("uid") != owner.uid or "deletionTimestamp" in metadata else found
