"""Gathers what the decisions need: all profiles as they are read, and for each of them the facts of its status."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from monopod.api.reasons import Reason
from monopod.cluster.mirror import Mirror, PodView
from monopod.controller.logs import Complaints
from monopod.controller.probing import Plan, Prober
from monopod.controller.publishing import Publication
from monopod.controller.settings import Settings
from monopod.domain.publication import find_reached
from monopod.domain.selection import Profile, reaches
from monopod.domain.status import Admission, Facts, PoliciesInstalled, Unreadable
from monopod.domain.trial import NamespaceTrial, PodTrial, Trial, find_namespace_names, find_pod_labels

# Several, because one may refuse every pod for reasons of its own (a full quota). The fewer, the clearer the message.
NAMESPACES_TRIED = 3

logger = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The profiles and their pods at the beginning of a pass; mappings by the profile's name."""

    resources: Mapping[str, Mapping[str, Any]]
    profiles: Mapping[str, Profile | Unreadable]
    living: tuple[Profile, ...]
    """The profiles that take pods: readable and not being deleted."""
    pods: Sequence[PodView]
    pod_counts: Mapping[str, int]


class Gatherer:
    """Reads the mirror and the prober; a profile that breaks anything here doesn't stop the others."""

    def __init__(self, mirror: Mirror, prober: Prober, settings: Settings, complaints: Complaints) -> None:
        self._mirror = mirror
        self._prober = prober
        self._settings = settings
        self._complaints = complaints
        self._reached_at = 0
        self._reached: dict[Profile, tuple[str, ...]] = {}

    def snapshot(self) -> Snapshot:
        """What there is now."""
        resources = {resource["metadata"]["name"]: resource for resource in self._mirror.profiles.views()}
        profiles = {name: self._read(name, resource) for name, resource in resources.items()}
        living = tuple(
            profile
            for name, profile in profiles.items()
            if isinstance(profile, Profile) and not _is_deleting(resources[name])
        )
        pods = self._mirror.pods.views()
        return Snapshot(resources, profiles, living, pods, Counter(pod.profile for pod in pods))

    def _read(self, name: str, resource: Mapping[str, Any]) -> Profile | Unreadable:
        try:
            profile = Profile.from_resource(resource, self._settings.sandbox)
        except ValueError as error:
            self._complaints.raise_about(f"profile {name}", str(error))
            return Unreadable(str(error))
        except Exception as error:
            self._complaints.raise_about(f"profile {name}", repr(error))
            return Unreadable(repr(error), Reason.INTERNAL_ERROR)
        self._complaints.settle(f"profile {name}")
        return profile

    def gather(self, snapshot: Snapshot, name: str, publication: Publication, admission: Admission) -> Facts:
        """The facts of one profile."""
        resource, profile = snapshot.resources[name], snapshot.profiles[name]
        facts = Facts(
            generation=int(resource["metadata"].get("generation") or 0),
            profile=profile,
            deleting=_is_deleting(resource),
            was_active=(resource.get("status") or {}).get("phase") == "ACTIVE",
            pods=snapshot.pod_counts.get(name, 0),
            admission=admission,
        )
        if isinstance(profile, Unreadable) or facts.deleting:
            return facts
        try:
            return self._complete(facts, profile, publication)
        except Exception as error:
            logger.exception("profile can't be worked out", profile=name)
            return replace(facts, profile=Unreadable(repr(error), Reason.INTERNAL_ERROR))

    def _complete(self, facts: Facts, profile: Profile, publication: Publication) -> Facts:
        reached = self._find_reached(profile)
        runtime_class = self._mirror.runtime_classes.find("", profile.runtime_class)
        facts = replace(
            facts,
            runtime_class_exists=runtime_class is not None,
            reached=reached,
            patterns_too_large=publication.patterns_too_large,
            too_large={name: publication.too_large[name] for name in reached if name in publication.too_large},
            unwritten={name: publication.unwritten[name] for name in reached if name in publication.unwritten},
        )
        if runtime_class is None or not isinstance(facts.admission, PoliciesInstalled):
            # What a trial would say is known already; it starts afresh when the cause is gone.
            self._prober.forget(profile.name)
            return facts
        trials = self._plan_trials(profile, facts, publication)
        rows = (publication.find_rows(trial.namespace) for trial in trials)
        plan = Plan(trials, depends_on=(runtime_class, *rows))
        return replace(facts, outcome=self._prober.require(profile.name, plan))

    def _find_reached(self, profile: Profile) -> tuple[str, ...]:
        """Remembered until a namespace changes: most passes are about pods, and there may be many namespaces."""
        namespaces = self._mirror.namespaces
        if self._reached_at != namespaces.revision:
            self._reached_at, self._reached = namespaces.revision, {}
        if profile not in self._reached:
            found = find_reached(profile, namespaces.views(), self._settings.protected)
            self._reached[profile] = tuple(view.name for view in found)
        return self._reached[profile]

    def _plan_trials(self, profile: Profile, facts: Facts, publication: Publication) -> tuple[Trial, ...]:
        """Pods in reached namespaces, those with trouble first; without any, a namespace that would be reached."""
        pods = [
            PodTrial(namespace, labels, profile.name, profile.runtime_class)
            for selector in profile.selectors
            if (labels := find_pod_labels(selector)) is not None
            for namespace in (*facts.too_large, *facts.reached)
            if reaches(selector, namespace, self._settings.protected)
        ]
        if facts.reached:
            return tuple(dict.fromkeys(pods[:NAMESPACES_TRIED]))
        names = [
            name
            for selector in profile.selectors
            if find_pod_labels(selector) is not None
            for name in find_namespace_names(selector.namespace)
        ]
        return tuple(NamespaceTrial(name, publication.find_rows(name)) for name in names[:1])


def _is_deleting(resource: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" in resource["metadata"]
