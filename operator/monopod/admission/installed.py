"""Whether the cluster serves and has Monopod's admission policies and their bindings, as they were installed."""

from collections.abc import Mapping, Sequence
from typing import Any

from monopod.admission.revision import find_changed, find_missing
from monopod.kube.client import ApiClient, ApiError
from monopod.profiles.rules.conditions import (
    Admission,
    PoliciesChanged,
    PoliciesInstalled,
    PoliciesMissing,
    PoliciesNotServed,
)

GROUP_PATH = "/apis/admissionregistration.k8s.io/v1"

PLURALS: Mapping[str, str] = {
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "mutatingadmissionpolicybindings",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}


async def fetch_admission(api: ApiClient, expected: Sequence[dict[str, Any]]) -> Admission:
    """Compares what is installed with the policies and bindings that should be.

    Raises:
        ApiError: the API server refuses the lists.
        ApiUnreachable: no answer.
    """
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for kind, plural in PLURALS.items():
        try:
            async for item in api.list_pages(f"{GROUP_PATH}/{plural}"):
                found[kind, item["metadata"]["name"]] = item
        except ApiError as error:
            if error.status == 404:
                return PoliciesNotServed()
            raise
    if missing := find_missing(expected, found):
        return PoliciesMissing(missing)
    changed = find_changed(expected, found)
    return PoliciesChanged(changed) if changed else PoliciesInstalled()
