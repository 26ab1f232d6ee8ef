"""`kubectl fargate explain`: gathers pods and profiles, decides, writes."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import click

from monopod.cli import autoscalers as autoscaling
from monopod.cli.explain.explanation import Explanation, LiveExplanation, Report, build_explanation
from monopod.cli.explain.group_sources import Surroundings, fetch, find_in_documents
from monopod.cli.explain.live_pod import compute_admitted, rebuild_manifest
from monopod.cli.failure import ApiFailure, UnreadableInput, describe
from monopod.cli.input.documents import read_all, read_documents
from monopod.cli.input.manifests import Subject, find_subjects
from monopod.cli.input.profiles import get_name, get_protected, read_profile_resource, read_profiles
from monopod.cli.refused_pods import fetch_refusal
from monopod.kube.client.api import ApiError, ApiUnreachable, Unconfigured
from monopod.kube.objects.fields import InvalidPod, InvalidProfile, Part
from monopod.pods.rules.exemptions import guess_creator
from monopod.pods.rules.selection import Profile

if TYPE_CHECKING:
    from monopod.cli.live import Cluster


@dataclass(frozen=True, slots=True)
class Sources:
    """Where profiles and pods come from, as the options say."""

    profiles_file: str | None = None
    namespace: str | None = None
    sandbox: str | None = None
    context: str | None = None
    kubeconfig: str | None = None
    monopod_namespace: str | None = None


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
        except (ApiFailure, ApiError, ApiUnreachable, Unconfigured) as failure:
            raise ApiFailure(f"{describe(failure)} Give --profiles FILE to explain without a cluster.") from None
    default = sources.namespace or default
    protected = _fetch_protected(sources, cluster)

    @cache
    def fetch_surroundings(namespace: str) -> Surroundings:
        written = find_in_documents(documents, namespace, default)
        return fetch(cluster, namespace).beside(written) if cluster else written

    @cache
    def fetch_refused_pods(namespace: str) -> str:
        return fetch_refusal(cluster, namespace) if cluster else ""

    autoscalers = autoscaling.find_in_documents(documents, default, cluster.list_runtime_classes if cluster else tuple)
    explained = (
        _explain_subject(each, profiles, sources.namespace, default, protected, fetch_surroundings, fetch_refused_pods)
        for each in subjects
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
        protected=_fetch_protected(sources, cluster),
        surroundings=fetch(cluster, namespace),
        refused=fetch_refusal(cluster, namespace),
    )
    return LiveExplanation(compute_admitted(pod), today)


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
    fetch_surroundings: Callable[[str], Surroundings],
    fetch_refused_pods: Callable[[str], str],
) -> Explanation:
    if wanted and subject.namespace not in ("", wanted):
        raise UnreadableInput(f"{subject.source} is in namespace {subject.namespace}, but --namespace is {wanted}.")
    namespace = subject.namespace or default
    surroundings, creator = fetch_surroundings(namespace), subject.creator
    try:
        return build_explanation(
            subject.source,
            subject.pod,
            namespace,
            profiles,
            username=creator,
            protected=protected,
            surroundings=surroundings,
            refused=fetch_refused_pods(namespace),
        )
    except InvalidPod as problem:
        raise UnreadableInput(subject.describe(problem)) from None


def _fetch_protected(sources: Sources, cluster: "Cluster | None") -> frozenset[str]:
    """By what the user says, else what the cluster says, if there is one."""
    return get_protected(sources.monopod_namespace or (cluster.fetch_monopod_namespace() if cluster else None))


def _connect(sources: Sources) -> "Cluster":
    # The client takes as long to import as all the rest.
    from monopod.cli.live import Cluster

    return Cluster.connect(sources.kubeconfig, sources.context)


def _fetch_profiles(cluster: "Cluster", sandbox: str | None) -> list[Profile]:
    profiles = []
    for resource in cluster.list_profiles():
        name = get_name(resource)
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
