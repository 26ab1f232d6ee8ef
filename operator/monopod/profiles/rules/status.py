"""A profile's status: phase, conditions and health issues, from what was found out about it.

    CREATING ──dry run sandboxed──► ACTIVE ──something it needs is gone, or a dry run fails──► CREATE_FAILED
        └───── a need is missing, or the dry run keeps failing ─────────────────────────────────▲ │
    CREATING ◄──────────── the cause is gone; the dry run runs again ─────────────────────────────┘
    any phase ──deletionTimestamp──► DELETING ──pods left at the deadline──► DELETE_FAILED

Each capability contributes conditions, and what else the status says of it, without knowing the others; only what
follows from all of them is decided here. So an operator that was killed comes to the same phase. What it has to
remember has fields of its own in the status (`monopod.api.profile_status`), never a condition's reason or time: what
the last dry run said, until the next one says something, so that a restart changes nothing; that the profile was
published; since when it is enforced; and, in the phase, that it was ACTIVE, which it stays while the API server refuses
dry runs for reasons of its own (a full quota). What it remembers of a deletion is in `monopod.deletion.rules.stages`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from monopod.api.reasons import ConditionType, Reason
from monopod.deletion.rules.ending import Ending
from monopod.kube.objects.conditions import Contribution, Finding, Severity, merge_conditions
from monopod.kube.objects.status import build_issue
from monopod.pods.rules.selection import Profile
from monopod.profiles.rules.conditions import Unreadable
from monopod.profiles.rules.sandboxes import NO_SANDBOX
from monopod.selectors.publication import describe_selectors

ORDER: Final = {str(kind): place for place, kind in enumerate(ConditionType)}
Phase = Literal["CREATING", "ACTIVE", "CREATE_FAILED", "DELETING", "DELETE_FAILED"]


@dataclass(frozen=True, slots=True)
class Subject:
    """The profile that a status is about, and how many pods it has."""

    generation: int
    profile: Profile | Unreadable
    pods: int = 0


def decide_phase(findings: Iterable[Finding], *, was_active: bool) -> Phase:
    """Where the profile is in its life, as long as no one deletes it."""
    needed = [finding for finding in findings if finding.severity is Severity.FAILURE]
    if any(finding.holds is False for finding in needed):
        return "CREATE_FAILED"
    return "ACTIVE" if was_active or all(finding.holds for finding in needed) else "CREATING"


def compute_readiness(phase: Phase, findings: Sequence[Finding]) -> Finding:
    """The summary of all the others."""
    kind = ConditionType.READY
    fault = next((each for each in findings if each.is_fault and each.severity > Severity.PARTIAL), None)
    if fault:
        return Finding(kind, False, fault.reason, fault.message)
    if phase == "ACTIVE":
        partial = next((each for each in findings if each.is_fault), None)
        message = "matching pods are sandboxed when they are created"
        return Finding(kind, True, Reason.ACTIVE, f"{message}, but not in {partial.message}" if partial else message)
    unclear = next(each for each in findings if each.holds is None and each.severity is Severity.FAILURE)
    return Finding(kind, None, unclear.reason, unclear.message)


def decide_status(
    subject: Subject, contributions: Iterable[Contribution], previous: Mapping[str, Any], now: str
) -> dict[str, Any]:
    """The whole status of a profile that no one deletes.

    Args:
        subject: the profile.
        contributions: of all capabilities, in any order.
        previous: the status that it has.
        now: an RFC 3339 time, used where something changes.
    """
    parts = list(contributions)
    contributed = (finding for part in parts for finding in part.findings)
    findings = sorted(contributed, key=lambda finding: ORDER.get(finding.condition, len(ORDER)))
    phase = decide_phase(findings, was_active=previous.get("phase") == "ACTIVE")
    ready = compute_readiness(phase, findings)
    issues = [build_issue(each.reason, each.message, each.resources) for each in findings if each.is_fault]
    status = _build_status(subject, phase, [ready, *findings], issues, previous, now)
    if ready.holds:
        status["enforcedSince"] = previous.get("enforcedSince") or now
    for part in parts:
        status |= part.fields
    return status


def decide_ending(subject: Subject, ending: Ending, previous: Mapping[str, Any], now: str) -> dict[str, Any]:
    """The whole status of a profile that is being deleted; as `decide_status`."""
    told = ending.contribution
    return {**_build_status(subject, ending.phase, told.findings, ending.issues, previous, now), **told.fields}


def _build_status(
    subject: Subject,
    phase: Phase,
    findings: Sequence[Finding],
    issues: list[dict[str, Any]],
    previous: Mapping[str, Any],
    now: str,
) -> dict[str, Any]:
    profile = subject.profile
    runtime_class = NO_SANDBOX if isinstance(profile, Unreadable) else profile.runtime_class
    sandbox = {} if runtime_class == NO_SANDBOX else {"runtimeClassName": runtime_class}
    return {
        "phase": phase,
        "selectors": "" if isinstance(profile, Unreadable) else describe_selectors(profile),
        **sandbox,
        "pods": subject.pods,
        "published": bool(previous.get("published")),
        "observedGeneration": subject.generation,
        "conditions": merge_conditions(findings, previous, subject.generation, now),
        "health": {"issues": issues},
    }
