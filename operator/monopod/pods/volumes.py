"""Reads persistent volume claims, and the volumes behind them."""

from collections.abc import Iterable, Mapping
from typing import Any

from monopod.kube.client.api import Api, ApiError
from monopod.kube.objects.resources import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES

Manifest = dict[str, Any]


async def fetch_claims(api: Api, namespace: str) -> dict[str, Manifest]:
    """The claims of a namespace, by name.

    Raises:
        ApiError: they can't be listed.
        ApiUnreachable: no answer.
    """
    path = PERSISTENT_VOLUME_CLAIMS.list_path(namespace)
    return {claim["metadata"]["name"]: claim async for claim in api.list_pages(path)}


async def fetch_volumes(
    api: Api, claims: Iterable[Mapping[str, Any]], known: Mapping[str, Manifest] | None = None
) -> dict[str, Manifest]:
    """The volumes of claims, by name, but for those that don't exist; what is known already isn't read again.

    Raises:
        ApiError: one can't be read.
        ApiUnreachable: no answer.
    """
    volumes = dict(known or {})
    for name in sorted({claim.get("spec", {}).get("volumeName") or "" for claim in claims} - {""} - volumes.keys()):
        try:
            volumes[name] = await api.get(PERSISTENT_VOLUMES.path(name))
        except ApiError as error:
            if error.status != 404:
                raise
    return volumes
