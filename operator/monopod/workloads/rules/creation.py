"""Whether the pod that would replace another can be created: what to try, and what the API server's refusal means.

A controller that is refused keeps trying, and its workload is short of a pod for as long. So before the first pod of a
workload is evicted, what its controller would create is created as a dry run. Admission, Pod Security, policies,
webhooks, limit ranges and quotas answer as they would then, but for one thing: the pod that is to go still counts. So
where a quota refuses, what that pod frees is taken off, as far as it is certain.

A quota's status may say less than there is: Kubernetes' quota controller counts from a cache, and where a pod goes and
its replacement comes at the same moment it may miss the latter until the next pod goes. So pods are counted here, too.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from monopod.kube.objects.fields import InvalidManifest, Part
from monopod.kube.objects.quantity import InvalidQuantity, parse_quantity
from monopod.workloads.rules.replacement import Workload, build_replacement, get_owner

Manifest = Mapping[str, Any]

# The refusal has no causes, only this text, as k8s.io/apiserver writes it in
# pkg/admission/plugin/resourcequota/controller.go, CheckRequest.
_EXCEEDED: Final = re.compile(r"exceeded quota: (.+?), requested: (.+?), used: (.+?), limited: (.+)")
_COUNTS: Final = ("pods", "count/pods")
_OF_OTHERS: Final = frozenset(
    (
        "configmaps",
        "persistentvolumeclaims",
        "replicationcontrollers",
        "requests.storage",
        "resourcequotas",
        "secrets",
        "services",
        "services.loadbalancers",
        "services.nodeports",
    )
)
_SHORT: Final = {f"requests.{name}": name for name in ("cpu", "memory", "ephemeral-storage")}
"""Of two names for the same, the other."""
_OF_STORAGE_CLASS: Final = ".storageclass.storage.k8s.io/"


def build_attempt(pod: Manifest, workload: Workload) -> dict[str, Any]:
    """The pod that the workload's controller would create in this one's place, under a name that is free.

    A StatefulSet adds the volumes of its claims to what its template says; they are taken from the pod.
    """
    replacement, live = build_replacement(pod, workload), Part(pod)
    metadata, spec = Part(replacement).child("metadata"), dict(replacement["spec"])
    known = {volume.text("name") for volume in Part(spec).children("volumes")}
    wanted = {mount.text("name") for mount in _get_mounts(Part(spec))} - known
    added = [one.fields for one in live.child("spec").children("volumes") if one.text("name") in wanted]
    if added:
        spec["volumes"] = [*(spec.get("volumes") or ()), *added]
    owners = live.child("metadata").children("ownerReferences")
    # With blockOwnerDeletion it would take the right to change the owner's finalizers.
    references = [
        {**{key: one.text(key) for key in ("apiVersion", "kind", "name", "uid")}, "controller": True}
        for one in owners
        if one.flag("controller")
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{workload.name}-",
            "labels": metadata.text_map("labels"),
            "annotations": metadata.text_map("annotations"),
            "ownerReferences": references,
        },
        "spec": spec,
    }


def _get_mounts(spec: Part) -> Iterator[Part]:
    for container in (*spec.children("containers"), *spec.children("initContainers")):
        yield from (*container.children("volumeMounts"), *container.children("volumeDevices"))


@dataclass(frozen=True, slots=True)
class Quota:
    """A ResourceQuota: its name, which pods it counts, and how much they may have."""

    name: str
    scopes: frozenset[str] = frozenset()
    is_selective: bool = False
    """Whether it has conditions that aren't known here."""
    hard: Mapping[str, Fraction] = field(default_factory=dict, compare=False)
    used: Mapping[str, Fraction] = field(default_factory=dict, compare=False)
    """By its status, which may lag behind."""

    @classmethod
    def from_resource(cls, resource: Manifest) -> "Quota":
        """Reads one as the API server sends it."""
        spec = Part(resource).child("spec")
        selective = bool(spec.child("scopeSelector").children("matchExpressions"))
        name, hard = Part(resource).child("metadata").text("name"), spec.quantities("hard")
        used = Part(resource).child("status").quantities("used")
        return cls(name, frozenset(spec.texts("scopes")), selective, hard, used)

    @property
    def concerns_pods(self) -> bool:
        """Whether a pod may exceed it at all: one of services and storage alone has nothing to do with pods."""
        return any(map(_concerns_pods, self.hard))

    def counts(self, pod: Manifest) -> bool:
        """Whether it surely counts this pod."""
        if self.is_selective:
            return False
        spec = Part(pod).child("spec")
        holds = {
            "Terminating": spec.fields.get("activeDeadlineSeconds") is not None,
            "NotTerminating": spec.fields.get("activeDeadlineSeconds") is None,
            "NotBestEffort": any(_sum_of(spec, kind, name) for kind in ("requests", "limits") for name in _COMPUTE),
        }
        return all(holds.get(scope, False) for scope in self.scopes)

    def has_room_for(self, requested: Mapping[str, Fraction], gone: Manifest) -> bool:
        """Whether it surely has room for a pod of which this much is known, once the other is gone."""
        asked = _compute_known(requested, filter(_concerns_pods, self.hard))
        is_freed = self.counts(gone)
        return all(
            amount is not None
            and name in self.used
            and self.used[name] - (_compute_freed(gone, name) if is_freed else 0) + amount <= self.hard[name]
            for name, amount in asked.items()
        )


_COMPUTE: Final = ("cpu", "memory")


def _concerns_pods(resource: str) -> bool:
    if resource in _COUNTS:
        return True
    return not (resource in _OF_OTHERS or resource.startswith("count/") or _OF_STORAGE_CLASS in resource)


def fits_once_gone(refusal: str, quotas: Iterable[Quota], pod: Manifest) -> bool:
    """Whether a replacement that a quota refuses, in these words, would fit once the pod is gone.

    The API server names the first quota that refuses, in no order of its own, and only what exceeds it. Others must
    have room for what is known by that: where one bounds anything else, it isn't certain.
    """
    known = list(quotas)
    found = _EXCEEDED.search(refusal)
    refusing = next((quota for quota in known if found and quota.name == found[1]), None)
    if not found or refusing is None or not refusing.counts(pod):
        return False
    try:
        requested, used, limited = (_read_amounts(text) for text in found.groups()[1:])
        freed = {name: _compute_freed(pod, name) for name in requested}
        has_room = all(quota.has_room_for(requested, pod) for quota in known if quota is not refusing)
    except (InvalidQuantity, InvalidManifest, ValueError):
        return False
    return has_room and all(
        name in used and name in limited and used[name] - freed[name] + amount <= limited[name]
        for name, amount in requested.items()
    )


@dataclass(frozen=True, slots=True)
class Census:
    """What there is in a namespace at one moment: its pods that haven't ended, and what should have pods, by kind."""

    pods: Sequence[Manifest]
    owners: Sequence[tuple[str, Manifest]]

    def compute_overdrawn(
        self, quotas: Iterable[Quota], gone: Manifest, created: Manifest | None, refusal: str
    ) -> tuple[str, str] | None:
        """The quota that has no room for a replacement, by the pods that it surely counts, and of what; or None.

        Args:
            quotas: the namespace's.
            gone: the pod that goes.
            created: what takes its place, as admission leaves it; None if that was refused in the words of `refusal`.
            refusal: a quota's, which doesn't count once the pod is gone.
        """
        uid = gone["metadata"].get("uid")
        staying = [pod for pod in self.pods if pod["metadata"].get("uid") != uid]
        for quota in quotas:
            if not quota.counts(created or gone):
                continue
            counted = [pod for pod in staying if quota.counts(pod)]
            found = _EXCEEDED.search(refusal) if created is None else None
            asked = (
                _compute_known(_read_amounts(found[2]), quota.hard)
                if found
                else {name: _compute_freed(created or gone, name) for name in quota.hard}
            )
            for name, amount in asked.items():
                used = sum(_compute_freed(pod, name) for pod in counted)
                if amount and used + amount > quota.hard[name]:
                    return quota.name, name
        return None

    def compute_lacking(self) -> str:
        """Which workload has fewer pods than it should have, and may need the room that there is; "" if none has."""
        present = Counter(
            owner.uid for pod in self.pods if "deletionTimestamp" not in pod["metadata"] and (owner := get_owner(pod))
        )
        for kind, each in self.owners:
            metadata, wanted = each["metadata"], each["spec"].get("replicas", 1)
            if "deletionTimestamp" not in metadata and present[metadata["uid"]] < wanted:
                name = f"{kind} {metadata['namespace']}/{metadata['name']}"
                count = present[metadata["uid"]]
                return f"{name} has {count} of {wanted} pods, and the others may need the room that the quota leaves"
        return ""


def _read_amounts(text: str) -> dict[str, Fraction]:
    pairs = (part.split("=", 1) for part in text.split(","))
    return {name.strip(): parse_quantity(amount) for name, amount in pairs}


def _compute_known(requested: Mapping[str, Fraction], names: Iterable[str]) -> dict[str, Fraction | None]:
    """How much of each resource a pod asks for, by what a refusal says of it; None where that isn't known."""
    known = {_SHORT.get(name, name): amount for name, amount in requested.items()}
    return {name: Fraction(1) if name in _COUNTS else known.get(_SHORT.get(name, name)) for name in names}


def _compute_freed(pod: Manifest, resource: str) -> Fraction:
    """What of a quota's resource becomes free with the pod; at least that."""
    if resource in _COUNTS:
        return Fraction(1)
    kind, dot, name = resource.partition(".")
    kind, name = (kind, name) if dot and kind in ("requests", "limits") else ("requests", resource)
    return _sum_of(Part(pod).child("spec"), kind, name)


def _sum_of(spec: Part, kind: str, name: str) -> Fraction:
    pod_level = spec.child("resources").quantities(kind)
    overhead = spec.quantities("overhead").get(name, Fraction(0))
    containers = [one.child("resources").quantities(kind) for one in spec.children("containers")]
    own = pod_level[name] if name in pod_level else Fraction(sum(each.get(name, 0) for each in containers))
    return own + overhead if own or kind == "requests" else own
