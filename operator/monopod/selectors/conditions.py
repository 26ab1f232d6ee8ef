"""What a profile's status says of its selectors on namespaces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from monopod.api.names import PATTERNS_CONFIGMAP
from monopod.api.reasons import ConditionType, Reason
from monopod.kube.objects.conditions import Contribution, Finding, Severity
from monopod.kube.objects.text import list_names
from monopod.selectors.capacity import Overflow

KIND = ConditionType.PUBLISHED


@dataclass(frozen=True, slots=True)
class Published:
    """How far the compiled selectors of one profile are published.

    Attributes:
        patterns: the namespaces that its selectors name.
        reached: names of the namespaces that it reaches.
        held_back: why its compiled selectors aren't published, although nothing is wrong with it.
        kept_for: why it keeps the compiled selectors that it had before it was changed.
        unwritten: namespaces that couldn't be written, with the reason and what it means for their new pods.
        is_published: whether its compiled selectors are put on namespaces.
    """

    patterns: Sequence[str]
    reached: tuple[str, ...] = ()
    held_back: Finding | None = None
    kept_for: Overflow | None = None
    unwritten: Mapping[str, str] = field(default_factory=dict)
    is_published: bool = True


def contribute_publication(found: Published) -> Contribution:
    """Whether its compiled selectors are on all of its namespaces, and whether there are any."""
    fields = {"published": True} if found.is_published else {}
    return Contribution((_describe_publication(found), _describe_reach(found)), fields)


def _describe_publication(found: Published) -> Finding:
    if found.held_back:
        return found.held_back
    if found.kept_for:
        message = (
            f"as the profile is now, {found.kept_for}; so what was published before the change still applies: "
            f"undo the change, or let fewer profiles, or fewer selectors, reach the same namespaces"
        )
        places = _list_places(found.kept_for, found.reached)
        return Finding(KIND, False, Reason.SELECTORS_KEPT, message, places, Severity.FAULT)
    if found.unwritten:
        names = sorted(found.unwritten)
        # It is Ready for the others, if there are any.
        severity = Severity.PARTIAL if set(names) < set(found.reached) else Severity.FAULT
        count = f"{len(names)} of {len(found.reached)} namespaces ({list_names(names)})"
        message = f"{count}: {names[0]}: {found.unwritten[names[0]]}; the operator keeps trying"
        resources = tuple(f"Namespace/{name}" for name in names)
        return Finding(KIND, False, Reason.PUBLISH_FAILED, message, resources, severity)
    return Finding(KIND, True, Reason.SELECTORS_PUBLISHED, "every namespace that the profile reaches has its selectors")


def hold_back_for_capacity(overflow: Overflow, reached: Sequence[str]) -> Finding:
    """Admission can't read more than the profiles that are enforced already; with this one it would have to."""
    message = (
        f"with this profile, {overflow}; so it isn't published, and matching pods aren't sandboxed. It becomes "
        f"active by itself when others free capacity: let fewer profiles, or fewer selectors, reach the same "
        f"namespaces"
    )
    return Finding(KIND, False, Reason.SELECTORS_TOO_LARGE, message, _list_places(overflow, reached))


def _list_places(overflow: Overflow, reached: Sequence[str]) -> tuple[str, ...]:
    """Where they don't fit: namespaces that exist, else the ConfigMap with the selectors of those to come."""
    namespaces = tuple(f"Namespace/{name}" for name in reached if overflow.concerns(name))
    return namespaces or (f"ConfigMap/{PATTERNS_CONFIGMAP}",)


def _describe_reach(found: Published) -> Finding:
    """A namespace that doesn't exist yet is no fault."""
    kind, remark = ConditionType.NAMESPACE_MATCHED, Severity.REMARK
    if found.reached:
        message = f"reaches {list_names(found.reached)}"
        return Finding(kind, True, Reason.NAMESPACES_MATCHED, message, severity=remark)
    patterns = list_names(list(found.patterns), most=5)
    return Finding(kind, False, Reason.NO_NAMESPACE_MATCHES, f"no namespace matches {patterns} yet", severity=remark)
