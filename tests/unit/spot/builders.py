"""Pods on their way out."""

from collections.abc import Mapping
from typing import Any

from monopod.api.names import CAPACITY_PROVIDER_LABEL, PROFILE_LABEL


def a_going_pod(
    name: str = "web-1",
    *,
    reason: str = "EvictionByEvictionAPI",
    status: str = "True",
    provider: str = "FARGATE_SPOT",
    profile: str = "web",
    deleted: bool = True,
    labels: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A pod on Spot that was evicted; `reason` "" means that it was deleted."""
    own = {PROFILE_LABEL: profile, CAPACITY_PROVIDER_LABEL: provider}
    condition = {
        "type": "DisruptionTarget", "status": status, "reason": reason, "lastTransitionTime": "2026-03-01T12:00:00Z",
    }  # fmt: skip
    deletion = {"deletionTimestamp": "2026-03-01T12:02:00Z", "deletionGracePeriodSeconds": 120}
    return {
        "metadata": {
            "namespace": "shop",
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": "1",
            "labels": {key: value for key, value in own.items() if value} | dict(labels or {}),
            **(deletion if deleted else {}),
        },
        "spec": {"nodeName": "node-1", "terminationGracePeriodSeconds": 120},
        "status": {"phase": "Running", "conditions": [condition] if reason else []},
    }
