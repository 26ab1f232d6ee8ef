"""What `profiles` finds out itself: can a profile be read, is there a sandbox, what does admission make of pods.

A rule finds one fact and says so in words that tell a person what to do. What other capabilities contribute isn't known
here; what follows from all of it, phase and status, is decided in `monopod.profiles.rules.status`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, assert_never

from monopod.api.reasons import ConditionType, Reason
from monopod.kube.objects.conditions import Contribution, Finding, Severity
from monopod.kube.objects.text import list_names
from monopod.pods.rules import dry_run
from monopod.pods.rules.selection import Profile
from monopod.profiles.rules.overlap import Equal, Overlap, Shadowed, describe_overlap
from monopod.profiles.rules.sandboxes import INSTALL_A_SANDBOX, describe_no_sandbox


@dataclass(frozen=True, slots=True)
class PoliciesInstalled:
    """The cluster has all of Monopod's admission policies."""


@dataclass(frozen=True, slots=True)
class PoliciesMissing:
    """These policies or bindings don't exist (`MutatingAdmissionPolicy/NAME`)."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PoliciesChanged:
    """These policies or bindings were edited since they were installed; what is enforced, a dry run tells."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PoliciesNotServed:
    """The API server knows no MutatingAdmissionPolicy v1."""


Admission = PoliciesInstalled | PoliciesMissing | PoliciesChanged | PoliciesNotServed


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A profile that can't be used: `why` is for a person."""

    why: str
    reason: Reason = Reason.SPEC_INVALID


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The RuntimeClass of a profile.

    Attributes:
        handler: its handler, if that is no sandbox.
        detected: whether it was found, because neither the profile nor the installation names one.
        classes: the names of the cluster's RuntimeClasses.
        sandboxes: those of them that can be taken without being named, the best first.
    """

    name: str
    exists: bool = True
    handler: str = ""
    detected: bool = False
    classes: tuple[str, ...] = ()
    sandboxes: tuple[str, ...] = ()

    @property
    def is_usable(self) -> bool:
        """Whether pods can run in it."""
        return self.exists and not self.handler


def describe_validity(profile: Profile | Unreadable) -> Finding:
    """Whether the operator can read the profile."""
    match profile:
        case Profile():
            return Finding(ConditionType.VALID, True, Reason.SPEC_VALID, "the operator understands the profile")
        case Unreadable(why, reason):
            message = f"{why}; delete the profile and create it again with a valid spec"
            return Finding(ConditionType.VALID, False, reason, message)
        case never:
            assert_never(never)


def contribute_unreadable(profile: Unreadable, admission: Admission) -> Contribution:
    """What can be told of a profile that can't be read."""
    unknown = (
        ConditionType.RUNTIME_CLASS_FOUND,
        ConditionType.PUBLISHED,
        ConditionType.NAMESPACE_MATCHED,
        ConditionType.DISTINCT,
    )
    findings = (Finding(kind, None, Reason.SPEC_INVALID, "the profile can't be read") for kind in unknown)
    return Contribution((describe_validity(profile), describe_admission(admission), *findings))


def describe_sandbox(found: Sandbox) -> Finding:
    """Whether the sandbox's RuntimeClass exists, and is one."""
    kind, name = ConditionType.RUNTIME_CLASS_FOUND, found.name
    if found.handler:
        message = (
            f"RuntimeClass {name} has the handler {found.handler}, which is no sandbox, so matching pods share "
            f"the node's kernel: create the profile again with another runtimeClassName from `kubectl get "
            f"runtimeclass`, or, if you know that it is one, name it in the chart's sandboxHandlers"
        )
        return Finding(kind, False, Reason.NOT_A_SANDBOX, message, (f"RuntimeClass/{name}",))
    if found.exists:
        message = f"RuntimeClass {name} exists"
        others = [each for each in found.sandboxes if each != name]
        if found.detected:
            message += " and was taken because neither the profile nor the chart's value sandbox names one"
            message += f"; it stays, though there is {list_names(others)}, too" if others else ""
        return Finding(kind, True, Reason.RUNTIME_CLASS_FOUND, message)
    if found.detected:
        message = f"{describe_no_sandbox(found.classes)}: {INSTALL_A_SANDBOX}"
        return Finding(kind, False, Reason.RUNTIME_CLASS_NOT_FOUND, message)
    message = (
        f"RuntimeClass {name} doesn't exist, so matching pods are refused: install the sandbox {name} "
        f"(its RuntimeClass comes with it), or create the profile again with a runtimeClassName from "
        f"`kubectl get runtimeclass`"
    )
    if found.sandboxes:
        message += f", where there is {list_names(found.sandboxes)}"
    return Finding(kind, False, Reason.RUNTIME_CLASS_NOT_FOUND, message, (f"RuntimeClass/{name}",))


def describe_admission(admission: Admission) -> Finding:
    """Whether the cluster has Monopod's policies."""
    kind = ConditionType.ADMISSION_INSTALLED
    match admission:
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
        case PoliciesChanged(names):
            message = (
                f"{list_names(names)} differs from what Monopod's chart installed, so pods may be admitted that "
                f"shouldn't be: install the chart again"
            )
            # It may sandbox pods all the same, and whether it does, a dry run tells.
            return Finding(kind, False, Reason.POLICY_CHANGED, message, names, Severity.FAULT)
        case never:
            assert_never(never)


def describe_distinction(name: str, overlap: Overlap | None) -> Finding:
    """Whether other profiles get in its way. A warning: pods that are pinned to it still run by it."""
    kind, remark = ConditionType.DISTINCT, Severity.REMARK
    match overlap:
        case None:
            message = "no other profile gets in this one's way"
            return Finding(kind, True, Reason.NO_OVERLAP, message, severity=remark)
        case Shadowed():
            reason = Reason.NEVER_WINS
        case Equal():
            reason = Reason.EQUAL_SELECTORS
        case never:
            assert_never(never)
    return Finding(kind, False, reason, describe_overlap(name, overlap), severity=remark)


RESULTS: Final[Mapping[str, Reason]] = {
    "Sandboxed": Reason.DRY_RUN_SANDBOXED,
    "NotSandboxed": Reason.DRY_RUN_NOT_SANDBOXED,
    "Refused": Reason.DRY_RUN_REFUSED,
    "Impossible": Reason.DRY_RUN_IMPOSSIBLE,
}
"""What status.dryRun remembers, and the reason that the condition Enforced has then."""


def contribute_dry_run(outcome: dry_run.Outcome | None, status: Mapping[str, Any], generation: int) -> Contribution:
    """What came of the dry run.

    Args:
        outcome: None if none is made, because something that it needs is missing.
        status: the one that the profile has. While a dry run is under way, what the last one said about the same
            generation holds.
        generation: the profile's.
    """
    kind = ConditionType.ENFORCED
    if outcome is None:
        return Contribution((Finding(kind, None, Reason.NO_DRY_RUN, "no dry run was made: see the other conditions"),))
    found = _read_outcome(outcome)
    if found is None and (last := status.get("dryRun")) and last["observedGeneration"] == generation:
        found = last["result"], last["message"]
    if found is None:
        return Contribution((Finding(kind, None, Reason.DRY_RUN_PENDING, "a dry run is under way"),))
    result, message = found
    # A quota that is full says nothing about the profile: one that was enforced stays so.
    unclear = result == "Refused" and status.get("phase") == "ACTIVE"
    holds = None if unclear else result == "Sandboxed"
    fields = {"dryRun": {"result": result, "message": message, "observedGeneration": generation}}
    return Contribution((Finding(kind, holds, RESULTS[result], message),), fields)


def _read_outcome(outcome: dry_run.Outcome) -> tuple[str, str] | None:
    """Result and message, None if there is none yet."""
    match outcome:
        case dry_run.Pending():
            return None
        case dry_run.Sandboxed(where):
            return "Sandboxed", f"{where} was tried and comes out as the profile says"
        case dry_run.NotSandboxed(where, saw):
            return "NotSandboxed", (
                f"{where} was tried, and {saw}: compare Monopod's admission policies with the chart's "
                f"(`kubectl get mutatingadmissionpolicies,mutatingadmissionpolicybindings`)"
            )
        case dry_run.Refused(where, answer):
            return "Refused", f"{where} was tried, and the API server refused it: {answer}"
        case dry_run.Impossible():
            message = "no valid name or label matches any selector: create the profile again with other selectors"
            return "Impossible", message
        case never:
            assert_never(never)
