"""Reads which pods of a profile run in sandboxes that are out of date, and what controls its pods.

metadata in the cache: none is old enough ──► nothing to do, nothing is asked
                       some may be        ──► the pods are listed, and what controls them is read

A pod is out of date by its own RuntimeClass, which the profile may have had before. Metadata doesn't tell the class, or
that a pod has ended; neither changes, so both are remembered of pods that have been listed.
"""

import datetime
from collections.abc import Collection
from dataclasses import replace

from monopod.api.names import PROFILE_LABEL, TOPOLOGY_ZONE
from monopod.kube.client.api import Api
from monopod.kube.clock import Clock
from monopod.kube.concurrency import gather_some
from monopod.kube.objects.fields import Part
from monopod.kube.objects.resources import PODS
from monopod.kube.objects.timestamps import read_time
from monopod.patching.caches import Caches
from monopod.patching.rules.dates import PatchDates
from monopod.patching.rules.maintenance import find_leaving
from monopod.patching.rules.scan import Manifest, PodState, ProfileScan, observe_pod
from monopod.patching.rules.settings import PatchingSettings
from monopod.patching.rules.staleness import StalePod, find_stale, read_sandbox_start
from monopod.pods.rules.state import has_ended
from monopod.pods.view import PodView
from monopod.workloads.fetch import fetch_workload
from monopod.workloads.rules.replacement import Owner, Workload, build_bare_workload, get_owner

# What controls pods may be so old: a Deployment that is scaled is seen then.
OWNER_SECONDS = 15.0


class PatchingGatherer:
    """Remembers owners for some seconds, and pods' RuntimeClasses and ends for as long as these pods are listed."""

    def __init__(self, api: Api, caches: Caches, clock: Clock) -> None:
        self._api = api
        self._caches = caches
        self._clock = clock
        self._owners: dict[tuple[str, str], tuple[float, Workload | None]] = {}
        self._classes: dict[str, dict[str, str]] = {}
        self._ended: dict[str, frozenset[str]] = {}

    def retain(self, profiles: Collection[str]) -> None:
        """Forgets the pods of all others."""
        self._classes = {name: classes for name, classes in self._classes.items() if name in profiles}
        self._ended = {name: uids for name, uids in self._ended.items() if name in profiles}

    def compute_zones(self) -> dict[str, str]:
        """The zone of each node by its name."""
        return {node.name: node.labels.get(TOPOLOGY_ZONE, "") for node in self._caches.nodes.views()}

    async def gather(self, settings: PatchingSettings, dates: PatchDates) -> ProfileScan:
        """The pods of a profile.

        Args:
            settings: the profile's.
            dates: when RuntimeClasses were patched.

        Raises:
            ApiError: pods or their owners can't be read.
            ApiUnreachable: no answer.
        """
        at, now = self._clock.monotonic(), self._clock.now()
        leaving = find_leaving(self._caches.nodes.views()) if settings.moves_on_maintenance else {}
        ended = self._ended.get(settings.profile, frozenset())
        known = [pod for pod in self._caches.pods.look_up("profile", settings.profile) if pod.uid not in ended]
        before = self._classes.get(settings.profile, {})
        if not known or not (
            leaving or any(_may_be_stale(pod, settings, dates, before.get(pod.uid), now) for pod in known)
        ):
            return ProfileScan(at=at)
        self._owners = {key: each for key, each in self._owners.items() if at - each[0] < OWNER_SECONDS}
        pods: list[tuple[Manifest, StalePod | None]] = []
        classes: dict[str, str] = {}
        over: set[str] = set()
        query = {"labelSelector": f"{PROFILE_LABEL}={settings.profile}"}
        async for pod in self._api.list_pages(PODS.list_path(), query):
            runtime_class = classes[pod["metadata"]["uid"]] = _read_class(pod)
            if has_ended(pod):
                over.add(pod["metadata"]["uid"])
            else:
                patch = dates.find_patch(runtime_class, settings.memory)
                pods.append((_trim(pod), find_stale(pod, patch, settings.wait, settings.max_age, now, leaving)))
        self._classes[settings.profile], self._ended[settings.profile] = classes, frozenset(over)
        return await self._observe_all(pods, settings, dates)

    async def _observe_all(
        self,
        pods: list[tuple[Manifest, StalePod | None]],
        settings: PatchingSettings,
        dates: PatchDates,
    ) -> ProfileScan:
        named = ((pod["metadata"]["namespace"], owner) for pod, _ in pods if (owner := get_owner(pod)))
        owners = {(namespace, owner.uid): owner for namespace, owner in named}
        found = await gather_some(self._fetch_workload(namespace, owner) for (namespace, _), owner in owners.items())
        by_owner = dict(zip(owners, found, strict=True))
        seen: list[PodState] = []
        workloads: dict[str, Workload] = {}
        manifests: dict[str, Manifest] = {}
        represented: set[str] = set()
        for pod, stale in pods:
            owner, namespace = get_owner(pod), pod["metadata"]["namespace"]
            workload = by_owner[namespace, owner.uid] if owner else build_bare_workload(namespace)
            if workload is None:
                continue  # it is being deleted, and its pods with it
            workloads[workload.uid] = workload
            each = observe_pod(pod, workload, stale, settings, is_fresh=_is_fresh(pod, settings, dates))
            seen.append(each)
            if stale and not each.left and (workload.is_bare or workload.uid not in represented):
                represented.add(workload.uid)
                manifests[each.uid] = pod
        classes = frozenset(_read_class(pod) for pod, _ in pods)
        # Not when it began: where reading takes longer than that is good for, no pod would ever go.
        return ProfileScan(tuple(seen), workloads, self._clock.monotonic(), manifests, classes)

    async def _fetch_workload(self, namespace: str, owner: Owner) -> Workload | None:
        now = self._clock.monotonic()
        known = self._owners.get((namespace, owner.uid))
        if known:
            return known[1]
        workload = await fetch_workload(self._api, namespace, owner)
        if workload:
            # Whoever creates a pod may name the owner of others' pods: that makes it none of theirs.
            workload = replace(workload, uid=f"{namespace}/{workload.uid}")
        self._owners[namespace, owner.uid] = (now, workload)
        return workload


def _read_class(pod: Manifest) -> str:
    return Part(pod).child("spec").text("runtimeClassName")


def _is_fresh(pod: Manifest, settings: PatchingSettings, dates: PatchDates) -> bool:
    """Whether its sandbox is as a replacement's: made after the patch, or will be, in the place of one from before.

    A pod that has waited for its sandbox since before the patch replaces none, and may wait forever.
    """
    if _read_class(pod) != settings.runtime_class:
        return False
    patched = dates.known.get(settings.runtime_class)
    made = read_sandbox_start(pod) or read_time(Part(pod).child("metadata").text("creationTimestamp"))
    return patched is None or made is None or made > patched


def _may_be_stale(
    pod: PodView, settings: PatchingSettings, dates: PatchDates, runtime_class: str | None, now: datetime.datetime
) -> bool:
    """Whether its sandbox may be out of date, by the pod's metadata: a sandbox is never older than its pod."""
    created = read_time(pod.created)
    if created is None or (settings.max_age is not None and created + settings.max_age <= now):
        return True
    return dates.may_precede(created, runtime_class, now)


def _trim(pod: Manifest) -> Manifest:
    """The pod without the record of who wrote which field, if something controls it; else that is needed."""
    if get_owner(pod) is None:
        return pod
    return {**pod, "metadata": {key: value for key, value in pod["metadata"].items() if key != "managedFields"}}
