"""Moves pods without a controller: stores them, has them evicted, creates them again, and clears up after itself.

A controller of its own, because what was begun is brought to its end whatever became of the profile meanwhile. Each
reconcile lists the stored pods, observes the pod of each one's name, and does what `monopod.bare_pods.rules.steps`
decides. A list and not a watch: what is decided here must not rest on an old copy, and there are few of them.
"""

from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, assert_never, get_args

import structlog

from monopod.api.names import API_VERSION, STORED_POD_PLURAL
from monopod.api.reasons import Documented, EventType, PodReason
from monopod.api.stored_pod import Phase
from monopod.bare_pods.caches import Caches
from monopod.bare_pods.dry_run import DryRuns
from monopod.bare_pods.options import BarePodOptions
from monopod.bare_pods.rules.limit import find_next
from monopod.bare_pods.rules.report import REASONS, BareReport, Finding, build_reports
from monopod.bare_pods.rules.steps import (
    FOR_A_PERSON,
    KNOWN_SECONDS,
    SETTLING_SECONDS,
    AskForEviction,
    BarePod,
    Drop,
    ObservedPod,
    Record,
    Recreate,
    Renew,
    Stay,
    StoredPod,
    build_recreated,
    build_stored,
    decide_step,
    describe_refusal,
    observe,
)
from monopod.eviction.evictor import Evictor
from monopod.kube.client.api import Api, ApiError, ApiUnreachable, ServerTrouble
from monopod.kube.clock import SYSTEM_CLOCK, Clock, format_now
from monopod.kube.concurrency import gather_some
from monopod.kube.controller import WHOLE, After, Backoff, Controller, Result
from monopod.kube.event_recorder import EventRecorder, Reference
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import STORED_PODS, WRITES
from monopod.kube.objects import resources
from monopod.kube.objects.resources import PODS
from monopod.kube.refusals import Refusals
from monopod.kube.signals import Signal

POLL_SECONDS = 2.0
LONGEST_RETRY_SECONDS = 60.0
# Of one stored pod in one reconcile: it is renewed, evicting, created again, recorded. A bound for what isn't known.
MOST_STEPS = 6


Manifest = dict[str, Any]
_Event = tuple[Reference, EventType, Documented, str]
logger = structlog.stdlib.get_logger(__name__)


class BareKeeper:
    """Works through the stored pods.

    Attributes:
        changed: a report is another than before.
    """

    def __init__(
        self,
        api: Api,
        caches: Caches,
        evictor: Evictor,
        options: BarePodOptions,
        recorder: EventRecorder,
        problems: ProblemLog,
        clock: Clock = SYSTEM_CLOCK,
        sources: Collection[str] = ("rescheduling",),
    ) -> None:
        self._api = api
        self._sources = sources
        self._given: dict[str, tuple[tuple[BarePod, ...], frozenset[str]]] = {}
        self._evictor = evictor
        self._recorder = recorder
        self._problems = problems
        self._resync_seconds = options.resync_seconds
        self._clock = clock
        self._dry_runs = DryRuns(api, caches, clock)
        self._required: tuple[BarePod, ...] | None = None
        self._waiting: frozenset[str] = frozenset()
        self._refusals = Refusals(LONGEST_RETRY_SECONDS, clock.monotonic)
        self._withdrawn: dict[str, float] = {}
        self._reports: dict[str, BareReport] = {}
        self._unposted: dict[str, _Event] = {}
        """The newest event of each object that couldn't be posted yet; what it tells goes on meanwhile."""
        self.changed = Signal()
        self.controller = Controller(
            "bare-pods", self._reconcile, problems, backoff=Backoff(first=POLL_SECONDS), clock=clock
        )
        self.controller.enqueue(WHOLE)

    def update(self, now: Sequence[BarePod], waiting: Collection[str], source: str = "rescheduling") -> None:
        """Says what is to be moved, all of it again each time; before all sources have said so, no pod is touched.

        Args:
            now: the pods that are to be moved now, the most urgent first.
            waiting: the uids of all that are to be moved at some time.
            source: who says so.
        """
        self._given[source] = (tuple(now), frozenset(waiting))
        if any(each not in self._given for each in self._sources):
            return
        merged = {pod.uid: pod for each in self._sources for pod in self._given[each][0]}
        wanted = tuple(merged.values())
        if self._required is None or [pod.uid for pod in wanted] != [pod.uid for pod in self._required]:
            self.controller.enqueue(WHOLE)
        self._required = wanted
        self._waiting = frozenset(uid for each in self._sources for uid in self._given[each][1])

    def report(self, profile: str) -> BareReport:
        """What there is to say of a profile's pods."""
        return self._reports.get(profile, BareReport())

    async def _reconcile(self, _: str) -> Result:
        await gather_some(self._post(event) for event in list(self._unposted.values()))
        stored = [
            StoredPod.from_resource(item) async for item in self._api.list_pages(resources.STORED_PODS.list_path())
        ]
        required = self._required or ()
        await self._dry_runs.update(required, self._waiting)
        wanted = {pod.uid: self._dry_runs.is_good(pod) for pod in required}
        taken = {(each.namespace, each.name) for each in stored}
        new = [pod for pod in required if wanted[pod.uid] and (pod.namespace, pod.name) not in taken]
        stored += [each for pod in find_next(stored, new, format_now()) if (each := await self._store(pod))]
        findings = await self._work_through_all(stored, wanted)
        candidates = [finding.candidate for finding in findings if finding.candidate]
        self._evictor.update("bare", candidates)
        self._report_all(findings)
        uids = {finding.stored.uid for finding in findings}
        self._refusals.retain(uids)
        self._withdrawn = {uid: since for uid, since in self._withdrawn.items() if uid in uids}
        return After(self._compute_delay(findings))

    def _compute_delay(self, findings: Sequence[Finding]) -> float:
        """Seconds until the next reconcile is due. Stored pods that wait for a person are no reason to hurry."""
        soon = min(POLL_SECONDS, self._resync_seconds)
        if self._waiting or any(finding.stored.phase not in FOR_A_PERSON for finding in findings):
            return soon
        # One that is due may not be tried at all: another pod has its name, or the API server gave no answer.
        retry = self._refusals.get_delay()
        return self._resync_seconds if retry is None else max(soon, min(self._resync_seconds, retry))

    async def _work_through_all(self, stored: Iterable[StoredPod], wanted: Mapping[str, bool | None]) -> list[Finding]:
        async def work(each: StoredPod) -> Finding | None:
            subject = f"what became of stored pod {each}"
            try:
                finding = await self._work_through(each, wanted)
            except (ApiError, ApiUnreachable) as error:
                # Perhaps a trouble of its own, such as a webhook of its namespace's.
                self._problems.report(subject, str(error))
                return Finding(each)
            finally:
                self.controller.note_progress()
            self._problems.clear(subject)
            return finding

        findings = await gather_some(work(each) for each in stored)
        return [finding for finding in findings if finding]

    async def _store(self, pod: BarePod) -> StoredPod | None:
        subject = f"stored pod {pod}"
        try:
            item = await self._api.create(resources.STORED_PODS.list_path(pod.namespace), build_stored(pod))
        except (ApiError, ApiUnreachable) as error:
            self._count(STORED_POD_PLURAL, well=False)
            self._problems.report(subject, str(error))
            if not (isinstance(error, ApiError) and error.reason == "AlreadyExists"):
                # A quota, a webhook, a manifest too large: others go on meanwhile.
                self._dry_runs.refuse(pod, f"its manifest can't be stored: {error}")
            return None
        self._count(STORED_POD_PLURAL)
        self._problems.clear(subject)
        return StoredPod.from_resource(item)

    async def _work_through(self, stored: StoredPod, wanted: Mapping[str, bool | None]) -> Finding | None:
        """Takes a stored pod as far as it goes now; None if it was dropped."""
        observed: ObservedPod | None = None
        for _ in range(MOST_STEPS):
            seen_at = self._clock.monotonic()
            observed = observe(stored, await self._fetch_pod(stored.namespace, stored.name))
            known = None if self._required is None else wanted.get(stored.pod_uid, False)
            step = decide_step(stored, observed, wanted=known, settled=self._has_settled(stored))
            match step:
                case Stay():
                    break
                case AskForEviction(candidate):
                    return Finding(stored, observed, replace(candidate, known_until=seen_at + KNOWN_SECONDS))
                case Drop(why):
                    return None if await self._drop(stored, why) else Finding(stored, observed)
                case Record() | Renew() | Recreate():
                    advanced = await self._apply(stored, step)
                    if advanced is None:
                        break
                    stored = advanced
                case never:
                    assert_never(never)
        return Finding(stored, observed)

    def _has_settled(self, stored: StoredPod) -> bool:
        if stored.phase != "Withdrawn":
            self._withdrawn.pop(stored.uid, None)
            return False
        now = self._clock.monotonic()
        return now - self._withdrawn.setdefault(stored.uid, now) >= SETTLING_SECONDS

    async def _fetch_pod(self, namespace: str, name: str) -> Manifest | None:
        try:
            return await self._api.get(PODS.path(name, namespace))
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    async def _apply(self, stored: StoredPod, step: Record | Renew | Recreate) -> StoredPod | None:
        """The stored pod after a step; None if nothing more can be done now."""
        match step:
            case Record():
                return await self._record(stored, step)
            case Renew(manifest):
                return await self._renew(stored, manifest)
            case Recreate():
                return await self._recreate(stored)
            case never:
                assert_never(never)

    async def _record(self, stored: StoredPod, record: Record) -> StoredPod | None:
        """Writes the status, unless someone else has changed the stored pod meanwhile."""
        await self._record_event(stored, record)
        since = stored.since if record.phase == stored.phase and stored.since else format_now()
        status = {
            "phase": record.phase,
            "since": since,
            "message": record.message or None,
            "recreatedUID": record.recreated_uid or None,
        }
        patch = {"metadata": {"uid": stored.uid, "resourceVersion": stored.version}, "status": status}
        return await self._write(stored, self._api.merge(_build_path(stored, "status"), patch))

    async def _renew(self, stored: StoredPod, manifest: Manifest) -> StoredPod | None:
        operations: list[Manifest] = [
            {"op": "test", "path": "/metadata/uid", "value": stored.uid},
            {"op": "test", "path": "/metadata/resourceVersion", "value": stored.version},
            {"op": "replace", "path": "/spec/manifest", "value": manifest},
        ]
        return await self._write(stored, self._api.patch(_build_path(stored), operations))

    async def _write(self, stored: StoredPod, writing: Awaitable[Manifest]) -> StoredPod | None:
        try:
            item = await writing
        except ApiError as error:
            # Gone, or changed meanwhile: the next reconcile sees it.
            if error.status not in (404, 409, 422):
                self._count(STORED_POD_PLURAL, well=False)
                self._problems.report(f"stored pod {stored}", str(error))
            return None
        self._count(STORED_POD_PLURAL)
        return StoredPod.from_resource(item)

    async def _recreate(self, stored: StoredPod) -> StoredPod | None:
        """Creates the pod, if it is time to; the next reconcile shows what came of it."""
        if not self._refusals.is_due(stored.uid, None):
            return None
        try:
            await self._api.create(PODS.list_path(stored.namespace), build_recreated(stored))
        except ApiError as error:
            if error.reason == "AlreadyExists":
                return stored
            self._count("pods", well=False)
            self._refusals.add(stored.uid, None, error.message)
            return await self._note(stored, Record("Refused", describe_refusal(stored, error.message)))
        except ServerTrouble as trouble:
            # A webhook that doesn't answer, for instance: no one else would tell why the pod is missing.
            self._refusals.add(stored.uid, None, trouble.message)
            return await self._note(stored, Record("Recreating", describe_refusal(stored, trouble.message)))
        self._count("pods")
        self._refusals.drop(stored.uid)
        logger.info("pod created again", pod=str(stored), profile=stored.profile)
        return stored

    async def _note(self, stored: StoredPod, record: Record) -> StoredPod | None:
        if (record.phase, record.message) == (stored.phase, stored.message):
            return stored
        return await self._record(stored, record)

    async def _drop(self, stored: StoredPod, why: str) -> bool:
        """Deletes a stored pod in the version that was decided about; whether it is gone."""
        try:
            await self._api.delete(_build_path(stored), stored.uid, stored.version)
        except ApiError as error:
            if error.status != 409:
                self._count(STORED_POD_PLURAL, well=False)
                self._problems.report(f"stored pod {stored}", str(error))
            return False
        self._count(STORED_POD_PLURAL)
        self._unposted.pop(stored.uid, None)
        logger.info("stored pod dropped", pod=str(stored), why=why)
        return True

    async def _record_event(self, stored: StoredPod, record: Record) -> None:
        """The event of a change that people should know of."""
        if record.recreated_uid:
            about = _refer("v1", "Pod", stored, record.recreated_uid)
            text = (
                f"created in the place of the pod with the uid {stored.pod_uid}, which profile {stored.profile} moved"
            )
            await self._post((about, EventType.NORMAL, PodReason.RECREATED, text))
        elif record.message and record.phase in REASONS:
            about = _refer(API_VERSION, "StoredPod", stored, stored.uid)
            await self._post((about, EventType.WARNING, REASONS[record.phase], record.message))

    async def _post(self, event: _Event) -> None:
        """Posts it, if not now, then in a later reconcile: a step doesn't wait for its event."""
        about = event[0]
        self._unposted[about["uid"]] = event
        try:
            is_posted = await self._recorder.record_state(*event)
        except ApiUnreachable as error:
            self._problems.report("events about stored pods", str(error))
            return
        self._problems.clear("events about stored pods")
        if is_posted:
            self._unposted.pop(about["uid"], None)

    def _count(self, resource: str, *, well: bool = True) -> None:
        WRITES.labels(resource, "ok" if well else "failed").inc()

    def _report_all(self, findings: Sequence[Finding]) -> None:
        phases = [finding.stored.phase for finding in findings]
        for phase in get_args(Phase):
            STORED_PODS.labels(phase).set(phases.count(phase))
        reports = build_reports(findings, self._dry_runs.compute_obstacles())
        if reports != self._reports:
            self._reports = reports
            self.changed.fire()


def _build_path(stored: StoredPod, subresource: str = "") -> str:
    return resources.STORED_PODS.path(stored.name, stored.namespace, subresource)


def _refer(api_version: str, kind: str, stored: StoredPod, uid: str) -> dict[str, str]:
    return {"apiVersion": api_version, "kind": kind, "namespace": stored.namespace, "name": stored.name, "uid": uid}
