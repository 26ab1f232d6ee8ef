"""A profile's status: phase, conditions and health issues, from what was found out about it.

    CREATING ──trial sandboxed──► ACTIVE ──something it needs is gone, or a trial fails──► CREATE_FAILED
        └───── a need is missing, or the trial keeps failing ─────────────────────────────────▲ │
    CREATING ◄──────────── the cause is gone; the trial runs again ─────────────────────────────┘
    any phase ──deletionTimestamp──► DELETING

The phase follows from the facts, so an operator that was killed comes to the same one. Two things it remembers,
through the status itself: what the last trial said, until the next one says something, so that a restart changes
nothing; and that a profile was ACTIVE, which it stays while the API server refuses trials for reasons of its own (a
full quota).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, assert_never

from monopod.api.names import PATTERNS_CONFIGMAP
from monopod.api.reasons import ConditionType, Reason
from monopod.domain import trial
from monopod.domain.publication import describe_selectors, list_names
from monopod.domain.selection import Profile

Phase = Literal["CREATING", "ACTIVE", "CREATE_FAILED", "DELETING"]


@dataclass(frozen=True, slots=True)
class PoliciesInstalled:
    """The cluster has all of Monopod's admission policies."""


@dataclass(frozen=True, slots=True)
class PoliciesMissing:
    """These policies or bindings don't exist (`MutatingAdmissionPolicy/NAME`)."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PoliciesNotServed:
    """The API server knows no MutatingAdmissionPolicy v1."""


Admission = PoliciesInstalled | PoliciesMissing | PoliciesNotServed


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A profile that can't be used: `why` is for a person."""

    why: str
    reason: Reason = Reason.SPEC_INVALID


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a profile's status follows from."""

    generation: int
    profile: Profile | Unreadable
    deleting: bool = False
    was_active: bool = False
    pods: int = 0
    runtime_class_exists: bool = True
    admission: Admission = field(default_factory=PoliciesInstalled)
    reached: tuple[str, ...] = ()
    """Names of the namespaces that the profile reaches."""
    too_large: Mapping[str, str] = field(default_factory=dict)
    """Those among them whose profiles are too many together, with the bound that they exceed."""
    patterns_too_large: str = ""
    """The bound that all profiles together exceed, as patterns for new namespaces."""
    unwritten: Mapping[str, str] = field(default_factory=dict)
    """Those whose rows couldn't be written, with the API server's answer."""
    outcome: trial.Outcome = field(default_factory=trial.Pending)


@dataclass(frozen=True, slots=True)
class Finding:
    """One condition, before it is dated. `holds` is None where it can't be told."""

    condition: ConditionType
    holds: bool | None
    reason: Reason
    message: str
    resources: tuple[str, ...] = ()


def find_validity(facts: Facts) -> Finding:
    """Whether the operator can read the profile."""
    match facts.profile:
        case Profile():
            return Finding(ConditionType.VALID, True, Reason.SPEC_VALID, "the operator understands the profile")
        case Unreadable(why, reason):
            message = f"{why}; delete the profile and create it anew with a valid spec"
            return Finding(ConditionType.VALID, False, reason, message)
        case never:
            assert_never(never)


def find_runtime_class(facts: Facts) -> Finding:
    """Whether the sandbox's RuntimeClass exists."""
    if isinstance(facts.profile, Unreadable):
        return _cannot_tell(ConditionType.RUNTIME_CLASS_FOUND)
    name = facts.profile.runtime_class
    if facts.runtime_class_exists:
        message = f"RuntimeClass {name} exists"
        return Finding(ConditionType.RUNTIME_CLASS_FOUND, True, Reason.RUNTIME_CLASS_FOUND, message)
    message = (
        f"RuntimeClass {name} doesn't exist, so matching pods are refused: install the sandbox {name} "
        f"(its RuntimeClass comes with it), or create the profile anew with a runtimeClassName from "
        f"`kubectl get runtimeclass`"
    )
    return Finding(
        ConditionType.RUNTIME_CLASS_FOUND, False, Reason.RUNTIME_CLASS_NOT_FOUND, message, (f"RuntimeClass/{name}",)
    )


def find_admission(facts: Facts) -> Finding:
    """Whether the cluster has Monopod's policies."""
    kind = ConditionType.ADMISSION_INSTALLED
    match facts.admission:
        case PoliciesInstalled():
            return Finding(kind, True, Reason.POLICIES_INSTALLED, "Monopod's admission policies are installed")
        case PoliciesNotServed():
            message = (
                "the API server doesn't serve MutatingAdmissionPolicy v1 (admissionregistration.k8s.io): Monopod "
                "needs Kubernetes 1.36 or newer, with this API not switched off"
            )
            return Finding(kind, False, Reason.MUTATING_ADMISSION_POLICY_NOT_SERVED, message)
        case PoliciesMissing(names):
            message = f"{list_names(names)} not found, so pods would pass unsandboxed: install Monopod's chart again"
            return Finding(kind, False, Reason.ADMISSION_POLICY_MISSING, message, names)
        case never:
            assert_never(never)


def find_publication(facts: Facts) -> Finding:
    """Whether the profile's rows are on all of its namespaces."""
    kind = ConditionType.PUBLISHED
    if isinstance(facts.profile, Unreadable):
        return _cannot_tell(kind)
    if facts.too_large:
        bound = next(iter(facts.too_large.values()))
        message = (
            f"too many profiles reach namespace {list_names(tuple(facts.too_large))}: {bound}; the rows that were "
            f"there stay in force: let fewer profiles, or fewer selectors, reach it"
        )
        resources = tuple(f"Namespace/{name}" for name in facts.too_large)
        return Finding(kind, False, Reason.ROWS_TOO_LARGE, message, resources)
    if facts.patterns_too_large:
        message = (
            f"the cluster has too many profiles: {facts.patterns_too_large}; a new namespace gets the rows that were "
            f"there before until the operator has written it itself: use fewer profiles or selectors"
        )
        return Finding(kind, False, Reason.ROWS_TOO_LARGE, message, (f"ConfigMap/{PATTERNS_CONFIGMAP}",))
    if facts.unwritten:
        name, answer = next(iter(sorted(facts.unwritten.items())))
        message = f"namespace {name} can't be written: {answer}; the operator keeps trying"
        return Finding(
            kind, False, Reason.PUBLISH_FAILED, message, tuple(f"Namespace/{key}" for key in facts.unwritten)
        )
    return Finding(kind, True, Reason.ROWS_PUBLISHED, "every namespace that the profile reaches has its rows")


def find_namespaces(facts: Facts) -> Finding:
    """Whether any namespace matches. One that doesn't exist yet is no fault."""
    kind = ConditionType.NAMESPACE_MATCHED
    if isinstance(facts.profile, Unreadable):
        return _cannot_tell(kind)
    if facts.reached:
        return Finding(kind, True, Reason.NAMESPACES_MATCHED, f"reaches {list_names(facts.reached)}")
    patterns = list_names([selector.namespace for selector in facts.profile.selectors], most=5)
    return Finding(kind, False, Reason.NO_NAMESPACE_MATCHES, f"no namespace matches {patterns} yet")


def find_enforcement(facts: Facts) -> Finding:
    """What the trial said."""
    kind = ConditionType.ENFORCED
    checks = (find_validity(facts), find_runtime_class(facts), find_admission(facts))
    if any(check.holds is not True for check in checks):
        return Finding(kind, None, Reason.NOT_PROBED, "not tried: see the other conditions")
    match facts.outcome:
        case trial.Pending():
            return Finding(kind, None, Reason.PROBE_PENDING, "a trial is under way")
        case trial.Sandboxed(where):
            return Finding(kind, True, Reason.PROBE_SANDBOXED, f"{where} was tried and comes out as the profile says")
        case trial.NotSandboxed(where, saw):
            message = (
                f"{where} was tried, and {saw}: compare Monopod's admission policies with the chart's "
                f"(`kubectl get mutatingadmissionpolicies,mutatingadmissionpolicybindings`)"
            )
            return Finding(kind, False, Reason.PROBE_NOT_SANDBOXED, message)
        case trial.Refused(where, answer):
            message = f"{where} was tried, and the API server refused it: {answer}"
            # A quota that is full says nothing about the profile: one that was in force stays so.
            return Finding(kind, None if facts.was_active else False, Reason.PROBE_REFUSED, message)
        case trial.Impossible():
            message = "no valid name or label matches any selector: create the profile anew with other selectors"
            return Finding(kind, False, Reason.PROBE_IMPOSSIBLE, message)
        case never:
            assert_never(never)


RULES = (find_validity, find_runtime_class, find_admission, find_publication, find_namespaces, find_enforcement)

# What may be False in an ACTIVE profile: rows that can't be written on some namespace don't undo those elsewhere.
TOLERATED = (ConditionType.PUBLISHED, ConditionType.NAMESPACE_MATCHED)

CONCLUSIONS = (
    Reason.PROBE_SANDBOXED,
    Reason.PROBE_NOT_SANDBOXED,
    Reason.PROBE_REFUSED,
    Reason.PROBE_IMPOSSIBLE,
)


def _cannot_tell(kind: ConditionType) -> Finding:
    return Finding(kind, None, Reason.SPEC_INVALID, "the profile can't be read")


def decide_phase(facts: Facts, findings: Sequence[Finding]) -> Phase:
    """Where the profile is in its life."""
    needed = [finding for finding in findings if finding.condition not in TOLERATED]
    if facts.deleting:
        return "DELETING"
    if any(finding.holds is False for finding in needed):
        return "CREATE_FAILED"
    if facts.was_active or all(finding.holds for finding in needed):
        return "ACTIVE"
    return "CREATING"


def find_readiness(phase: Phase, findings: Sequence[Finding]) -> Finding:
    """The summary of all the others."""
    kind = ConditionType.READY
    fault = next((f for f in findings if f.holds is False and f.condition is not ConditionType.NAMESPACE_MATCHED), None)
    if phase == "DELETING":
        return Finding(kind, False, Reason.DELETING, "the profile is being deleted and takes no more pods")
    if fault:
        return Finding(kind, False, fault.reason, fault.message)
    match phase:
        case "ACTIVE":
            return Finding(kind, True, Reason.ACTIVE, "matching pods are sandboxed when they are created")
        case "CREATING" | "CREATE_FAILED":
            return Finding(kind, None, Reason.PROBE_PENDING, "a trial is under way")
        case never:
            assert_never(never)


def decide_status(facts: Facts, previous: Mapping[str, Any], now: str) -> dict[str, Any]:
    """The whole status that the profile should have; `now` is an RFC 3339 time, used where a condition changes."""
    before = {condition.get("type"): condition for condition in previous.get("conditions") or ()}
    findings = [_keep_conclusion(rule(facts), facts, before.get(ConditionType.ENFORCED)) for rule in RULES]
    phase = decide_phase(facts, findings)
    faults = [f for f in findings if f.holds is False and f.condition is not ConditionType.NAMESPACE_MATCHED]
    return {
        "phase": phase,
        "selectors": "" if isinstance(facts.profile, Unreadable) else describe_selectors(facts.profile),
        "pods": facts.pods,
        "observedGeneration": facts.generation,
        "conditions": [
            _build_condition(finding, facts.generation, before.get(finding.condition), now)
            for finding in (find_readiness(phase, findings), *findings)
        ],
        "health": {
            "issues": [
                {"code": str(fault.reason), "message": fault.message, "resourceIds": list(fault.resources)}
                for fault in faults
            ]
        },
    }


def _keep_conclusion(finding: Finding, facts: Facts, before: Mapping[str, Any] | None) -> Finding:
    """While a trial is under way, what the last one said about the same spec holds."""
    if finding.reason is not Reason.PROBE_PENDING or before is None:
        return finding
    reason = next((known for known in CONCLUSIONS if known == before.get("reason")), None)
    if reason is None or before.get("observedGeneration") != facts.generation:
        return finding
    holds = {"True": True, "False": False}.get(str(before.get("status")))
    return Finding(finding.condition, holds, reason, str(before.get("message")))


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


def build_status_patch(current: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """The merge patch for the status subresource; None if nothing differs. Fields that nobody wants are removed."""
    if current is not None and dict(current) == dict(wanted):
        return None
    return {"status": {**dict.fromkeys(sorted(set(current or {}) - set(wanted))), **wanted}}
