"""Whether the cluster serves and has Monopod's admission policies and their bindings, as they were installed."""

from collections.abc import Mapping, Sequence
from typing import Any

from monopod.admission.revision import find_changed, find_missing
from monopod.kube.client.api import Api, ApiError
from monopod.kube.objects.resources import ADMISSION_RESOURCES
from monopod.profiles.rules.conditions import (
    Admission,
    PoliciesChanged,
    PoliciesInstalled,
    PoliciesMissing,
    PoliciesNotServed,
)


async def fetch_admission(api: Api, expected: Sequence[dict[str, Any]]) -> Admission:
    """Compares what is installed with the policies and bindings that should be.

    Raises:
        ApiError: the API server refuses the lists.
        ApiUnreachable: no answer.
    """
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for resource in ADMISSION_RESOURCES:
        try:
            async for item in api.list_pages(resource.list_path()):
                found[resource.kind, item["metadata"]["name"]] = item
        except ApiError as error:
            if error.status == 404:
                return PoliciesNotServed()
            raise
    if missing := find_missing(expected, found):
        return PoliciesMissing(missing)
    changed = find_changed(expected, found)
    return PoliciesChanged(changed) if changed else PoliciesInstalled()
