"""Writes Monopod's NetworkPolicies, and tells what others did to them from what it did itself.

    written ──watch: as written──► nothing            written ──watch: other content, or gone──► tampered with
    deleted by us ──watch: gone──► nothing

What the API server answers goes into the cache at once, so that the next reconcile compares with what is there.
What it should be is decided elsewhere, from the whole state, whoever changed it; the memory here only tells whether
to report that someone else did. A new process remembers nothing, restores what differs, and reports none of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, assert_never

from monopod.isolation.caches import Caches
from monopod.isolation.rules.changes import Apply, Delete, PolicyChange, PolicyView, decide_policies
from monopod.isolation.rules.network_policies import digest_spec
from monopod.kube.cache import Key
from monopod.kube.client.api import Api, ApiError, ApiUnreachable
from monopod.kube.metrics import ISOLATION_POLICIES, WRITES
from monopod.kube.objects.resources import NETWORK_POLICIES

NAMESPACE_TERMINATING = "NamespaceTerminating"
"""The cause in Kubernetes' refusal of new objects in a namespace that is being deleted."""
ALTERED = "isn't stored as it was written: something, such as a mutating webhook, changes it on its way"


class OnTampered(Protocol):
    """Hears of a policy of ours, as it was, that someone else changed or deleted."""

    def __call__(self, policy: PolicyView, *, deleted: bool) -> None:
        """Takes it in."""


class PolicyWriter:
    """The only one that writes NetworkPolicies; `on_tampered` hears of each of ours that someone else changed."""

    def __init__(self, api: Api, caches: Caches, on_tampered: OnTampered) -> None:
        self._api = api
        self._caches = caches
        self._on_tampered = on_tampered
        self._expected: dict[Key, str] = {}
        self._deleting: set[Key] = set()
        caches.network_policies.listeners.append(self._compare)

    def has_written(self, key: Key, policy: PolicyView | None) -> bool:
        """Whether this is just what was written here; or, of one that is gone, whether it was deleted here."""
        if policy is None:
            return key in self._deleting
        return bool(policy.kind) and policy.digest == self._expected.get(key)

    async def apply(self, desired: Sequence[Mapping[str, Any]], existing: Iterable[PolicyView]) -> None:
        """Writes and deletes what differs; what doesn't is known from now on, so that changes of it are noticed.

        Raises:
            ApiError: the API server refuses something.
            ApiUnreachable: no answer; it may or may not have happened.
        """
        views = list(existing)
        for change in decide_policies(desired, views):
            await self._make(change)
        for policy in desired:
            key = _build_key(policy)
            if key not in self._expected and self._caches.network_policies.find(*key):
                self._expected[key] = digest_spec(policy)

    async def delete(self, view: PolicyView) -> None:
        """Deletes one; raises as `bring`."""
        await self._make(Delete(view))

    async def look_up(self, namespace: str, name: str) -> None:
        """Fetches what a policy is now: a watch may be late, or dead without a sign; raises as `apply`."""
        policies, query = self._caches.network_policies, {"fieldSelector": f"metadata.name={name}"}
        view = policies.find(namespace, name)
        found = [item async for item in self._api.list_pages(NETWORK_POLICIES.list_path(namespace), query)]
        for item in found:
            policies.observe("MODIFIED", item)
        if view and not found:
            policies.observe("DELETED", _name_gone(view))

    def forget(self, namespace: str) -> None:
        """Drops cached policies of a deleted namespace whose name was reused, whether or not a watch has told so."""
        policies = self._caches.network_policies
        for view in [view for kind in ("base", "groups") for view in policies.look_up("place", (namespace, kind))]:
            self._expected.pop((view.namespace, view.name), None)
            policies.observe("DELETED", _name_gone(view))

    async def _make(self, change: PolicyChange) -> None:
        """Makes one change; what can't be, because the namespace is going, is left."""
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
        except (ApiError, ApiUnreachable) as error:
            going = isinstance(error, ApiError) and (error.status == 404 or error.has_cause(NAMESPACE_TERMINATING))
            if not going:
                WRITES.labels("networkpolicies", "failed").inc()
                raise
        else:
            WRITES.labels("networkpolicies", "ok").inc()

    async def _apply(self, policy: Mapping[str, Any]) -> None:
        key = _build_key(policy)
        path = NETWORK_POLICIES.path(key[1], key[0])
        # Before the request: its watch event may come before its answer.
        wanted = self._expected[key] = digest_spec(policy)
        try:
            written = await self._api.apply(path, dict(policy))
            if digest_spec(written) != wanted:
                # An apply doesn't take away what someone else has put into it before it became ours.
                written = await self._api.patch(path, _build_replacement(policy, written))
            if "deletionTimestamp" in written["metadata"]:
                # Finalizers alone kept it, and have just been removed.
                written = await self._api.apply(path, dict(policy))
        except (ApiError, ApiUnreachable):
            self._expected.pop(key, None)
            raise
        self._caches.network_policies.observe("MODIFIED", written)
        if digest_spec(written) != wanted:
            raise ApiError(409, "Conflict", f"NetworkPolicy {key[1]} of namespace {key[0]} {ALTERED}")

    async def _delete(self, view: PolicyView) -> None:
        key = (view.namespace, view.name)
        self._expected.pop(key, None)
        self._deleting.add(key)
        path = NETWORK_POLICIES.path(view.name, view.namespace)
        try:
            if view.held:
                await self._api.patch(path, [_test_uid(view.uid), {"op": "remove", "path": "/metadata/finalizers"}])
            await self._api.delete(path, view.uid)
            self._caches.network_policies.observe("DELETED", _name_gone(view))
        except ApiError as error:
            if error.status != 409:  # another one of this name: the watch tells of it
                raise
        finally:
            self._deleting.discard(key)

    def _compare(self, key: Key, old: PolicyView | None, new: PolicyView | None) -> None:
        expected = self._expected.get(key)
        if old is None or expected is None or (new and new.kind and new.digest == expected):
            return
        if new is None:
            del self._expected[key]
        self._on_tampered(old, deleted=new is None)


def _build_key(policy: Mapping[str, Any]) -> Key:
    return (policy["metadata"]["namespace"], policy["metadata"]["name"])


def _name_gone(view: PolicyView) -> dict[str, Any]:
    return {"metadata": {"namespace": view.namespace, "name": view.name, "uid": view.uid}}


def _build_replacement(policy: Mapping[str, Any], current: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The JSON patch that makes a policy what it should be, owned and held by no one else, if it is still the same."""
    operations = [_test_uid(current["metadata"]["uid"]), {"op": "replace", "path": "/spec", "value": policy["spec"]}]
    for field in ("ownerReferences", "finalizers"):
        if wanted := policy["metadata"].get(field):
            operations.append({"op": "add", "path": f"/metadata/{field}", "value": wanted})
        elif current["metadata"].get(field):
            operations.append({"op": "remove", "path": f"/metadata/{field}"})
    return operations


def _test_uid(uid: str) -> dict[str, Any]:
    return {"op": "test", "path": "/metadata/uid", "value": uid}
