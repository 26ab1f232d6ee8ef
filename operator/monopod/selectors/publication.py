"""What belongs on namespaces, and what has to be written so that it is there.

A namespace that a profile reaches carries a label, by which the admission policies find it, and annotations, which
they read: the compiled profiles, whether it has its default-deny policy, and the compiled
SecurityGroupPolicies. No one else may write these, so anything that differs is undone. How they are written is not
known here (see `monopod.selectors.compile`): they come in as text.

    reached ──► label and content ──the API server refuses them──► the label alone: new pods are refused
                     ▲─────────────── they can be written again ───────────┘
    not reached ──► neither

Labels have no bound in all, as annotations have, and old content that can't be replaced would be a wrong answer.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

from monopod.api.names import (
    GROUP_POLICIES_ANNOTATION,
    ISOLATED_ANNOTATION,
    NAMESPACE_LABEL,
    NAMESPACE_LABEL_VALUE,
    ON_DEMAND_ANNOTATION,
    SELECTORS_ANNOTATION,
)
from monopod.pods.rules.selection import Profile
from monopod.selectors.reach import Reach

PODS_REFUSED: Final = (
    "Fargate profiles reach namespace ",
    ", but Monopod cannot write them on it, so ",
    "it is not known whether this pod belongs in a sandbox. Make room among the annotations of the namespace ",
    "(Kubernetes allows 256 KiB of them in all), or remove what else refuses them; events of the namespace and the ",
    "condition Published of the profiles say what it is. Monopod tries again by itself.",
)
"""Why a pod is refused in a namespace that carries the label alone; the namespace's name comes after the first part."""


@dataclass(frozen=True, slots=True)
class NamespaceView:
    """The part of a namespace that matters here; label and annotations are None where they are absent."""

    name: str
    label: str | None = None
    compiled: str | None = None
    terminating: bool = False
    isolated: str | None = None
    group_policies: str | None = None
    uid: str = ""
    on_demand: str = ""

    @property
    def is_isolated(self) -> bool:
        """Whether it says that it has its default-deny policy."""
        return self.isolated == ISOLATED

    @property
    def refuses_pods(self) -> bool:
        """Whether it carries the label alone, so that its new pods are refused."""
        return (self.label, self.compiled, self.isolated, self.group_policies) == (
            NAMESPACE_LABEL_VALUE,
            None,
            None,
            None,
        )


def describe_refused_pods(namespace: str) -> str:
    """Why pods are refused in a namespace that carries the label alone, in the API server's words."""
    before, *after = PODS_REFUSED
    return before + namespace + "".join(after)


@dataclass(frozen=True, slots=True)
class Content:
    """What a namespace should carry: its compiled selectors ("": none) and SecurityGroupPolicies.

    `is_isolated` says whether its default-deny policy has been seen. Where it has not, pods wait behind a gate.
    """

    compiled: str
    is_isolated: bool = False
    group_policies: str = ""


@dataclass(frozen=True, slots=True)
class Publish:
    """The namespace is to carry the label and this content."""

    namespace: str
    content: Content


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The namespace is to carry nothing: no profile reaches it."""

    namespace: str


@dataclass(frozen=True, slots=True)
class RefusePods:
    """The namespace is to carry the label alone: profiles reach it, and what they say can't be written."""

    namespace: str


NamespaceChange = Publish | Withdraw | RefusePods

ISOLATED = "true"


def decide_namespace(view: NamespaceView, content: Content) -> NamespaceChange | None:
    """What to write on a namespace that should carry this; None if it is as it should be.

    A namespace that is being deleted takes no new pods, so it is left as it is.
    """
    if view.terminating:
        return None
    marks = (view.label, view.compiled, view.isolated, view.group_policies)
    if not content.compiled:
        return None if marks == (None, None, None, None) else Withdraw(view.name)
    wanted = (NAMESPACE_LABEL_VALUE, content.compiled, *_build_isolation(content))
    return None if marks == wanted else Publish(view.name, content)


def _build_isolation(content: Content) -> tuple[str | None, str | None]:
    return ISOLATED if content.is_isolated else None, content.group_policies or None


def build_namespace_patch(change: NamespaceChange, uid: str) -> dict[str, object]:
    """The merge patch that makes the change. A null removes a value whoever wrote it, which an apply could not.

    It is refused for a namespace of another uid: what was seen of one says nothing of the other.
    """
    label: str | None = None
    annotations: dict[str, str | None] = dict.fromkeys(
        (SELECTORS_ANNOTATION, ISOLATED_ANNOTATION, GROUP_POLICIES_ANNOTATION)
    )
    match change:
        case Publish(content=content):
            label = NAMESPACE_LABEL_VALUE
            isolated, group_policies = _build_isolation(content)
            annotations = {
                SELECTORS_ANNOTATION: content.compiled,
                ISOLATED_ANNOTATION: isolated,
                GROUP_POLICIES_ANNOTATION: group_policies,
            }
        case RefusePods():
            label = NAMESPACE_LABEL_VALUE
        case Withdraw():
            pass
        case never:
            assert_never(never)
    return {"metadata": {"uid": uid, "labels": {NAMESPACE_LABEL: label}, "annotations": annotations}}


def build_patterns_patch(current: Mapping[str, str] | None, wanted: Mapping[str, str]) -> dict[str, object] | None:
    """The merge patch for the ConfigMap of patterns, foreign keys removed; None if it is as it should be.

    `current` is None if there is no ConfigMap, and the patch is then its whole content.
    """
    if current is not None and dict(current) == dict(wanted):
        return None
    foreign = dict.fromkeys(sorted(set(current or {}) - set(wanted)))
    return {"data": {**wanted, **foreign}}


def compute_reached(
    profiles: Iterable[Profile], namespaces: Iterable[NamespaceView], protected: Collection[str]
) -> dict[str, list[str]]:
    """By profile the namespaces that a selector covers, sorted; not those that are being deleted."""
    selectors = ((selector.namespace, profile.name) for profile in profiles for selector in profile.selectors)
    reach = Reach(selectors, protected)
    found: dict[str, list[str]] = {}
    for namespace in sorted(view.name for view in namespaces if not view.terminating):
        for name in dict.fromkeys(reach.find(namespace)):
            found.setdefault(name, []).append(namespace)
    return found


def describe_selectors(profile: Profile) -> str:
    """The selectors as one readable line, for tables: `prod-*{tier=web}, dev`."""
    return ", ".join(str(selector) for selector in profile.selectors)


def read_namespace(item: Mapping[str, Any]) -> NamespaceView:
    """The marks, and whether it is being deleted."""
    metadata = item["metadata"]
    annotations = metadata.get("annotations") or {}
    return NamespaceView(
        name=metadata["name"],
        label=(metadata.get("labels") or {}).get(NAMESPACE_LABEL),
        compiled=annotations.get(SELECTORS_ANNOTATION),
        isolated=annotations.get(ISOLATED_ANNOTATION),
        group_policies=annotations.get(GROUP_POLICIES_ANNOTATION),
        terminating="deletionTimestamp" in metadata,
        uid=metadata.get("uid") or "",
        on_demand=annotations.get(ON_DEMAND_ANNOTATION) or "",
    )


@dataclass(frozen=True, slots=True)
class Publication:
    """What came of it, by namespace."""

    get_selectors: Callable[[str], str]
    """The compiled selectors that a namespace of this name should carry ("": none)."""
    reached: int = 0
    """How many namespaces the profiles reach."""
    unwritten: Mapping[str, str] = field(default_factory=dict)
    """Namespaces that couldn't be written, with the reason and what it means for their new pods."""
    complete: bool = True
    """Whether everything is as it should be, the patterns included, but for namespaces that the API server refuses."""
    retry: float | None = None
    """After how many seconds the next of these is to be tried again."""
