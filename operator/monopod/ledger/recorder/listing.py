"""Lists of all pods of profiles, as they were at one moment."""

from collections.abc import Callable
from typing import Final

from monopod.api.names import PROFILE_LABEL
from monopod.kube.client.api import Api, ApiUnreachable, Json
from monopod.kube.clock import Clock
from monopod.kube.objects.resources import PODS
from monopod.kube.objects.timestamps import read_time
from monopod.ledger.recorder.revision_clock import Probe

OUR_PODS: Final = {"labelSelector": PROFILE_LABEL}
"""Admission doesn't let anyone set or drop this mark, so a pod that the selector loses is gone."""


TakePod = Callable[[Json, int], None]
"""Of a pod, and the moment at which the list was asked for."""


def read_version(item: Json) -> int:
    """Returns an object's resourceVersion, which is comparable as a number: Kubernetes' own promise since 1.35."""
    return int((item.get("metadata") or {}).get("resourceVersion") or 0)


def read_stamp(item: Json) -> int:
    """The latest moment that the API server itself stamped on an object, and that no one else can write; else 0."""
    metadata = item.get("metadata") or {}
    try:
        created = read_time(str(metadata.get("creationTimestamp") or ""))
        deleted = read_time(str(metadata.get("deletionTimestamp") or ""))
    except ValueError:
        return 0
    stamps = [created.timestamp() if created else 0]
    if deleted:  # when it was asked for, and the time that the pod was given
        stamps.append(deleted.timestamp() - int(metadata.get("deletionGracePeriodSeconds") or 0))
    return round(max(stamps) * 1000)


def compute_now_ms(clock: Clock) -> int:
    """Returns the present in milliseconds."""
    return round(clock.now().timestamp() * 1000)


async def fetch_listing(api: Api, clock: Clock, take: TakePod) -> Probe:
    """Reads all pods of profiles as of one version, and keeps no more than a page of them.

    Raises:
        ApiError: the API server refused; 410 if later pages were no longer to be had, so that the list begins again.
    """
    sent = compute_now_ms(clock)
    probe = None
    async for page in api.read_pages(PODS.list_path(), OUR_PODS, is_snapshot=True):
        probe = probe or Probe(sent, compute_now_ms(clock), read_version(page))
        for item in page.get("items") or ():
            take(item, sent)
    if probe is None:
        raise ApiUnreachable("a list without a page")
    return probe


async def fetch_probe(api: Api, clock: Clock, namespace: str) -> Probe:
    """Asks where the API server is now: for one pod of a small namespace, because some versions ignore the limit."""
    sent = compute_now_ms(clock)
    answer = await api.get(PODS.list_path(namespace), {"limit": "1"})
    return Probe(sent, compute_now_ms(clock), read_version(answer))
