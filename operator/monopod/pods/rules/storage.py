"""How much ephemeral storage a pod is given, and which limits make the kubelet hold it to that.

Sources: EKS user guide, Fargate pod configuration: 20 GiB, or more by request, up to 175 GiB; a pod that requests
100 GiB is given 115 GiB. AWS's announcement ("AWS Fargate adds support for larger ephemeral volumes") has the formula:
10 % on top of all requests for the file system, and 5 GiB for the system. Here the result is rounded up to whole GiB,
and never less than 20 GiB. So the largest pod is given 198 GiB, within the 200 GiB that Fargate's platform offers.

Kubernetes' pod-level resources know no ephemeral storage, so containers' limits have to do it. The kubelet evicts a
pod when its containers, logs and emptyDirs together exceed the sum of those containers' limits that there are (by the
formula that also combines requests), and when one ordinary container exceeds its own. So a limit on the first container
alone bounds the pod as a whole, and leaves the others free to use all of it. That is what admission writes, unless the
manifest bounds the pod more tightly by a limit on each container.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from math import ceil
from typing import Final

from monopod.api.names import STORAGE_ANNOTATION
from monopod.kube.objects.fields import Part
from monopod.pods.rules.size import DEFAULT_STORAGE_GIB, ContainerKind, Need, combine, get_kind, is_sized

FILE_SYSTEM_PERCENT: Final = 10
SYSTEM_GIB: Final = 5

GIB_AS_WRITTEN: Final = "^[1-9][0-9]{0,2}Gi$"
"""The annotation as admission writes it; read by the admission policy too."""

_RESOURCE: Final = "ephemeral-storage"


class LimitChange(StrEnum):
    """What becomes of a container's limit of ephemeral storage."""

    KEEP = "keep"
    SET = "set"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class StoragePlan:
    """What a pod is given, and what becomes of its containers' limits, in the manifest's order.

    SET makes the limit all that the pod is given; without a request it also makes the request 0, or the API server
    would copy the limit into it.
    """

    gib: int
    containers: tuple[LimitChange, ...]
    init_containers: tuple[LimitChange, ...]


def provision_gib(need: Need) -> int:
    """The ephemeral storage that the pod is given, in GiB."""
    surplus = need.total.storage_mib * FILE_SYSTEM_PERCENT + SYSTEM_GIB * 1024 * 100
    return max(DEFAULT_STORAGE_GIB, -(-(need.total.storage_mib * 100 + surplus) // (100 * 1024)))


def plan_storage(pod: Mapping[str, object], need: Need) -> StoragePlan:
    """The plan for a pod that can run.

    Raises:
        InvalidPod: a field is of the wrong type, or not a quantity.
    """
    gib = provision_gib(need)
    spec = Part(pod).child("spec")
    containers = [(ContainerKind.ORDINARY, _compute_limit(part)) for part in spec.children("containers")]
    inits = [(get_kind(part), _compute_limit(part)) for part in spec.children("initContainers")]
    ours = _has_our_limit(pod) or _has_first_limit(spec, gib)
    if not ours and _is_bounded([*containers, *inits], gib):
        return StoragePlan(gib, (LimitChange.KEEP,) * len(containers), (LimitChange.KEEP,) * len(inits))
    others = tuple(_free(limit) for _, limit in containers[1:])
    return StoragePlan(gib, (LimitChange.SET, *others), tuple(_change_init(kind, limit, gib) for kind, limit in inits))


def _is_bounded(limits: list[tuple[ContainerKind, int | None]], gib: int) -> bool:
    """Whether the manifest's own limits hold the pod to what it is given; in MiB, rounded up, as CEL has to."""
    lasting = [limit for kind, limit in limits if kind is not ContainerKind.INIT]
    total = combine([(kind, limit or 0) for kind, limit in limits]).total
    return None not in lasting and total <= gib * 1024


def _free(limit: int | None) -> LimitChange:
    return LimitChange.KEEP if limit is None else LimitChange.REMOVE


def _change_init(kind: ContainerKind, limit: int | None, gib: int) -> LimitChange:
    if kind is ContainerKind.SIDECAR:
        return _free(limit)
    return LimitChange.SET if limit is not None and limit > gib * 1024 else LimitChange.KEEP


def _compute_limit(container: Part) -> int | None:
    """The limit in MiB, rounded up; None without one."""
    limit = container.child("resources").quantities("limits").get(_RESOURCE)
    return None if limit is None else ceil(limit / 2**20)


def _has_our_limit(pod: Mapping[str, object]) -> bool:
    """Whether admission wrote the first container's limit: on its second run, or in a copied manifest."""
    root = Part(pod)
    given = root.child("metadata").text_map("annotations").get(STORAGE_ANNOTATION, "")
    if not is_sized(root) or not re.fullmatch(GIB_AS_WRITTEN, given):
        return False
    return _has_first_limit(root.child("spec"), int(given.removesuffix("Gi")))


def _has_first_limit(spec: Part, gib: int) -> bool:
    """Whether the first container has this limit.

    Where that is all that the pod is given, the limit is read as ours, whoever wrote it: admission may run twice, and
    the second time couldn't tell.
    """
    containers = spec.children("containers")
    limits = containers[0].child("resources").quantities("limits") if containers else {}
    return limits.get(_RESOURCE) == Fraction(gib * 2**30)
