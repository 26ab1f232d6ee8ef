"""Tells which pods have all of their persistent volume claims bound, and says of the others what they wait for.

What that depends on is decided in `monopod.pods.rules.volumes`; here claims and volumes are read, those of a namespace
once for all of its pods.
"""

from collections.abc import Sequence
from typing import Any

from monopod.api.reasons import EventType, PodReason
from monopod.kube.client.api import Api
from monopod.kube.event_recorder import EventRecorder, refer_to_pod
from monopod.pods.rules.volumes import NotBound, UnsupportedType, VolumesReady, get_claims, judge_volumes
from monopod.pods.volumes import fetch_claims, fetch_volumes

Manifest = dict[str, Any]


class Claims:
    """Says of each pod once what it waits for."""

    def __init__(self, api: Api, recorder: EventRecorder) -> None:
        self._api = api
        self._recorder = recorder

    async def fetch_ready(self, waiting: Sequence[Manifest]) -> list[Manifest]:
        """Those of all waiting pods that need wait no longer.

        Raises:
            ApiError: claims or volumes can't be read.
            ApiUnreachable: no answer.
        """
        claims: dict[str, dict[str, Manifest]] = {}
        volumes: dict[str, Manifest] = {}
        ready = []
        for pod in waiting:
            namespace = pod["metadata"]["namespace"]
            if namespace not in claims:
                claims[namespace] = await fetch_claims(self._api, namespace)
            own = [claims[namespace][name] for name in get_claims(pod) if name in claims[namespace]]
            volumes = await fetch_volumes(self._api, own, volumes)
            match judge_volumes(pod, claims[namespace], volumes):
                case VolumesReady():
                    ready.append(pod)
                case NotBound(text=text) | UnsupportedType(text=text):
                    about = refer_to_pod(namespace, pod["metadata"]["name"], pod["metadata"]["uid"])
                    reason = PodReason.FAILED_SCHEDULING
                    await self._recorder.record_state(about, EventType.WARNING, reason, text)
        return ready
