"""Which objects are watched, and what follows from their events: all profiles are looked at, or what listeners know."""

from collections.abc import Callable, Mapping
from typing import Any

from monopod.api.names import (
    GROUP,
    GROUP_POLICY_GROUP,
    GROUP_POLICY_VERSION,
    PROFILE_LABEL,
    PROFILE_PLURAL,
    VERSION,
)
from monopod.kube.cache import Kind
from monopod.kube.watch import Source
from monopod.manager.sources import API_SERVER_SLICE, WatchedCaches, select_patterns
from monopod.profiles.controller import COALESCE_SECONDS, POD_COUNT_SECONDS, Reconciler

Observe = Callable[[str | None, Mapping[str, Any]], None]


def build_sources(caches: WatchedCaches, reconciler: Reconciler, system_namespace: str) -> list[Source]:
    """Everything that is watched."""

    def look_at_profiles(kind: Kind[Any], delay: float = COALESCE_SECONDS) -> Observe:
        """After a change that matters all profiles are looked at."""

        def observe(event_type: str | None, item: Mapping[str, Any]) -> None:
            if kind.observe(event_type, item):
                reconciler.enqueue(delay)

        return observe

    def tell(kind: Kind[Any]) -> Observe:
        """Of these kinds the cache's listeners know what follows."""

        def observe(event_type: str | None, item: Mapping[str, Any]) -> None:
            kind.observe(event_type, item)

        return observe

    slices, patterns = API_SERVER_SLICE, select_patterns(system_namespace)
    sources = [
        Source(GROUP, VERSION, PROFILE_PLURAL, look_at_profiles(caches.profiles)),
        Source("", "v1", "namespaces", look_at_profiles(caches.namespaces)),
        Source("node.k8s.io", "v1", "runtimeclasses", look_at_profiles(caches.runtime_classes)),
        Source("", "v1", "configmaps", look_at_profiles(caches.patterns), field_selector=patterns),
        Source("networking.k8s.io", "v1", "networkpolicies", tell(caches.network_policies)),
        Source(GROUP, VERSION, caches.groups.resource, tell(caches.groups)),
        Source("", "v1", "nodes", tell(caches.nodes)),
        Source("discovery.k8s.io", "v1", "endpointslices", tell(caches.endpoints), field_selector=slices),
    ]
    if caches.has_group_policies:
        group_policies = caches.group_policies
        sources += [
            Source(GROUP_POLICY_GROUP, GROUP_POLICY_VERSION, group_policies.resource, tell(group_policies)),
            Source("", "v1", "serviceaccounts", tell(caches.accounts)),
        ]
    pods = Source("", "v1", "pods", look_at_profiles(caches.pods, POD_COUNT_SECONDS), label_selector=PROFILE_LABEL)
    return [*sources, pods]
