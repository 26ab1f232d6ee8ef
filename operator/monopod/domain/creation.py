"""Whether the pod that would replace another can be created: what to try, and what the API server's refusal means.

A controller that is refused keeps trying, and its workload is short of a pod for as long. So before the first pod of a
workload is evicted, what its controller would create is created as a dry run. Admission, Pod Security, policies,
webhooks, limit ranges and quotas answer as they would then, but for one thing: the pod that is to go still counts. So
where a quota refuses, what that pod frees is taken off, as far as it is certain.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from monopod.domain.manifest import InvalidManifest, Part
from monopod.domain.quantity import InvalidQuantity, parse_quantity
from monopod.domain.replacement import Workload, build_replacement

Manifest = Mapping[str, Any]

_EXCEEDED: Final = re.compile(r"exceeded quota: (.+?), requested: (.+?), used: (.+?), limited: (.+)")
_COUNTS: Final = ("pods", "count/pods")


def build_attempt(pod: Manifest, workload: Workload) -> dict[str, Any]:
    """The pod that the workload's controller would create in this one's place, under a name that is free.

    A StatefulSet adds the volumes of its claims to what its template says; they are taken from the pod.
    """
    replacement, live = build_replacement(pod, workload), Part(pod)
    metadata, spec = Part(replacement).child("metadata"), dict(replacement["spec"])
    known = {volume.text("name") for volume in Part(spec).children("volumes")}
    wanted = {mount.text("name") for mount in _find_mounts(Part(spec))} - known
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


def _find_mounts(spec: Part) -> Iterator[Part]:
    for container in (*spec.children("containers"), *spec.children("initContainers")):
        yield from (*container.children("volumeMounts"), *container.children("volumeDevices"))


@dataclass(frozen=True, slots=True)
class Quota:
    """A ResourceQuota: its name, and which pods it counts."""

    name: str
    scopes: frozenset[str] = frozenset()
    is_selective: bool = False
    """Whether it has conditions that aren't known here."""

    @classmethod
    def from_resource(cls, resource: Manifest) -> "Quota":
        """Reads one as the API server sends it."""
        spec = Part(resource).child("spec")
        selective = bool(spec.child("scopeSelector").children("matchExpressions"))
        return cls(Part(resource).child("metadata").text("name"), frozenset(spec.texts("scopes")), selective)

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


_COMPUTE: Final = ("cpu", "memory")


def fits_once_gone(refusal: str, quotas: Iterable[Quota], pod: Manifest) -> bool:
    """Whether a replacement that a quota refuses, in these words, would fit once the pod is gone.

    The API server names the first quota that refuses and only what exceeds it. With several quotas the others' answers
    aren't known, so then it isn't certain.
    """
    known = list(quotas)
    found = _EXCEEDED.search(refusal)
    if not found or len(known) != 1 or known[0].name != found[1] or not known[0].counts(pod):
        return False
    try:
        requested, used, limited = (_read_amounts(text) for text in found.groups()[1:])
        freed = {name: _find_freed(pod, name) for name in requested}
    except (InvalidQuantity, InvalidManifest, ValueError):
        return False
    return all(
        name in used and name in limited and used[name] - freed[name] + amount <= limited[name]
        for name, amount in requested.items()
    )


def _read_amounts(text: str) -> dict[str, Fraction]:
    pairs = (part.split("=", 1) for part in text.split(","))
    return {name.strip(): parse_quantity(amount) for name, amount in pairs}


def _find_freed(pod: Manifest, resource: str) -> Fraction:
    """What of a quota's resource becomes free with the pod; at least that."""
    if resource in _COUNTS:
        return Fraction(1)
    kind, _, name = resource.rpartition(".")
    return _sum_of(Part(pod).child("spec"), kind or "requests", name)


def _sum_of(spec: Part, kind: str, name: str) -> Fraction:
    pod_level = spec.child("resources").quantities(kind)
    overhead = spec.quantities("overhead").get(name, Fraction(0))
    containers = [one.child("resources").quantities(kind) for one in spec.children("containers")]
    own = pod_level[name] if name in pod_level else Fraction(sum(each.get(name, 0) for each in containers))
    return own + overhead if own or kind == "requests" else own
