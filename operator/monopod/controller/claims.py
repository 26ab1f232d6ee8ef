"""Tells which pods have all of their persistent volume claims bound, and says of the others what they wait for.

What that depends on is decided in `monopod.domain.volumes`; here claims and volumes are read, those of a namespace once
for all of its pods.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from monopod.api.reasons import EventType, PodReason
from monopod.cluster.client import ApiClient, ApiError
from monopod.cluster.events import post_event
from monopod.controller.logs import Complaints
from monopod.domain.volumes import NotBound, UnsupportedType, VolumesReady, find_claims, judge_volumes

Manifest = dict[str, Any]


class Claims:
    """Remembers what it said of which pod, so that it says it once."""

    def __init__(self, api: ApiClient, complaints: Complaints) -> None:
        self._api = api
        self._complaints = complaints
        self._announced: dict[str, str] = {}

    async def find_ready(self, waiting: Sequence[Manifest]) -> list[Manifest]:
        """Those of all waiting pods that need wait no longer.

        Raises:
            ApiError: claims or volumes can't be read.
            ApiUnreachable: no answer.
        """
        uids = {pod["metadata"]["uid"] for pod in waiting}
        self._announced = {uid: text for uid, text in self._announced.items() if uid in uids}
        claims: dict[str, dict[str, Manifest]] = {}
        volumes: dict[str, Manifest] = {}
        ready = []
        for pod in waiting:
            namespace = pod["metadata"]["namespace"]
            if namespace not in claims:
                claims[namespace] = await self._list_claims(namespace)
            await self._fetch_volumes(pod, claims[namespace], volumes)
            match judge_volumes(pod, claims[namespace], volumes):
                case VolumesReady():
                    ready.append(pod)
                case NotBound(text=text) | UnsupportedType(text=text):
                    await self._announce(pod, text)
        return ready

    async def _list_claims(self, namespace: str) -> dict[str, Manifest]:
        path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
        return {claim["metadata"]["name"]: claim async for claim in self._api.list_pages(path)}

    async def _fetch_volumes(self, pod: Manifest, claims: Mapping[str, Manifest], volumes: dict[str, Manifest]) -> None:
        """Adds the volumes of the pod's claims, but for those that don't exist."""
        names = {(claims.get(claim) or {}).get("spec", {}).get("volumeName") for claim in find_claims(pod)}
        for name in names - {None, ""} - volumes.keys():
            try:
                volumes[name] = await self._api.get(f"/api/v1/persistentvolumes/{name}")
            except ApiError as error:
                if error.status != 404:
                    raise

    async def _announce(self, pod: Manifest, text: str) -> None:
        metadata = pod["metadata"]
        if self._announced.get(metadata["uid"]) == text:
            return
        about = {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        }
        try:
            await post_event(self._api, about, EventType.WARNING, PodReason.FAILED_SCHEDULING, text, count=False)
        except ApiError as error:
            # Refused for good: the namespace is being deleted, or its quota of events is full.
            self._complaints.raise_about(f"event about pod {metadata['namespace']}/{metadata['name']}", str(error))
        self._announced[metadata["uid"]] = text
