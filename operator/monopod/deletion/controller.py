"""Deletes profiles: adds the finalizer that allows this, evicts their pods, and removes the finalizer.

    profiles ──selectors withdrawn, statuses written──► update ──► evict pods whose replacements can be created
                                                          └─────► no pod left, for seconds: remove the finalizer

A profile gets the finalizer before its compiled selectors are published, and loses it when they are withdrawn and none
of its pods is left: so no pod runs by a profile that is gone. That is why the controller of profiles puts the finalizer
there, and why this one acts on nothing but what that one has handed over after it has published the others.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from monopod.api.names import PROFILE_FINALIZER, PROFILE_LABEL
from monopod.deletion.caches import Caches
from monopod.deletion.rules.stages import (
    DeletionDeadline,
    Evicting,
    Failed,
    Request,
    Stage,
    compute_stage,
    compute_withheld,
    count_seconds_until,
    find_leftover,
    find_turn,
)
from monopod.eviction.evictor import Evictor
from monopod.eviction.rules.order import Candidate
from monopod.kube.client.api import Api, ApiError, ApiUnreachable
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.concurrency import gather_some
from monopod.kube.controller import DONE, WHOLE, After, Controller, Incomplete, Result
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import WRITES
from monopod.kube.objects.resources import PODS, PROFILES
from monopod.pods.view import PodView
from monopod.selectors.compile import STALE_SECONDS, has_selector_of
from monopod.selectors.publication import Publication
from monopod.workloads.replacements import ReplacementDryRuns


@dataclass(frozen=True, slots=True)
class _Pods:
    """The pods of one profile."""

    waiting: tuple[Candidate, ...]
    terminating: tuple[str, ...]
    withheld: tuple[str, ...]
    """Those that aren't evicted, because their namespaces still carry its compiled selectors, or refuse new pods."""
    namespaces: Mapping[str, str]
    """Namespaces that still carry them, each with the reason."""
    refusing: Mapping[str, str]
    """Namespaces of its pods that refuse new ones, each with the reason."""

    @property
    def count(self) -> int:
        return len(self.waiting) + len(self.terminating) + len(self.withheld)


@dataclass(frozen=True, slots=True)
class DeletionInput:
    """What the controller of profiles found out about those that are being deleted; mappings by their names.

    Attributes:
        requests: those whose compiled selectors it doesn't publish any more.
        stages: how far each is.
        pods: of each.
        recorded: those whose status says so; no turn begins without that, or its beginning could be forgotten.
    """

    requests: tuple[Request, ...] = ()
    stages: Mapping[str, Stage] = field(default_factory=dict)
    pods: Mapping[str, _Pods] = field(default_factory=dict)
    recorded: frozenset[str] = frozenset()


class Deletions:
    """Works through the profiles that are being deleted; `enqueue` has the profiles reconciled within some seconds."""

    def __init__(
        self,
        api: Api,
        caches: Caches,
        evictor: Evictor,
        deadline: DeletionDeadline,
        problems: ProblemLog,
        enqueue: Callable[[float], None],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._api = api
        self._clock = clock
        self._caches = caches
        self._evictor = evictor
        self._deadline = deadline
        self._problems = problems
        self._enqueue = enqueue
        self._dry_runs = ReplacementDryRuns(
            api, caches, lambda pod: bool(evictor.compute_obstacles([pod])), enqueue, clock
        )
        self._given = DeletionInput()
        self._withdrawn_at: dict[str, float] = {}
        self.controller = Controller("deletion", self._reconcile, problems, clock=clock)

    async def ensure_finalizers(self, resources: Iterable[Mapping[str, Any]]) -> bool:
        """Puts the finalizer on profiles that lack it and aren't deleted; returns False if any write failed."""
        bare = [
            resource["metadata"]
            for resource in resources
            if "deletionTimestamp" not in resource["metadata"]
            and PROFILE_FINALIZER not in (resource["metadata"].get("finalizers") or ())
        ]
        writes = (self._write(each, [*(each.get("finalizers") or ()), PROFILE_FINALIZER]) for each in bare)
        return all(await gather_some(writes))

    def gather(
        self, requests: Sequence[Request], pods: Sequence[PodView], publication: Publication, now: str
    ) -> DeletionInput:
        """How far each deletion is, of which nothing is on record yet."""
        owned = {request.name: self._sort_pods(request.name, pods, publication) for request in requests}
        turn = find_turn(requests, self._deadline, now)
        stages = {request.name: self._compute_stage(request, owned[request.name], turn, now) for request in requests}
        return DeletionInput(tuple(requests), stages, owned)

    def _compute_stage(self, request: Request, own: _Pods, turn: str | None, now: str) -> Stage:
        obstacles = [
            *self._dry_runs.compute_obstacles(request.name, own.waiting),
            *self._evictor.compute_obstacles(own.waiting),
        ]
        if own.withheld:
            obstacles.append(compute_withheld(own.namespaces, own.refusing, own.withheld))
        stage = compute_stage(request, turn, own.count, obstacles, self._deadline, now)
        late = isinstance(stage, Failed) or (isinstance(stage, Evicting) and stage.stalled)
        if isinstance(stage, Failed | Evicting) and late and own.terminating:
            stage = replace(stage, obstacles=(*stage.obstacles, find_leftover(own.terminating)))
        return stage

    def _sort_pods(self, name: str, pods: Iterable[PodView], publication: Publication) -> _Pods:
        namespaces = {
            view.name: publication.unwritten.get(view.name) or "not written yet"
            for view in self._caches.namespaces.views()
            if not view.terminating and has_selector_of(view.compiled or "", name)
        }
        refusing: dict[str, str] = {}
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
            elif self._refuses_pods(pod.namespace):
                refusing[pod.namespace] = publication.unwritten.get(pod.namespace) or "it can't be written"
                withheld.append(f"{pod.namespace}/{pod.name}")
            else:
                waiting.append(Candidate(pod.namespace, pod.name, pod.uid, pod.created, pod.controller or pod.uid))
        return _Pods(tuple(waiting), tuple(terminating), tuple(withheld), namespaces, refusing)

    def _refuses_pods(self, namespace: str) -> bool:
        view = self._caches.namespaces.find("", namespace)
        return view is not None and view.refuses_pods

    def update(self, given: DeletionInput, now: str) -> None:
        """The others' selectors have been published, and what is on record is known: goes on from here."""
        if not given.requests and not self._given.requests:
            return
        self._given = given
        self._withdrawn_at = {
            name: self._withdrawn_at.get(name, self._clock.monotonic())
            for name, own in given.pods.items()
            if not own.namespaces
        }
        for request in given.requests:
            self._mark_next(request, given.stages[request.name], now)
        self.controller.enqueue(WHOLE)

    def _mark_next(self, request: Request, stage: Stage, now: str) -> None:
        """Enqueues the profiles for when time alone makes another stage of this one."""
        if isinstance(stage, Evicting):
            left = count_seconds_until(self._deadline.compute_deadline(stage.started, stage.total), now)
            self._enqueue(max(1.0, left if stage.stalled else min(left, self._deadline.stall)))
        if isinstance(stage, Failed) and not request.failed:
            self._enqueue(0)  # it is the next profile's turn

    async def _reconcile(self, _: str) -> Result:
        """Has pods evicted, and releases profiles without pods."""
        given = self._given
        evictable: list[Candidate] = []
        self._dry_runs.retain({request.name for request in given.requests})
        for request in given.requests:
            stage = given.stages[request.name]
            if isinstance(stage, Evicting | Failed) and request.name in given.recorded:
                own = await self._dry_runs.select(request.name, given.pods[request.name].waiting)
                evictable += [replace(pod, patient=isinstance(stage, Failed)) for pod in own]
        self._evictor.update("deletion", evictable)
        empty = [request for request in given.requests if request.is_open and not given.pods[request.name].count]
        delays = [await self._let_go(request) for request in empty if request.name in self._withdrawn_at]
        return After(min(delay)) if (delay := [each for each in delays if each is not None]) else DONE

    async def _let_go(self, request: Request) -> float | None:
        """Removes the finalizer; or returns after how many seconds to check again, since pods may come or are known of.

        Raises:
            Incomplete: it can't be written.
        """
        # A pod that admission still marks meanwhile is evicted too.
        left = self._withdrawn_at[request.name] + STALE_SECONDS - self._clock.monotonic()
        if left > 0:
            return left
        resource = self._caches.profiles.find("", request.name)
        current = Request.from_resource(resource) if resource else None
        if resource is None or current is None or current.requested != request.requested or not current.is_open:
            return None  # gone, and perhaps another one has its name
        if await self._fetch_any_pod(request.name):
            return 1.0  # the watch brings it
        finalizers = [each for each in resource["metadata"].get("finalizers") or () if each != PROFILE_FINALIZER]
        if not await self._write(resource["metadata"], finalizers):
            raise Incomplete
        return None

    async def _fetch_any_pod(self, name: str) -> bool:
        query = {"labelSelector": f"{PROFILE_LABEL}={name}", "limit": "1"}
        async for _ in self._api.list_pages(PODS.list_path(), query, metadata_only=True):
            return True
        return False

    async def _write(self, metadata: Mapping[str, Any], finalizers: Sequence[str]) -> bool:
        """Sets a profile's finalizers, unless someone else changed it meanwhile."""
        name, subject = metadata["name"], f"finalizer of profile {metadata['name']}"
        patch = {"metadata": {"finalizers": list(finalizers), "resourceVersion": metadata["resourceVersion"]}}
        try:
            written = await self._api.merge(PROFILES.path(name), patch)
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
