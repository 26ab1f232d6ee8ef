"""Finds pods that NetworkPolicies of others may open further than their security groups do.

NetworkPolicies add up, so nothing can keep another policy that selects a pod from opening it. What can be done is to
say so. That takes reading all pods of the namespaces that have such policies, so it follows changes at a distance.

A direction that is left to such policies is theirs to open, but for what no group should open either.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from monopod.isolation.caches import Caches
from monopod.isolation.group_resolver import Names
from monopod.isolation.rules.changes import PolicyView
from monopod.isolation.rules.network_policies import PolicyTooLarge
from monopod.isolation.rules.over_permissive import compute_extra_access
from monopod.isolation.rules.owners_policies import NO_DIRECTIONS, Directions
from monopod.isolation.rules.security_group import SecurityGroup
from monopod.isolation.rules_cache import GroupRulesCache
from monopod.kube.cache import Key
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.controller import DONE, Controller, Result
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import OVER_PERMISSIVE_PODS
from monopod.pods.view import PodView

DEBOUNCE_SECONDS = 2.0
PODS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class OverPermissivePods:
    """What was found in one namespace: how many pods of each profile, and by which policies."""

    pods: Mapping[str, int]
    policies: Mapping[str, tuple[str, ...]]


class OverPermissivePolicies:
    """Remembers what it found in each namespace, and checks again where something changed."""

    def __init__(
        self,
        caches: Caches,
        rules: GroupRulesCache,
        left: Mapping[str, Directions],
        tell: Callable[[], None],
        problems: ProblemLog,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`tell` hears of news."""
        self._caches = caches
        self._rules = rules
        self._left = left
        self._tell = tell
        self.found: dict[str, OverPermissivePods] = {}
        self._measure()  # what is there was found before this process started over
        self.controller = Controller("foreign-policies", self._reconcile, problems, clock=clock)
        caches.network_policies.listeners.append(self._see_policy)
        caches.pods.listeners.append(self._see_pod)
        for kind in (caches.groups, caches.nodes, caches.endpoints):
            kind.listeners.append(lambda *_: self._enqueue_all())

    def _see_policy(self, key: Key, old: PolicyView | None, new: PolicyView | None) -> None:
        if any(view and not view.kind for view in (old, new)):
            self.enqueue(key[0])

    def _see_pod(self, key: Key, _: PodView | None, __: PodView | None) -> None:
        if self._caches.network_policies.count("place", (key[0], "")):
            self.enqueue(key[0])

    def _enqueue_all(self) -> None:
        for namespace, kind in self._caches.network_policies.values("place"):
            if not kind:
                self.enqueue(namespace)

    def enqueue(self, namespace: str) -> None:
        """Enqueues the namespace, to be checked once for what changes together: a new policy and its pods, say."""
        self.controller.enqueue_after(namespace, DEBOUNCE_SECONDS)

    async def _reconcile(self, namespace: str) -> Result:
        before = self.found.get(namespace)
        await self._look(namespace)
        if self.found.get(namespace) != before:
            self._measure()
            self._tell()
        return DONE

    async def _look(self, namespace: str) -> None:
        known: dict[tuple[str, Names, Directions], bool] = {}
        pods: Counter[str] = Counter()
        policies: dict[str, set[str]] = {}
        foreign = self._caches.network_policies.look_up("place", (namespace, ""))
        for number, pod in enumerate(self._caches.pods.look_up("namespace", namespace) if foreign else ()):
            if number % PODS_AT_ONCE == 0:
                await asyncio.sleep(0)  # thousands of pods must not keep the Lease from being renewed
            labels = pod.labels
            over_permissive = [
                view.name
                for view in foreign
                if view.concern
                and view.concern.selects(labels)
                and self._is_over_permissive(view, pod.groups, self._left.get(pod.uid, NO_DIRECTIONS), known)
            ]
            if over_permissive:
                pods[pod.profile] += 1
                policies.setdefault(pod.profile, set()).update(over_permissive)
        if pods:
            named = {
                profile: tuple(f"{namespace}/{name}" for name in sorted(names)) for profile, names in policies.items()
            }
            self.found[namespace] = OverPermissivePods(dict(pods), named)
        else:
            self.found.pop(namespace, None)

    def _is_over_permissive(
        self, view: PolicyView, names: Names, left: Directions, known: dict[tuple[str, Names, Directions], bool]
    ) -> bool:
        if (view.name, names, left) not in known:
            read = [self._rules.get_group(name) for name in names]
            groups = [group for group in read if isinstance(group, SecurityGroup)]
            # A pod with a group that doesn't exist is to be denied all traffic: whatever is allowed is too much.
            groups = groups if len(groups) == len(read) else []
            policy, infrastructure = _as_policy(view), self._rules.infrastructure
            try:
                found = compute_extra_access(policy, groups, infrastructure, view.namespace, left)
            except PolicyTooLarge:
                found = compute_extra_access(policy, [], infrastructure, view.namespace, left)
            known[view.name, names, left] = bool(found)
        return known[view.name, names, left]

    def _measure(self) -> None:
        OVER_PERMISSIVE_PODS.clear()
        for pods in self.found.values():
            for profile, count in pods.pods.items():
                OVER_PERMISSIVE_PODS.labels(profile).inc(count)


def _as_policy(view: PolicyView) -> dict[str, Any]:
    return {"metadata": {"namespace": view.namespace, "name": view.name}, "spec": view.spec or {}}
