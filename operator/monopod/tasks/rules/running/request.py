"""RunTask: what a request asks for, as the specs of ECSTasks.

AWS's texts are verbatim where someone has published what RunTask answered; the table of refused requests in
tests/unit/aws/ecs names each one's source.
"""

from collections.abc import Mapping
from typing import Any, Final

from monopod.tasks.rules.running.capacity import choose_capacity
from monopod.tasks.rules.running.effective import compute_effective
from monopod.tasks.rules.running.identity import hash_request, read_token
from monopod.tasks.rules.running.network import build_network
from monopod.tasks.rules.running.refusal import PLATFORM, Refusal, refuse_unavailable
from monopod.tasks.rules.running.tags import check_number, read_tags

PLATFORM_VERSION: Final = "1.4.0"
MOST_TASKS: Final = 10
LONGEST_STARTED_BY: Final = 128
LONGEST_GROUP: Final = 255

READ: Final = frozenset(
    (
        *("capacityProviderStrategy", "clientToken", "cluster", "count", "enableECSManagedTags"),
        *("enableExecuteCommand", "group", "launchType", "networkConfiguration", "overrides", "placementConstraints"),
        *("placementStrategy", "platformVersion", "propagateTags", "referenceId", "startedBy", "tags"),
        *("taskDefinition", "volumeConfigurations"),
    )
)
"""The parameters that are looked at here, or refused here by name."""

Json = dict[str, Any]


def build_tasks(
    params: Mapping[str, Any], definition: Mapping[str, Any], cluster: Mapping[str, Any], zones: Mapping[str, str]
) -> list[Json]:
    """The specs of the tasks that are asked for.

    Args:
        params: of RunTask.
        definition: the spec of the task definition.
        cluster: the spec of the cluster.
        zones: the zone of each subnet of which the administrator says one.

    Raises:
        Refusal: the request is refused.
    """
    _check_unsupported(params)
    count = _read_count(params)
    platform = _read_platform(params)
    capacity = choose_capacity(params, cluster, count)
    network = build_network(params, zones)
    document, overrides = definition["definition"], params.get("overrides") or {}
    compatibilities = document.get("requiresCompatibilities")
    if compatibilities and "FARGATE" not in compatibilities:
        raise Refusal("Task definition does not support launch_type FARGATE.")
    compute_effective(document, overrides)
    spec = {
        "taskDefinition": {"family": definition["family"], "revision": definition["revision"]},
        **({"overrides": dict(overrides)} if overrides else {}),
        "group": _read_group(params, definition["family"]),
        **({"startedBy": started_by} if (started_by := _read_started_by(params)) else {}),
        "platformVersion": platform,
        "enableExecuteCommand": bool(params.get("enableExecuteCommand")),
        "network": network,
        "tags": _read_tags(params, definition),
        **({"requestHash": hash_request(params)} if read_token(params) else {}),
    }
    return [
        {**spec, "launchType": "" if provider else "FARGATE", "capacityProviderName": provider} for provider in capacity
    ]


def _check_unsupported(params: Mapping[str, Any]) -> None:
    for member, noun in (("placementConstraints", "constraints"), ("placementStrategy", "strategies")):
        if params.get(member):
            raise Refusal(f"Placement {noun} are not supported with FARGATE launch type.")
    if params.get("volumeConfigurations"):
        raise refuse_unavailable("volumeConfigurations", "there are no EBS volumes here.")
    if params.get("referenceId"):
        raise refuse_unavailable("referenceId", "say it by startedBy, or by tags.")
    if params.get("propagateTags") == "SERVICE":
        raise Refusal("The propagateTags value SERVICE is only for tasks of a service.")


def _read_count(params: Mapping[str, Any]) -> int:
    count = params.get("count", 1)
    if not 1 <= count <= MOST_TASKS:
        raise Refusal(f"count must be between 1 and {MOST_TASKS}.")
    return int(count)


def _read_platform(params: Mapping[str, Any]) -> str:
    platform = params.get("platformVersion") or "LATEST"
    if platform not in ("LATEST", PLATFORM_VERSION):
        raise Refusal("The specified platform does not exist.", PLATFORM)
    return PLATFORM_VERSION


def _read_group(params: Mapping[str, Any], family: str) -> str:
    group = params.get("group") or f"family:{family}"[:LONGEST_GROUP]
    if group.startswith("service:"):
        raise Refusal("Invalid namespace for group")
    if len(group) > LONGEST_GROUP:
        raise Refusal(f"group longer than {LONGEST_GROUP}.")
    return str(group)


def _read_started_by(params: Mapping[str, Any]) -> str:
    started_by = params.get("startedBy") or ""
    if len(started_by) > LONGEST_STARTED_BY:
        raise Refusal(f"startedBy longer than {LONGEST_STARTED_BY}.")
    return str(started_by)


def _read_tags(params: Mapping[str, Any], definition: Mapping[str, Any]) -> dict[str, str]:
    inherited = definition.get("tags") or {} if params.get("propagateTags") == "TASK_DEFINITION" else {}
    tags = {**inherited, **read_tags(params.get("tags") or ())}
    check_number(tags)
    return tags
