"""`kubectl fargate explain`: gathers pods and profiles, decides, writes."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import click

from monopod.cli import autoscalers as autoscaling
from monopod.cli.explain.explanation import Explanation, build_explanation, find_protected
from monopod.cli.explain.group_sources import Surroundings, fetch, find_in_documents
from monopod.cli.explain.live_pod import Admitted, find_admitted, rebuild_manifest
from monopod.cli.failure import ApiFailure, UnreadableInput
from monopod.cli.input.documents import find_files, read_documents
from monopod.cli.input.manifests import Subject, find_profiles, find_subjects, refuse_twins
from monopod.kube.objects.fields import InvalidPod, InvalidProfile, Part
from monopod.pods.rules.exemptions import guess_creator
from monopod.pods.rules.selection import Profile

if TYPE_CHECKING:
    from monopod.cli.live import Cluster

UNNAMED_SANDBOX = ""
"""Stands for the sandbox that Monopod was installed with, where nothing tells which that is."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where profiles and pods come from, as the options say."""

    profiles_file: str | None = None
    namespace: str | None = None
    sandbox: str | None = None
    context: str | None = None
    kubeconfig: str | None = None
    monopod_namespace: str | None = None


@dataclass(frozen=True, slots=True)
class LiveExplanation:
    """A pod of the cluster: what admission decided, and what today's profiles would."""

    admitted: Admitted | None
    today: Explanation


Report = Sequence[Explanation] | LiveExplanation


def explain_files(filenames: Sequence[str], sources: Sources) -> Sequence[Explanation]:
    """Explains every pod and every workload's pods in the files.

    Raises:
        UnreadableInput: a file can't be read, or holds no pod.
        ApiFailure: the profiles can't be read from the cluster.
    """
    files = {name: read_documents(name) for name in dict.fromkeys(filenames)}
    subjects = [subject for name, documents in files.items() for subject in find_subjects(documents, name)]
    documents = [document for found in files.values() for document in found]
    cluster: Cluster | None = None
    if sources.profiles_file is not None:
        # Read once: it may be a pipe.
        beside = read_all(sources.profiles_file)
        profiles, default = read_profiles(beside, sources.profiles_file, sources.sandbox), "default"
        documents += beside
    else:
        try:
            cluster = _connect(sources)
            profiles, default = _fetch_profiles(cluster, sources.sandbox), cluster.namespace
        except ApiFailure as failure:
            raise ApiFailure(f"{failure.message} Give --profiles FILE to explain without a cluster.") from None
    default = sources.namespace or default
    protected = _find_protected(sources, cluster)

    @cache
    def find_surroundings(namespace: str) -> Surroundings:
        written = find_in_documents(documents, namespace, default)
        return fetch(cluster, namespace).beside(written) if cluster else written

    autoscalers = autoscaling.find_in_documents(documents, default, cluster.list_runtime_classes if cluster else tuple)
    explained = (
        _explain_subject(each, profiles, sources.namespace, default, protected, find_surroundings) for each in subjects
    )
    return [autoscalers.annotate(each) for each in explained]


def explain_pod(name: str, sources: Sources) -> LiveExplanation:
    """Explains a pod of the cluster.

    Raises:
        UnreadableInput: the profiles' file can't be read.
        ApiFailure: the cluster can't be read, or there is no such pod.
    """
    cluster = _connect(sources)
    namespace = sources.namespace or cluster.namespace
    pod = cluster.read_pod(name, namespace)
    if sources.profiles_file is not None:
        documents = read_all(sources.profiles_file)
        profiles = read_profiles(documents, sources.profiles_file, sources.sandbox)
    else:
        profiles = _fetch_profiles(cluster, sources.sandbox)
    manifest = rebuild_manifest(pod)
    today = build_explanation(
        f"Pod/{name}",
        manifest,
        namespace,
        profiles,
        username=guess_creator(pod),
        protected=_find_protected(sources, cluster),
        surroundings=fetch(cluster, namespace),
    )
    return LiveExplanation(find_admitted(pod), today)


def write(report: Report, output: str) -> None:
    """Writes the report to stdout, as `text` or `json`."""
    if output == "json":
        from monopod.cli.explain.as_json import write_json

        write_json(report)
    else:
        from monopod.cli.explain.as_text import write_text

        write_text(report)


def _explain_subject(
    subject: Subject,
    profiles: Sequence[Profile],
    wanted: str | None,
    default: str,
    protected: Collection[str],
    find_surroundings: Callable[[str], Surroundings],
) -> Explanation:
    if wanted and subject.namespace not in ("", wanted):
        raise UnreadableInput(f"{subject.source} is in namespace {subject.namespace}, but --namespace is {wanted}.")
    namespace = subject.namespace or default
    surroundings, creator = find_surroundings(namespace), subject.creator
    try:
        return build_explanation(
            subject.source,
            subject.pod,
            namespace,
            profiles,
            username=creator,
            protected=protected,
            surroundings=surroundings,
        )
    except InvalidPod as problem:
        raise UnreadableInput(subject.describe(problem)) from None


def _find_protected(sources: Sources, cluster: "Cluster | None") -> frozenset[str]:
    """By what the user says, else what the cluster says, if there is one."""
    return find_protected(sources.monopod_namespace or (cluster.find_monopod_namespace() if cluster else None))


def _connect(sources: Sources) -> "Cluster":
    # The client takes as long to import as all the rest.
    from monopod.cli.live import Cluster

    return Cluster.connect(sources.kubeconfig, sources.context)


def read_profiles(documents: Iterable[object], path: str, sandbox: str | None) -> list[Profile]:
    """The profiles in the documents of a file or folder.

    Raises:
        UnreadableInput: a profile is malformed or there twice, or there is none.
    """
    profiles = []
    for resource in find_profiles(documents, path):
        refuse_invalid(resource)
        try:
            profiles.append(read_profile_resource(resource, sandbox))
        except InvalidProfile as problem:
            raise UnreadableInput(f"FargateProfile {find_name(resource)}: {problem}") from None
    refuse_twins(profile.name for profile in profiles)
    return profiles


def refuse_invalid(resource: Mapping[str, object]) -> None:
    """Raises UnreadableInput, in the API server's words, if it would refuse an object that is one of our kinds."""
    # The engine of the rules takes half a second to import.
    from monopod.cli.input.schema.kinds import find_faults, find_kind

    kind = find_kind(resource)
    if kind and (faults := find_faults(resource, kind)):
        raise UnreadableInput(f"{resource.get('kind')} {find_name(resource)}: {'; '.join(map(str, faults))}")


def read_all(path: str) -> list[object]:
    """The documents in a file or folder; raises UnreadableInput as `read_documents` does."""
    return [document for file in find_files(path) for document in read_documents(file)]


def _fetch_profiles(cluster: "Cluster", sandbox: str | None) -> list[Profile]:
    profiles = []
    for resource in cluster.list_profiles():
        name = find_name(resource)
        try:
            profiles.append(read_profile_resource(resource, sandbox))
        except InvalidProfile as problem:
            # Only an older CRD lets such a profile in; the operator passes it over too.
            click.echo(f"Note: profile {name} is passed over: {problem}", err=True)
            continue
        phase = Part(resource).child("status").text("phase") or "new"
        if phase != "ACTIVE":
            hint = f"kubectl describe fp {name}"
            click.echo(f"Note: profile {name} is {phase}, so pods may pass it by for now; see {hint}.", err=True)
    return profiles


def read_profile_resource(resource: Mapping[str, object], sandbox: str | None) -> Profile:
    """A profile that names no sandbox gets the one that the user names, else the one that its status tells.

    Raises:
        InvalidProfile: a field is missing or of the wrong type.
    """
    # Read without raising: a status that nobody validated must not keep the profile from being explained.
    status = resource.get("status")
    told = status.get("runtimeClassName") if isinstance(status, Mapping) else None
    return Profile.from_resource(resource, sandbox or (told if isinstance(told, str) else UNNAMED_SANDBOX))


def find_name(resource: Mapping[str, object]) -> str:
    """A profile's name for a message."""
    metadata = resource.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return str(name) if name else "without a name"
