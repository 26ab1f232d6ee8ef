"""Releases pods that wait for their persistent volume claims, and says of the others what they wait for.

    admission: gate `monopod.dev/volumes` ──► every claim bound, to a volume that Fargate mounts? ── yes: gate lifted
                                                     └── no: event FailedScheduling, asked again in POLL_SECONDS

A list every few seconds instead of watches of pods, claims and volumes: the API server answers it from its cache, and
it holds nothing but pods that no node has yet. Nothing is remembered but which events were written, and an event that
is written again meets its older self.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog

from monopod.api.names import PROFILE_LABEL, VOLUMES_GATE
from monopod.api.reasons import EventType, PodReason
from monopod.cluster.client import ApiClient, ApiError, ApiUnreachable
from monopod.cluster.events import post_event
from monopod.controller.logs import Complaints
from monopod.controller.metrics import WRITES
from monopod.domain.volumes import NotBound, UnsupportedType, VolumesReady, find_claims, judge_volumes

POLL_SECONDS = 2.0
PENDING_PODS = {"labelSelector": PROFILE_LABEL, "fieldSelector": "spec.nodeName=,status.phase=Pending"}

Manifest = dict[str, Any]
logger = structlog.stdlib.get_logger(__name__)


class ClaimKeeper:
    """Looks at the gated pods again and again."""

    def __init__(self, api: ApiClient, complaints: Complaints) -> None:
        self._api = api
        self._complaints = complaints
        self._announced: dict[str, str] = {}

    async def run(self) -> None:
        """Makes passes until cancelled."""
        while True:
            try:
                await self._release_pods()
            except (ApiError, ApiUnreachable) as error:
                self._complaints.raise_about("pods that wait for claims", str(error))
            except Exception:
                logger.exception("pass over pods that wait for claims failed")
            else:
                self._complaints.settle("pods that wait for claims")
            await asyncio.sleep(POLL_SECONDS)

    async def _release_pods(self) -> None:
        waiting = [
            pod async for pod in self._api.list_pages("/api/v1/pods", PENDING_PODS) if find_gate(pod) is not None
        ]
        uids = {pod["metadata"]["uid"] for pod in waiting}
        self._announced = {uid: text for uid, text in self._announced.items() if uid in uids}
        claims: dict[str, dict[str, Manifest]] = {}
        volumes: dict[str, Manifest] = {}
        for pod in waiting:
            namespace = pod["metadata"]["namespace"]
            if namespace not in claims:
                claims[namespace] = await self._list_claims(namespace)
            await self._fetch_volumes(pod, claims[namespace], volumes)
            match judge_volumes(pod, claims[namespace], volumes):
                case VolumesReady():
                    await self._lift_gate(pod)
                case NotBound(text=text) | UnsupportedType(text=text):
                    await self._announce(pod, text)

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

    async def _lift_gate(self, pod: Manifest) -> None:
        metadata, index = pod["metadata"], find_gate(pod)
        gate = f"/spec/schedulingGates/{index}"
        operations = [
            # Only this very pod, and only the gate where it was seen.
            {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
            {"op": "test", "path": gate, "value": {"name": VOLUMES_GATE}},
            {"op": "remove", "path": gate},
        ]
        try:
            await self._api.patch(f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}", operations)
        except ApiError as error:
            if error.status not in (404, 409, 422):  # gone, replaced, or changed meanwhile: seen again next time
                WRITES.labels("pods", "failed").inc()
                self._complaints.raise_about(f"pod {metadata['namespace']}/{metadata['name']}", str(error))
            return
        WRITES.labels("pods", "ok").inc()
        logger.info("claims are bound: pod released", namespace=metadata["namespace"], pod=metadata["name"])

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


def find_gate(pod: Mapping[str, Any]) -> int | None:
    """The place of the gate among the pod's scheduling gates; None if it has no such gate."""
    gates = pod["spec"].get("schedulingGates") or ()
    return next((index for index, gate in enumerate(gates) if gate.get("name") == VOLUMES_GATE), None)
