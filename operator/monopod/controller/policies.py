"""Writes Monopod's NetworkPolicies, and tells what others did to them from what it did itself.

    written ──watch: as written──► nothing            written ──watch: other content, or gone──► tampered with
    deleted by us ──watch: gone──► nothing

What the API server answers goes into the mirror at once, so that the next look at it compares with what is there.
What it should be is decided elsewhere, from the whole state, whoever changed it; the memory here only tells whether
to report that someone else did. A new process remembers nothing, puts right what differs, and reports none of it.
"""

from collections.abc import Callable, Mapping
from typing import Any, assert_never

from monopod.cluster.client import ApiClient, ApiError
from monopod.cluster.mirror import Key, Mirror
from monopod.controller.metrics import ISOLATION_POLICIES
from monopod.domain.isolation import digest_spec
from monopod.domain.policies import Apply, Delete, PolicyChange, PolicyView

COLLECTION = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"

OnTampered = Callable[[PolicyView], None]


class PolicyWriter:
    """The only one that writes NetworkPolicies; `on_tampered` hears of each of ours that someone else changed."""

    def __init__(self, api: ApiClient, mirror: Mirror, on_tampered: OnTampered) -> None:
        self._api = api
        self._mirror = mirror
        self._on_tampered = on_tampered
        self._expected: dict[Key, str] = {}
        mirror.network_policies.listeners.append(self._compare)

    async def make(self, change: PolicyChange) -> None:
        """Makes one change; what can't be, because the namespace is going, is left.

        Raises:
            ApiError: the API server refuses it.
            ApiUnreachable: no answer; it may or may not have happened.
        """
        try:
            match change:
                case Apply(policy):
                    await self._apply(policy)
                    ISOLATION_POLICIES.labels("written").inc()
                case Delete(view):
                    await self._delete(view)
                    ISOLATION_POLICIES.labels("deleted").inc()
                case never:
                    assert_never(never)
        except ApiError as error:
            if error.status != 404 and "being terminated" not in error.message:
                raise

    async def _apply(self, policy: Mapping[str, Any]) -> None:
        key = (policy["metadata"]["namespace"], policy["metadata"]["name"])
        path = f"{COLLECTION.format(key[0])}/{key[1]}"
        # Before the request: its watch event may come before its answer.
        self._expected[key] = digest_spec(policy)
        written = await self._api.apply(path, dict(policy))
        if digest_spec(written) != self._expected[key]:
            # Lists that someone else has put into it aren't taken away by an apply.
            written = await self._api.patch(path, _build_replacement(policy, written))
        self._mirror.network_policies.observe("MODIFIED", written)

    async def _delete(self, view: PolicyView) -> None:
        key = (view.namespace, view.name)
        self._expected.pop(key, None)
        try:
            await self._api.delete(f"{COLLECTION.format(view.namespace)}/{view.name}", view.uid)
        except ApiError as error:
            if error.status != 409:  # another one of this name: the watch tells of it
                raise
            return
        gone = {"metadata": {"namespace": view.namespace, "name": view.name, "uid": view.uid}}
        self._mirror.network_policies.observe("DELETED", gone)

    def _compare(self, key: Key, old: PolicyView | None, new: PolicyView | None) -> None:
        expected = self._expected.get(key)
        if old is None or expected is None or (new and new.kind and new.digest == expected):
            return
        if new is None:
            del self._expected[key]
        self._on_tampered(old)


def _build_replacement(policy: Mapping[str, Any], current: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The JSON patch that puts spec and owners as they should be, if the policy is still the one that was seen."""
    owners = policy["metadata"].get("ownerReferences")
    operations = [
        {"op": "test", "path": "/metadata/uid", "value": current["metadata"]["uid"]},
        {"op": "replace", "path": "/spec", "value": policy["spec"]},
    ]
    if owners:
        operations.append({"op": "add", "path": "/metadata/ownerReferences", "value": owners})
    elif current["metadata"].get("ownerReferences"):
        operations.append({"op": "remove", "path": "/metadata/ownerReferences"})
    return operations
