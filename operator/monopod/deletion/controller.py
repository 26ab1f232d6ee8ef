"""Deletes profiles: adds the finalizer that allows this, evicts their pods, and removes the finalizer.

A profile gets the finalizer before its compiled selectors are published, and loses it when they are withdrawn and none
of its pods is left: so no pod runs by a profile that is gone.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from monopod.api.names import GROUP, PROFILE_FINALIZER, PROFILE_LABEL, PROFILE_PLURAL, VERSION
from monopod.deletion.caches import Caches
from monopod.deletion.rules.stages import (
    DeletionDeadline,
    Evicting,
    Failed,
    Request,
    Stage,
    count_seconds_until,
    find_leftover,
    find_stage,
    find_turn,
    find_withheld,
)
from monopod.eviction.evictor import Evictor
from monopod.eviction.rules.order import Candidate
from monopod.kube.client import ApiClient, ApiError, ApiUnreachable
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.concurrency import gather_some
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import WRITES
from monopod.pods.view import PodView
from monopod.selectors.compile import STALE_SECONDS, has_selector_of
from monopod.selectors.publication import Publication
from monopod.workloads.replacements import ReplacementDryRuns

PROFILES = f"/apis/{GROUP}/{VERSION}/{PROFILE_PLURAL}"


@dataclass(frozen=True, slots=True)
class _Pods:
    """The pods of one profile."""

    waiting: tuple[Candidate, ...]
    terminating: tuple[str, ...]
    withheld: tuple[str, ...]
    """Those that aren't evicted, because their namespaces still carry its compiled selectors, or refuse new pods."""
    namespaces: Mapping[str, str]
    """Namespaces that still carry them, each with the reason."""
    closed: Mapping[str, str]
    """Namespaces of its pods that refuse new ones, each with the reason."""

    @property
    def count(self) -> int:
        return len(self.waiting) + len(self.terminating) + len(self.withheld)


class Deletions:
    """Works through the profiles that are being deleted."""

    def __init__(
        self,
        api: ApiClient,
        caches: Caches,
        evictor: Evictor,
        patience: DeletionDeadline,
        problems: ProblemLog,
        mark: Callable[[float], None],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._api = api
        self._clock = clock
        self._caches = caches
        self._evictor = evictor
        self._patience = patience
        self._problems = problems
        self._mark = mark
        self._dry_runs = ReplacementDryRuns(api, caches, lambda pod: bool(evictor.find_obstacles([pod])), mark, clock)
        self._owned: dict[str, _Pods] = {}
        self._withdrawn_at: dict[str, float] = {}

    async def ensure_finalizers(self, resources: Iterable[Mapping[str, Any]]) -> bool:
        """Puts the finalizer on profiles that lack it and that nobody has deleted; whether all went well."""
        bare = [
            resource["metadata"]
            for resource in resources
            if "deletionTimestamp" not in resource["metadata"]
            and PROFILE_FINALIZER not in (resource["metadata"].get("finalizers") or ())
        ]
        writes = (self._write(each, [*(each.get("finalizers") or ()), PROFILE_FINALIZER]) for each in bare)
        return all(await gather_some(writes))

    def find_stages(
        self, requests: Sequence[Request], pods: Sequence[PodView], publication: Publication, now: str
    ) -> dict[str, Stage]:
        """How far each deletion is."""
        self._owned = {request.name: self._sort_pods(request.name, pods, publication) for request in requests}
        self._withdrawn_at = {
            name: self._withdrawn_at.get(name, self._clock.monotonic())
            for name, own in self._owned.items()
            if not own.namespaces
        }
        turn = find_turn(requests, self._patience, now)
        return {request.name: self._find_stage(request, turn, now) for request in requests}

    def _find_stage(self, request: Request, turn: str | None, now: str) -> Stage:
        own = self._owned[request.name]
        obstacles = [
            *self._dry_runs.find_obstacles(request.name, own.waiting),
            *self._evictor.find_obstacles(own.waiting),
        ]
        if own.withheld:
            obstacles.append(find_withheld(own.namespaces, own.closed, own.withheld))
        stage = find_stage(request, turn, own.count, obstacles, self._patience, now)
        late = isinstance(stage, Failed) or (isinstance(stage, Evicting) and stage.stalled)
        if isinstance(stage, Failed | Evicting) and late and own.terminating:
            stage = replace(stage, obstacles=(*stage.obstacles, find_leftover(own.terminating)))
        if isinstance(stage, Evicting):
            deadline = self._patience.find_deadline(stage.started, stage.total)
            left = count_seconds_until(deadline, now)
            self._mark(max(1.0, left if stage.stalled else min(left, self._patience.stall)))
        return stage

    def _sort_pods(self, name: str, pods: Iterable[PodView], publication: Publication) -> _Pods:
        namespaces = {
            view.name: publication.unwritten.get(view.name) or "not written yet"
            for view in self._caches.namespaces.views()
            if not view.terminating and has_selector_of(view.compiled or "", name)
        }
        closed: dict[str, str] = {}
        waiting: list[Candidate] = []
        terminating: list[str] = []
        withheld: list[str] = []
        for pod in pods:
            if pod.profile != name:
                continue
            if pod.terminating:
                terminating.append(f"{pod.namespace}/{pod.name}")
            elif pod.namespace in namespaces:
                withheld.append(f"{pod.namespace}/{pod.name}")
            elif self._is_closed(pod.namespace):
                closed[pod.namespace] = publication.unwritten.get(pod.namespace) or "it can't be written"
                withheld.append(f"{pod.namespace}/{pod.name}")
            else:
                waiting.append(Candidate(pod.namespace, pod.name, pod.uid, pod.created, pod.controller or pod.uid))
        return _Pods(tuple(waiting), tuple(terminating), tuple(withheld), namespaces, closed)

    def _is_closed(self, namespace: str) -> bool:
        view = self._caches.namespaces.find("", namespace)
        return view is not None and view.is_closed

    async def advance(
        self, requests: Sequence[Request], stages: Mapping[str, Stage], recorded: Collection[str]
    ) -> bool:
        """Has pods evicted, and lets go of profiles without pods; whether all went well.

        Args:
            requests: the profiles that are being deleted.
            stages: what `find_stages` made of them in the same reconcile.
            recorded: those whose status says so; no turn begins without that, or its beginning could be forgotten.
        """
        evictable: list[Candidate] = []
        self._dry_runs.retain({request.name for request in requests})
        for request in requests:
            stage = stages[request.name]
            if isinstance(stage, Evicting | Failed) and request.name in recorded:
                own = await self._dry_runs.select(request.name, self._owned[request.name].waiting)
                evictable += [replace(pod, patient=isinstance(stage, Failed)) for pod in own]
            if isinstance(stage, Failed) and not request.failed:
                self._mark(0)  # the next profile has its turn
        self._evictor.update("deletion", evictable)
        empty = [request.name for request in requests if request.is_open and not self._owned[request.name].count]
        return all([await self._let_go(name) for name in empty if name in self._withdrawn_at])

    async def _let_go(self, name: str) -> bool:
        """Takes the finalizer away, unless pods may still come or the API server knows of some; whether all is well."""
        # A pod that admission still marks meanwhile is evicted too.
        left = self._withdrawn_at[name] + STALE_SECONDS - self._clock.monotonic()
        if left > 0:
            self._mark(left)
            return True
        resource = self._caches.profiles.find("", name)
        if resource is None:
            return True
        if await self._find_any_pod(name):
            self._mark(1.0)  # the watch brings it
            return True
        finalizers = [each for each in resource["metadata"].get("finalizers") or () if each != PROFILE_FINALIZER]
        return await self._write(resource["metadata"], finalizers)

    async def _find_any_pod(self, name: str) -> bool:
        query = {"labelSelector": f"{PROFILE_LABEL}={name}", "limit": "1"}
        async for _ in self._api.list_pages("/api/v1/pods", query, metadata_only=True):
            return True
        return False

    async def _write(self, metadata: Mapping[str, Any], finalizers: Sequence[str]) -> bool:
        """Sets a profile's finalizers, unless someone else changed it meanwhile."""
        name, subject = metadata["name"], f"finalizer of profile {metadata['name']}"
        patch = {"metadata": {"finalizers": list(finalizers), "resourceVersion": metadata["resourceVersion"]}}
        try:
            written = await self._api.merge(f"{PROFILES}/{name}", patch)
        except (ApiError, ApiUnreachable) as error:
            if isinstance(error, ApiError) and error.status == 404:
                return True  # gone meanwhile
            WRITES.labels("profiles", "failed").inc()
            if isinstance(error, ApiError) and error.status == 409:
                return False  # the watch brings the newer version
            self._problems.report(subject, str(error))
            return False
        WRITES.labels("profiles", "ok").inc()
        self._problems.clear(subject)
        if finalizers and PROFILE_FINALIZER in finalizers:
            # Not after the removal: the watch may have said already that the profile is gone.
            self._caches.profiles.observe("MODIFIED", written)
        return True
