"""Whether the persistent volume claims of a pod let it run: bound, and to volumes that Fargate can mount.

Sources: EKS user guide, "Use elastic file system storage with Amazon EFS" (file systems, no block devices), and the
words of Fargate's scheduler for claims that aren't bound and for volumes of a driver that it doesn't support. Admission
can't look claims up, so it puts a scheduling gate on every supported pod that has any, and the operator asks here
whether to lift it. A claim that binds only once its pod is scheduled (WaitForFirstConsumer) never binds behind the
gate, as on EKS, where the pod waits in the same words.

A volume can be mounted if it is NFS, Amazon EFS, or of another CSI driver that offers ReadWriteMany: a file system on
the network. volumeMode Block, hostPath, local disks and block devices that a node attaches can't.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from monopod.kube.objects.fields import Part
from monopod.pods.rules.support import format_unsupported

EFS_DRIVER: Final = "efs.csi.aws.com"

Manifest = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class VolumesReady:
    """All claims are bound to volumes that can be mounted (or there are none): the gate may go."""


@dataclass(frozen=True, slots=True)
class NotBound:
    """Some claims don't exist or aren't bound; the pod waits for them.

    Attributes:
        claims: their names, in the manifest's order, each once.
        text: the reason in AWS's words, as an event says it.
    """

    claims: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class UnsupportedType:
    """Some claims are bound to volumes that can't be mounted; others may not be bound besides.

    Attributes:
        claims: the names of those bound to such a volume, in the manifest's order, each once.
        text: the reasons of all claims that keep the pod waiting, in AWS's words.
    """

    claims: tuple[str, ...]
    text: str


Verdict = VolumesReady | NotBound | UnsupportedType


@dataclass(frozen=True, slots=True)
class _Fault:
    volume: str
    claim: str
    bound: bool
    reason: str


def get_claims(pod: Manifest) -> tuple[str, ...]:
    """The names of the claims that the pod mounts, in the manifest's order, each once."""
    return tuple(dict.fromkeys(claim for _, claim in _each_claim(pod)))


def judge_volumes(pod: Manifest, claims: Mapping[str, Manifest], volumes: Mapping[str, Manifest]) -> Verdict:
    """Whether the pod's claims let it run.

    Args:
        pod: the pod's manifest.
        claims: the PersistentVolumeClaims of the pod's namespace by name; what is missing doesn't exist (yet).
        volumes: PersistentVolumes by name, at least those that the claims name.

    Raises:
        InvalidPod: a field is of the wrong type. Stored objects never raise.
    """
    faults = [
        _Fault(volume, claim, *fault)
        for volume, claim in _each_claim(pod)
        if (fault := _find_fault(claim, claims.get(claim), volumes))
    ]
    if not faults:
        return VolumesReady()
    reasons = ", ".join(f"{fault.volume} not supported because: {fault.reason}" for fault in faults)
    text = format_unsupported((f"volumes not supported: {reasons}",))
    if impossible := [fault.claim for fault in faults if fault.bound]:
        return UnsupportedType(tuple(dict.fromkeys(impossible)), text)
    return NotBound(tuple(dict.fromkeys(fault.claim for fault in faults)), text)


def _each_claim(pod: Manifest) -> Iterator[tuple[str, str]]:
    """Names of volume and claim."""
    for volume in Part(pod).child("spec").children("volumes"):
        if claim := volume.child("persistentVolumeClaim").text("claimName"):
            yield volume.text("name"), claim


def _find_fault(name: str, claim: Manifest | None, volumes: Mapping[str, Manifest]) -> tuple[bool, str] | None:
    """Whether the claim is bound, and why it keeps the pod waiting; None if it doesn't."""
    fields = Part(claim or {})
    volume_name = fields.child("spec").text("volumeName")
    if fields.child("status").text("phase") != "Bound" or volume_name not in volumes:
        return False, f"PVC {name} not bound"
    spec = Part(volumes[volume_name]).child("spec")
    if _can_mount(spec):
        return None
    driver = spec.child("csi").text("driver")
    return True, f"PVC {name} bound to invalid PV {volume_name}" + (f" with CSI Driver: {driver}" if driver else "")


def _can_mount(volume: Part) -> bool:
    if volume.text("volumeMode") == "Block":
        return False
    if "csi" not in volume.fields:
        return "nfs" in volume.fields
    return volume.child("csi").text("driver") == EFS_DRIVER or "ReadWriteMany" in volume.texts("accessModes")
