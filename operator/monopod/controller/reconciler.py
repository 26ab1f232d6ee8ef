"""The one loop that does the work: marked by whatever changed, it makes a whole pass, and never two at a time.

A pass gathers (from the mirror), decides (in the domain) and applies (only differences). Whatever fails is tried
again later; nothing is remembered that a new process would miss.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, assert_never

import structlog

from monopod.admission.policies import build_policies
from monopod.cluster.client import ApiClient, ApiError, ApiUnreachable
from monopod.cluster.mirror import Mirror
from monopod.cluster.policies import fetch_admission
from monopod.controller.base import SETTLING_SECONDS
from monopod.controller.concurrency import gather_some
from monopod.controller.counting import Counter
from monopod.controller.deletion import Deletions
from monopod.controller.eviction import Mover
from monopod.controller.gathering import Gatherer
from monopod.controller.isolation import Isolator
from monopod.controller.logs import Complaints
from monopod.controller.metrics import PASS_SECONDS, PASSES, measure
from monopod.controller.overlapping import Overlaps
from monopod.controller.probing import Prober
from monopod.controller.publishing import Publisher
from monopod.controller.refusals import Refusals
from monopod.controller.reporting import Reporter, format_now
from monopod.controller.rescheduling import Rescheduler
from monopod.controller.settings import Settings
from monopod.domain.conditions import Admission, PoliciesChanged, PoliciesInstalled, PoliciesMissing, PoliciesNotServed
from monopod.domain.status import decide_status

# Changes that come within this time of each other make one pass.
COALESCE_SECONDS = 0.05
# A count of pods may be this old; a busy profile is then written once in this time instead of at each pod.
POD_COUNT_SECONDS = 2.0
# After a pass as much time is left to trials and watches as it took, but not more than this. With a thousand profiles,
# whose trials end one after the other, passes would leave them none.
LONGEST_REST_SECONDS = 1.0
FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 30.0
# Policies have no watch, because they change with the chart only: they are looked at when everything is compared with
# fresh lists, and more often while one is missing, or isn't what it should be.
MISSING_POLICIES_SECONDS = 2.0
CHANGED_POLICIES_SECONDS = 10.0
# A pass that takes longer than this is stuck, and the liveness probe says so.
STALLED_SECONDS = 180.0

logger = structlog.stdlib.get_logger(__name__)


class Reconciler:
    """Brings the cluster to what the profiles say, again and again."""

    def __init__(
        self,
        api: ApiClient,
        mirror: Mirror,
        isolator: Isolator,
        settings: Settings,
        is_leading: Callable[[], bool] = lambda: True,
    ) -> None:
        self._api = api
        self._mirror = mirror
        self._isolator = isolator
        self._complaints = Complaints(logger)
        self._publisher = Publisher(
            api,
            mirror,
            isolator.base,
            isolator.membership,
            settings.namespace,
            settings.protected,
            self._complaints,
            Refusals(settings.longest_retry_seconds),
        )
        self._counter = Counter(
            api, settings.namespace, settings.profile_quota, settings.resync_seconds, self._complaints
        )
        self._reporter = Reporter(api, mirror, self._complaints)
        self._prober = Prober(api, self.mark)
        self.mover = Mover(api, settings.evictions_per_minute, lambda: self.mark(POD_COUNT_SECONDS), is_leading)
        self._deletions = Deletions(api, mirror, self.mover, settings.patience, self._complaints, self.mark)
        self._overlaps = Overlaps(settings.protected, self.mark)
        self.rescheduler = Rescheduler(
            api,
            mirror,
            self.mover,
            settings.protected,
            settings.resync_seconds,
            self._complaints,
            lambda: self.mark(POD_COUNT_SECONDS),
        )
        self._gatherer = Gatherer(
            mirror,
            self._prober,
            self._overlaps,
            isolator.sum_up,
            self.rescheduler.find_moves,
            settings,
            self._complaints,
        )
        policies = build_policies(
            settings.user_name, settings.namespace, recreate_bare_pods=settings.recreate_bare_pods
        )
        self._policies = [document for pair in policies.values() for document in pair]
        self._admission: Admission | None = None
        self._admission_read_at = 0.0
        self._resync_seconds = settings.resync_seconds
        self._due_at: float | None = None
        self._rested_at = 0.0
        self._marked = asyncio.Event()
        self._pass_began: float | None = None
        self.passes = 0

    def mark(self, delay: float = COALESCE_SECONDS) -> None:
        """Asks for a pass within `delay` seconds."""
        due_at = time.monotonic() + delay
        if self._due_at is None or due_at < self._due_at:
            self._due_at = due_at
            self._marked.set()

    @property
    def is_stalled(self) -> bool:
        """Whether a pass hangs."""
        return self._pass_began is not None and time.monotonic() - self._pass_began > STALLED_SECONDS

    async def run(self) -> None:
        """Makes passes until cancelled; trials and evictions end with it."""
        try:
            await self._make_passes()
        finally:
            self._prober.retain(())
            self._overlaps.stop()
            self.mover.stop()

    async def _make_passes(self) -> None:
        retry = FIRST_RETRY_SECONDS
        while True:
            await self._wait_until_due()
            self._pass_began = time.monotonic()
            result = await self._run_pass()
            PASSES.labels(result).inc()
            ended = time.monotonic()
            PASS_SECONDS.observe(ended - self._pass_began)
            self._rested_at = ended + min(ended - self._pass_began, LONGEST_REST_SECONDS)
            self._pass_began = None
            if result == "ok":
                self.passes += 1
                retry = FIRST_RETRY_SECONDS
            else:
                self.mark(retry)
                retry = min(retry * 2, LONGEST_RETRY_SECONDS)

    async def _wait_until_due(self) -> None:
        while self._due_at is None or (left := max(self._due_at, self._rested_at) - time.monotonic()) > 0:
            self._marked.clear()
            try:
                async with asyncio.timeout(None if self._due_at is None else left):
                    await self._marked.wait()
            except TimeoutError:
                continue
        self._due_at = None

    async def _run_pass(self) -> str:
        """One pass; ok, retry (something couldn't be written or read), or failed (a bug: logged, and tried again)."""
        try:
            complete = await self._reconcile()
        except (ApiUnreachable, ApiError) as error:
            self._complaints.raise_about("API server", str(error))
            return "retry"
        except Exception:
            logger.exception("pass failed")
            return "failed"
        self._complaints.settle("API server")
        return "ok" if complete else "retry"

    async def _reconcile(self) -> bool:
        """Gathers, decides, applies; whether all of it went well."""
        # Before any row is published, or a profile could be gone while its pods run on.
        guarded = await self._deletions.guard(self._mirror.profiles.views())
        snapshot = self._gatherer.snapshot()
        self.rescheduler.restrain(profile.name for profile in snapshot.living)
        counted = await self._counter.publish(snapshot.resources)
        publication = await self._publisher.publish(snapshot.allocation.rows)
        if self._isolator.base.is_settling:
            self.mark(SETTLING_SECONDS)
        if publication.retry is not None:
            self.mark(max(COALESCE_SECONDS, publication.retry))
        admission = await self._fetch_admission()
        self._prober.retain([profile.name for profile in snapshot.living])
        self._reporter.retain(list(snapshot.profiles))
        now = format_now()
        stages = self._deletions.find_stages(snapshot.requests, snapshot.pods, publication, now)
        statuses: dict[str, dict[str, Any]] = {}
        for name, resource in snapshot.resources.items():
            facts = self._gatherer.gather(snapshot, name, publication, admission, stages.get(name))
            statuses[name] = decide_status(facts, resource.get("status") or {}, now)
        measure(statuses, publication.reached, self._mirror)
        self._isolator.measure()
        written = await gather_some(
            self._reporter.report_status(snapshot.resources[name], status) for name, status in statuses.items()
        )
        recorded = [name for name, well in zip(statuses, written, strict=True) if well]
        self.rescheduler.take_in(self._gatherer.find_situation(snapshot, statuses, publication))
        advanced = await self._deletions.advance(snapshot.requests, stages, recorded)
        announced = await self._reporter.report_unsupported(snapshot.pods)
        return publication.complete and guarded and counted and advanced and announced and len(recorded) == len(written)

    async def _fetch_admission(self) -> Admission:
        age = time.monotonic() - self._admission_read_at
        if self._admission is None or age >= self._find_patience(self._admission):
            self._admission = await fetch_admission(self._api, self._policies)
            self._admission_read_at = time.monotonic()
        if not isinstance(self._admission, PoliciesInstalled):
            self.mark(self._find_patience(self._admission))
        return self._admission

    def _find_patience(self, admission: Admission) -> float:
        match admission:
            case PoliciesInstalled():
                return self._resync_seconds
            case PoliciesChanged():
                return min(CHANGED_POLICIES_SECONDS, self._resync_seconds)
            case PoliciesMissing() | PoliciesNotServed():
                return MISSING_POLICIES_SECONDS
            case never:
                assert_never(never)
