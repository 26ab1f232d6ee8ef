"""What would replace a pod if it went: the workload behind it, and the manifest that its replacement is made from.

A pod of a ReplicaSet, StatefulSet, ReplicationController or Job is replaced by one from their template, which has
neither a node nor any of admission's marks. Of other owners the template isn't known, so the pod's own manifest stands
for it, with all taken off that was written since it was created. A pod without a controller isn't replaced by anybody.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monopod.domain.manifest import Part
from monopod.domain.original import find_original
from monopod.domain.selection import is_written

Manifest = Mapping[str, Any]

TEMPLATED = {
    "ReplicaSet": "apps/",
    "StatefulSet": "apps/",
    "ReplicationController": "v1",
    "Job": "batch/",
}
"""Kinds whose template replaces a pod, each with how its apiVersion begins."""

DEPLOYMENT = "Deployment"
BARE = ""


@dataclass(frozen=True, slots=True)
class Owner:
    """The object that controls a pod, as the pod names it."""

    api_version: str
    kind: str
    name: str
    uid: str

    @property
    def has_template(self) -> bool:
        """Whether it is of a kind whose template is known."""
        prefix = TEMPLATED.get(self.kind)
        return prefix is not None and self.api_version.startswith(prefix)

    @property
    def is_deployment(self) -> bool:
        """Whether it makes ReplicaSets and not pods."""
        return self.kind == DEPLOYMENT and self.api_version.startswith("apps/")


@dataclass(frozen=True, slots=True)
class Workload:
    """What a budget of unavailable pods is about, and what makes the replacements.

    Attributes:
        kind: the kind of its object, "" for the pods of a namespace that nothing controls.
        uid: what its pods have in common.
        desired: how many pods it should have; None: as many as there are.
        template: what its pods are made from; None: their own manifests.
    """

    namespace: str
    kind: str
    name: str
    uid: str
    desired: int | None = None
    template: Manifest | None = field(default=None, compare=False, repr=False)

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
        """Whether a pod of it works towards an end, so that its replacement would begin anew."""
        return self.kind == "Job" or Part(pod).child("spec").text("restartPolicy") in ("OnFailure", "Never")


def find_owner(resource: Manifest) -> Owner | None:
    """The controller of a pod or of another object; None if there is none."""
    for owner in Part(resource).child("metadata").children("ownerReferences"):
        if owner.flag("controller"):
            return Owner(owner.text("apiVersion"), owner.text("kind"), owner.text("name"), owner.text("uid"))
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
    field_name = "parallelism" if owner.kind == "Job" else "replicas"
    return Workload(namespace, owner.kind, owner.name, owner.uid, _count_desired(spec, field_name), template)


def build_bare_workload(namespace: str) -> Workload:
    """The pods of a namespace that nothing controls, taken together."""
    return Workload(namespace, BARE, "", f"bare:{namespace}")


def _count_desired(spec: Part, key: str) -> int:
    return spec.number(key) if spec.fields.get(key) is not None else 1


def build_replacement(pod: Manifest, workload: Workload) -> Manifest:
    """The manifest of the pod that would be created in this one's place."""
    if workload.template is None:
        return find_original(pod)
    live, template = Part(pod).child("metadata"), Part(workload.template).child("metadata")
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
