"""Which objects are watched, and what follows from events: all profiles are reconciled, or what listeners know."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from monopod.api.names import PROFILE_LABEL
from monopod.kube.cache import Kind
from monopod.kube.watch import Source
from monopod.manager.sources import API_SERVER_SLICE, WatchedCaches, select_patterns
from monopod.profiles.controller import COALESCE_SECONDS, POD_COUNT_SECONDS, Reconciler
from monopod.spot.interruptions import InterruptionReporter
from monopod.tasks.controller import TaskRunner

Observe = Callable[[str | None, Mapping[str, Any]], None]


def build_sources(
    caches: WatchedCaches,
    reconciler: Reconciler,
    tasks: TaskRunner | None,
    interruptions: InterruptionReporter,
    system_namespace: str,
) -> list[Source]:
    """Everything that is watched; `tasks` is None where no ECS runs."""

    def look_at_profiles(kind: Kind[Any], delay: float = COALESCE_SECONDS, **selectors: str) -> Source:
        """After a change that matters all profiles are reconciled."""

        def observe(event_type: str | None, item: Mapping[str, Any]) -> None:
            if kind.observe(event_type, item):
                reconciler.enqueue(delay)

        return Source(kind.resource, observe, **selectors)

    def tell(kind: Kind[Any], **selectors: str) -> Source:
        """Of these kinds the cache's listeners know what follows."""

        def observe(event_type: str | None, item: Mapping[str, Any]) -> None:
            kind.observe(event_type, item)

        return Source(kind.resource, observe, **selectors)

    sources = [
        look_at_profiles(caches.profiles),
        look_at_profiles(caches.namespaces),
        look_at_profiles(caches.runtime_classes),
        look_at_profiles(caches.patterns, field_selector=select_patterns(system_namespace)),
        tell(caches.network_policies),
        tell(caches.groups),
        tell(caches.nodes),
        tell(caches.endpoints, field_selector=API_SERVER_SLICE),
    ]
    if caches.has_group_policies:
        sources += [tell(caches.group_policies), tell(caches.accounts)]
    pods = look_at_profiles(caches.pods, POD_COUNT_SECONDS, label_selector=PROFILE_LABEL)
    pods = _tell_also(pods, interruptions.observe_pod)
    if tasks:
        sources += [tell(caches.ecs_clusters), tell(caches.ecs_tasks)]
        pods = _tell_also(pods, tasks.observe_pod)
    return [*sources, pods]


def _tell_also(source: Source, observe: Observe) -> Source:
    """The same source, whose events somebody else is told of, too: kopf watches each kind once."""

    def observe_both(event_type: str | None, item: Mapping[str, Any]) -> None:
        source.observe(event_type, item)
        observe(event_type, item)

    return replace(source, observe=observe_both)
