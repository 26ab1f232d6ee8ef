"""Moves pods that run elsewhere: scans namespaces, has those evicted that are next in line, and counts.

    a profile or a namespace changes ──► searched at once; otherwise at each resync
    something to move                ──► scanned every INTERVAL_SECONDS, longer while nothing changes
    no answer from the API server    ──► nothing is scanned for a while; what is known gets too old to evict anything

What is decided rests on objects (see `monopod.rescheduling.rules.plans`), so a new leader goes on where the old one
was. Only the number of pods that workloads of unknown kinds had is remembered.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from monopod.api.reasons import MoveReason, Reason
from monopod.bare_pods.controller import BareKeeper
from monopod.bare_pods.rules.report import BareReport
from monopod.bare_pods.rules.steps import BarePod
from monopod.eviction.events import EvictionEvents
from monopod.eviction.evictor import Evictor
from monopod.eviction.rules.order import Candidate, Obstacle
from monopod.kube.client.api import Api, ApiError, ApiUnreachable
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.controller import WHOLE, After, Backoff, Controller, Result
from monopod.kube.event_recorder import EventRecorder
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import RESCHEDULING_SCANS
from monopod.kube.signals import Signal
from monopod.pods.rules.selection import Profile
from monopod.rescheduling.caches import Caches
from monopod.rescheduling.dry_runs import DryRuns
from monopod.rescheduling.options import ReschedulingOptions
from monopod.rescheduling.precaution import Precaution
from monopod.rescheduling.rules.plans import WorkloadPlan
from monopod.rescheduling.rules.pod_verdict import NamespaceContext
from monopod.rescheduling.rules.progress import Kept, Moves, NotListed, build_tally, compute_unwritten
from monopod.rescheduling.rules.settings import ReschedulingSettings
from monopod.rescheduling.scanner import NamespaceScan, Scanner

INTERVAL_SECONDS = 2.0
LONGEST_INTERVAL_SECONDS = 10.0
# What was seen longer ago evicts nothing.
KNOWN_SECONDS = 15.0
# How often to check whether someone has fixed a workload that was stopped.
STOPPED_SECONDS = 15.0
# Scanning takes at most a fifth of the time.
REST_PER_SCAN = 4.0
FIRST_RETRY_SECONDS = 2.0
LONGEST_RETRY_SECONDS = 30.0
# One namespace may have a trouble of its own (an object that can't be read); with a second it is the API server's.
FAILURES_OF_THEIR_OWN = 1
# After that many the others don't wait any longer for a namespace that hasn't been scanned yet; the status names it.
FAILURES_BORNE = 3
# Budgets refuse for a moment whenever a replacement has become Ready: they block once they did so a few times.
LASTING_PAUSE_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class ReschedulingInput:
    """What the controller of profiles found out about them; mappings by their names.

    Attributes:
        profiles: those that take pods.
        settings: of those that are enforced.
        deleting: those that are being deleted.
        reached: the namespaces that each reaches.
        get_selectors: the compiled selectors that a namespace should carry.
        unwritten: namespaces that can't be written, with the reason: a replacement there would be refused, or wait.
    """

    profiles: tuple[Profile, ...] = ()
    settings: Mapping[str, ReschedulingSettings] = field(default_factory=dict)
    deleting: frozenset[str] = frozenset()
    reached: Mapping[str, Sequence[str]] = field(default_factory=dict)
    get_selectors: Callable[[str], str] = field(default=lambda _: "", compare=False)
    unwritten: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _NamespaceState:
    """A namespace that profiles with pods to move reach.

    Attributes:
        failures: how many scans have failed since one succeeded.
    """

    context: NamespaceContext
    due: float = 0.0
    scan: NamespaceScan | None = None
    interval: float = INTERVAL_SECONDS
    failures: int = 0


def _is_known(states: Collection[_NamespaceState]) -> bool:
    """Whether enough has been seen: all that can be, and something, if there is anything."""
    seen = [state for state in states if state.scan]
    return all(state.scan or state.failures >= FAILURES_BORNE for state in states) and bool(seen or not states)


class Rescheduler:
    """Scans the namespaces of profiles that move pods, again and again.

    Attributes:
        changed: another number of pods waits or has moved than before.
    """

    def __init__(
        self,
        api: Api,
        caches: Caches,
        evictor: Evictor,
        bare: BareKeeper,
        options: ReschedulingOptions,
        recorder: EventRecorder,
        problems: ProblemLog,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._caches = caches
        self._evictor = evictor
        self._protected = options.protected
        self._resync_seconds = options.resync_seconds
        self._clock = clock
        self.changed = Signal()
        self._scanner = Scanner(api, caches, clock)
        self._dry_runs = DryRuns(api, caches, clock)
        self._precaution = Precaution(clock, options.replacement_timeout_seconds)
        self._plans: tuple[WorkloadPlan, ...] = ()
        self._bare = bare
        self._given = ReschedulingInput()
        self._states: dict[str, _NamespaceState] = {}
        self._told: dict[str, Moves] = {}
        self._evictions = EvictionEvents(recorder, MoveReason.RESCHEDULED, _describe_eviction)
        self._evicted_at: dict[str, float] = {}
        self._handed: dict[str, str] = {}
        self._started = False
        # Failures keep all namespaces waiting: it is the API server that is asked less.
        backoff = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS, is_firm=True)
        self.controller = Controller("rescheduling", self._reconcile, problems, backoff=backoff, clock=clock)
        self.controller.enqueue(WHOLE)
        bare.changed.subscribe(lambda: self.controller.enqueue(WHOLE))
        evictor.listen(self._note_eviction)

    def limit(self, living: Iterable[str]) -> None:
        """Before anything of a profile is taken back: from now on no pod moves for any but these."""
        names = set(living)
        gone = self._given.settings.keys() - names
        if not gone:
            return
        # Also where nothing is handed over yet: a scan that is under way ends later.
        self._precaution.forget(gone)
        settings = {name: each for name, each in self._given.settings.items() if name in names}
        self._given = replace(self._given, settings=settings)
        self._hand_over()

    def update(self, given: ReschedulingInput) -> None:
        """What has changed is scanned now."""
        if given == self._given:
            return
        self._precaution.forget(
            name
            for name, settings in self._given.settings.items()
            if name not in given.settings or given.settings[name].trusted != settings.trusted
        )
        self._given = given
        before, self._states = self._states, {}
        recent = self._clock.monotonic() - KNOWN_SECONDS
        self._evicted_at = {name: at for name, at in self._evicted_at.items() if at > recent}
        for context in self._build_contexts():
            known = before.get(context.namespace)
            same = known is not None and known.context == context
            self._states[context.namespace] = (
                known if known and same else _NamespaceState(context, scan=known.scan if known else None)
            )
        self._precaution.retain(self._states.keys())
        self._hand_over()
        self.controller.enqueue(WHOLE)

    def _build_contexts(self) -> Iterator[NamespaceContext]:
        """The namespaces that a profile with pods to move reaches."""
        given = self._given
        found: dict[str, list[Profile]] = {}
        for profile in given.profiles:
            for namespace in given.reached.get(profile.name, ()):
                if namespace in given.unwritten:
                    continue
                found.setdefault(namespace, []).append(profile)
        for namespace, profiles in found.items():
            settings = {each.name: given.settings[each.name] for each in profiles if self._moves(each.name)}
            if settings:
                yield NamespaceContext(namespace, tuple(profiles), settings, given.deleting, self._protected)

    def _moves(self, profile: str) -> bool:
        settings = self._given.settings.get(profile)
        return settings is not None and settings.moves

    def _moves_now(self, profile: str) -> bool:
        return self._moves(profile) and not self._given.settings[profile].paused

    def compute_moves(self, profile: str) -> Moves:
        """How far the profile's pods are moved."""
        settings = self._given.settings.get(profile)
        if settings is None:
            return NotListed()
        if not settings.moves:
            return Kept()
        reached = (self._states.get(name) for name in self._given.reached.get(profile, ()))
        states = [state for state in reached if state and profile in state.context.settings]
        if not _is_known(states):
            return NotListed()
        namespaces = {state.context.namespace for state in states}
        plans = [each for each in self._plans if each.profile == profile and each.workload.namespace in namespaces]
        waiting = [pod for plan in plans for pod in (*plan.now, *plan.later)]
        refused = self._evictor.compute_obstacles(waiting, LASTING_PAUSE_SECONDS)
        report = self._report_bare(profile)
        unseen = [state.context.namespace for state in states if state.scan is None]
        obstacles = [*refused, *report.obstacles, *self._compute_unwritten(profile)]
        return build_tally(plans, obstacles, report.waiting, paused=settings.paused, unseen=unseen)

    async def _reconcile(self, _: str) -> Result:
        await self._scan_due()
        self._tell()
        await self._evictions.record()
        return After(max(self._compute_delay(), 0.05))

    def _compute_delay(self) -> float:
        now = self._clock.monotonic()
        due = min((state.due for state in self._states.values()), default=now + self._resync_seconds)
        return due - now

    async def _scan_due(self) -> None:
        began = self._clock.monotonic()
        due = sorted((state for state in self._states.values() if state.due <= began), key=lambda state: state.due)
        self._scanner.forget()
        failures: list[Exception] = []
        for state in due:
            try:
                await self._scan_namespace(state)
            except (ApiError, ApiUnreachable) as error:
                failures.append(error)
                if len(failures) == FAILURES_OF_THEIR_OWN + 1:
                    break
            self.controller.note_progress()
            self._hand_over()
        took = self._clock.monotonic() - began
        for state in due:
            state.due = max(state.due, self._clock.monotonic() + REST_PER_SCAN * took)
        if failures and len(failures) == min(len(due), FAILURES_OF_THEIR_OWN + 1):
            raise failures[0]

    async def _scan_namespace(self, state: _NamespaceState) -> None:
        context, before = state.context, state.scan
        namespace = self._caches.namespaces.find("", context.namespace)
        state.due = self._clock.monotonic() + INTERVAL_SECONDS
        if namespace is None or namespace.terminating:
            state.scan = NamespaceScan(self._clock.monotonic())
            return
        if namespace.compiled != self._given.get_selectors(context.namespace):
            return  # a replacement might run by whatever its compiled selectors say still
        # A replacement that an operator before this one left behind shows nothing of its move.
        is_known = bool(before.plans) if before else any(each.is_open for each in context.settings.values())
        extent = "whole" if is_known else "search"
        try:
            found = is_known or await self._scanner.search(context)
            if found:
                extent = "whole"
                scan = await self._scanner.scan(
                    context, before, self._find_missing(context), self._compute_blocked(context)
                )
                scan = await self._dry_runs.limit(context, scan)
            else:
                scan = NamespaceScan(self._clock.monotonic())
        except (ApiError, ApiUnreachable):
            state.due = self._clock.monotonic() + LONGEST_RETRY_SECONDS if len(self._states) > 1 else 0.0
            state.failures += 1
            RESCHEDULING_SCANS.labels(extent, "failed").inc()
            raise
        RESCHEDULING_SCANS.labels(extent, "ok").inc()
        state.scan, state.failures = scan, 0
        self._precaution.observe(context.namespace, scan.proven, scan.plans)
        changed = scan.plans != (before.plans if before else ())
        state.interval = INTERVAL_SECONDS if changed else min(state.interval * 1.5, LONGEST_INTERVAL_SECONDS)
        state.due = self._clock.monotonic() + self._compute_interval(state, scan)

    def _compute_interval(self, state: _NamespaceState, scan: NamespaceScan) -> float:
        """After how many seconds the namespace is worth another look."""
        if self._is_lively(scan):
            return state.interval
        obstacles = (obstacle for plan in scan.plans for obstacle in plan.obstacles)
        stopped = any(obstacle.reason is Reason.REPLACEMENT_NOT_SANDBOXED for obstacle in obstacles)
        return min(STOPPED_SECONDS, self._resync_seconds) if stopped else self._resync_seconds

    def _is_lively(self, scan: NamespaceScan) -> bool:
        return any(plan.is_moving and self._moves_now(plan.profile) for plan in scan.plans)

    def _find_missing(self, context: NamespaceContext) -> frozenset[str]:
        """The namespace's pods without a controller that don't exist for the moment, unless they are listed."""
        missing = (pod for profile in context.settings for pod in self._report_bare(profile).missing)
        return frozenset(pod for pod in missing if pod.startswith(f"{context.namespace}/"))

    def _compute_blocked(self, context: NamespaceContext) -> frozenset[str]:
        """Pods without a controller that can't be moved, so that others are next in line."""
        obstacles = (obstacle for profile in context.settings for obstacle in self._report_bare(profile).obstacles)
        return frozenset(pod for obstacle in obstacles for pod in obstacle.pods)

    def _compute_unwritten(self, profile: str) -> tuple[Obstacle, ...]:
        """The profile's namespaces in which nothing is moved."""
        names = [name for name in self._given.reached.get(profile, ()) if name in self._given.unwritten]
        return (compute_unwritten(names, self._given.unwritten[names[0]]),) if names else ()

    def _report_bare(self, profile: str) -> BareReport:
        return self._bare.report(profile)

    def _hand_over(self) -> None:
        """Tells who moves pods which may be moved now."""
        candidates: list[Candidate] = []
        bare: list[BarePod] = []
        bare_uids: set[str] = set()
        handed: dict[str, str] = {}
        seen = [each for state in self._states.values() if state.scan for each in state.scan.plans]
        tried = [pod for plan in seen for pod in plan.now[:1]]
        obstacles = self._evictor.compute_obstacles(tried, LASTING_PAUSE_SECONDS)
        self._plans = self._precaution.limit(seen, {pod for each in obstacles for pod in each.pods})
        for plan in self._plans:
            if not self._moves_now(plan.profile):
                continue
            state = self._states[plan.workload.namespace]
            handed |= {pod.uid: plan.profile for pod in plan.now}
            if plan.workload.is_bare:
                bare += self._build_bare_pods(plan, state)
                bare_uids |= {pod.uid for pod in (*plan.now, *plan.later)}
            elif state.scan and not self._is_spent(state):
                until = state.scan.at + KNOWN_SECONDS
                candidates += [replace(pod, known_until=until) for pod in plan.now]
        self._handed = handed
        self._evictor.update("rescheduling", candidates)
        self._started = self._started or _is_known(self._states.values())
        if self._started:
            self._bare.update(bare, bare_uids)

    def _is_spent(self, state: _NamespaceState) -> bool:
        """Whether a pod was evicted since the look, on whose replacement it depends whether another may go."""
        evicted_at = self._evicted_at.get(state.context.namespace, 0.0)
        return state.scan is not None and state.scan.is_bounded and state.scan.at <= evicted_at

    def _build_bare_pods(self, plan: WorkloadPlan, state: _NamespaceState) -> list[BarePod]:
        profile = next(each for each in state.context.profiles if each.name == plan.profile)
        manifests = state.scan.manifests if state.scan else {}
        known = (manifests[pod.uid] for pod in plan.now if pod.uid in manifests)
        return [BarePod(profile.name, profile.runtime_class, manifest) for manifest in known]

    def _tell(self) -> None:
        """Enqueues the profiles if their statuses would differ."""
        told = {name: self.compute_moves(name) for name in self._given.settings}
        if told != self._told:
            self._told = told
            self.changed.fire()

    def _note_eviction(self, pod: Candidate) -> None:
        if pod.namespace in self._states:
            self._evicted_at[pod.namespace] = self._clock.monotonic()
        if profile := self._handed.get(pod.uid):
            self._evictions.note_eviction(pod, profile)
            self.controller.enqueue(WHOLE)


def _describe_eviction(profile: str) -> str:
    return f"evicted so that its replacement runs by profile {profile}, in a sandbox of its own"
