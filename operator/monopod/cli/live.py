"""The cluster as the CLI sees it, as dicts. docs/reference/cli.md says which commands write; most only read."""

from http import HTTPStatus
from typing import Any

from monopod.cli.failure import Missing
from monopod.kube.client.api import ApiError, ApiUnreachable
from monopod.kube.client.synchronous import SyncClient
from monopod.kube.objects.resources import MUTATING_BINDINGS, PODS, PROFILES, RUNTIME_CLASSES

Json = dict[str, Any]

NOT_FOUND = HTTPStatus.NOT_FOUND
_NAMESPACES_BINDING = MUTATING_BINDINGS.path("monopod-namespaces")
_NO_PROFILES = "The cluster has no FargateProfiles: Monopod isn't installed."


class Cluster(SyncClient):
    """A connection to the API server that a kubeconfig names. Methods raise as those of `SyncClient` do."""

    def fetch_monopod_namespace(self) -> str | None:
        """Where Monopod is installed, as the binding of one of its policies tells; None where that can't be read."""
        try:
            binding = self.get(_NAMESPACES_BINDING)
        except (ApiError, ApiUnreachable):
            return None
        return ((binding.get("spec") or {}).get("paramRef") or {}).get("namespace")

    def list_profiles(self, *, deleting: bool = False) -> list[Json]:
        """All FargateProfiles that admission knows: one that is being deleted takes no new pods.

        Args:
            deleting: whether those that are being deleted are wanted, too.

        Raises:
            Missing: Monopod isn't installed.
        """
        try:
            items = self.list_items(PROFILES.list_path())
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            raise Missing(_NO_PROFILES) from None
        return [item for item in items if deleting or "deletionTimestamp" not in item["metadata"]]

    def read_pod(self, name: str, namespace: str) -> Json:
        """One pod.

        Raises:
            Missing: there is no such pod.
        """
        try:
            return self.get(PODS.path(name, namespace))
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            raise Missing(f"There is no pod {name} in namespace {namespace}.") from None

    def read_profile(self, name: str) -> Json:
        """One FargateProfile.

        Raises:
            Missing: there is none of that name, or Monopod isn't installed.
        """
        try:
            return self.get(PROFILES.path(name))
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            raise Missing(_NO_PROFILES if error.is_unserved else f"There is no FargateProfile {name}.") from None

    def list_runtime_classes(self) -> list[Json]:
        """All RuntimeClasses; none if they can't be read."""
        try:
            return self.list_items(RUNTIME_CLASSES.list_path())
        except (ApiError, ApiUnreachable):
            return []


def describe_deletion(profile: str) -> str:
    """Why nothing more is moved by a profile."""
    return f"FargateProfile {profile} is being deleted: its pods move out, and none move in."
