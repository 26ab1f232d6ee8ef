"""What a task's record tells of a change of its state, as ECS tells of it to EventBridge.

Source: ECS developer guide, task state change events: what DescribeTasks answers, without the health.
"""

import datetime
from collections.abc import Mapping
from typing import Any, Final

from monopod.api.ecs.names import NAMESPACE_PREFIX
from monopod.notices.rules.notice import TaskStateChange
from monopod.tasks.rules.lifecycle.states import read_moment

RECENT: Final = datetime.timedelta(minutes=10)
"""How old a change may be that an operator tells of which has just started: the one before it may have been killed
before it could."""

_OF_STATUS: Final = (
    *("availabilityZone", "connectivity", "connectivityAt", "cpu", "createdAt", "desiredStatus"),
    *("ephemeralStorage", "executionStoppedAt", "lastStatus", "memory", "pullStartedAt", "pullStoppedAt"),
    *("startedAt", "stopCode", "stoppedAt", "stoppedReason", "stoppingAt"),
)
_OF_SPEC: Final = ("enableExecuteCommand", "group", "platformVersion", "startedBy")
_TIMES: Final = ("createdAt", "startedAt", "stoppingAt", "executionStoppedAt", "stoppedAt")


def is_changed(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> bool:
    """Whether a task has come to another state, or is to: what changes its version."""
    return bool(after.get("lastStatus")) and (before or {}).get("version") != after.get("version")


def is_recent(task: Mapping[str, Any], now: datetime.datetime) -> bool:
    """Whether its state has changed lately."""
    changed = _find_change(task.get("status") or {})
    return changed is not None and now - changed <= RECENT


def get_cluster(task: Mapping[str, Any]) -> str:
    """The name of the task's ECSCluster."""
    return str(task["metadata"]["namespace"]).removeprefix(NAMESPACE_PREFIX)


def describe_change(task: Mapping[str, Any], cluster: Mapping[str, Any] | None) -> TaskStateChange | None:
    """The state that the task has come to; None if its record says none yet, or it is in no cluster's namespace.

    Args:
        task: the ECSTask, with its status.
        cluster: the ECSCluster; None if it is gone, so that only its object's name is known.
    """
    metadata, spec, status = task["metadata"], task.get("spec") or {}, task.get("status") or {}
    changed, namespace = _find_change(status), str(metadata["namespace"])
    if changed is None or not namespace.startswith(NAMESPACE_PREFIX):
        return None
    reference = spec.get("taskDefinition") or {}
    provider = spec.get("capacityProviderName")
    members = {
        **{name: status[name] for name in _OF_STATUS if name in status},
        **{name: spec[name] for name in _OF_SPEC if name in spec},
        "attachments": status.get("attachments") or [],
        "containers": [each for each in status.get("containers") or () if isinstance(each, Mapping)],
        "launchType": "FARGATE",
        "overrides": spec.get("overrides") or {"containerOverrides": []},
        **({"capacityProviderName": provider} if provider else {}),
    }
    return TaskStateChange(
        cluster=str(((cluster or {}).get("spec") or {}).get("name") or get_cluster(task)),
        task=metadata["name"],
        uid=metadata["uid"],
        version=int(status.get("version") or 0),
        family=str(reference.get("family") or ""),
        revision=int(reference.get("revision") or 0),
        changed=changed,
        members=members,
    )


def _find_change(status: Mapping[str, Any]) -> datetime.datetime | None:
    """When it last changed, by the times that the record has."""
    return max((moment for name in _TIMES if (moment := read_moment(status.get(name)))), default=None)
