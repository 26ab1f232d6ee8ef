"""What there is for warm capacity: objects in Monopod's own namespace, balloons, and the pods that run."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from monopod.api.names import BALLOON_PRIORITY_CLASS, CAPACITY_ANNOTATION, PROFILE_LABEL, WARM_LABEL
from monopod.capacity.rules.warm.room import Use, measure_use
from monopod.capacity.rules.warm.wish import Running, read_running
from monopod.kube.client.api import Api, ApiError
from monopod.kube.objects.resources import (
    CAPACITY_BUFFERS,
    DEPLOYMENTS,
    POD_TEMPLATES,
    PODS,
    PRIORITY_CLASSES,
    Resource,
)

Manifest = Mapping[str, Any]

_OURS: Final = {"labelSelector": WARM_LABEL}
_PLACED: Final = {"fieldSelector": "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"}


@dataclass(frozen=True, slots=True)
class Found:
    """What is there, each by the profile that it is for.

    Attributes:
        owner: the uid of the PriorityClass of balloons; "" if there is none.
        buffers: None where the API server doesn't serve CapacityBuffers.
    """

    owner: str
    deployments: Mapping[str, Manifest]
    templates: Mapping[str, Manifest]
    buffers: Mapping[str, Manifest] | None
    balloons: Mapping[str, tuple[Manifest, ...]]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing."""
        return not (self.deployments or self.templates or self.buffers)

    @property
    def sizes(self) -> dict[str, str]:
        """The size of what there is for each profile."""
        written = {**self.templates, **self.deployments}
        return {name: _get_annotation(resource) for name, resource in written.items()}


def _get_annotation(resource: Manifest) -> str:
    return str((resource["metadata"].get("annotations") or {}).get(CAPACITY_ANNOTATION) or "")


async def fetch_warm(api: Api, namespace: str) -> Found:
    """Lists all of it."""
    balloons: dict[str, tuple[Manifest, ...]] = {}
    async for pod in api.list_pages(PODS.list_path(namespace), _OURS):
        profile = pod["metadata"]["labels"][WARM_LABEL]
        balloons[profile] = (*balloons.get(profile, ()), pod)
    return Found(
        await _fetch_owner(api),
        await _list(api, DEPLOYMENTS, namespace),
        await _list(api, POD_TEMPLATES, namespace),
        await _list_buffers(api, namespace),
        balloons,
    )


async def _fetch_owner(api: Api) -> str:
    try:
        found = await api.get(PRIORITY_CLASSES.path(BALLOON_PRIORITY_CLASS))
    except ApiError as error:
        if error.status == 404:
            return ""
        raise
    return str(found["metadata"]["uid"])


async def _list(api: Api, resource: Resource, namespace: str) -> dict[str, Manifest]:
    listed = api.list_pages(resource.list_path(namespace), _OURS)
    return {each["metadata"]["labels"][WARM_LABEL]: each async for each in listed}


async def _list_buffers(api: Api, namespace: str) -> dict[str, Manifest] | None:
    try:
        return await _list(api, CAPACITY_BUFFERS, namespace)
    except ApiError as error:
        if error.status == 404:
            return None
        raise


async def fetch_running(api: Api, profiles: Collection[str]) -> dict[str, Running]:
    """How many pods of these profiles run, of each size."""
    query = {
        "labelSelector": f"{PROFILE_LABEL} in ({','.join(sorted(profiles))})",
        "fieldSelector": "status.phase=Running",
    }
    pods = []
    async for pod in api.list_pages(PODS.list_path(), query, metadata_only=True):
        metadata = pod["metadata"]
        annotations = metadata.get("annotations") or {}
        pods.append((metadata["labels"][PROFILE_LABEL], str(annotations.get(CAPACITY_ANNOTATION) or "")))
    return read_running(pods)


async def fetch_uses(api: Api) -> list[Use]:
    """What all pods take of their nodes."""
    measured = [measure_use(pod) async for pod in api.list_pages(PODS.list_path(), _PLACED)]
    return [use for use in measured if use]
