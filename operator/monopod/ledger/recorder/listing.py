"""Lists of all pods of profiles, as they were at one moment."""

from dataclasses import dataclass
from typing import Final

from monopod.api.names import PROFILE_LABEL
from monopod.kube.client.api import Api, Json
from monopod.kube.client.request import PAGE_SIZE
from monopod.kube.clock import Clock
from monopod.kube.objects.resources import PODS
from monopod.ledger.recorder.revision_clock import Probe

OUR_PODS: Final = {"labelSelector": PROFILE_LABEL}
"""Admission doesn't let anyone set or drop this mark, so a pod that the selector loses is gone."""


@dataclass(frozen=True, slots=True)
class Listing:
    """All pods of profiles at one resourceVersion."""

    probe: Probe
    items: tuple[Json, ...]


def read_version(item: Json) -> int:
    """Returns an object's resourceVersion, which is comparable as a number: Kubernetes' own promise since 1.35."""
    return int((item.get("metadata") or {}).get("resourceVersion") or 0)


def compute_now_ms(clock: Clock) -> int:
    """Returns the present in milliseconds."""
    return round(clock.now().timestamp() * 1000)


async def fetch_listing(api: Api, clock: Clock) -> Listing:
    """Reads all pods of profiles: in pages, but as of the first one's version.

    Raises:
        ApiError: the API server refused; 410 if later pages were no longer to be had, so that the list began again.
    """
    sent = compute_now_ms(clock)
    query = {**OUR_PODS, "limit": str(PAGE_SIZE)}
    page = await api.get(PODS.list_path(), query)
    probe = Probe(sent, compute_now_ms(clock), read_version(page))
    items: list[Json] = list(page.get("items") or ())
    while token := (page.get("metadata") or {}).get("continue"):
        page = await api.get(PODS.list_path(), {**query, "continue": token})
        items += page.get("items") or ()
    return Listing(probe, tuple(items))


async def fetch_probe(api: Api, clock: Clock, namespace: str) -> Probe:
    """Asks where the API server is now: for one pod of a small namespace, because some versions ignore the limit."""
    sent = compute_now_ms(clock)
    answer = await api.get(PODS.list_path(namespace), {"limit": "1"})
    return Probe(sent, compute_now_ms(clock), read_version(answer))
