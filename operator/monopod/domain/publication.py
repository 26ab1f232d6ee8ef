"""What belongs on namespaces, and what has to be written so that it is there.

A namespace that a profile reaches carries a label, by which the admission policies find it, and an annotation with
the compiled profiles, which they read. Nobody else may write these two, so anything that differs is undone. What the
rows look like is not known here (see `monopod.admission.rows`): they come in as text.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from monopod.api.names import NAMESPACE_LABEL, NAMESPACE_LABEL_VALUE, ROWS_ANNOTATION
from monopod.domain.selection import Profile, reaches


@dataclass(frozen=True, slots=True)
class NamespaceView:
    """The part of a namespace that matters here; `label` and `rows` are None where they are absent."""

    name: str
    label: str | None = None
    rows: str | None = None
    terminating: bool = False


@dataclass(frozen=True, slots=True)
class Publish:
    """The namespace is to carry the label and these rows."""

    namespace: str
    rows: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The namespace is to carry neither: no profile reaches it."""

    namespace: str


NamespaceChange = Publish | Withdraw


def decide_namespace(view: NamespaceView, rows: str) -> NamespaceChange | None:
    """What to write on a namespace that should carry these rows ("": none); None if it is as it should be.

    A namespace that is being deleted takes no new pods, so it is left as it is.
    """
    if view.terminating:
        return None
    if not rows:
        return None if view.label is None and view.rows is None else Withdraw(view.name)
    current = view.label == NAMESPACE_LABEL_VALUE and view.rows == rows
    return None if current else Publish(view.name, rows)


def build_namespace_patch(change: NamespaceChange) -> dict[str, object]:
    """The merge patch that makes the change. A null removes a value whoever wrote it, which an apply could not."""
    match change:
        case Publish(rows=rows):
            label: str | None = NAMESPACE_LABEL_VALUE
            annotation: str | None = rows
        case Withdraw():
            label = annotation = None
    return {"metadata": {"labels": {NAMESPACE_LABEL: label}, "annotations": {ROWS_ANNOTATION: annotation}}}


def build_patterns_patch(current: Mapping[str, str] | None, wanted: Mapping[str, str]) -> dict[str, object] | None:
    """The merge patch for the ConfigMap of patterns, foreign keys removed; None if it is as it should be.

    `current` is None if there is no ConfigMap, and the patch is then its whole content.
    """
    if current is not None and dict(current) == dict(wanted):
        return None
    foreign = dict.fromkeys(sorted(set(current or {}) - set(wanted)))
    return {"data": {**wanted, **foreign}}


def find_reached(
    profile: Profile, namespaces: Iterable[NamespaceView], protected: Collection[str]
) -> tuple[NamespaceView, ...]:
    """The namespaces that at least one selector of the profile covers, by name; not those that are being deleted."""
    reached = (
        view
        for view in namespaces
        if not view.terminating and any(reaches(selector, view.name, protected) for selector in profile.selectors)
    )
    return tuple(sorted(reached, key=lambda view: view.name))


def describe_selectors(profile: Profile) -> str:
    """The selectors as one readable line, for tables: `prod-*{tier=web}, dev`."""
    return ", ".join(str(selector) for selector in profile.selectors)


def list_names(names: Sequence[str], most: int = 3) -> str:
    """A few names for a message, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
