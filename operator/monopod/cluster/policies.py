"""Whether the cluster serves and has Monopod's admission policies and their bindings."""

from collections.abc import Iterable, Mapping

from monopod.cluster.client import ApiClient, ApiError
from monopod.domain.conditions import Admission, PoliciesInstalled, PoliciesMissing, PoliciesNotServed

GROUP_PATH = "/apis/admissionregistration.k8s.io/v1"

PLURALS: Mapping[str, str] = {
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "mutatingadmissionpolicybindings",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}


async def fetch_admission(api: ApiClient, expected: Iterable[tuple[str, str]]) -> Admission:
    """Compares what is installed with the kinds and names that should be.

    Raises:
        ApiError: the API server refuses the lists.
        ApiUnreachable: no answer.
    """
    found: set[tuple[str, str]] = set()
    for kind, plural in PLURALS.items():
        try:
            async for item in api.list_pages(f"{GROUP_PATH}/{plural}", metadata_only=True):
                found.add((kind, item["metadata"]["name"]))
        except ApiError as error:
            if error.status == 404:
                return PoliciesNotServed()
            raise
    missing = tuple(f"{kind}/{name}" for kind, name in expected if (kind, name) not in found)
    return PoliciesMissing(missing) if missing else PoliciesInstalled()
