"""NetworkPolicies of the namespaces' owners: what the watch has told of them, and a list before anything is opened.

A watch may lag behind: a policy that was there before a pod may become known after it. So before a pod of the default
group is opened, the owners' policies of its namespace are listed, once for all pods that were known when the list
began. What the list doesn't have, the watch will bring: until then a pod is allowed too little rather than too much.
"""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Mapping

from monopod.api.names import POLICY_LABEL
from monopod.isolation.caches import Caches
from monopod.isolation.rules.changes import PolicyView
from monopod.isolation.rules.membership import Groups
from monopod.isolation.rules.owners_policies import Concern, Directions, find_left_directions
from monopod.kube.cache import Key
from monopod.kube.client.api import Api
from monopod.kube.objects.resources import NETWORK_POLICIES
from monopod.pods.view import PodView
from monopod.selectors.publication import NamespaceView

FOREIGN = {"labelSelector": f"!{POLICY_LABEL}"}
NEVER = -1


class OwnersPolicies:
    """Knows them by namespace, and when pods and they last changed."""

    def __init__(self, api: Api, caches: Caches) -> None:
        self._api = api
        self._caches = caches
        self._order = itertools.count()
        """What came first, of changes and of lists: a clock may tell the same time twice."""
        self._pods_changed: dict[str, int] = {}
        self._changed: dict[str, int] = {}
        self._listed: dict[str, int] = {}
        self._gone: dict[str, set[str]] = {}
        """Where a list is under way: the uids of those of which the watch has told the end meanwhile."""
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        caches.pods.listeners.append(self._see_pod)
        caches.network_policies.listeners.append(self._see_policy)
        caches.namespaces.listeners.append(self._see_namespace)

    def count(self, namespace: str) -> int:
        """How many of them the namespace has."""
        return self._caches.network_policies.count("place", (namespace, ""))

    def find_left(self, pod: PodView, groups: Groups) -> Directions:
        """The directions of the pod, as it is now, that are left to them."""
        concerns = self._get_concerns(pod.namespace)
        if not concerns:
            return find_left_directions(groups, (), {})
        current = self._caches.pods.find(pod.namespace, pod.name)
        labels: Mapping[str, str] = dict((current if current and current.uid == pod.uid else pod).labels)
        return find_left_directions(groups, concerns, labels)

    async def refresh(self, namespace: str, pod_uid: str = "") -> None:
        """Lists them, unless that has been done since they and the pod changed; without a pod, in any case.

        Raises:
            ApiError: the API server refuses it.
            ApiUnreachable: no answer.
        """
        asked = self._pods_changed.get(pod_uid, next(self._order))
        since = max(asked, self._changed.get(namespace, NEVER))
        async with self._locks[namespace]:  # those that wait here find it done
            if self._listed.get(namespace, NEVER) >= since:
                return
            began, gone = next(self._order), self._gone.setdefault(namespace, set())
            try:
                items = [item async for item in self._api.list_pages(NETWORK_POLICIES.list_path(namespace), FOREIGN)]
            finally:
                del self._gone[namespace]
            for item in items:
                if item["metadata"]["uid"] not in gone:
                    self._caches.network_policies.observe("MODIFIED", item)
            self._listed[namespace] = began

    def _get_concerns(self, namespace: str) -> list[Concern]:
        views = self._caches.network_policies.look_up("place", (namespace, ""))
        return [view.concern for view in views if view.concern]

    def _see_pod(self, _: Key, old: PodView | None, new: PodView | None) -> None:
        if old and (new is None or new.uid != old.uid):
            self._pods_changed.pop(old.uid, None)
        if new:
            self._pods_changed[new.uid] = next(self._order)

    def _see_policy(self, key: Key, old: PolicyView | None, new: PolicyView | None) -> None:
        if any(view and view.concern for view in (old, new)):
            self._changed[key[0]] = next(self._order)
        if old and (new is None or new.uid != old.uid):
            self._gone.get(key[0], set()).add(old.uid)

    def _see_namespace(self, key: Key, _: NamespaceView | None, new: NamespaceView | None) -> None:
        if new is None:
            for known in (self._changed, self._listed, self._locks):
                known.pop(key[1], None)
