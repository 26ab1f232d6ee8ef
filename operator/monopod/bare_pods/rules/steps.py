"""The move of a pod that nothing would replace: its manifest is stored first, and it is created again from that.

    wanted, and a dry run is sandboxed ──► Stored ──► Evicting ──gone──► Recreating ──new pod runs──► dropped
                                           │           │                  ├── refused ──► Refused, tried again slowly
                             not wanted:   ▼           ▼                  └── name taken ──► NameTaken, until a person
                                        dropped     Withdrawn ──settled──► dropped                          decides

The eviction is asked for only once `Evicting` is on record, so `Stored` proves that nothing was asked yet: a pod that
is gone then was deleted by its owner, and isn't created again. Only that version of a pod is evicted whose manifest is
stored: no change of its is lost, and one that its owner is deleting isn't taken for evicted. From `Evicting` on, a pod
that is gone counts as evicted by us: better that one is back that its owner deleted in that moment than that one is
lost. Every step follows from the stored pod and the pod of its name alone, so an operator that is killed, or two of
them at once, come to the same end; and as both pods have the same name there are never two.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

from monopod.api.names import API_VERSION, RECREATED_ANNOTATION
from monopod.api.stored_pod import Phase
from monopod.eviction.rules.order import Candidate
from monopod.pods.rules.original import compute_original

Manifest = dict[str, Any]

KNOWN_SECONDS = 15.0
"""How long after a pod was observed it may be evicted."""

SETTLING_SECONDS = 45.0
"""How long an eviction may still come that was decided on before: it is asked for within KNOWN_SECONDS, and a client
waits 15 s for the answer. Measured by who drops the stored pod: another operator's clock may be wrong."""

FOR_A_PERSON: tuple[Phase, ...] = ("Refused", "NameTaken")
"""The phases in which nothing goes on by itself, or only if someone removes the reason."""

UNWANTED = "the pod isn't to be moved any more"


@dataclass(frozen=True, slots=True)
class BarePod:
    """A pod without a controller that is to be moved now.

    Attributes:
        profile: the profile that takes it.
        runtime_class: the sandbox of that profile.
        pod: the whole pod as the API server sends it, managedFields included.
    """

    profile: str
    runtime_class: str
    pod: Mapping[str, Any]

    @property
    def namespace(self) -> str:
        """The pod's namespace."""
        return str(self.pod["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """The pod's name."""
        return str(self.pod["metadata"]["name"])

    @property
    def uid(self) -> str:
        """The pod's uid."""
        return str(self.pod["metadata"]["uid"])

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class StoredPod:
    """A StoredPod as the operator reads it.

    Attributes:
        uid: its own.
        version: its resourceVersion; whatever is written holds for this version only.
        pod_uid: of the pod that the manifest was taken from.
        since: when the phase began, "" if it isn't on record.
        recreated_uid: of the pod that was created from it, "" if that isn't on record.
    """

    namespace: str
    name: str
    uid: str
    version: str
    profile: str
    pod_uid: str
    manifest: Manifest
    phase: Phase = "Stored"
    since: str = ""
    message: str = ""
    recreated_uid: str = ""

    @classmethod
    def from_resource(cls, resource: Mapping[str, Any]) -> "StoredPod":
        """Reads one as the API server sends it."""
        metadata, spec, status = resource["metadata"], resource["spec"], resource.get("status") or {}
        manifest = spec["manifest"]
        # The API server passes the metadata of an embedded object through its own type, which may add empty fields.
        kept = {key: value for key, value in manifest["metadata"].items() if value is not None}
        return cls(
            metadata["namespace"],
            metadata["name"],
            metadata["uid"],
            metadata["resourceVersion"],
            spec["profile"],
            spec["podUID"],
            {**manifest, "metadata": kept},
            status.get("phase") or "Stored",
            status.get("since") or "",
            status.get("message") or "",
            status.get("recreatedUID") or "",
        )

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Absent:
    """No pod has the name."""


@dataclass(frozen=True, slots=True)
class Original:
    """The pod that the manifest was taken from.

    Attributes:
        manifest: as it would be stored now.
        version: its resourceVersion.
        terminating: whether it is being deleted.
        disrupted: whether that is a disruption, such as an eviction, and not its owner's wish.
        controlled: whether a controller has adopted it, which would replace it.
    """

    manifest: Manifest = field(repr=False)
    version: str = ""
    created: str = ""
    terminating: bool = False
    disrupted: bool = False
    controlled: bool = False


@dataclass(frozen=True, slots=True)
class Recreated:
    """The pod that was created in its place.

    Attributes:
        started: whether it runs, or has run.
        fault: why it ends without having run, "" if it doesn't: its node refused it, or it was evicted before.
    """

    uid: str
    started: bool
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Foreign:
    """Another pod of that name."""

    uid: str


ObservedPod = Absent | Original | Recreated | Foreign


@dataclass(frozen=True, slots=True)
class Stay:
    """Nothing to do until something changes."""


@dataclass(frozen=True, slots=True)
class AskForEviction:
    """The pod may be evicted: it is stored, and that it is being evicted is on record."""

    pod: Candidate


@dataclass(frozen=True, slots=True)
class Renew:
    """The pod was changed since its manifest was stored."""

    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Record:
    """The status is to say this."""

    phase: Phase
    message: str = ""
    recreated_uid: str = ""


@dataclass(frozen=True, slots=True)
class Recreate:
    """The pod is to be created again."""


@dataclass(frozen=True, slots=True)
class Drop:
    """The stored pod has done its duty."""

    why: str


Step = Stay | AskForEviction | Renew | Record | Recreate | Drop


def observe(stored: StoredPod, pod: Mapping[str, Any] | None) -> ObservedPod:
    """What the pod of a stored pod's name is to it."""
    if pod is None:
        return Absent()
    metadata, status = pod["metadata"], pod.get("status") or {}
    if metadata["uid"] == stored.pod_uid:
        controlled = any(owner.get("controller") for owner in metadata.get("ownerReferences") or ())
        return Original(
            compute_original(pod),
            str(metadata.get("resourceVersion") or ""),
            str(metadata.get("creationTimestamp") or ""),
            "deletionTimestamp" in metadata,
            _compute_disruption(status) is not None,
            controlled,
        )
    if (metadata.get("annotations") or {}).get(RECREATED_ANNOTATION) == stored.pod_uid:
        started = status.get("phase") in ("Running", "Succeeded") or _has_run(status)
        return Recreated(metadata["uid"], started, "" if started else _find_fault(metadata, status))
    return Foreign(metadata["uid"])


def _has_run(status: Mapping[str, Any]) -> bool:
    """Whether a pod that has failed has run before. A kubelet says of containers that it never saw that they ended."""
    containers = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    states = (each.get(state) or {} for each in containers for state in ("state", "lastState"))
    ended = any((state.get("terminated") or {}).get("startedAt") for state in states)
    return status.get("phase") == "Failed" and ended


def _find_fault(metadata: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    """Why a pod that hasn't run never will; "" if it may, or if someone deletes it."""
    told: Mapping[str, Any] | None = status if status.get("phase") == "Failed" else None
    if told is None and "deletionTimestamp" in metadata:
        told = _compute_disruption(status)
    if told is None:
        return ""
    return ": ".join(str(told[key]) for key in ("reason", "message") if told.get(key)) or "Failed"


def _compute_disruption(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The condition by which an eviction, or another disruption, is known from its owner's wish."""
    conditions: Iterable[Mapping[str, Any]] = status.get("conditions") or ()
    return next((one for one in conditions if one["type"] == "DisruptionTarget" and one["status"] == "True"), None)


def decide_step(stored: StoredPod, observed: ObservedPod, *, wanted: bool | None, settled: bool) -> Step:
    """What to do next about a stored pod.

    Args:
        stored: the stored pod, as it is now.
        observed: what has its name, as it is now.
        wanted: whether the pod is to be moved, if it still runs; None: not known yet.
        settled: whether it has been Withdrawn for SETTLING_SECONDS.
    """
    match observed:
        case Original() if observed.terminating:
            return _judge_ending(stored, observed)
        case Original():
            return _judge_running(stored, observed, wanted, settled)
        case Recreated(fault=fault) if fault:
            # It is no successor: when it is gone another is created, so it must not be on record by then.
            message = describe_fault(stored, fault)
            return Stay() if (stored.recreated_uid, stored.message) == ("", message) else Record("Recreating", message)
        case Recreated(uid, started):
            if stored.recreated_uid != uid:
                return Record("Recreating", recreated_uid=uid)
            return Drop("the new pod runs") if started else Stay()
        case Absent() | Foreign() if stored.recreated_uid:
            return Drop("someone deleted the new pod")
        case Absent() | Foreign() if stored.phase == "Stored":
            return Drop("someone deleted the pod before it was evicted")
        case Absent():
            # Once the name was taken a person has to say whether the pod that had it was meant to replace this one.
            return Stay() if stored.phase == "NameTaken" else Recreate()
        case Foreign():
            return Stay() if stored.phase == "NameTaken" else Record("NameTaken", describe_taken(stored))
        case never:
            assert_never(never)


def _judge_ending(stored: StoredPod, original: Original) -> Step:
    if stored.phase == "Stored":
        return Drop("someone deleted the pod before it was evicted")
    # The Eviction API says on the pod that it is a disruption, before it deletes it.
    return Stay() if original.disrupted else Drop("someone deleted the pod")


def _judge_running(stored: StoredPod, original: Original, wanted: bool | None, settled: bool) -> Step:
    if original.manifest != stored.manifest:
        return Renew(original.manifest)
    if wanted is None:
        return Stay()
    if wanted and not original.controlled:
        if stored.phase == "Evicting":
            candidate = Candidate(
                stored.namespace,
                stored.name,
                stored.pod_uid,
                original.created,
                workload=stored.pod_uid,
                patient=True,
                version=original.version,
            )
            return AskForEviction(candidate)
        return Record("Evicting")
    if stored.phase == "Stored":
        return Drop(UNWANTED)
    if stored.phase != "Withdrawn":
        return Record("Withdrawn", UNWANTED)
    return Drop(UNWANTED) if settled else Stay()


def build_stored(bare: BarePod) -> Manifest:
    """The StoredPod of a pod."""
    return {
        "apiVersion": API_VERSION,
        "kind": "StoredPod",
        "metadata": {"name": bare.name, "namespace": bare.namespace},
        "spec": {"profile": bare.profile, "podUID": bare.uid, "manifest": compute_original(bare.pod)},
    }


def build_dry_run(bare: BarePod) -> Manifest:
    """The pod to try: its name is another, because its own is in use. It says that it is one to be created again."""
    manifest = compute_original(bare.pod)
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "name"}
    annotations = {**(metadata.get("annotations") or {}), RECREATED_ANNOTATION: bare.uid}
    return {**manifest, "metadata": {**metadata, "annotations": annotations, "generateName": f"{bare.name}-"}}


def build_recreated(stored: StoredPod, manifest: Mapping[str, Any] | None = None) -> Manifest:
    """The pod to create in a stored pod's place, from its own manifest or an edited one."""
    chosen = stored.manifest if manifest is None else manifest
    metadata = chosen["metadata"]
    annotations = {**(metadata.get("annotations") or {}), RECREATED_ANNOTATION: stored.pod_uid}
    return {**chosen, "metadata": {**metadata, "namespace": stored.namespace, "annotations": annotations}}


def describe_refusal(stored: StoredPod, said: str) -> str:
    """What the status says of a manifest that the API server refuses."""
    restore = f"kubectl fargate restore {stored.name} -n {stored.namespace} -f FILE"
    return (
        f"the API server refuses to create the pod again: {said}. It is tried again; `{restore}` takes an edited "
        f"manifest"
    )


def describe_fault(stored: StoredPod, fault: str) -> str:
    """What the status says where the new pod ends before it has run."""
    return (
        f"the pod that was created in its place ends without having run ({fault}). Once that pod is gone another is "
        f"created: `kubectl delete pod {stored.name} -n {stored.namespace}`, if it is still there"
    )


def describe_taken(stored: StoredPod) -> str:
    """What the status says where the name is in use."""
    which = f"{stored.name} -n {stored.namespace}"
    return (
        f"another pod is named {stored.name}, so this one isn't created again. If that one replaces it, `kubectl "
        f"delete storedpod {which}`; else delete that one and `kubectl fargate restore {which}`"
    )


def is_gone(observed: ObservedPod) -> bool:
    """Whether the pod has gone and its successor doesn't run yet."""
    match observed:
        case Absent() | Foreign():
            return True
        case Recreated(started=started):
            return not started
        case Original():
            return False
        case never:
            assert_never(never)
