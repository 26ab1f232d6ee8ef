"""Sets the gauges that follow from all profiles together."""

from collections.abc import Mapping
from typing import Any

from monopod.kube.metrics import (
    NAMESPACES,
    PATCHING_PODS,
    PROFILE_ISSUES,
    PROFILE_PODS,
    PROFILES,
    RESCHEDULED_PODS,
    UNSUPPORTED_PODS,
    WATCHED,
)
from monopod.profiles.caches import Caches


def measure(statuses: Mapping[str, Mapping[str, Any]], namespaces: int, caches: Caches) -> None:
    """Sets the gauges to what was found; profiles that are gone disappear from them."""
    PROFILES.clear()
    PROFILE_PODS.clear()
    PROFILE_ISSUES.clear()
    RESCHEDULED_PODS.clear()
    PATCHING_PODS.clear()
    for name, status in statuses.items():
        PROFILES.labels(status["phase"]).inc()
        PROFILE_PODS.labels(name).set(status["pods"])
        for state in ("moved", "waiting", "blocked", "left") if "rescheduling" in status else ():
            RESCHEDULED_PODS.labels(name, state).set(status["rescheduling"][state])
        for state in ("replaced", "stale", "blocked", "left") if "patching" in status else ():
            PATCHING_PODS.labels(name, state).set(status["patching"][state])
        for issue in status["health"]["issues"]:
            PROFILE_ISSUES.labels(name, issue["code"]).set(1)
    NAMESPACES.set(namespaces)
    UNSUPPORTED_PODS.set(sum(1 for pod in caches.pods.views() if pod.unsupported))
    for kind in caches.kinds():
        WATCHED.labels(kind.resource.plural).set(len(kind))
