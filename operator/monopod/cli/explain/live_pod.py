"""What a pod of the cluster tells about its creation: the marks of admission, and the manifest behind them.

A stored pod is not the pod that was created: admission has marked and sized it, a RuntimeClass may have added node
selectors, and the scheduler has named its node. To ask what today's profiles would decide, all that is taken off
(`monopod.pods.rules.original`), and a node that no one is known to have named, too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from monopod.api.names import (
    CAPACITY_ANNOTATION,
    GROUP_LABEL_PREFIX,
    ISOLATION_GATE,
    PROFILE_LABEL,
    STORAGE_ANNOTATION,
    UNSUPPORTED_ANNOTATION,
    VOLUMES_GATE,
)
from monopod.kube.objects.fields import Part
from monopod.pods.rules.original import compute_original
from monopod.pods.rules.volumes import get_claims

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Admitted:
    """What admission wrote on a pod when it was created, and what has become of it since.

    Attributes:
        profile: the profile that won.
        capacity: the size in AWS's notation; "" if there is none.
        runtime_class: the sandbox.
        unsupported: why Fargate can't run the pod, as the pod's annotation has it; "" if it can.
        storage: the ephemeral storage that it was given, as the pod's annotation has it; "" if it has none.
        waits_for: the persistent volume claims that keep it from being scheduled, by name.
        groups: its security groups, which follow those who name them.
        waits_for_isolation: whether it waits until its namespace has its default-deny policy and its groups are known.
    """

    profile: str
    capacity: str
    runtime_class: str
    unsupported: str
    storage: str
    waits_for: tuple[str, ...]
    groups: tuple[str, ...] = ()
    waits_for_isolation: bool = False


def compute_admitted(pod: Mapping[str, object]) -> Admitted | None:
    """What admission decided, or None if it left the pod alone."""
    root = Part(pod)
    metadata = root.child("metadata")
    labels = metadata.text_map("labels")
    profile = labels.get(PROFILE_LABEL)
    if profile is None:
        return None
    gates = {gate.text("name") for gate in root.child("spec").children("schedulingGates")}
    annotations = metadata.text_map("annotations")
    return Admitted(
        profile,
        annotations.get(CAPACITY_ANNOTATION, ""),
        root.child("spec").text("runtimeClassName"),
        annotations.get(UNSUPPORTED_ANNOTATION, ""),
        annotations.get(STORAGE_ANNOTATION, ""),
        get_claims(pod) if VOLUMES_GATE in gates else (),
        tuple(sorted(k.removeprefix(GROUP_LABEL_PREFIX) for k in labels if k.startswith(GROUP_LABEL_PREFIX))),
        ISOLATION_GATE in gates,
    )


def rebuild_manifest(pod: Mapping[str, Any]) -> Manifest:
    """The pod as it would be created again, without marks and without what scheduling filled in."""
    manifest = compute_original(pod)
    if not _is_named_by_manifest("f:nodeName", pod["metadata"].get("managedFields") or ()):
        manifest["spec"].pop("nodeName", None)
    return manifest


def _is_named_by_manifest(field: str, managers: Iterable[Mapping[str, Any]]) -> bool:
    # The scheduler binds through pods/binding, which leaves no trace in managedFields; a client's own field does.
    return any(field in ((manager.get("fieldsV1") or {}).get("f:spec") or {}) for manager in managers)
