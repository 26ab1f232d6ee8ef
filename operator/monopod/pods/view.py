"""What the operator keeps of a pod of a profile: as little as its decisions need.

The view is made of metadata alone, because lists and watches of pods bring no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from monopod.api.names import (
    GROUP_COUNT_LABEL,
    GROUP_LABEL_PREFIX,
    GROUPS_ANNOTATION,
    POD_GROUPS_ANNOTATION,
    PROFILE_LABEL,
    TASK_LABEL,
    UNSUPPORTED_ANNOTATION,
)

MAX_ANNOTATED: Final = 512
"""Characters of the annotation with a pod's groups: room for five names, and no regular expression has to read more."""


@dataclass(frozen=True, slots=True)
class PodView:
    """What matters of a pod of a profile.

    Attributes:
        unsupported: why Fargate can't run it, "" if it can.
        created: metadata.creationTimestamp.
        controller: the uid of the object that made the pod and would replace it, "" if there is none.
        terminating: whether it is being deleted.
        label_text: all of its labels, a line `key=value` each: whatever selects pods may name any of them, and as
            objects of their own they would take ten times the memory.
        groups: the security groups that its labels say it belongs to, by name.
        asked: the groups that its author asks for, None if the annotation is absent.
        shown: the groups as its annotation shows them, None if it is absent.
    """

    namespace: str
    name: str
    uid: str
    profile: str
    unsupported: str = ""
    created: str = ""
    controller: str = ""
    terminating: bool = False
    label_text: str = ""
    groups: tuple[str, ...] = ()
    asked: str | None = None
    shown: str | None = None

    @property
    def labels(self) -> dict[str, str]:
        """All of its labels."""
        return dict(line.split("=", 1) for line in self.label_text.splitlines())  # no key or value holds either

    @property
    def count(self) -> str:
        """The value of the label that counts its groups."""
        return self.labels.get(GROUP_COUNT_LABEL, "")

    @property
    def task(self) -> str:
        """Its task id, which the operator writes where the pod has a policy of its own."""
        return self.labels.get(TASK_LABEL, "")


def read_pod(item: Mapping[str, Any]) -> PodView:
    """What the metadata tell, because lists have no spec: the reason is in an annotation next to the gate."""
    metadata = item["metadata"]
    owners = metadata.get("ownerReferences") or ()
    labels = metadata.get("labels") or {}
    annotations = metadata.get("annotations") or {}
    return PodView(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        profile=labels.get(PROFILE_LABEL) or "",
        unsupported=annotations.get(UNSUPPORTED_ANNOTATION) or "",
        created=str(metadata.get("creationTimestamp") or ""),
        controller=next((str(owner["uid"]) for owner in owners if owner.get("controller")), ""),
        terminating="deletionTimestamp" in metadata,
        label_text=write_labels(labels),
        groups=tuple(sorted(k.removeprefix(GROUP_LABEL_PREFIX) for k in labels if k.startswith(GROUP_LABEL_PREFIX))),
        asked=_cut(annotations.get(GROUPS_ANNOTATION), MAX_ANNOTATED),
        shown=annotations.get(POD_GROUPS_ANNOTATION),
    )


def write_labels(labels: Mapping[str, str]) -> str:
    """Labels as a view of a pod keeps them."""
    return "\n".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _cut(text: str | None, most: int) -> str | None:
    """What is too long to be read is known as such by one character more."""
    return None if text is None else text[: most + 1]
