"""What the status of a profile that is being deleted says; conditions about pods to come mean nothing any more.

The next operator goes on from its phase and its fields (see `monopod.deletion.rules.stages`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, assert_never

from monopod.api.names import PROFILE_FINALIZER
from monopod.api.reasons import ConditionType, Reason
from monopod.deletion.rules.stages import Evicting, Failed, Queued, Released, Stage, describe_stage
from monopod.eviction.rules.order import Obstacle
from monopod.kube.objects.conditions import Contribution, Finding
from monopod.kube.objects.status import build_issue

ISSUES_LISTED: Final = 10
"""A list for people; what blocks hundreds of pods is told by a few of them."""


@dataclass(frozen=True, slots=True)
class Ending:
    """All that the status says."""

    phase: Literal["DELETING", "DELETE_FAILED"]
    contribution: Contribution
    issues: list[dict[str, Any]] = field(default_factory=list)


def describe_ending(stage: Stage, status: Mapping[str, Any]) -> Ending:
    """What to say of a deletion that is this far; `status` is the one that the profile has."""
    fields: dict[str, Any] = {}
    match stage:
        case Queued():
            return Ending("DELETING", _build_contribution(Reason.DELETION_QUEUED, stage, fields))
        case Released():
            return Ending("DELETING", _build_contribution(Reason.DELETING, stage, fields))
        case Evicting(obstacles=obstacles):
            fields["deletion"] = {"startedAt": stage.started, "pods": stage.total}
            if stage.progressed != stage.started:
                fields["deletion"]["progressedAt"] = stage.progressed
            issues = _list_issues(obstacles) if stage.stalled else []
            return Ending("DELETING", _build_contribution(Reason.DELETING, stage, fields), issues)
        case Failed(obstacles=obstacles):
            fields["deletion"] = {"startedAt": stage.started, "pods": stage.total}
            # After a restart nothing has been tried yet: what the one before found out holds until then.
            issues = _list_issues(obstacles) or list((status.get("health") or {}).get("issues") or ())
            return Ending("DELETE_FAILED", _build_contribution(Reason.DELETE_FAILED, stage, fields), issues)
        case never:
            assert_never(never)


def _build_contribution(reason: Reason, stage: Stage, fields: Mapping[str, Any]) -> Contribution:
    message = describe_stage(stage)
    findings = (
        Finding(ConditionType.READY, False, reason, message),
        Finding(ConditionType.DELETING, True, reason, message),
    )
    return Contribution(findings, fields)


def _list_issues(obstacles: tuple[Obstacle, ...]) -> list[dict[str, Any]]:
    return [_build_issue(obstacle) for obstacle in obstacles[:ISSUES_LISTED]]


def _build_issue(obstacle: Obstacle) -> dict[str, Any]:
    budgets = (f"PodDisruptionBudget/{name}" for name in obstacle.budgets)
    pods = (f"Pod/{name}" for name in obstacle.pods)
    return build_issue(obstacle.reason, obstacle.message, (*budgets, *pods))


def hold_back_until_deleted(blocker: str) -> Finding:
    """Why a profile isn't published that was created while this other one is being deleted."""
    message = f"waits until profile {blocker} is deleted; matching pods aren't sandboxed before"
    return Finding(ConditionType.PUBLISHED, None, Reason.WAITS_FOR_DELETION, message)


def hold_back_without_finalizer() -> Finding:
    """Why a profile isn't published that could still be gone while its pods run on."""
    message = f"waits until its finalizer {PROFILE_FINALIZER} is written; matching pods aren't sandboxed before"
    return Finding(ConditionType.PUBLISHED, None, Reason.PUBLISH_FAILED, message)
