"""Manifests that a user hands in: the pods in them, as a workload's controller would create them.

Source of the labels and owners that controllers add: the Kubernetes documentation, Well-Known Labels. Those whose
values are random in a cluster get a value of zeros here: only patterns such as `pod-template-hash: "*"` can be meant.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from monopod.api.names import GROUP
from monopod.cli.convert.conversion import describe_shape
from monopod.cli.failure import UnreadableInput
from monopod.cli.input.documents import show
from monopod.cli.input.schema import kubernetes
from monopod.kube.objects.fields import InvalidPod, Part
from monopod.pods.rules.exemptions import DAEMON_SET_CONTROLLER
from monopod.tasks.rules.form.shapes import find_definition

Manifest = dict[str, Any]

_HASH: Final = "0000000000"
_LARGEST_COUNT: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Subject:
    """A pod to explain, and the object that it stands in.

    Attributes:
        source: the object as kubectl names it, such as `Deployment/web`.
        namespace: the one in the manifest, or "".
        pod: the pod as its controller would create it.
        replicas: how many of it run at once, as far as the manifest says; None if it doesn't (DaemonSet, PodTemplate).
        path: where the pod stands in the object, such as `spec.template.`; "" if it is the object.
        creator: the user who will create it, where that decides: the DaemonSet controller; else "".
    """

    source: str
    namespace: str
    pod: Manifest
    replicas: int | None = 1
    path: str = ""
    creator: str = ""

    def describe(self, problem: InvalidPod) -> str:
        """What is wrong with the pod, with the field's path in the object."""
        return f"{self.source}: {self.path}{problem}"


@dataclass(frozen=True, slots=True)
class Found:
    """What documents hold: the pods, how many objects there are of each other kind, and what can't be read.

    Attributes:
        definitions: ECS task definitions, which are no Kubernetes objects.
    """

    subjects: list[Subject] = field(default_factory=list)
    definitions: list[Mapping[str, Any]] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def find_subjects(documents: Iterable[object], path: str) -> list[Subject]:
    """The pods in the documents; objects of other kinds (Services, ConfigMaps, …) are passed over.

    Raises:
        UnreadableInput: a document can't be read, or there is no pod in any.
    """
    found = sort_documents(documents, path)
    if found.problems:
        raise UnreadableInput(found.problems[0])
    if not found.subjects:
        hint = (
            f" It holds ECS task definitions: kubectl fargate lint -f {path} judges them." if found.definitions else ""
        )
        raise UnreadableInput(f"{show(path)} holds no pod and no workload with a pod template.{hint}")
    return found.subjects


def sort_documents(documents: Iterable[object], path: str) -> Found:
    """The pods in the documents, ECS task definitions, and the other kinds.

    A problem is a document that is no Kubernetes object, a workload without a template, or a pod without a container.
    """
    found = Found()
    for document in documents:
        try:
            _sort(document, path, found)
        except UnreadableInput as problem:
            found.problems.append(problem.message)
    return found


def _sort(document: object, path: str, found: Found) -> None:
    definition = find_definition(document)
    if definition is not None:
        found.definitions.append(definition)
        return
    kind = _read_kind(document, path)
    group = str(document.get("apiVersion")).rpartition("/")[0] if isinstance(document, dict) else ""
    if kind not in _BUILDERS or not isinstance(document, dict):
        found.others[kind] += 1
    elif "." in group:
        # Somebody else's kind of this name, as Volcano's Job (batch.volcano.sh): Kubernetes' groups have no dot.
        found.others[f"{kind}.{group}"] += 1
    else:
        found.subjects.append(_build_subject(kind, document, path))


def _build_subject(kind: str, document: Manifest, path: str) -> Subject:
    metadata = Part(_mapping(document, "metadata", f"{show(path)}: {kind}"), "metadata")
    try:
        name, namespace = metadata.text("name") or metadata.text("generateName"), metadata.text("namespace")
    except InvalidPod as problem:
        raise UnreadableInput(f"{show(path)}: {kind}: {problem}") from None
    source = f"{kind}/{name}" if name else kind
    place = f"{show(path)}: {source}"
    pod, replicas = _BUILDERS[kind](document, name, place), _count_replicas(kind, document, place)
    inside = "".join(f"{key}." for key in _PATHS.get(kind, _TEMPLATE))
    if pod.get("spec") is None or (isinstance(pod["spec"], Mapping) and not pod["spec"].get("containers")):
        raise UnreadableInput(f"{place}: {inside}spec.containers is missing.")
    if faults := kubernetes.compute_faults(document):
        raise UnreadableInput(f"{place}: {'; '.join(map(str, faults))}")
    return Subject(source, namespace, pod, replicas, inside, DAEMON_SET_CONTROLLER if kind == "DaemonSet" else "")


def _count_replicas(kind: str, document: Manifest, place: str) -> int | None:
    if kind in ("DaemonSet", "PodTemplate"):
        return None
    if kind == "Pod":
        return 1
    try:
        spec = Part(document).child("spec")
        if kind == "CronJob":
            spec = spec.child("jobTemplate").child("spec")
        if kind not in ("Job", "CronJob"):
            return _read_count(spec, "replicas")
        return min(_read_count(spec, "parallelism"), _read_count(spec, "completions", _read_count(spec, "parallelism")))
    except InvalidPod as problem:
        raise UnreadableInput(f"{place}: {problem}") from None


def _read_count(spec: Part, key: str, default: int = 1) -> int:
    count = default if spec.fields.get(key) is None else spec.number(key)
    if not 0 <= count <= _LARGEST_COUNT:
        raise spec.fail(key, f"must be from 0 to {_LARGEST_COUNT}")
    return count


def find_profiles(documents: Iterable[object], path: str) -> list[Manifest]:
    """The FargateProfiles in the documents; other kinds are passed over.

    Raises:
        UnreadableInput: a document is no Kubernetes object, or none is a FargateProfile.
    """
    found, foreign = [], ""
    for document in documents:
        if shape := describe_shape(document):
            foreign = foreign or shape
        elif find_definition(document) is None and (
            _read_kind(document, path) == "FargateProfile"
            and isinstance(document, dict)
            and str(document.get("apiVersion")).startswith(f"{GROUP}/")
        ):
            found.append(document)
    if not found:
        hint = f" It holds {foreign}: kubectl fargate convert -f {path} makes profiles of it." if foreign else ""
        raise UnreadableInput(f"{show(path)} holds no FargateProfile of {GROUP}.{hint}")
    return found


def refuse_twins(names: Iterable[str]) -> None:
    """Raises UnreadableInput if two profiles have one name: it can't be told which of them would be applied last."""
    for name, count in Counter(names).items():
        if count > 1:
            raise UnreadableInput(f"FargateProfile {name} is there {count} times.")


def _read_kind(document: object, path: str) -> str:
    kind = document.get("kind") if isinstance(document, Mapping) else None
    if not isinstance(kind, str) or not kind:
        raise UnreadableInput(f"{show(path)} holds something that is no Kubernetes object: it has no kind.")
    return kind


def _mapping(parent: Mapping[str, Any], key: str, place: str) -> Mapping[str, Any]:
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise UnreadableInput(f"{place}: {key} must be a mapping.")
    return value


_Labels = Callable[[str], Mapping[str, str]]


def _take_pod(document: Manifest, _: str, __: str) -> Manifest:
    return document


def _from_template(
    *path: str, owner: str = "", api_version: str = "apps/v1", labels: _Labels = lambda _: {}
) -> Callable[[Manifest, str, str], Manifest]:
    """Makes a builder of pods from the template at this path."""

    def build(document: Manifest, name: str, place: str) -> Manifest:
        template = Part(document)
        try:
            for key in path:
                template = template.child(key)
        except InvalidPod as problem:
            raise UnreadableInput(f"{place}: {problem}") from None
        if not template.fields:
            raise UnreadableInput(f"{place}: {'.'.join(path)} is missing.")
        metadata = dict(_mapping(template.fields, "metadata", place))
        metadata["labels"] = {**labels(name), **_mapping(metadata, "labels", place)}
        if owner:
            metadata["ownerReferences"] = [{"apiVersion": api_version, "kind": owner, "name": name, "controller": True}]
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template.fields.get("spec")}

    return build


def _build_stateful_set_pod(document: Manifest, name: str, place: str) -> Manifest:
    """As from the template, and with a volume for each volumeClaimTemplate, which takes the place of one so named."""
    pod = _build_plain_stateful_set_pod(document, name, place)
    spec = pod["spec"]
    if not isinstance(spec, Mapping):
        return pod
    try:
        names = [claim.child("metadata").text("name") for claim in Part(document).child("spec").children(_CLAIMS)]
        volumes = [volume.fields for volume in Part(spec).children("volumes") if volume.text("name") not in names]
    except InvalidPod as problem:
        raise UnreadableInput(f"{place}: {problem}") from None
    if not names:
        return pod
    claimed = [{"name": each, "persistentVolumeClaim": {"claimName": f"{each}-{name}-0"}} for each in names]
    return {**pod, "spec": {**spec, "volumes": [*volumes, *claimed]}}


def _label_job_pods(job: str) -> Mapping[str, str]:
    uid = "00000000-0000-0000-0000-000000000000"
    legacy = {"job-name": job, "controller-uid": uid}
    return legacy | {f"batch.kubernetes.io/{key}": value for key, value in legacy.items()}


def _label_stateful_set_pods(name: str) -> Mapping[str, str]:
    return {
        "statefulset.kubernetes.io/pod-name": f"{name}-0",
        "apps.kubernetes.io/pod-index": "0",
        "controller-revision-hash": f"{name}-{_HASH}",
    }


_TEMPLATE: Final = ("spec", "template")
_PATHS: Final = {"Pod": (), "PodTemplate": ("template",), "CronJob": ("spec", "jobTemplate", "spec", "template")}
_CLAIMS: Final = "volumeClaimTemplates"
_build_plain_stateful_set_pod = _from_template(*_TEMPLATE, owner="StatefulSet", labels=_label_stateful_set_pods)
_BUILDERS: Final[Mapping[str, Callable[[Manifest, str, str], Manifest]]] = {
    "Pod": _take_pod,
    "PodTemplate": _from_template(*_PATHS["PodTemplate"]),
    "ReplicationController": _from_template(*_TEMPLATE, owner="ReplicationController", api_version="v1"),
    "ReplicaSet": _from_template(*_TEMPLATE, owner="ReplicaSet"),
    "Deployment": _from_template(*_TEMPLATE, owner="ReplicaSet", labels=lambda _: {"pod-template-hash": _HASH}),
    "StatefulSet": _build_stateful_set_pod,
    "DaemonSet": _from_template(
        *_TEMPLATE,
        owner="DaemonSet",
        labels=lambda _: {"controller-revision-hash": _HASH, "pod-template-generation": "1"},
    ),
    "Job": _from_template(*_TEMPLATE, owner="Job", api_version="batch/v1", labels=_label_job_pods),
    "CronJob": _from_template(
        *_PATHS["CronJob"],
        owner="Job",
        api_version="batch/v1",
        labels=lambda name: _label_job_pods(f"{name}-00000000"),
    ),
}
