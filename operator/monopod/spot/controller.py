"""Runs workloads on demand for a while where Spot has no room, for profiles that say `spot.fallback: OnDemand`.

    every POLL_SECONDS: pods on Spot that find no node ──► a verdict on each
        ├── Begins ──► the namespace's annotation says that the workload runs on demand: admission reads it
        ├── Goes ────► evicted, by the one queue; its controller makes a pod on demand
        └── Stays ───► an event says why

Nothing is remembered but in that annotation. Whoever is killed between the two writes leaves a workload that is on
demand, and pods that wait; the next operator evicts them. While no profile falls back, nothing is listed or written.
While a new pod wouldn't be sandboxed, no pod goes: evictions that were decided on are withdrawn as soon as that is
known.
"""

import asyncio
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, assert_never

from monopod.api.names import CAPACITY_PROVIDER_LABEL, FARGATE_SPOT, ON_DEMAND_ANNOTATION
from monopod.api.reasons import EventType, SpotReason
from monopod.eviction.evictor import Evictor
from monopod.eviction.rules.order import Candidate
from monopod.kube.cache import Key
from monopod.kube.client.api import Api, ApiError, ApiUnreachable
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.controller import WHOLE, After, Backoff, Controller, Result
from monopod.kube.event_recorder import EventRecorder, Reference, refer_to_pod
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import SPOT_FALLBACKS, WRITES
from monopod.kube.objects.resources import JOBS, NAMESPACES, PODS
from monopod.selectors.publication import NamespaceView
from monopod.spot.caches import FallbackCaches
from monopod.spot.rules.enforcement import is_enforced, is_reached
from monopod.spot.rules.fallback import JOB, Begins, Fallback, Goes, Stays, Verdict, Waits, decide_fallback, is_due
from monopod.spot.rules.jobs import ignores_disruptions
from monopod.spot.rules.settings import FallbackSettings, read_fallbacks
from monopod.spot.rules.spells import read_spells, write_spells
from monopod.spot.rules.waiting import WaitingPod, read_waiting

POLL_SECONDS: Final = 5.0
SPOT_PODS: Final = {
    "labelSelector": f"{CAPACITY_PROVIDER_LABEL}={FARGATE_SPOT}",
    "fieldSelector": "spec.nodeName=,status.phase=Pending",
}
PURPOSE: Final = "spot"
KNOWN_SECONDS: Final = 15.0
"""How long after a look its pods may be evicted. The next one begins sooner, unless something is wrong."""


class SpotKeeper:
    """Has workloads run on demand while Spot lacks room for them.

    Args:
        api: the API server.
        caches: what the operator has seen.
        evictor: evicts pods.
        recorder: posts events.
        problems: the log of problems.
        clock: tells the time.
    """

    def __init__(
        self,
        api: Api,
        caches: FallbackCaches,
        evictor: Evictor,
        recorder: EventRecorder,
        problems: ProblemLog,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._api = api
        self._caches = caches
        self._evictor = evictor
        self._recorder = recorder
        self._problems = problems
        self._clock = clock
        self._waiting: tuple[WaitingPod, ...] = ()
        self._pending, self._seen = True, -1
        self._going: tuple[tuple[WaitingPod, float], ...] = ()
        """The pods that are to be evicted, each with the time (monotonic) from which what is known of it is too old."""
        caches.profiles.listeners.append(lambda *_: self._hand_over())
        caches.namespaces.listeners.append(self._note_namespace)
        backoff = Backoff(first=POLL_SECONDS, longest=POLL_SECONDS)
        self.controller: Controller[str] = Controller("spot", self._reconcile, problems, backoff=backoff, clock=clock)

    def begin(self) -> None:
        """Has pods looked at from now on."""
        self.controller.enqueue(WHOLE)

    async def _reconcile(self, _: str) -> Result:
        settings = read_fallbacks(self._caches.profiles.views())
        waiting = await self._fetch_waiting(settings) if settings else ()
        jobs = await self._fetch_patient_jobs(waiting, settings)
        goes = list[Goes]()
        for view, fallback in self._decide(waiting, settings, jobs):
            if await self._write(view, fallback):
                goes += [verdict for verdict in fallback.verdicts if isinstance(verdict, Goes)]
                await self._record(fallback.verdicts, settings)
        # From now on, however long that took: a candidate's version says that the pod is as it was looked at, and what
        # its profile and its namespace say is followed.
        until = self._clock.monotonic() + KNOWN_SECONDS
        before, self._going = self._going, tuple((verdict.pod, until) for verdict in goes)
        self._hand_over(had_any=bool(before))
        return After(POLL_SECONDS)

    def _note_namespace(self, key: Key, *_: object) -> None:
        if any(pod.namespace == key[1] for pod, _ in self._going):
            self._hand_over()

    def _hand_over(self, *, had_any: bool = False) -> None:
        """Has the pods evicted whose replacements would still be sandboxed: their profiles may have changed meanwhile.

        Args:
            had_any: whether the evictor has pods from before, which it must hear are no longer wanted.
        """
        if not self._going and not had_any:
            return
        profiles = self._caches.profiles.views()
        living = read_fallbacks(profiles).keys() & _list_enforced(profiles)
        found = self._caches.namespaces.find
        self._going = tuple(
            (pod, until)
            for pod, until in self._going
            if pod.profile in living and is_reached(found("", pod.namespace), pod.profile)
        )
        self._evictor.update(PURPOSE, [_as_candidate(pod, until) for pod, until in self._going])

    async def _fetch_waiting(self, settings: Mapping[str, FallbackSettings]) -> tuple[WaitingPod, ...]:
        """The pods that wait for room; listed only if some were pending the last time, or one has changed since."""
        revision = self._caches.pods.revision
        if self._pending or revision != self._seen:
            listed = [pod async for pod in self._api.list_pages(PODS.list_path(), SPOT_PODS)]
            self._waiting = tuple(waiting for pod in listed if (waiting := read_waiting(pod)))
            self._pending, self._seen = bool(listed), revision
        enforced = _list_enforced(self._caches.profiles.views())
        return tuple(pod for pod in self._waiting if pod.profile in settings and pod.profile in enforced)

    async def _fetch_patient_jobs(
        self, pods: Iterable[WaitingPod], settings: Mapping[str, FallbackSettings]
    ) -> frozenset[str]:
        """The Jobs of these pods that bear an eviction."""
        now, found = self._clock.now(), set[str]()
        due = (pod for pod in pods if is_due(pod, settings[pod.profile].after, now))
        jobs = {
            (pod.namespace, pod.owner) for pod in due if pod.owner and pod.owner.kind == JOB and pod.owner.has_template
        }
        for namespace, owner in jobs:
            try:
                job = await self._api.get(JOBS.path(owner.name, namespace))
            except ApiError as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
                continue
            finally:
                self.controller.note_progress()
            if job["metadata"].get("uid") == owner.uid and ignores_disruptions(job):
                found.add(owner.uid)
        return frozenset(found)

    def _decide(
        self, waiting: Iterable[WaitingPod], settings: Mapping[str, FallbackSettings], jobs: frozenset[str]
    ) -> list[tuple[NamespaceView, Fallback]]:
        by_namespace: dict[str, list[WaitingPod]] = {}
        for pod in waiting:
            by_namespace.setdefault(pod.namespace, []).append(pod)
        now, decided = self._clock.now(), []
        for view in self._caches.namespaces.views():
            waiting_here = by_namespace.get(view.name, [])
            reaching = {name for name in {pod.profile for pod in waiting_here} if is_reached(view, name)}
            pods = [pod for pod in waiting_here if pod.profile in reaching]
            if (pods or view.on_demand) and not view.terminating:
                decided.append((view, decide_fallback(pods, read_spells(view.on_demand), settings, jobs, now)))
        return decided

    async def _write(self, view: NamespaceView, fallback: Fallback) -> bool:
        """Has the namespace say what it should; whether it does."""
        text = write_spells(fallback.spells)
        if text == view.on_demand:
            return True
        patch = {"metadata": {"uid": view.uid, "annotations": {ON_DEMAND_ANNOTATION: text or None}}}
        subject = f"workloads on demand of namespace {view.name}"
        try:
            written = await self._api.merge(NAMESPACES.path(view.name), patch)
        except (ApiError, ApiUnreachable) as error:
            WRITES.labels("namespaces", "failed").inc()
            self._problems.report(subject, str(error))
            return False
        self._caches.namespaces.observe("MODIFIED", written)
        WRITES.labels("namespaces", "ok").inc()
        self._problems.clear(subject)
        for verdict in fallback.verdicts:
            if isinstance(verdict, Begins):
                SPOT_FALLBACKS.labels(verdict.pod.profile).inc()
        return True

    async def _record(self, verdicts: Iterable[Verdict], settings: Mapping[str, FallbackSettings]) -> None:
        """Events of the workloads that run on demand, and of the pods that wait on.

        Raises:
            ApiUnreachable: no answer.
        """
        for verdict in verdicts:
            match verdict:
                case Begins(pod, spell) | Goes(pod, spell):
                    text = (
                        f"Spot has had no room for pods of profile {pod.profile} for "
                        f"{settings[pod.profile].after.total_seconds():.0f} seconds: new pods run on demand until "
                        f"{spell.until:%Y-%m-%dT%H:%M:%SZ}."
                    )
                    about = _refer_to_owner(pod)
                    await self._recorder.record_state(about, EventType.WARNING, SpotReason.SPOT_FALLBACK, text)
                case Stays(pod, why):
                    about = refer_to_pod(pod.namespace, pod.name, pod.uid)
                    text = f"Spot has no room for this pod. {why}"
                    await self._recorder.record_state(about, EventType.WARNING, SpotReason.SPOT_FALLBACK_REFUSED, text)
                case Waits():
                    continue
                case never:
                    assert_never(never)
            self.controller.note_progress()
            await asyncio.sleep(0)


def _list_enforced(profiles: Iterable[Mapping[str, Any]]) -> set[str]:
    return {each["metadata"]["name"] for each in profiles if is_enforced(each)}


def _as_candidate(pod: WaitingPod, until: float) -> Candidate:
    """Of the version that was looked at: one that has found a node since is another."""
    created = pod.created.strftime("%Y-%m-%dT%H:%M:%SZ")
    workload = pod.owner.uid if pod.owner else pod.uid
    return Candidate(pod.namespace, pod.name, pod.uid, created, workload, version=pod.version, known_until=until)


def _refer_to_owner(pod: WaitingPod) -> Reference:
    owner = pod.owner
    if owner is None:
        return refer_to_pod(pod.namespace, pod.name, pod.uid)
    return {
        "apiVersion": owner.api_version,
        "kind": owner.kind,
        "namespace": pod.namespace,
        "name": owner.name,
        "uid": owner.uid,
    }
