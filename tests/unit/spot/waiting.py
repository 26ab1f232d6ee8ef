"""Pods on Spot that wait for room, as the API server has them."""

import datetime
from typing import Any

from monopod.api.names import CAPACITY_PROVIDER_LABEL, FARGATE_SPOT, PROFILE_LABEL
from tests.unit.builders import a_pod

OWNER = "11111111-2222-3333-4444-555555555555"
FULL = "0/3 nodes are available: 3 Insufficient cpu."


def a_waiting_pod(
    name: str = "web-1",
    since: datetime.datetime | None = None,
    *,
    kind: str = "ReplicaSet",
    owner: str = OWNER,
    message: str = FULL,
    reason: str = "Unschedulable",
    created: datetime.datetime | None = None,
    spec: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A pod of profile `web` in namespace `prod`; without `kind` nothing controls it."""
    since = since or datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.UTC)
    pod = a_pod(name).in_namespace("prod").labelled({PROFILE_LABEL: "web", CAPACITY_PROVIDER_LABEL: FARGATE_SPOT})
    built = pod.with_spec(**(spec or {})).build()
    built["metadata"] |= {"uid": f"uid-{name}", "resourceVersion": "7", "creationTimestamp": write(created or since)}
    if kind:
        version = {"Job": "batch/v1", "ReplicationController": "v1"}.get(kind, "apps/v1")
        reference = {"apiVersion": version, "kind": kind, "name": "web", "uid": owner, "controller": True}
        built["metadata"]["ownerReferences"] = [reference]
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": reason,
        "message": message,
        "lastTransitionTime": write(since),
    }
    built["status"] = {"phase": "Pending", "conditions": [condition], **(status or {})}
    return built


def write(time: datetime.datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
