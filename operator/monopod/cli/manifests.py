"""Manifests that a user hands in: the pods in them, as a workload's controller would create them.

Source of the labels and owners that controllers add: the Kubernetes documentation, Well-Known Labels. Those whose
values are random in a cluster get a value of zeros here: only patterns such as `pod-template-hash: "*"` can be meant.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from monopod.api.names import GROUP
from monopod.cli.failure import UnreadableInput
from monopod.domain.manifest import InvalidPod, Part

Manifest = dict[str, Any]

_HASH: Final = "0000000000"
_SUFFIXES: Final = {".yaml", ".yml", ".json"}
_DEEPEST: Final = 200
_DEEPEST_LIST: Final = 8


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # its base is chosen at run time
    """YAML as kubectl reads it: a date is a string."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # PyYAML reads this attribute from the class
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


@dataclass(frozen=True, slots=True)
class Subject:
    """A pod to explain, and the object that it stands in.

    Attributes:
        source: the object as kubectl names it, such as `Deployment/web`.
        namespace: the one in the manifest, or "".
        pod: the pod as its controller would create it.
        replicas: how many of it run at once, as far as the manifest says; None if it doesn't (DaemonSet, PodTemplate).
    """

    source: str
    namespace: str
    pod: Manifest
    replicas: int | None = 1


@dataclass(frozen=True, slots=True)
class Found:
    """What documents hold: the pods, and how many objects there are of each other kind."""

    subjects: list[Subject]
    others: Counter[str]


def find_files(path: str) -> list[str]:
    """The path itself, or the YAML and JSON files in and below it if it is a folder, in the order of their names.

    Hidden files are left out, and kustomizations, which are instructions and no objects.

    Raises:
        UnreadableInput: there are none in the folder.
    """
    folder = Path(path)
    if path == "-" or not folder.is_dir():
        return [path]
    found = [
        each
        for each in sorted(folder.rglob("*"))
        if each.suffix in _SUFFIXES
        and each.stem != "kustomization"
        and not any(part.startswith(".") for part in each.relative_to(folder).parts)
    ]
    if not found:
        raise UnreadableInput(f"{path} holds no file named *.yaml, *.yml or *.json.")
    return [str(each) for each in found]


def read_documents(path: str) -> list[object]:
    """All YAML or JSON documents of a file (`-`: stdin), with lists unfolded.

    Raises:
        UnreadableInput: the file can't be opened or parsed.
    """
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
        _check_depth(text)
        documents = list(yaml.load_all(text, Loader=_Loader))  # a safe loader
    except OSError as problem:
        raise UnreadableInput(f"{path}: {problem.strerror or problem}") from None
    except yaml.YAMLError as problem:
        raise UnreadableInput(f"{_show(path)} is not valid YAML: {_describe(problem)}") from None
    except (ValueError, RecursionError) as problem:
        raise UnreadableInput(f"{_show(path)} can't be read: {problem}") from None
    return [item for document in documents for item in _unfold(document, path)]


def _check_depth(text: str) -> None:
    # libyaml builds nested nodes by recursion in C: deep enough, they crash the process before Python can object.
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValueError(f"it is nested more than {_DEEPEST} levels deep.")


def find_subjects(documents: Iterable[object], path: str) -> list[Subject]:
    """The pods in the documents; objects of other kinds (Services, ConfigMaps, …) are passed over.

    Raises:
        UnreadableInput: a document is no Kubernetes object, or there is no pod in any.
    """
    subjects = sort_documents(documents, path).subjects
    if not subjects:
        raise UnreadableInput(f"{_show(path)} holds no pod and no workload with a pod template.")
    return subjects


def sort_documents(documents: Iterable[object], path: str) -> Found:
    """The pods in the documents, and the other kinds.

    Raises:
        UnreadableInput: a document is no Kubernetes object, or a workload has no template.
    """
    found = Found([], Counter())
    for document in documents:
        kind = _read_kind(document, path)
        build = _BUILDERS.get(kind)
        if build is None or not isinstance(document, dict):
            found.others[kind] += 1
            continue
        metadata = _mapping(document, "metadata", f"{_show(path)}: {kind}")
        name = str(metadata.get("name") or metadata.get("generateName") or "")
        source = f"{kind}/{name}" if name else kind
        place = f"{_show(path)}: {source}"
        pod = build(document, name, place)
        replicas = _count_replicas(kind, document, place)
        found.subjects.append(Subject(source, str(metadata.get("namespace") or ""), pod, replicas))
    return found


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
    return default if spec.fields.get(key) is None else spec.number(key)


def find_profiles(documents: Iterable[object], path: str) -> list[Manifest]:
    """The FargateProfiles in the documents; other kinds are passed over.

    Raises:
        UnreadableInput: a document is no Kubernetes object, or none is a FargateProfile.
    """
    found = [
        document
        for document in documents
        if _read_kind(document, path) == "FargateProfile"
        and isinstance(document, dict)
        and str(document.get("apiVersion")).startswith(f"{GROUP}/")
    ]
    if not found:
        raise UnreadableInput(f"{_show(path)} holds no FargateProfile of {GROUP}.")
    return found


def _unfold(document: object, path: str, depth: int = 0) -> Iterator[object]:
    if document is None:
        return
    if isinstance(document, dict) and str(document.get("kind")).endswith("List") and "items" in document:
        items = [] if document["items"] is None else document["items"]
        if not isinstance(items, list) or depth > _DEEPEST_LIST:
            raise UnreadableInput(f"{_show(path)}: {document['kind']}: items must be a list of objects.")
        # The items of a PodList, unlike those of a List, need not say what they are.
        kind = str(document["kind"]).removesuffix("List")
        for item in items:
            named = {"kind": kind, **item} if kind and isinstance(item, dict) else item
            yield from _unfold(named, path, depth + 1)
    else:
        yield document


def _read_kind(document: object, path: str) -> str:
    kind = document.get("kind") if isinstance(document, Mapping) else None
    if not isinstance(kind, str) or not kind:
        raise UnreadableInput(f"{_show(path)} holds something that is no Kubernetes object: it has no kind.")
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
        template: Mapping[str, Any] = document
        for key in path:
            template = _mapping(template, key, place)
        if not template:
            raise UnreadableInput(f"{place}: {'.'.join(path)} is missing.")
        metadata = dict(_mapping(template, "metadata", place))
        metadata["labels"] = {**labels(name), **_mapping(metadata, "labels", place)}
        if owner:
            metadata["ownerReferences"] = [{"apiVersion": api_version, "kind": owner, "name": name, "controller": True}]
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template.get("spec")}

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
_CLAIMS: Final = "volumeClaimTemplates"
_build_plain_stateful_set_pod = _from_template(*_TEMPLATE, owner="StatefulSet", labels=_label_stateful_set_pods)
_BUILDERS: Final[Mapping[str, Callable[[Manifest, str, str], Manifest]]] = {
    "Pod": _take_pod,
    "PodTemplate": _from_template("template"),
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
        *("spec", "jobTemplate", "spec", "template"),
        owner="Job",
        api_version="batch/v1",
        labels=lambda name: _label_job_pods(f"{name}-00000000"),
    ),
}


def _show(path: str) -> str:
    return "stdin" if path == "-" else path


def _describe(problem: yaml.YAMLError) -> str:
    """The problem and its place in one line, which PyYAML spreads over several."""
    if isinstance(problem, yaml.MarkedYAMLError) and problem.problem_mark:
        return f"{problem.problem or problem.context} in line {problem.problem_mark.line + 1}"
    return " ".join(str(problem).split())
