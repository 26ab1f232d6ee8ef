"""The conditions of a profile, one rule each, from what was found out about it.

A rule finds one fact and says so in words that tell a person what to do. What follows from all of them, phase and
status, is decided in `monopod.profiles.rules.status`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from monopod.api.names import PATTERNS_CONFIGMAP
from monopod.api.reasons import ConditionType, Reason
from monopod.deletion.rules.stages import Stage
from monopod.isolation.rules.summary import Isolation
from monopod.kube.objects.text import list_names
from monopod.pods.rules import dry_run
from monopod.pods.rules.selection import Profile
from monopod.profiles.rules.overlap import Equal, Overlap, Shadowed, describe_overlap
from monopod.profiles.rules.sandboxes import INSTALL_A_SANDBOX, describe_no_sandbox
from monopod.rescheduling.rules.progress import Moves, NotListed
from monopod.selectors.capacity import Overflow


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
class WaitsForDeletion:
    """The profile was created while this other one is being deleted."""

    behind: str


@dataclass(frozen=True, slots=True)
class BeyondQuota:
    """The cluster has that many profiles already, as many as it may have."""

    quota: int


@dataclass(frozen=True, slots=True)
class NoRoom:
    """Admission can't read more than the profiles that are enforced already; with this one it would have to."""

    overflow: Overflow


HeldBack = WaitsForDeletion | BeyondQuota | NoRoom


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a profile's status follows from."""

    generation: int
    profile: Profile | Unreadable
    stage: Stage | None = None
    """How far its deletion is; None if nobody has deleted it."""
    was_active: bool = False
    published: bool = False
    """Whether its compiled selectors are put on namespaces."""
    pods: int = 0
    runtime_class_exists: bool = True
    unsandboxed_by: str = ""
    """The handler of the RuntimeClass, if it is no sandbox."""
    detected: bool = False
    """Whether the RuntimeClass was found, because neither the profile nor the installation names one."""
    classes: tuple[str, ...] = ()
    """The names of the cluster's RuntimeClasses."""
    sandboxes: tuple[str, ...] = ()
    """Those of them that can be taken without being named, the best first."""
    admission: Admission = field(default_factory=PoliciesInstalled)
    reached: tuple[str, ...] = ()
    """Names of the namespaces that the profile reaches."""
    kept_for: Overflow | None = None
    """Why it keeps the compiled selectors that it had before it was changed."""
    unwritten: Mapping[str, str] = field(default_factory=dict)
    """Those that couldn't be written, with the reason and what it means for their new pods."""
    outcome: dry_run.Outcome = field(default_factory=dry_run.Pending)
    held_back: HeldBack | None = None
    """Why its compiled selectors aren't published, although nothing is wrong with it."""
    overlap: Overlap | None = None
    """Other profiles that get in its way."""
    isolation: Isolation = field(default_factory=Isolation)
    moves: Moves = field(default_factory=NotListed)
    """Its pods that run elsewhere."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One condition, before it is dated. `holds` is None where it can't be told."""

    condition: ConditionType
    holds: bool | None
    reason: Reason
    message: str
    resources: tuple[str, ...] = ()
    partial: bool = False
    """Whether it is about a part of the profile's namespaces, so that the profile is Ready for the others."""


def find_validity(facts: Facts) -> Finding:
    """Whether the operator can read the profile."""
    match facts.profile:
        case Profile():
            return Finding(ConditionType.VALID, True, Reason.SPEC_VALID, "the operator understands the profile")
        case Unreadable(why, reason):
            message = f"{why}; delete the profile and create it again with a valid spec"
            return Finding(ConditionType.VALID, False, reason, message)
        case never:
            assert_never(never)


def find_runtime_class(facts: Facts) -> Finding:
    """Whether the sandbox's RuntimeClass exists, and is one."""
    if isinstance(facts.profile, Unreadable):
        return _cannot_tell(ConditionType.RUNTIME_CLASS_FOUND)
    name = facts.profile.runtime_class
    if facts.unsandboxed_by:
        message = (
            f"RuntimeClass {name} has the handler {facts.unsandboxed_by}, which is no sandbox, so matching pods share "
            f"the node's kernel: create the profile again with another runtimeClassName from `kubectl get "
            f"runtimeclass`, or, if you know that it is one, name it in the chart's sandboxHandlers"
        )
        return Finding(
            ConditionType.RUNTIME_CLASS_FOUND, False, Reason.NOT_A_SANDBOX, message, (f"RuntimeClass/{name}",)
        )
    if facts.runtime_class_exists:
        message = f"RuntimeClass {name} exists"
        others = [each for each in facts.sandboxes if each != name]
        if facts.detected:
            message += " and was taken because neither the profile nor the chart's value sandbox names one"
            message += f"; it stays, though there is {list_names(others)}, too" if others else ""
        return Finding(ConditionType.RUNTIME_CLASS_FOUND, True, Reason.RUNTIME_CLASS_FOUND, message)
    if facts.detected:
        message = f"{describe_no_sandbox(facts.classes)}: {INSTALL_A_SANDBOX}"
        return Finding(ConditionType.RUNTIME_CLASS_FOUND, False, Reason.RUNTIME_CLASS_NOT_FOUND, message)
    message = (
        f"RuntimeClass {name} doesn't exist, so matching pods are refused: install the sandbox {name} "
        f"(its RuntimeClass comes with it), or create the profile again with a runtimeClassName from "
        f"`kubectl get runtimeclass`"
    )
    if facts.sandboxes:
        message += f", where there is {list_names(facts.sandboxes)}"
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
        case PoliciesChanged(names):
            message = (
                f"{list_names(names)} differs from what Monopod's chart installed, so pods may be admitted that "
                f"shouldn't be: install the chart again"
            )
            return Finding(kind, False, Reason.POLICY_CHANGED, message, names)
        case never:
            assert_never(never)


def find_publication(facts: Facts) -> Finding:
    """Whether the profile's compiled selectors are on all of its namespaces."""
    kind = ConditionType.PUBLISHED
    if isinstance(facts.profile, Unreadable):
        return _cannot_tell(kind)
    match facts.held_back:
        case WaitsForDeletion(behind):
            message = f"waits until profile {behind} is deleted; matching pods aren't sandboxed before"
            return Finding(kind, None, Reason.WAITS_FOR_DELETION, message)
        case BeyondQuota(quota):
            message = (
                f"the cluster has {quota} profiles already, which is its quota: delete one, or raise profileQuota in "
                f"the chart's values"
            )
            return Finding(kind, False, Reason.PROFILE_QUOTA_EXCEEDED, message)
        case NoRoom(overflow):
            message = (
                f"with this profile, {overflow}; so it isn't published, and matching pods aren't sandboxed. It becomes "
                f"active by itself when others leave room: let fewer profiles, or fewer selectors, reach the same "
                f"namespaces"
            )
            return Finding(kind, False, Reason.SELECTORS_TOO_LARGE, message, _list_places(overflow, facts.reached))
        case None:
            pass
        case never:
            assert_never(never)
    if facts.kept_for:
        message = (
            f"as the profile is now, {facts.kept_for}; so what was published before the change still applies: "
            f"undo the change, or let fewer profiles, or fewer selectors, reach the same namespaces"
        )
        return Finding(kind, False, Reason.SELECTORS_KEPT, message, _list_places(facts.kept_for, facts.reached))
    if facts.unwritten:
        names = sorted(facts.unwritten)
        partial = set(names) < set(facts.reached)
        count = f"{len(names)} of {len(facts.reached)} namespaces ({list_names(names)})"
        message = f"{count}: {names[0]}: {facts.unwritten[names[0]]}; the operator keeps trying"
        resources = tuple(f"Namespace/{name}" for name in names)
        return Finding(kind, False, Reason.PUBLISH_FAILED, message, resources, partial)
    return Finding(kind, True, Reason.SELECTORS_PUBLISHED, "every namespace that the profile reaches has its selectors")


def _list_places(overflow: Overflow, reached: Sequence[str]) -> tuple[str, ...]:
    """What lacks room: of namespaces those that exist, and else what holds the compiled selectors of those to come."""
    namespaces = tuple(f"Namespace/{name}" for name in reached if overflow.concerns(name))
    return namespaces or (f"ConfigMap/{PATTERNS_CONFIGMAP}",)


def find_namespaces(facts: Facts) -> Finding:
    """Whether any namespace matches. One that doesn't exist yet is no fault."""
    kind = ConditionType.NAMESPACE_MATCHED
    if isinstance(facts.profile, Unreadable):
        return _cannot_tell(kind)
    if facts.reached:
        return Finding(kind, True, Reason.NAMESPACES_MATCHED, f"reaches {list_names(facts.reached)}")
    patterns = list_names([selector.namespace for selector in facts.profile.selectors], most=5)
    return Finding(kind, False, Reason.NO_NAMESPACE_MATCHES, f"no namespace matches {patterns} yet")


def find_distinction(facts: Facts) -> Finding:
    """Whether other profiles get in its way. A warning: pods that are pinned to it still run by it."""
    kind = ConditionType.DISTINCT
    if isinstance(facts.profile, Unreadable):
        return _cannot_tell(kind)
    match facts.overlap:
        case None:
            return Finding(kind, True, Reason.NO_OVERLAP, "no other profile gets in this one's way")
        case Shadowed():
            reason = Reason.NEVER_WINS
        case Equal():
            reason = Reason.EQUAL_SELECTORS
        case never:
            assert_never(never)
    return Finding(kind, False, reason, describe_overlap(facts.profile.name, facts.overlap))


def find_isolation(facts: Facts) -> Finding:
    """Whether its pods' networks do what their groups say. A warning: the profile is enforced either way."""
    kind, found = ConditionType.ISOLATED, facts.isolation
    closed = f"{count_pods(found.closed)} closed: {list_names(found.groups)} can't be used" if found.closed else ""
    widened = (
        f"{count_pods(found.widened)} opened further by NetworkPolicy {list_names(found.policies)}"
        if found.widened
        else ""
    )
    refused = (
        f"{count_pods(found.unwritten)} not as security groups say, which can't be written; events say why"
        if found.unwritten
        else ""
    )
    message = "; ".join(part for part in (widened, refused, closed) if part)
    resources = (
        *(f"NetworkPolicy/{name}" for name in found.policies),
        *(f"SecurityGroup/{name}" for name in found.groups),
    )
    if widened:
        return Finding(kind, False, Reason.PODS_OVER_PERMISSIVE, message, resources)
    if refused:
        return Finding(kind, False, Reason.POLICIES_NOT_WRITTEN, message, resources)
    if closed:
        return Finding(kind, False, Reason.PODS_DENIED, message, resources)
    return Finding(kind, True, Reason.PODS_ISOLATED, "no pod is closed or opened by anything but its security groups")


def count_pods(number: int) -> str:
    """`1 pod is`, `2 pods are`."""
    return "1 pod is" if number == 1 else f"{number} pods are"


def find_enforcement(facts: Facts) -> Finding:
    """What the dry run said."""
    kind = ConditionType.ENFORCED
    checks = (find_validity(facts), find_runtime_class(facts), find_admission(facts))
    if facts.held_back or any(check.holds is not True and check.reason not in TOLERATED_REASONS for check in checks):
        return Finding(kind, None, Reason.NO_DRY_RUN, "not tried: see the other conditions")
    match facts.outcome:
        case dry_run.Pending():
            return Finding(kind, None, Reason.DRY_RUN_PENDING, "a trial is under way")
        case dry_run.Sandboxed(where):
            return Finding(kind, True, Reason.DRY_RUN_SANDBOXED, f"{where} was tried and comes out as the profile says")
        case dry_run.NotSandboxed(where, saw):
            message = (
                f"{where} was tried, and {saw}: compare Monopod's admission policies with the chart's "
                f"(`kubectl get mutatingadmissionpolicies,mutatingadmissionpolicybindings`)"
            )
            return Finding(kind, False, Reason.DRY_RUN_NOT_SANDBOXED, message)
        case dry_run.Refused(where, answer):
            message = f"{where} was tried, and the API server refused it: {answer}"
            # A quota that is full says nothing about the profile: one that was enforced stays so.
            return Finding(kind, None if facts.was_active else False, Reason.DRY_RUN_REFUSED, message)
        case dry_run.Impossible():
            message = "no valid name or label matches any selector: create the profile again with other selectors"
            return Finding(kind, False, Reason.DRY_RUN_IMPOSSIBLE, message)
        case never:
            assert_never(never)


RULES = (
    find_validity,
    find_runtime_class,
    find_admission,
    find_publication,
    find_namespaces,
    find_distinction,
    find_isolation,
    find_enforcement,
)

# Faults that don't put a profile out of force: a policy that was edited may sandbox pods all the same, and whether it
# does, a dry run tells.
TOLERATED_REASONS = (Reason.POLICY_CHANGED,)

# What is no fault where it is False: neither an issue nor a reason not to be Ready.
REMARKS = (
    ConditionType.NAMESPACE_MATCHED,
    ConditionType.DISTINCT,
    ConditionType.ISOLATED,
    ConditionType.RESCHEDULED,
)


def _cannot_tell(kind: ConditionType) -> Finding:
    return Finding(kind, None, Reason.SPEC_INVALID, "the profile can't be read")
