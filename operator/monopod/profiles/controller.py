"""The controller of profiles: whatever changed, it reconciles all of them, and never twice at a time.

It gathers (from the caches), decides (by rules) and applies (only differences). Whatever fails is tried again
later; nothing is remembered that a new process would miss.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, assert_never

import structlog

from monopod.deletion.controller import Deletions
from monopod.deletion.rules.ending import describe_ending
from monopod.eviction.evictor import Evictor
from monopod.isolation.controller import Isolator
from monopod.kube.client.api import Api
from monopod.kube.clock import SYSTEM_CLOCK, Clock, format_now
from monopod.kube.concurrency import gather_some
from monopod.kube.controller import DONE, WHOLE, Controller, Incomplete, Result
from monopod.kube.event_recorder import EventRecorder
from monopod.kube.logs import ProblemLog
from monopod.kube.refusals import Refusals
from monopod.patching.controller import Patcher
from monopod.profiles.caches import Caches
from monopod.profiles.contributor import Contributor
from monopod.profiles.dry_runs import Plan, ProfileDryRuns
from monopod.profiles.gather import Gatherer
from monopod.profiles.measure import measure
from monopod.profiles.options import ProfileOptions
from monopod.profiles.overlaps import Overlaps
from monopod.profiles.publisher import Publisher
from monopod.profiles.quota_publisher import QuotaPublisher
from monopod.profiles.reporter import Reporter
from monopod.profiles.rules.conditions import (
    Admission,
    PoliciesChanged,
    PoliciesInstalled,
    PoliciesMissing,
    PoliciesNotServed,
)
from monopod.profiles.rules.status import decide_ending, decide_status
from monopod.rescheduling.controller import Rescheduler
from monopod.selectors.compile import STALE_SECONDS

# Changes that come within this time of each other make one reconcile.
COALESCE_SECONDS = 0.05
# A count of pods may be this old; a busy profile is then written once in this time instead of at each pod.
POD_COUNT_SECONDS = 2.0
# After a reconcile as much time is left to dry runs and watches as it took, but not more than this. With a thousand
# profiles, whose dry runs end one after the other, nothing would be left to them.
LONGEST_REST_SECONDS = 1.0
# After how long events that couldn't be posted are tried again; nothing else waits for them.
UNTOLD_SECONDS = 10.0
# Statuses that are decided before other tasks run.
DECIDED_AT_ONCE = 50
# Policies have no watch, because they change with the chart only: they are read when everything is compared with
# fresh lists, and more often while one is missing, or isn't what it should be.
MISSING_POLICIES_SECONDS = 2.0
CHANGED_POLICIES_SECONDS = 10.0

logger = structlog.stdlib.get_logger(__name__)


class Reconciler:
    """Brings the cluster to what the profiles say, again and again."""

    def __init__(
        self,
        api: Api,
        caches: Caches,
        isolator: Isolator,
        options: ProfileOptions,
        read_admission: Callable[[], Awaitable[Admission]],
        evictor: Evictor,
        rescheduler: Rescheduler,
        patcher: Patcher,
        contributors: Sequence[Contributor],
        recorder: EventRecorder,
        problems: ProblemLog,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._caches = caches
        self._isolator = isolator
        self._problems = problems
        self._clock = clock
        self.controller = Controller(
            "profiles", self._reconcile, problems, rest=lambda took: min(took, LONGEST_REST_SECONDS), clock=clock
        )
        isolator.places_changed.subscribe(self.enqueue)
        for counted in (isolator.sums_changed, evictor.answered, rescheduler.changed, patcher.changed):
            counted.subscribe(self._enqueue_count)
        self._publisher = Publisher(
            api,
            caches,
            isolator.base,
            isolator.membership,
            options.namespace,
            options.protected,
            recorder,
            self._problems,
            Refusals(options.longest_retry_seconds, clock.monotonic),
        )
        self._quota_publisher = QuotaPublisher(
            api, options.namespace, options.profile_quota, options.resync_seconds, problems, clock
        )
        self._reporter = Reporter(api, caches, recorder, self._problems)
        self._dry_runs = ProfileDryRuns(api, self.enqueue, problems, clock)
        self._deletions = Deletions(
            api, caches, evictor, options.deletion_deadline, self._problems, self.enqueue, clock
        )
        self._overlaps = Overlaps(options.protected, self.enqueue, problems, clock)
        self._rescheduler = rescheduler
        self._patcher = patcher
        self._contributors = contributors
        self._gatherer = Gatherer(
            caches,
            self._dry_runs.outcome,
            self._overlaps,
            options,
            self._problems,
        )
        self._read_admission = read_admission
        self._admission: Admission | None = None
        self._admission_read_at = 0.0
        self._resync_seconds = options.resync_seconds
        self.controllers = (
            self.controller,
            self._dry_runs.controller,
            self._overlaps.controller,
            self._deletions.controller,
        )

    def enqueue(self, delay: float = COALESCE_SECONDS) -> None:
        """Has the profiles reconciled within `delay` seconds."""
        self.controller.enqueue_after(WHOLE, delay)

    def _enqueue_count(self) -> None:
        self.enqueue(POD_COUNT_SECONDS)

    async def _reconcile(self, _: str) -> Result:
        """Gathers, decides, applies."""
        # Before any compiled selector is published, or a profile could be gone while its pods run on.
        guarded = await self._deletions.ensure_finalizers(self._caches.profiles.views())
        snapshot = self._gatherer.snapshot()
        for mover in (self._rescheduler, self._patcher):
            mover.limit(profile.name for profile in snapshot.living)
        counted = await self._quota_publisher.publish(snapshot.resources)
        publication = await self._publisher.publish(snapshot.allocation.compiled)
        if self._isolator.base.is_settling:
            self.enqueue(STALE_SECONDS)
        if publication.retry is not None:
            self.enqueue(max(COALESCE_SECONDS, publication.retry))
        admission = await self._fetch_admission()
        self._reporter.retain(snapshot.profiles)
        now = format_now()
        deletion = self._deletions.gather(snapshot.requests, snapshot.pods, publication, now)
        statuses: dict[str, dict[str, Any]] = {}
        plans: dict[str, Plan] = {}
        contributed = [each.contribute(snapshot.statuses, now) for each in self._contributors]
        for number, (name, status) in enumerate(snapshot.statuses.items()):
            if number % DECIDED_AT_ONCE == 0:
                await asyncio.sleep(0)  # a thousand profiles must not keep the Lease from being renewed
            subject = snapshot.describe(name)
            if stage := deletion.stages.get(name):
                statuses[name] = decide_ending(subject, describe_ending(stage, status), status, now)
                continue
            own, plan = self._gatherer.gather(snapshot, name, publication, admission)
            contributions = (*own, *(each[name] for each in contributed))
            statuses[name] = decide_status(subject, contributions, status, now)
            if plan:
                plans[name] = plan
        self._dry_runs.update(plans)
        self._overlaps.update(snapshot.living)
        measure(statuses, publication.reached, self._caches)
        self._isolator.measure()
        written = await gather_some(
            self._reporter.report_status(snapshot.resources[name], status) for name, status in statuses.items()
        )
        recorded = frozenset(name for name, well in zip(statuses, written, strict=True) if well)
        self._rescheduler.update(self._gatherer.build_rescheduling_input(snapshot, statuses, publication))
        self._patcher.update(self._gatherer.build_patching_input(snapshot, statuses, publication))
        self._deletions.update(replace(deletion, recorded=recorded), now)
        if not await self._reporter.report_unsupported(snapshot.pods):
            self.enqueue(UNTOLD_SECONDS)
        if not (publication.complete and guarded and counted and all(written)):
            raise Incomplete
        return DONE

    async def _fetch_admission(self) -> Admission:
        age = self._clock.monotonic() - self._admission_read_at
        if self._admission is None or age >= self._compute_refresh_seconds(self._admission):
            self._admission = await self._read_admission()
            self._admission_read_at = self._clock.monotonic()
        if not isinstance(self._admission, PoliciesInstalled):
            self.enqueue(self._compute_refresh_seconds(self._admission))
        return self._admission

    def _compute_refresh_seconds(self, admission: Admission) -> float:
        match admission:
            case PoliciesInstalled():
                return self._resync_seconds
            case PoliciesChanged():
                return min(CHANGED_POLICIES_SECONDS, self._resync_seconds)
            case PoliciesMissing() | PoliciesNotServed():
                return MISSING_POLICIES_SECONDS
            case never:
                assert_never(never)
