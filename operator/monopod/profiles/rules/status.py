"""A profile's status: phase, conditions and health issues, from what was found out about it.

    CREATING ──dry run sandboxed──► ACTIVE ──something it needs is gone, or a dry run fails──► CREATE_FAILED
        └───── a need is missing, or the dry run keeps failing ─────────────────────────────────▲ │
    CREATING ◄──────────── the cause is gone; the dry run runs again ─────────────────────────────┘
    any phase ──deletionTimestamp──► DELETING ──pods left at the deadline──► DELETE_FAILED

The phase follows from the facts, so an operator that was killed comes to the same one. What it has to remember has
fields of its own in the status (`monopod.api.profile_status`), never a condition's reason or time: what the last dry
run said, until the next one says something, so that a restart changes nothing; that the profile was published; since
when it is enforced; and, in the phase, that it was ACTIVE, which it stays while the API server refuses dry runs for
reasons of its own (a full quota). What it remembers of a deletion is in `monopod.deletion.rules.stages`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, assert_never

from monopod.api.reasons import ConditionType, Reason
from monopod.deletion.rules.stages import Evicting, Failed, Queued, Released, Stage, describe_stage
from monopod.eviction.rules.order import Obstacle
from monopod.profiles.rules.conditions import (
    REMARKS,
    RULES,
    TOLERATED_REASONS,
    BeyondQuota,
    Facts,
    Finding,
    NoRoom,
    Unreadable,
)
from monopod.profiles.rules.sandboxes import NO_SANDBOX
from monopod.rescheduling.rules.progress import decide_rescheduling, judge_progress
from monopod.selectors.publication import describe_selectors

Phase = Literal["CREATING", "ACTIVE", "CREATE_FAILED", "DELETING", "DELETE_FAILED"]

# What may be False in an ACTIVE profile: a namespace that can't be written doesn't undo the others.
TOLERATED = (ConditionType.PUBLISHED, *REMARKS)

RESULTS: Final[Mapping[str, Reason]] = {
    "Sandboxed": Reason.DRY_RUN_SANDBOXED,
    "NotSandboxed": Reason.DRY_RUN_NOT_SANDBOXED,
    "Refused": Reason.DRY_RUN_REFUSED,
    "Impossible": Reason.DRY_RUN_IMPOSSIBLE,
}
"""What status.dryRun remembers, and the reason that the condition Enforced has then."""


def decide_phase(facts: Facts, findings: Sequence[Finding]) -> Phase:
    """Where the profile is in its life, as long as nobody deletes it."""
    needed = [f for f in findings if f.condition not in TOLERATED and f.reason not in TOLERATED_REASONS]
    if isinstance(facts.held_back, BeyondQuota | NoRoom) or any(finding.holds is False for finding in needed):
        return "CREATE_FAILED"
    if facts.held_back is None and (facts.was_active or all(finding.holds for finding in needed)):
        return "ACTIVE"
    return "CREATING"


def find_readiness(phase: Phase, findings: Sequence[Finding]) -> Finding:
    """The summary of all the others."""
    kind = ConditionType.READY
    fault = next((f for f in findings if f.holds is False and f.condition not in REMARKS and not f.partial), None)
    partial = next((f for f in findings if f.partial), None)
    waiting = next((f for f in findings if f.reason is Reason.WAITS_FOR_DELETION), None)
    if fault:
        return Finding(kind, False, fault.reason, fault.message)
    if waiting:
        return Finding(kind, None, waiting.reason, waiting.message)
    if phase == "ACTIVE":
        message = "matching pods are sandboxed when they are created"
        return Finding(kind, True, Reason.ACTIVE, f"{message}, but not in {partial.message}" if partial else message)
    return Finding(kind, None, Reason.DRY_RUN_PENDING, "a trial is under way")


def decide_status(facts: Facts, previous: Mapping[str, Any], now: str) -> dict[str, Any]:
    """The whole status that the profile should have; `now` is an RFC 3339 time, used where a condition changes."""
    if facts.stage is not None:
        return _decide_deletion(facts, facts.stage, previous, now)
    before = {condition.get("type"): condition for condition in previous.get("conditions") or ()}
    findings = [_keep_result(rule(facts), facts, previous.get("dryRun")) for rule in RULES]
    phase = decide_phase(facts, findings)
    faults = [f for f in findings if f.holds is False and f.condition not in REMARKS]
    issues = [_build_issue(fault.reason, fault.message, fault.resources) for fault in faults]
    moved_before = before.get(ConditionType.RESCHEDULED)
    rescheduling = decide_rescheduling(facts.moves, previous.get("rescheduling"), now)
    verdict = judge_progress(facts.moves, rescheduling, moved_before)
    moved = Finding(ConditionType.RESCHEDULED, verdict.holds, verdict.reason, verdict.message)
    ready = find_readiness(phase, findings)
    status = _build_status(facts, phase, [ready, *findings, moved], issues, previous, now)
    if result := _find_result(findings, facts.generation):
        status["dryRun"] = result
    if ready.holds:
        status["enforcedSince"] = previous.get("enforcedSince") or now
    if rescheduling:
        status["rescheduling"] = rescheduling
    return status


# Issues and their resources are lists for people; what blocks hundreds of pods is told by a few of them.
ISSUES_LISTED = 10
RESOURCES_LISTED = 20


def _decide_deletion(facts: Facts, stage: Stage, previous: Mapping[str, Any], now: str) -> dict[str, Any]:
    """The status of a profile that is being deleted: conditions about its pods to come mean nothing any more."""
    phase: Phase = "DELETE_FAILED" if isinstance(stage, Failed) else "DELETING"
    issues: list[dict[str, Any]] = []
    match stage:
        case Queued():
            reason = Reason.DELETION_QUEUED
        case Evicting() | Released():
            reason = Reason.DELETING
            if isinstance(stage, Evicting) and stage.stalled:
                issues = [_build_obstacle(obstacle) for obstacle in stage.obstacles]
        case Failed(obstacles=obstacles):
            reason = Reason.DELETE_FAILED
            issues = [_build_obstacle(obstacle) for obstacle in obstacles]
            # After a restart nothing has been tried yet: what the one before found out holds until then.
            issues = issues or list((previous.get("health") or {}).get("issues") or ())
        case never:
            assert_never(never)
    message = describe_stage(stage)
    findings = [
        Finding(ConditionType.READY, False, reason, message),
        Finding(ConditionType.DELETING, True, reason, message),
    ]
    status = _build_status(facts, phase, findings, issues[:ISSUES_LISTED], previous, now)
    if isinstance(stage, Evicting | Failed):
        status["deletion"] = {"startedAt": stage.started, "pods": stage.total}
    if isinstance(stage, Evicting) and stage.progressed != stage.started:
        status["deletion"]["progressedAt"] = stage.progressed
    return status


def _build_obstacle(obstacle: Obstacle) -> dict[str, Any]:
    budgets = (f"PodDisruptionBudget/{name}" for name in obstacle.budgets)
    return _build_issue(obstacle.reason, obstacle.message, (*budgets, *(f"Pod/{name}" for name in obstacle.pods)))


def _build_issue(reason: Reason, message: str, resources: Sequence[str]) -> dict[str, Any]:
    return {"code": str(reason), "message": message, "resourceIds": list(resources[:RESOURCES_LISTED])}


def _build_status(
    facts: Facts,
    phase: Phase,
    findings: Sequence[Finding],
    issues: list[dict[str, Any]],
    previous: Mapping[str, Any],
    now: str,
) -> dict[str, Any]:
    before = {condition.get("type"): condition for condition in previous.get("conditions") or ()}
    profile = facts.profile
    runtime_class = NO_SANDBOX if isinstance(profile, Unreadable) else profile.runtime_class
    sandbox = {} if runtime_class == NO_SANDBOX else {"runtimeClassName": runtime_class}
    return {
        "phase": phase,
        "selectors": "" if isinstance(profile, Unreadable) else describe_selectors(profile),
        **sandbox,
        "pods": facts.pods,
        "published": facts.published or bool(previous.get("published")),
        "observedGeneration": facts.generation,
        "conditions": [
            _build_condition(finding, facts.generation, before.get(finding.condition), now) for finding in findings
        ],
        "health": {"issues": issues},
    }


def _keep_result(finding: Finding, facts: Facts, last: Mapping[str, Any] | None) -> Finding:
    """While a dry run is under way, what the last one said about the same spec holds."""
    if finding.reason is not Reason.DRY_RUN_PENDING or last is None or last["observedGeneration"] != facts.generation:
        return finding
    holds = {"Sandboxed": True, "Refused": None if facts.was_active else False}.get(last["result"], False)
    return Finding(finding.condition, holds, RESULTS[last["result"]], last["message"])


def _find_result(findings: Iterable[Finding], generation: int) -> dict[str, Any] | None:
    """What is to be remembered of the last dry run; None if there is nothing."""
    return next(
        (
            {"result": result, "message": finding.message, "observedGeneration": generation}
            for finding in findings
            for result, reason in RESULTS.items()
            if finding.reason is reason
        ),
        None,
    )


def _build_condition(finding: Finding, generation: int, before: Mapping[str, Any] | None, now: str) -> dict[str, Any]:
    status = {True: "True", False: "False", None: "Unknown"}[finding.holds]
    unchanged = before is not None and before.get("status") == status
    return {
        "type": str(finding.condition),
        "status": status,
        "observedGeneration": generation,
        "lastTransitionTime": before["lastTransitionTime"] if before and unchanged else now,
        "reason": str(finding.reason),
        "message": finding.message,
    }
