"""FargateProfiles that a user hands in, or that a cluster has: refused as the API server would."""

from collections.abc import Iterable, Mapping

from monopod.api.names import KUBE_SYSTEM, SYSTEM_NAMESPACE
from monopod.cli.failure import UnreadableInput
from monopod.cli.input.manifests import find_profiles, refuse_twins
from monopod.kube.objects.fields import InvalidProfile
from monopod.pods.rules.selection import Profile

UNNAMED_SANDBOX = ""
"""Stands for the sandbox that Monopod was installed with, where nothing tells which that is."""


def read_profiles(documents: Iterable[object], path: str, sandbox: str | None) -> list[Profile]:
    """The profiles in the documents of a file or folder.

    Raises:
        UnreadableInput: a profile is malformed or there twice, or there is none.
    """
    profiles = []
    for resource in find_profiles(documents, path):
        refuse_invalid(resource)
        try:
            profiles.append(read_profile_resource(resource, sandbox))
        except InvalidProfile as problem:
            raise UnreadableInput(f"FargateProfile {get_name(resource)}: {problem}") from None
    refuse_twins(profile.name for profile in profiles)
    return profiles


def refuse_invalid(resource: Mapping[str, object]) -> None:
    """Raises UnreadableInput, in the API server's words, if it would refuse an object that is one of our kinds."""
    # The engine of the rules takes half a second to import.
    from monopod.cli.input.schema.kinds import compute_faults, get_kind

    kind = get_kind(resource)
    if kind and (faults := compute_faults(resource, kind)):
        raise UnreadableInput(f"{resource.get('kind')} {get_name(resource)}: {'; '.join(map(str, faults))}")


def read_profile_resource(resource: Mapping[str, object], sandbox: str | None) -> Profile:
    """A profile that names no sandbox gets the one that the user names, else the one that its status tells.

    Raises:
        InvalidProfile: a field is missing or of the wrong type.
    """
    # Read without raising: a status that no one validated must not keep the profile from being explained.
    status = resource.get("status")
    told = status.get("runtimeClassName") if isinstance(status, Mapping) else None
    return Profile.from_resource(resource, sandbox or (told if isinstance(told, str) else UNNAMED_SANDBOX))


def get_name(resource: Mapping[str, object]) -> str:
    """A profile's name for a message."""
    metadata = resource.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return str(name) if name else "without a name"


def get_protected(monopod_namespace: str | None = None) -> frozenset[str]:
    """The namespaces that only their exact name reaches, as for the operator and the policies."""
    return frozenset({KUBE_SYSTEM, monopod_namespace or SYSTEM_NAMESPACE})
