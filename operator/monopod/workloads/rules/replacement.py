"""What would replace a pod if it went: the workload behind it, and the manifest that its replacement is made from.

A pod of a ReplicaSet, StatefulSet, ReplicationController or Job is replaced by one from their template, which has
neither a node nor any of admission's marks. Of other owners the template isn't known, nor that of a pod that a
StatefulSet keeps at an older revision, so the pod's own manifest stands for it, with all taken off that was written
since it was created. A pod without a controller isn't replaced by anybody.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from monopod.kube.objects.fields import Part
from monopod.pods.rules.original import compute_original
from monopod.pods.rules.selection import is_written

Manifest = Mapping[str, Any]

TEMPLATED = {
    "ReplicaSet": "apps/",
    "StatefulSet": "apps/",
    "ReplicationController": "v1",
    "Job": "batch/",
}
"""Kinds whose template replaces a pod, each with how its apiVersion begins."""

DEPLOYMENT = "Deployment"
STATEFUL_SET = "StatefulSet"
REVISION_LABEL = "controller-revision-hash"
BARE = ""

_NAME: Final = re.compile("[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
"""What objects of these kinds are called."""

_LONGEST_KIND: Final = 63
_LONGEST_NAME: Final = 253
"""Of a pod's owner the API server takes any text, of any length; statuses and events name it, and have bounds."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The object that controls a pod, as the pod names it."""

    api_version: str
    kind: str
    name: str
    uid: str

    @property
    def is_readable(self) -> bool:
        """Whether an object can have this name. Whoever creates a pod writes it, and the API server takes anything.

        `web/scale` would be read as a subresource, which is forbidden.
        """
        return _NAME.fullmatch(self.name) is not None

    @property
    def has_template(self) -> bool:
        """Whether it is of a kind whose template is known."""
        prefix = TEMPLATED.get(self.kind)
        return prefix is not None and self.api_version.startswith(prefix) and self.is_readable

    @property
    def is_deployment(self) -> bool:
        """Whether it makes ReplicaSets and not pods."""
        return self.kind == DEPLOYMENT and self.api_version.startswith("apps/") and self.is_readable


@dataclass(frozen=True, slots=True)
class Workload:
    """What a budget of unavailable pods is about, and what makes the replacements.

    Attributes:
        kind: the kind of its object, "" for the pods of a namespace that nothing controls.
        uid: what its pods have in common.
        desired: how many pods it should have; None: as many as there are.
        template: what its pods are made from; None: their own manifests.
        held_back: of a StatefulSet with a partition, pods with smaller ordinals are replaced at their old revision.
        revision: the revision of the template, for these.
    """

    namespace: str
    kind: str
    name: str
    uid: str
    desired: int | None = None
    template: Manifest | None = field(default=None, compare=False, repr=False)
    held_back: int = field(default=0, compare=False)
    revision: str = field(default="", compare=False)

    def __str__(self) -> str:
        return (
            f"{self.kind} {self.namespace}/{self.name}"
            if self.kind
            else f"pods without a controller in {self.namespace}"
        )

    @property
    def is_bare(self) -> bool:
        """Whether nothing controls its pods."""
        return self.kind == BARE

    def ends_by_itself(self, pod: Manifest) -> bool:
        """Whether a pod of it works towards an end, so that its replacement would begin again."""
        return self.kind == "Job" or Part(pod).child("spec").text("restartPolicy") in ("OnFailure", "Never")


def get_owner(resource: Manifest) -> Owner | None:
    """The controller of a pod or of another object; None if there is none."""
    for owner in Part(resource).child("metadata").children("ownerReferences"):
        if owner.flag("controller"):
            # What is cut off here is still longer than any that exists.
            kind, name = owner.text("kind")[: _LONGEST_KIND + 1], owner.text("name")[: _LONGEST_NAME + 1]
            return Owner(owner.text("apiVersion"), kind, name, owner.text("uid"))
    return None


def read_workload(namespace: str, owner: Owner, resource: Manifest | None, above: Manifest | None = None) -> Workload:
    """The workload of pods with this owner.

    Args:
        namespace: theirs.
        owner: their controller.
        resource: the owner itself, None if its kind has no known template.
        above: the Deployment that controls it, if one does.
    """
    if resource is None:
        return Workload(namespace, owner.kind, owner.name, owner.uid)
    spec = Part(resource).child("spec")
    template = spec.child("template").fields
    if above is not None:
        metadata, whole = Part(above).child("metadata"), Part(above).child("spec")
        return Workload(
            namespace,
            DEPLOYMENT,
            metadata.text("name"),
            metadata.text("uid"),
            _count_desired(whole, "replicas"),
            template,
        )
    status = Part(resource).child("status")
    desired = _count_desired_of_job(spec, status) if owner.kind == "Job" else _count_desired(spec, "replicas")
    workload = Workload(namespace, owner.kind, owner.name, owner.uid, desired, template)
    partition = spec.child("updateStrategy").child("rollingUpdate").number("partition")
    if owner.kind != STATEFUL_SET or not partition:
        return workload
    first = spec.child("ordinals").number("start")
    return replace(workload, held_back=first + partition, revision=status.text("updateRevision"))


def build_bare_workload(namespace: str) -> Workload:
    """The pods of a namespace that nothing controls, taken together."""
    return Workload(namespace, BARE, "", f"bare:{namespace}")


def _count_desired(spec: Part, key: str) -> int:
    return spec.number(key) if spec.fields.get(key) is not None else 1


def _count_desired_of_job(spec: Part, status: Part) -> int:
    """As many as run at a time; towards a Job's end no more than are still missing."""
    parallelism = _count_desired(spec, "parallelism")
    if spec.fields.get("completions") is None:
        return parallelism
    return min(parallelism, max(0, spec.number("completions") - status.number("succeeded")))


def build_replacement(pod: Manifest, workload: Workload) -> Manifest:
    """The manifest of the pod that would be created in this one's place."""
    live = Part(pod).child("metadata")
    if workload.template is None or _is_held_back(live, workload):
        return compute_original(pod)
    template = Part(workload.template).child("metadata")
    # Controllers and webhooks add labels of their own, which count at admission; ours and the pin are admission's work.
    own = {key: value for key, value in live.text_map("labels").items() if not is_written(key)}
    labels = {**own, **template.text_map("labels")}
    metadata = {
        "name": live.text("name"),
        "labels": labels,
        "annotations": template.text_map("annotations"),
        "ownerReferences": live.fields.get("ownerReferences") or [],
    }
    return {"metadata": metadata, "spec": workload.template.get("spec") or {}}


def _is_held_back(metadata: Part, workload: Workload) -> bool:
    """Whether a StatefulSet replaces the pod from an older template than its own, which isn't known."""
    ordinal = metadata.text("name").rpartition("-")[2]
    if not workload.held_back or not ordinal.isdecimal():
        return False
    old = metadata.text_map("labels").get(REVISION_LABEL) != workload.revision
    return old and int(ordinal) < workload.held_back
