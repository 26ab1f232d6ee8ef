"""Gathers what the decisions need: all profiles as they are read, and for each of them the facts of its status."""

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from monopod.api.earlier_status import complete_status
from monopod.api.names import PROFILE_FINALIZER
from monopod.api.reasons import Reason
from monopod.deletion.rules.ending import hold_back_until_deleted, hold_back_without_finalizer
from monopod.deletion.rules.stages import Request, find_blocker
from monopod.kube.clock import format_now
from monopod.kube.logs import ProblemLog
from monopod.kube.objects.conditions import Contribution, Finding
from monopod.patching.rules.input import PatchingInput
from monopod.patching.rules.settings import PatchingSettings
from monopod.pods.rules.dry_run import (
    DryRun,
    NamespaceDryRun,
    Outcome,
    PodDryRun,
    compute_pod_labels,
    get_namespace_names,
)
from monopod.pods.rules.selection import Profile, reaches
from monopod.pods.view import PodView
from monopod.profiles.allocation import Allocator
from monopod.profiles.caches import Caches
from monopod.profiles.dry_runs import Plan
from monopod.profiles.options import ProfileOptions
from monopod.profiles.overlaps import Overlaps
from monopod.profiles.rules.conditions import (
    Admission,
    PoliciesChanged,
    PoliciesInstalled,
    Sandbox,
    Unreadable,
    contribute_dry_run,
    contribute_unreadable,
    describe_admission,
    describe_distinction,
    describe_sandbox,
    describe_validity,
)
from monopod.profiles.rules.overlap import Overlap, may_share_pods
from monopod.profiles.rules.quota import find_beyond_quota, hold_back_beyond_quota
from monopod.profiles.rules.sandboxes import is_sandbox, rank_sandboxes
from monopod.profiles.rules.status import Subject
from monopod.rescheduling.controller import ReschedulingInput
from monopod.rescheduling.rules.settings import ReschedulingSettings
from monopod.selectors.capacity import Allocation, Registration
from monopod.selectors.compile import pick_selectors_of
from monopod.selectors.conditions import Published, contribute_publication, hold_back_for_capacity
from monopod.selectors.publication import Publication, compute_reached

Settings = TypeVar("Settings")

# Several, because one may refuse every pod for reasons of its own (a full quota). The fewer, the clearer the message.
NAMESPACES_TRIED = 3


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The profiles and their pods at the beginning of a reconcile; mappings by the profile's name."""

    resources: Mapping[str, Mapping[str, Any]]
    statuses: Mapping[str, Mapping[str, Any]]
    """Their statuses, with what the version before kept elsewhere in the fields for it."""
    profiles: Mapping[str, Profile | Unreadable]
    living: tuple[Profile, ...]
    """The profiles that take pods: readable, not being deleted, not held back."""
    allocation: Allocation
    """Their compiled selectors, and which profiles lack capacity for any, or for a change."""
    requests: tuple[Request, ...]
    """The profiles that are being deleted."""
    held_back: Mapping[str, Finding]
    """Why profiles aren't published that nothing is wrong with."""
    overlaps: Mapping[str, Overlap]
    reached: Mapping[str, list[str]]
    """The namespaces that the selectors of each cover, whether or not it is published."""
    pods: Sequence[PodView]
    pod_counts: Mapping[str, int]
    classes: Mapping[str, str]
    """The handler of each RuntimeClass."""
    sandboxes: tuple[str, ...]
    """Those that can be taken without being named, the best first."""

    def get_generation(self, name: str) -> int:
        """The profile's metadata.generation."""
        return int(self.resources[name]["metadata"].get("generation") or 0)

    def describe(self, name: str) -> Subject:
        """The profile that a status is about."""
        return Subject(self.get_generation(name), self.profiles[name], self.pod_counts.get(name, 0))


class Gatherer:
    """Reads the caches and what others know; a profile that breaks anything here doesn't stop the others."""

    def __init__(
        self,
        caches: Caches,
        find_outcome: Callable[[str, Plan], Outcome],
        overlaps: Overlaps,
        options: ProfileOptions,
        problems: ProblemLog,
    ) -> None:
        self._caches = caches
        self._find_outcome = find_outcome
        self._overlaps = overlaps
        self._options = options
        self._problems = problems
        self._allocator = Allocator(caches, options.namespace, options.protected)
        self._reached_for: tuple[int, tuple[Profile, ...]] = (0, ())
        self._reached: dict[str, list[str]] = {}

    def snapshot(self) -> Snapshot:
        """What there is now."""
        resources = {resource["metadata"]["name"]: resource for resource in self._caches.profiles.views()}
        classes = {view.name: view.handler for view in self._caches.runtime_classes.views()}
        profiles = {name: self._read(name, resource, classes) for name, resource in resources.items()}
        requests = tuple(found for resource in resources.values() if (found := Request.from_resource(resource)))
        statuses = {name: complete_status(resource.get("status")) for name, resource in resources.items()}
        published = {name for name, status in statuses.items() if status["published"]}
        held_back = self._compute_held_back(resources, profiles, requests, published)
        kept_out = {*held_back, *(request.name for request in requests)}
        willing = [each for name, each in profiles.items() if isinstance(each, Profile) and name not in kept_out]
        allocation = self._allocator.allocate(willing, resources, published)
        reached = self._compute_reached(profiles.values())
        held_back |= {
            name: hold_back_for_capacity(why, reached.get(name, ()))
            for name, why in allocation.overflow.items()
            if name not in allocation.compiled
        }
        living = tuple(profile for profile in willing if profile.name not in held_back)
        pods = self._caches.pods.views()
        return Snapshot(
            resources=resources,
            statuses=statuses,
            profiles=profiles,
            living=living,
            allocation=allocation,
            requests=requests,
            held_back=held_back,
            overlaps=self._overlaps.find(living),
            reached=reached,
            pods=pods,
            pod_counts=Counter(pod.profile for pod in pods),
            classes=classes,
            sandboxes=rank_sandboxes(classes, self._options.sandbox_handlers),
        )

    def _compute_held_back(
        self,
        resources: Mapping[str, Mapping[str, Any]],
        profiles: Mapping[str, Profile | Unreadable],
        requests: Sequence[Request],
        published: Collection[str],
    ) -> dict[str, Finding]:
        """Profiles that aren't to be published yet. Never one that was: its pods would pass unsandboxed."""
        new = [
            name
            for name, resource in resources.items()
            if "deletionTimestamp" not in resource["metadata"] and name not in published
        ]
        if not new:
            return {}
        quota = self._options.profile_quota
        registered = [Registration.from_resource(resource) for resource in resources.values()]
        beyond = set(find_beyond_quota(registered, quota))
        held_back: dict[str, Finding] = {}
        now = format_now()
        holding = [request for request in requests if request.holds(self._options.deletion_deadline, now)]
        for name in new:
            created = str(resources[name]["metadata"].get("creationTimestamp") or "")
            if name in beyond:
                held_back[name] = hold_back_beyond_quota(quota)
                continue
            related = [each for each in holding if self._may_share_pods(profiles[name], profiles[each.name])]
            if blocker := find_blocker(created, related):
                held_back[name] = hold_back_until_deleted(blocker)
            elif PROFILE_FINALIZER not in (resources[name]["metadata"].get("finalizers") or ()):
                held_back[name] = hold_back_without_finalizer()  # it came a moment ago, or the write was refused
        return held_back

    def _may_share_pods(self, one: Profile | Unreadable, other: Profile | Unreadable) -> bool:
        if isinstance(one, Unreadable) or isinstance(other, Unreadable):
            return True
        return may_share_pods(one, other, self._options.protected)

    def _read(self, name: str, resource: Mapping[str, Any], classes: Mapping[str, str]) -> Profile | Unreadable:
        current = (resource.get("status") or {}).get("runtimeClassName") or ""
        try:
            sandbox = self._options.choose_sandbox(classes, current)
            profile = Profile.from_resource(
                resource, sandbox, self._options.spot_node_label, self._options.spot_reclaim
            )
        except ValueError as error:
            self._problems.report(f"profile {name}", str(error))
            return Unreadable(str(error))
        except Exception as error:
            self._problems.report(f"profile {name}", repr(error))
            return Unreadable(repr(error), Reason.INTERNAL_ERROR)
        self._problems.clear(f"profile {name}")
        return profile

    def gather(
        self, snapshot: Snapshot, name: str, publication: Publication, admission: Admission
    ) -> tuple[tuple[Contribution, ...], Plan | None]:
        """What the status of a profile that no one deletes is to say, and how it is checked by a dry run, if it is."""
        profile = snapshot.profiles[name]
        if isinstance(profile, Unreadable):
            return self._give_up(snapshot, name, profile, admission), None
        try:
            found = self._complete(profile, snapshot, publication, admission)
        except Exception as error:
            self._problems.report(f"state of profile {name}", repr(error), traceback=True)
            return self._give_up(snapshot, name, Unreadable(repr(error), Reason.INTERNAL_ERROR), admission), None
        self._problems.clear(f"state of profile {name}")
        return found

    def _give_up(
        self, snapshot: Snapshot, name: str, profile: Unreadable, admission: Admission
    ) -> tuple[Contribution, ...]:
        untried = contribute_dry_run(None, snapshot.statuses[name], snapshot.get_generation(name))
        return contribute_unreadable(profile, admission), untried

    def _complete(
        self, profile: Profile, snapshot: Snapshot, publication: Publication, admission: Admission
    ) -> tuple[tuple[Contribution, ...], Plan | None]:
        name = profile.name
        reached = tuple(snapshot.reached.get(name, ()))
        sandbox, uid = self._compute_sandbox(profile, snapshot)
        published = Published(
            patterns=[selector.namespace for selector in profile.selectors],
            reached=reached,
            held_back=snapshot.held_back.get(name),
            kept_for=snapshot.allocation.overflow.get(name),
            unwritten={each: publication.unwritten[each] for each in reached if each in publication.unwritten},
            is_published=name in snapshot.allocation.compiled,
        )
        plan, outcome = None, None
        # Otherwise what a dry run would say is known already; it starts again when the cause is gone.
        if sandbox.is_usable and not published.held_back and isinstance(admission, PoliciesInstalled | PoliciesChanged):
            plan = self._plan(profile, published, publication, uid, admission)
            outcome = self._find_outcome(name, plan)
        own = Contribution(
            (
                describe_validity(profile),
                describe_sandbox(sandbox),
                describe_admission(admission),
                describe_distinction(name, snapshot.overlaps.get(name)),
            )
        )
        tried = contribute_dry_run(outcome, snapshot.statuses[name], snapshot.get_generation(name))
        return (own, contribute_publication(published), tried), plan

    def _compute_sandbox(self, profile: Profile, snapshot: Snapshot) -> tuple[Sandbox, str]:
        """The profile's RuntimeClass, and its uid."""
        view = self._caches.runtime_classes.find("", profile.runtime_class)
        named = self._options.sandbox or (snapshot.resources[profile.name].get("spec") or {}).get("runtimeClassName")
        sandbox = Sandbox(
            profile.runtime_class,
            exists=view is not None,
            handler=view.handler if view and not is_sandbox(view.handler, self._options.sandbox_handlers) else "",
            detected=not named,
            classes=tuple(snapshot.classes),
            sandboxes=snapshot.sandboxes,
        )
        return sandbox, view.uid if view else ""

    def _plan(
        self, profile: Profile, published: Published, publication: Publication, uid: str, admission: Admission
    ) -> Plan:
        """How the profile is checked by dry runs: `uid` is its RuntimeClass's."""
        dry_runs = self._plan_dry_runs(profile, published, publication)
        # Only its own compiled selectors: the dry run is pinned, so what others add doesn't matter.
        compiled = (
            pick_selectors_of(publication.get_selectors(dry_run.namespace), profile.name) for dry_run in dry_runs
        )
        # An edited policy may sandbox no more: a dry run follows at once.
        edits = admission.names if isinstance(admission, PoliciesChanged) else ()
        return Plan(dry_runs, depends_on=(uid, *edits, *compiled))

    def _compute_reached(self, read: Iterable[Profile | Unreadable]) -> Mapping[str, list[str]]:
        """By profile; remembered until a namespace or a profile changes: most reconciles are about pods."""
        namespaces = self._caches.namespaces
        profiles = tuple(each for each in read if isinstance(each, Profile))
        if self._reached_for != (namespaces.revision, profiles):
            self._reached_for = (namespaces.revision, profiles)
            self._reached = compute_reached(profiles, namespaces.views(), self._options.protected)
        return self._reached

    def build_rescheduling_input(
        self, snapshot: Snapshot, statuses: Mapping[str, Mapping[str, Any]], publication: Publication
    ) -> ReschedulingInput:
        """What moving pods depends on; a profile is enforced if the last dry run was sandboxed."""
        settings = self._read_settings("rescheduling", ReschedulingSettings.from_resource, snapshot, statuses)
        deleting = frozenset(request.name for request in snapshot.requests)
        reached, unwritten = snapshot.reached, publication.unwritten
        return ReschedulingInput(snapshot.living, settings, deleting, reached, publication.get_selectors, unwritten)

    def build_patching_input(
        self, snapshot: Snapshot, statuses: Mapping[str, Mapping[str, Any]], publication: Publication
    ) -> PatchingInput:
        """The same for replacing sandboxes."""
        settings = self._read_settings("patching", PatchingSettings.from_resource, snapshot, statuses)
        return PatchingInput(settings, publication.get_selectors, publication.unwritten)

    def _read_settings(
        self,
        purpose: str,
        read: Callable[..., Settings],
        snapshot: Snapshot,
        statuses: Mapping[str, Mapping[str, Any]],
    ) -> dict[str, Settings]:
        """The settings of profiles that are enforced."""
        settings: dict[str, Settings] = {}
        for profile in snapshot.living:
            # With the status as it has been written: what isn't on record hasn't begun.
            resource = self._caches.profiles.find("", profile.name)
            if resource is None or not _is_enforced(statuses[profile.name]):
                continue
            recorded = {**resource, "status": complete_status(resource.get("status"))}
            try:
                settings[profile.name] = read(recorded, recreation=self._options.recreate_bare_pods)
            except ValueError as error:
                self._problems.report(f"{purpose} of profile {profile.name}", str(error))
            else:
                self._problems.clear(f"{purpose} of profile {profile.name}")
        return settings

    def _plan_dry_runs(self, profile: Profile, published: Published, publication: Publication) -> tuple[DryRun, ...]:
        """Pods in reached namespaces; without any, a namespace that would be reached."""
        # What is wrong with one namespace is known, and says nothing about the profile.
        namespaces = [name for name in published.reached if name not in published.unwritten] or published.reached
        pods = (
            PodDryRun(namespace, labels, profile.name, profile.runtime_class)
            for selector in profile.selectors
            if (labels := compute_pod_labels(selector)) is not None
            for namespace in namespaces
            if reaches(selector, namespace, self._options.protected)
        )
        if published.reached:
            return tuple(dict.fromkeys(itertools.islice(pods, NAMESPACES_TRIED)))
        names = [
            name
            for selector in profile.selectors
            if compute_pod_labels(selector) is not None
            for name in get_namespace_names(selector.namespace)
        ]
        return tuple(
            NamespaceDryRun(name, pick_selectors_of(publication.get_selectors(name), profile.name))
            for name in names[:1]
        )


def _is_enforced(status: Mapping[str, Any]) -> bool:
    return status["phase"] == "ACTIVE" and "dryRun" in status and bool(status["dryRun"]["result"] == "Sandboxed")
