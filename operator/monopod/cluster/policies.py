"""Whether the cluster serves and has Monopod's admission policies and their bindings."""

from collections.abc import Collection, Mapping

from monopod.cluster.client import ApiClient, ApiError
from monopod.domain.status import Admission, PoliciesInstalled, PoliciesMissing, PoliciesNotServed

GROUP_PATH = "/apis/admissionregistration.k8s.io/v1"

PLURALS: Mapping[str, str] = {
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "mutatingadmissionpolicybindings",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}


async def fetch_admission(api: ApiClient, expected: Mapping[str, Collection[str]]) -> Admission:
    """Compares what is installed with the names expected of each kind.

    Raises:
        ApiError: the API server refuses the lists.
        ApiUnreachable: no answer.
    """
    missing: list[str] = []
    for kind, names in expected.items():
        try:
            found = [
                item["metadata"]["name"]
                async for item in api.list_pages(f"{GROUP_PATH}/{PLURALS[kind]}", metadata_only=True)
            ]
        except ApiError as error:
            if error.status == 404:
                return PoliciesNotServed()
            raise
        missing += [f"{kind}/{name}" for name in sorted(names) if name not in found]
    return PoliciesMissing(tuple(missing)) if missing else PoliciesInstalled()
