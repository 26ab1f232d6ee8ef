"""`kubectl fargate plan`: which pods of a cluster a profile would move, in which order, at which price.

    profiles, and of each namespace that they reach: pods, what controls them, budgets, claims
        ──► forecast: what becomes of each pod ──► rehearsal: dry runs, quotas, nodes ──► text or JSON

Nothing is changed, and all is asked with the caller's rights. What it says holds for the moment; the operator decides
again, pod by pod.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from monopod.api.reasons import ConditionType
from monopod.cli.failure import Missing, UnreadableInput
from monopod.cli.input.documents import list_files, read_documents
from monopod.cli.input.manifests import find_profiles, refuse_twins
from monopod.cli.input.prices import read_prices
from monopod.cli.input.profiles import UNNAMED_SANDBOX, get_name, get_protected, read_profile_resource
from monopod.cli.live import NOT_FOUND, Cluster, describe_deletion
from monopod.cli.plan.forecast import Contents, Plan, Rates, build_steps, name_workload
from monopod.cli.plan.rehearsal import Rehearsal
from monopod.cli.refused_pods import fetch_refusal
from monopod.eviction.rules.budgets import Budget
from monopod.kube.client.api import ApiError
from monopod.kube.objects.fields import InvalidManifest, InvalidProfile, Part
from monopod.kube.objects.resources import (
    BY_KIND,
    DISRUPTION_BUDGETS,
    NAMESPACES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
)
from monopod.pods.rules.bounds import compute_excess
from monopod.pods.rules.selection import Profile, is_wildcard, reaches
from monopod.pods.rules.state import get_mark, has_ended
from monopod.pods.rules.volumes import get_claims
from monopod.rescheduling.rules.pod_verdict import NamespaceContext
from monopod.rescheduling.rules.settings import ReschedulingSettings
from monopod.workloads.rules.replacement import (
    Owner,
    Workload,
    build_bare_workload,
    build_replacement,
    get_owner,
    read_workload,
)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Profiles:
    """All profiles of the cluster, as they are or would be.

    Attributes:
        living: those that take pods.
        wanted: the terms of those that are asked about.
        deleting: those that are being deleted, by name.
        protected: the namespaces that no wildcard reaches.
    """

    living: tuple[Profile, ...]
    wanted: Mapping[str, ReschedulingSettings]
    deleting: frozenset[str] = frozenset()
    protected: frozenset[str] = frozenset()

    def compute_selectors(self) -> Iterator[Any]:
        """The selectors of those that are asked about."""
        return (selector for profile in self.living if profile.name in self.wanted for selector in profile.selectors)


def get_rates(region: str, architecture: str) -> Rates:
    """Whose prices to use. Raises as `read_prices` does."""
    return Rates(read_prices(region, architecture), architecture)


def plan_profile(cluster: Cluster, name: str, sandbox: str | None, rates: Rates) -> Plan:
    """The plan of a profile of the cluster.

    Raises:
        Missing: there is no such profile, or no longer.
        ApiUnreachable: the API server can't be reached.
        ApiError: it refused.
        UnreadableInput: an object holds what the API server would never store.
    """
    resources = cluster.list_profiles(deleting=True)
    own = [resource for resource in resources if resource["metadata"]["name"] == name]
    if not own:
        raise Missing(f"There is no FargateProfile {name}.")
    if "deletionTimestamp" in own[0]["metadata"]:
        raise Missing(describe_deletion(name))
    return _plan(cluster, resources, own, sandbox, rates)


def plan_files(cluster: Cluster, filenames: Sequence[str], sandbox: str | None, rates: Rates) -> Plan:
    """The plan of profiles in files, as if they were applied.

    Raises:
        ApiUnreachable: the API server can't be reached.
        ApiError: it refused.
        UnreadableInput: a file can't be read, or holds no profile or a malformed one, or one is there twice.
    """
    new = [
        resource
        for path in filenames
        for resource in find_profiles((each for file in list_files(path) for each in read_documents(file)), path)
    ]
    names = [_check_profile(resource) for resource in new]
    refuse_twins(names)
    others = [each for each in cluster.list_profiles(deleting=True) if each["metadata"]["name"] not in names]
    return _plan(cluster, [*others, *new], new, sandbox, rates, pending=True)


def _check_profile(resource: Json) -> str:
    """The name of a profile in a file, which no one has validated."""
    try:
        ReschedulingSettings.from_resource(resource)
        return Profile.from_resource(resource, UNNAMED_SANDBOX).name
    except InvalidProfile as problem:
        raise UnreadableInput(f"FargateProfile {get_name(resource)}: {problem}") from None


def _plan(
    cluster: Cluster,
    resources: Sequence[Json],
    own: Sequence[Json],
    sandbox: str | None,
    rates: Rates,
    *,
    pending: bool = False,
) -> Plan:
    try:
        profiles = _read_profiles(resources, own, sandbox, get_protected(cluster.fetch_monopod_namespace()))
        contents = [_read_namespace(cluster, name, profiles) for name in _fetch_namespaces(cluster, profiles)]
        enforced = [] if pending else [read_profile_resource(each, None) for each in own if is_read_by_admission(each)]
        shown = {each.name: each for each in enforced}
        new = {each.name: each for each in profiles.living if each.name in profiles.wanted and each.name not in shown}
        steps = Rehearsal(cluster, new, shown).try_all(build_steps(contents, rates), contents)
        notes = tuple(note for each in contents for note in _compute_notes(cluster, each))
        return Plan(tuple(profiles.wanted.values()), steps, rates, notes)
    except InvalidManifest as problem:
        raise UnreadableInput(str(problem)) from None


def is_read_by_admission(resource: Json) -> bool:
    """Whether admission reads the profile, so that a dry run shows what it makes of pods, be it Ready or not."""
    status = Part(resource).child("status")
    ready = (each for each in status.children("conditions") if each.text("type") == ConditionType.READY)
    return status.flag("published") or any(each.text("status") == "True" for each in ready)


def _compute_notes(cluster: Cluster, contents: Contents) -> Iterator[str]:
    """What keeps new pods out of the namespace, and which of those that it has are too large to be created again."""
    namespace = contents.context.namespace
    if refusal := fetch_refusal(cluster, namespace):
        yield f"The API server refuses new pods for now: {refusal}"
    found: dict[str, None] = {}
    for pod, workload in contents.pods:
        if not has_ended(pod) and (excess := compute_excess(build_replacement(pod, workload))):
            name = name_workload(workload) or f"Pod/{pod['metadata']['name']}"
            found[f"{name} in namespace {namespace} would be refused if it were created again: {excess}"] = None
    yield from found


def _read_profiles(
    resources: Iterable[Json], own: Iterable[Json], sandbox: str | None, protected: frozenset[str]
) -> Profiles:
    wanted = {}
    for resource in own:
        terms = ReschedulingSettings.from_resource(resource)
        for holds, what in ((terms.paused, "is paused"), (not terms.moves, "says existingPods: Keep")):
            if holds:
                note = "so nothing moves; below is what would"
                click.echo(f"Note: profile {terms.profile} {what}, {note}.", err=True)
        wanted[terms.profile] = terms
    living = []
    for resource in resources:
        name = resource["metadata"]["name"]
        if "deletionTimestamp" in resource["metadata"]:
            continue
        try:
            living.append(read_profile_resource(resource, sandbox))
        except InvalidProfile as problem:
            if name in wanted:
                raise
            click.echo(f"Note: profile {name} is passed over: {problem}", err=True)
    deleting = (each["metadata"]["name"] for each in resources if "deletionTimestamp" in each["metadata"])
    return Profiles(tuple(living), wanted, frozenset(deleting), protected)


def _fetch_namespaces(cluster: Cluster, profiles: Profiles) -> list[str]:
    """The namespaces that the profiles reach. Only wildcards need the right to list them."""
    selectors = list(profiles.compute_selectors())
    if not any(is_wildcard(selector.namespace) for selector in selectors):
        return sorted({selector.namespace for selector in selectors})
    return sorted(
        item["metadata"]["name"]
        for item in cluster.list_items(NAMESPACES.list_path())
        if "deletionTimestamp" not in item["metadata"]
        and any(reaches(selector, item["metadata"]["name"], profiles.protected) for selector in selectors)
    )


def _read_namespace(cluster: Cluster, namespace: str, profiles: Profiles) -> Contents:
    pods = cluster.list_items(PODS.list_path(namespace))
    context = NamespaceContext(namespace, profiles.living, profiles.wanted, profiles.deleting, profiles.protected)
    if not pods:
        return Contents(context, ())
    budgets = cluster.list_items(DISRUPTION_BUDGETS.list_path(namespace))
    workloads = Workloads(cluster, namespace)
    owned = [(pod, workloads.find(pod)) for pod in pods]
    if any(get_claims(pod) for pod in pods if get_mark(pod) not in profiles.wanted):
        found = cluster.list_items(PERSISTENT_VOLUME_CLAIMS.list_path(namespace))
        claims = {each["metadata"]["name"]: each for each in found}
        context = replace(context, claims=claims, volumes=_read_volumes(cluster, claims.values()))
    return Contents(context, owned, [Budget.from_resource(each) for each in budgets])


def _read_volumes(cluster: Cluster, claims: Iterable[Json]) -> dict[str, Json]:
    names = sorted({each["spec"]["volumeName"] for each in claims if each["spec"].get("volumeName")})
    found = ((name, _find(cluster, PERSISTENT_VOLUMES.path(name))) for name in names)
    return {name: volume for name, volume in found if volume}


class Workloads:
    """What controls the pods of a namespace; each object is read once."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._known: dict[str, Workload] = {}

    def find(self, pod: Json) -> Workload:
        """The workload of a pod. Raises as `Cluster.read` does."""
        owner = get_owner(pod)
        if owner is None:
            return build_bare_workload(self._namespace)
        if owner.uid not in self._known:
            self._known[owner.uid] = self._read(owner)
        return self._known[owner.uid]

    def _read(self, owner: Owner) -> Workload:
        resource = self._fetch(owner) if owner.has_template else None
        above = get_owner(resource) if resource else None
        deployment = self._fetch(above) if above and above.is_deployment else None
        return read_workload(self._namespace, owner, resource, deployment)

    def _fetch(self, owner: Owner) -> Json | None:
        found = _find(self._cluster, BY_KIND[owner.kind].path(owner.name, self._namespace))
        return found if found and found["metadata"]["uid"] == owner.uid else None


def _find(cluster: Cluster, path: str) -> Json | None:
    try:
        return cluster.get(path)
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        return None
