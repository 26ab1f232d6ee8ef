"""What one look at a pod tells of its life.

Kubernetes cuts its timestamps to whole seconds. A pod that can't be read is answered with the reason: it costs money
whether or not it is understood, so dropping it would be wrong, and failing would stop the count of all others.
"""

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from monopod.api.ecs.names import FAMILY_LABEL
from monopod.api.names import (
    CAPACITY_ANNOTATION,
    CAPACITY_PROVIDER_LABEL,
    FARGATE,
    FARGATE_SPOT,
    PROFILE_LABEL,
    STORAGE_ANNOTATION,
)
from monopod.kube.objects.fields import InvalidManifest, InvalidPod, Part
from monopod.kube.objects.timestamps import read_time
from monopod.pods.rules.nodes import read_terms
from monopod.pods.rules.size import PodSize, compute_pod_size, measure_need
from monopod.pods.rules.state import has_ended
from monopod.pods.rules.storage import GIB_AS_WRITTEN, provision_gib
from monopod.usage.rules.lifetime import ARM, X86, Description, Evidence, Lifetime

_ARCHITECTURE_LABEL: Final = "kubernetes.io/arch"
_HASH_LABEL: Final = "pod-template-hash"
_READY_TO_START: Final = "PodReadyToStartContainers"

_CAPACITY: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,10})?)vCPU ([0-9]{1,6}(?:\.[0-9]{1,10})?)GB")
_SCHEDULED: Final = re.compile(r"(.+)-([0-9]{8})")
_SCHEDULED_MINUTES: Final = 7 * 24 * 60
_KIND: Final = re.compile("[A-Z][A-Za-z0-9]{0,62}")
_NAME: Final = re.compile("[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_MOST_LABELS: Final = 16 * 1024
"""Bytes. Kubernetes bounds each label and not their number; more would be a tenant's way to fill databases."""

_LARGEST: Final = 10**12
_LAST_MOMENT: Final = 10**13  # in the year 2286
_LAST_VERSION: Final = 2**63 - 1
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A profile's pod that can't be read; `problem` begins with the field's path."""

    uid: str
    namespace: str
    name: str
    problem: str


def read_sighting(pod: Mapping[str, Any], recorder: str, at: int) -> Lifetime | Unreadable | None:
    """The lifetime of a pod as far as its object tells; None if it is no profile's pod.

    Args:
        pod: as the API server sends it.
        recorder: who saw it.
        at: a moment, in milliseconds, at which it existed; of a replayed event that is not the moment of its arrival.
    """
    try:
        root = Part(pod)
        metadata = root.child("metadata")
        profile = metadata.text_map("labels").get(PROFILE_LABEL, "")
        return _read(root, metadata, profile, recorder, at) if profile else None
    except InvalidManifest as problem:
        return _build_unreadable(pod, str(problem))
    except (ArithmeticError, AttributeError) as problem:  # not a mapping at all, or a year that no calendar has
        return _build_unreadable(pod, f"isn't a pod: {problem}")


def _build_unreadable(pod: object, problem: str) -> Unreadable:
    metadata = pod.get("metadata") if isinstance(pod, Mapping) else None
    known = metadata if isinstance(metadata, Mapping) else {}
    uid, namespace, name = (str(known.get(key) or "") for key in ("uid", "namespace", "name"))
    return Unreadable(uid, namespace, name, problem)


def _read(root: Part, metadata: Part, profile: str, recorder: str, at: int) -> Lifetime:
    created = _read_ms(metadata, "creationTimestamp")
    uid = metadata.text("uid")
    if created is None or not uid:
        raise metadata.fail("uid" if created else "creationTimestamp", "is missing")
    description, size_evidence = _describe(root, metadata, profile, created)
    stamps = _read_stamps(root)
    return Lifetime(
        uid,
        description,
        created,
        pull_started=_bound(stamps.pull_started, created),
        acknowledged=_bound(stamps.acknowledged, created),
        container_started=_bound(stamps.container_started, created),
        finished=_bound(stamps.finished, created),
        alive=max(at, created),
        seen_by=frozenset({recorder}),
        evidence=size_evidence | stamps.evidence,
    )


def _bound(stamp: int | None, created: int) -> int | None:
    """A moment that a node tells. One whose clock had stopped in 1970 would have its pods pay for all the years."""
    return None if stamp is None else min(max(stamp, created), _LAST_MOMENT)


def _describe(root: Part, metadata: Part, profile: str, created: int) -> tuple[Description, frozenset[str]]:
    version = metadata.text("resourceVersion")
    if not re.fullmatch("[0-9]{1,19}", version) or int(version) > _LAST_VERSION:
        raise metadata.fail("resourceVersion", f"must be a number, not {version!r}")
    size, evidence = _read_size(root, metadata)
    storage_gib = _read_storage(root, metadata)
    if max(size.cpu_millis, size.memory_mib, storage_gib) > _LARGEST:
        raise root.child("spec").fail("containers", "ask for more than there is anywhere")
    node = root.child("spec").text("nodeName")
    description = Description(
        int(version),
        metadata.text("namespace"),
        metadata.text("name"),
        profile,
        _name_workload(metadata, created),
        size.cpu_millis,
        size.memory_mib,
        storage_gib,
        _read_capacity(metadata),
        _read_architecture(root),
        node if _NAME.fullmatch(node) else "",  # whoever makes a pod may name a node that can't be
        _read_labels(metadata),
    )
    return description, evidence


def _read_size(root: Part, metadata: Part) -> tuple[PodSize, frozenset[str]]:
    """The size as admission wrote it; else the one that it would have written."""
    written = _CAPACITY.fullmatch(metadata.text_map("annotations").get(CAPACITY_ANNOTATION, ""))
    if written:
        cpu, gib = (_parse_decimal(amount) for amount in written.groups())
        return PodSize(cpu * 1000 // _SCALE, gib * 1024 // _SCALE), frozenset()
    need = measure_need(root.fields)
    unsized = PodSize(need.total.cpu_millis, need.memory_with_components_mib)  # larger than any size, so it can't run
    return compute_pod_size(need) or unsized, frozenset({Evidence.INFERRED_SIZE})


_SCALE: Final = 10**10
"""The annotation has at most ten digits, so that these are whole numbers."""


def _parse_decimal(text: str) -> int:
    whole, _, fraction = text.partition(".")
    return int(whole) * _SCALE + int(fraction.ljust(10, "0"))


def _read_storage(root: Part, metadata: Part) -> int:
    written = metadata.text_map("annotations").get(STORAGE_ANNOTATION, "")
    if re.fullmatch(GIB_AS_WRITTEN, written):
        return int(written.removesuffix("Gi"))
    return provision_gib(measure_need(root.fields))


def _read_capacity(metadata: Part) -> str:
    """Admission alone writes the mark of Spot, which has a lower price."""
    on_spot = metadata.text_map("labels").get(CAPACITY_PROVIDER_LABEL) == FARGATE_SPOT
    return FARGATE_SPOT if on_spot else FARGATE


def _read_architecture(root: Part) -> str:
    terms = read_terms(root.fields)
    is_required = bool(terms) and all(any(map(_requires_arm, term.children("matchExpressions"))) for term in terms)
    selected = root.child("spec").text_map("nodeSelector").get(_ARCHITECTURE_LABEL)
    return ARM if selected == "arm64" or is_required else X86


def _requires_arm(requirement: Part) -> bool:
    about = (requirement.text("key"), requirement.text("operator"))
    return about == (_ARCHITECTURE_LABEL, "In") and set(requirement.texts("values")) == {"arm64"}


def _read_labels(metadata: Part) -> tuple[tuple[str, str], ...]:
    """The labels, by key, as many as there is room for."""
    room, kept = _MOST_LABELS, list[tuple[str, str]]()
    for key, value in sorted(metadata.text_map("labels").items()):
        room -= len(key) + len(value)
        if room < 0:
            break
        kept.append((key, value))
    return tuple(kept)


def _name_workload(metadata: Part, created: int) -> str:
    """What the pod belongs to, as far as its name and owner tell, because the owner's owner may be gone by now.

    The API server takes any text as an owner's kind and name. Texts that no object can have would go into an index,
    which has no room for long ones, and onto terminals; such a pod is its own workload.
    """
    owner = next((each for each in metadata.children("ownerReferences") if each.flag("controller")), None)
    if owner is None:
        return f"Pod/{metadata.text('name')}"
    kind, name = owner.text("kind"), owner.text("name")
    if not _KIND.fullmatch(kind) or not _NAME.fullmatch(name):
        return f"Pod/{metadata.text('name')}"
    family = metadata.text_map("labels").get(FAMILY_LABEL, "")
    if kind == "ECSTask" and _NAME.fullmatch(family):
        return f"ECSTaskFamily/{family}"
    template_hash = metadata.text_map("labels").get(_HASH_LABEL, "")
    if kind == "ReplicaSet" and template_hash and name.endswith(f"-{template_hash}"):
        return f"Deployment/{name.removesuffix(f'-{template_hash}')}"
    if kind == "Job" and (cron_job := name_cron_job(name, created)):
        return f"CronJob/{cron_job}"
    return f"{kind}/{name}"


def name_cron_job(job: str, created: int) -> str:
    """The CronJob that made a Job, whose name ends in the minute that it was due at; "" if it doesn't.

    Other names rarely end in such a number.
    """
    scheduled = _SCHEDULED.fullmatch(job)
    is_due = scheduled is not None and 0 <= created // 60_000 - int(scheduled[2]) <= _SCHEDULED_MINUTES
    return scheduled[1] if scheduled and is_due else ""


@dataclass
class _Stamps:
    """What the kubelet wrote of the pod's life."""

    pull_started: int | None = None
    acknowledged: int | None = None
    container_started: int | None = None
    finished: int | None = None
    evidence: set[str] = field(default_factory=set)


def _read_stamps(root: Part) -> _Stamps:
    status = root.child("status")
    containers = [*status.children("containerStatuses"), *status.children("initContainerStatuses")]
    stamps = _Stamps(
        acknowledged=_read_ms(status, "startTime"),
        container_started=min(_list_stamps(containers, "startedAt"), default=None),
    )
    if has_ended(root.fields) and not any("running" in each.child("state").fields for each in containers):
        stamps.finished = max(_list_stamps(containers, "finishedAt"), default=None)
        if not containers:
            stamps.evidence.add(Evidence.REJECTED)
    for condition in status.children("conditions"):
        if condition.text("type") == _READY_TO_START:
            changed = _read_ms(condition, "lastTransitionTime")
            if condition.text("status") == "True":
                stamps.pull_started = changed
                continue
            if stamps.container_started is None:
                stamps.evidence.add(Evidence.PULL_PENDING)
                # No container ever ran, so none says when; the sandbox in which they were to run was taken away then.
                if stamps.finished is None and has_ended(root.fields) and containers:
                    stamps.finished = changed
    stamps.evidence |= {
        evidence
        for stamp, evidence in (
            (stamps.pull_started, Evidence.PULL_STARTED),
            (stamps.acknowledged, Evidence.ACKNOWLEDGED),
            (stamps.container_started, Evidence.CONTAINER_STARTED),
            (stamps.finished, Evidence.CONTAINERS_FINISHED),
        )
        if stamp is not None
    }
    return stamps


def _list_stamps(containers: list[Part], key: str) -> list[int]:
    """When they started or ended; a runtime that doesn't know writes none, or the year 1."""
    states = [each.child(which) for each in containers for which in ("state", "lastState")]
    stamps = (_read_ms(state.child(kind), key) for state in states for kind in ("running", "terminated"))
    return [stamp for stamp in stamps if stamp is not None and stamp > 0]


def _read_ms(part: Part, key: str) -> int | None:
    text = part.text(key)
    try:
        time = read_time(text)
        return None if time is None else (time - _EPOCH) // datetime.timedelta(milliseconds=1)
    except (TypeError, ValueError):  # TypeError: a time without its zone
        raise InvalidPod(f"{part.path_of(key)}: must be a time such as 2026-11-28T09:00:00Z, not {text!r}") from None
