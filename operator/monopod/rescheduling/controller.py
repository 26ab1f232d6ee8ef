"""Moves pods that run elsewhere: looks at namespaces, has those evicted whose turn it is, and counts.

    a profile or a namespace changes ──► searched at once; otherwise at each resync
    something to move                ──► looked at every INTERVAL_SECONDS, longer while nothing changes
    no answer from the API server    ──► nothing is looked at for a while; what is known gets too old to evict anything

What is decided rests on objects (see `monopod.rescheduling.rules.turns`), so a new leader goes on where the old one
was. Only the number of pods that workloads of unknown kinds had is remembered.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from monopod.api.reasons import EventType, MoveReason, Reason
from monopod.bare_pods.controller import BareKeeper
from monopod.bare_pods.rules.report import BareReport
from monopod.bare_pods.rules.steps import BarePod
from monopod.eviction.evictor import Mover
from monopod.eviction.rules.order import Candidate, Obstacle
from monopod.kube.client import ApiClient, ApiError, ApiUnreachable
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.controller import WHOLE, After, Controller, Result
from monopod.kube.events import post_event
from monopod.kube.logs import Complaints
from monopod.kube.metrics import RESCHEDULING_SCANS
from monopod.kube.signals import Signal
from monopod.pods.rules.selection import Profile
from monopod.rescheduling.caches import Caches
from monopod.rescheduling.dry_runs import DryRuns
from monopod.rescheduling.precaution import Precaution
from monopod.rescheduling.rules.progress import Kept, Moves, NotListed, build_tally, find_unwritten
from monopod.rescheduling.rules.standing import Place
from monopod.rescheduling.rules.terms import Terms
from monopod.rescheduling.rules.turns import Outlook
from monopod.rescheduling.scanner import Look, Scanner

INTERVAL_SECONDS = 2.0
LONGEST_INTERVAL_SECONDS = 10.0
# What was seen longer ago evicts nothing.
KNOWN_SECONDS = 15.0
# Whether someone has seen to a workload that was stopped.
STOPPED_SECONDS = 15.0
# Looking takes at most a fifth of the time.
REST_PER_LOOK = 4.0
FIRST_RETRY_SECONDS = 2.0
LONGEST_RETRY_SECONDS = 30.0
# One namespace may have a trouble of its own (an object that can't be read); with a second it is the API server's.
FAILURES_OF_THEIR_OWN = 1
# After so many the others don't wait any longer for a namespace that hasn't been seen yet, and the status names it.
FAILURES_BORNE = 3
# Budgets refuse for a moment whenever a replacement has become Ready: they block once they did so a few times.
LASTING_PAUSE_SECONDS = 8.0

logger = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Situation:
    """What the controller of profiles found out about them; mappings by their names.

    Attributes:
        profiles: those that take pods.
        terms: of those that are in force.
        deleting: those that are being deleted.
        reached: the namespaces that each reaches.
        find_rows: the rows that a namespace should carry.
        unwritten: namespaces that can't be written, with the reason: a replacement there would be refused, or wait.
    """

    profiles: tuple[Profile, ...] = ()
    terms: Mapping[str, Terms] = field(default_factory=dict)
    deleting: frozenset[str] = frozenset()
    reached: Mapping[str, Sequence[str]] = field(default_factory=dict)
    find_rows: Callable[[str], str] = field(default=lambda _: "", compare=False)
    unwritten: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Spot:
    """A namespace that profiles with pods to move reach.

    Attributes:
        failures: how many looks have failed since one went well.
    """

    place: Place
    due: float = 0.0
    look: Look | None = None
    interval: float = INTERVAL_SECONDS
    failures: int = 0


def _is_known(spots: Collection[_Spot]) -> bool:
    """Whether enough has been seen: all that can be, and something, if there is anything."""
    seen = [spot for spot in spots if spot.look]
    return all(spot.look or spot.failures >= FAILURES_BORNE for spot in spots) and bool(seen or not spots)


class Rescheduler:
    """Looks at the namespaces of profiles that move pods, again and again.

    Attributes:
        changed: another number of pods waits or has moved than before.
    """

    def __init__(
        self,
        api: ApiClient,
        mirror: Caches,
        mover: Mover,
        bare: BareKeeper,
        protected: frozenset[str],
        resync_seconds: float,
        complaints: Complaints,
        clock: Clock = SYSTEM_CLOCK,
        replacement_timeout: float = 600.0,
    ) -> None:
        self._api = api
        self._mirror = mirror
        self._mover = mover
        self._protected = protected
        self._resync_seconds = resync_seconds
        self._complaints = complaints
        self._clock = clock
        self.changed = Signal()
        self._scanner = Scanner(api, mirror, clock)
        self._dry_runs = DryRuns(api, mirror, clock)
        self._precaution = Precaution(clock, replacement_timeout)
        self._outlooks: tuple[Outlook, ...] = ()
        self._bare = bare
        self._situation = Situation()
        self._spots: dict[str, _Spot] = {}
        self._told: dict[str, Moves] = {}
        self._evicted: deque[tuple[Candidate, str]] = deque()
        self._evicted_at: dict[str, float] = {}
        self._handed: dict[str, str] = {}
        self._started = False
        self._retry_at, self._retry = 0.0, FIRST_RETRY_SECONDS
        self.controller = Controller("rescheduling", self._reconcile, complaints, clock=clock)
        self.controller.enqueue(WHOLE)
        bare.changed.subscribe(lambda: self.controller.enqueue(WHOLE))
        mover.listen(self._note_eviction)

    def restrain(self, living: Iterable[str]) -> None:
        """Before anything of a profile is taken back: from now on no pod moves for any but these."""
        names = set(living)
        if any(profile not in names for profile in self._handed.values()):
            self._situation = replace(
                self._situation, terms={name: each for name, each in self._situation.terms.items() if name in names}
            )
            self._hand_over()

    def take_in(self, situation: Situation) -> None:
        """What has changed is looked at now."""
        if situation == self._situation:
            return
        self._precaution.forget(
            name
            for name, terms in self._situation.terms.items()
            if name not in situation.terms or situation.terms[name].trusted != terms.trusted
        )
        self._situation = situation
        before, self._spots = self._spots, {}
        recent = self._clock.monotonic() - KNOWN_SECONDS
        self._evicted_at = {name: at for name, at in self._evicted_at.items() if at > recent}
        for place in self._build_places():
            known = before.get(place.namespace)
            same = known is not None and known.place == place
            self._spots[place.namespace] = known if known and same else _Spot(place, look=known.look if known else None)
        self._precaution.retain(self._spots.keys())
        self._hand_over()
        self.controller.enqueue(WHOLE)

    def _build_places(self) -> Iterator[Place]:
        """The namespaces that a profile with pods to move reaches."""
        situation = self._situation
        found: dict[str, list[Profile]] = {}
        for profile in situation.profiles:
            for namespace in situation.reached.get(profile.name, ()):
                if namespace in situation.unwritten:
                    continue
                found.setdefault(namespace, []).append(profile)
        for namespace, profiles in found.items():
            terms = {each.name: situation.terms[each.name] for each in profiles if self._moves(each.name)}
            if terms:
                yield Place(namespace, tuple(profiles), terms, situation.deleting, self._protected)

    def _moves(self, profile: str) -> bool:
        terms = self._situation.terms.get(profile)
        return terms is not None and terms.moves

    def _moves_now(self, profile: str) -> bool:
        return self._moves(profile) and not self._situation.terms[profile].paused

    def find_moves(self, profile: str) -> Moves:
        """How far the profile's pods are moved."""
        terms = self._situation.terms.get(profile)
        if terms is None:
            return NotListed()
        if not terms.moves:
            return Kept()
        spots = [spot for spot in self._spots.values() if profile in spot.place.terms]
        if not _is_known(spots):
            return NotListed()
        namespaces = {spot.place.namespace for spot in spots}
        outlooks = [
            each for each in self._outlooks if each.profile == profile and each.workload.namespace in namespaces
        ]
        waiting = [pod for outlook in outlooks for pod in (*outlook.now, *outlook.later)]
        refused = self._mover.find_obstacles(waiting, LASTING_PAUSE_SECONDS)
        report = self._report_bare(profile)
        unseen = [spot.place.namespace for spot in spots if spot.look is None]
        obstacles = [*refused, *report.obstacles, *self._find_unwritten(profile)]
        return build_tally(outlooks, obstacles, report.waiting, paused=terms.paused, unseen=unseen)

    async def _reconcile(self, _: str) -> Result:
        try:
            await self._look_around()
            self._tell()
            await self._announce()
        except (ApiError, ApiUnreachable) as error:
            self._give_pause(str(error))
        except Exception:
            logger.exception("looking for pods to move failed")
            self._give_pause("a failure of the operator's own")
        return After(max(self._find_delay(), 0.05))

    def _find_delay(self) -> float:
        now = self._clock.monotonic()
        due = min((spot.due for spot in self._spots.values()), default=now + self._resync_seconds)
        return max(due, self._retry_at) - now

    def _give_pause(self, trouble: str) -> None:
        """Failures keep all namespaces waiting: it is the API server that is asked less."""
        self._complaints.raise_about("pods to move", trouble)
        self._retry_at = self._clock.monotonic() + self._retry
        self._retry = min(self._retry * 2, LONGEST_RETRY_SECONDS)

    async def _look_around(self) -> None:
        began = self._clock.monotonic()
        if began < self._retry_at:
            return
        due = sorted((spot for spot in self._spots.values() if spot.due <= began), key=lambda spot: spot.due)
        self._scanner.forget()
        failures: list[Exception] = []
        for spot in due:
            try:
                await self._look_at(spot)
            except (ApiError, ApiUnreachable) as error:
                failures.append(error)
                if len(failures) == FAILURES_OF_THEIR_OWN + 1:
                    break
            self.controller.note_progress()
            self._hand_over()
        took = self._clock.monotonic() - began
        for spot in due:
            spot.due = max(spot.due, self._clock.monotonic() + REST_PER_LOOK * took)
        if failures and len(failures) == min(len(due), FAILURES_OF_THEIR_OWN + 1):
            raise failures[0]
        if due:
            self._retry = FIRST_RETRY_SECONDS
            self._complaints.settle("pods to move")

    async def _look_at(self, spot: _Spot) -> None:
        place, before = spot.place, spot.look
        namespace = self._mirror.namespaces.find("", place.namespace)
        spot.due = self._clock.monotonic() + INTERVAL_SECONDS
        if namespace is None or namespace.terminating:
            spot.look = Look(self._clock.monotonic())
            return
        if namespace.rows != self._situation.find_rows(place.namespace):
            return  # a replacement might run by whatever its rows say still
        # A replacement that an operator before this one left behind shows nothing of its move.
        is_known = bool(before.outlooks) if before else any(each.is_open for each in place.terms.values())
        extent = "whole" if is_known else "search"
        try:
            found = is_known or await self._scanner.search(place)
            if found:
                extent = "whole"
                look = await self._scanner.look(place, before, self._find_missing(place), self._find_hindered(place))
                look = await self._dry_runs.restrain(place, look)
            else:
                look = Look(self._clock.monotonic())
        except (ApiError, ApiUnreachable):
            spot.due = self._clock.monotonic() + LONGEST_RETRY_SECONDS if len(self._spots) > 1 else 0.0
            spot.failures += 1
            RESCHEDULING_SCANS.labels(extent, "failed").inc()
            raise
        RESCHEDULING_SCANS.labels(extent, "ok").inc()
        spot.look, spot.failures = look, 0
        self._precaution.observe(place.namespace, look.proven, look.outlooks)
        changed = look.outlooks != (before.outlooks if before else ())
        spot.interval = INTERVAL_SECONDS if changed else min(spot.interval * 1.5, LONGEST_INTERVAL_SECONDS)
        spot.due = self._clock.monotonic() + self._find_interval(spot, look)

    def _find_interval(self, spot: _Spot, look: Look) -> float:
        """After how many seconds the namespace is worth another look."""
        if self._is_lively(look):
            return spot.interval
        obstacles = (obstacle for outlook in look.outlooks for obstacle in outlook.obstacles)
        stopped = any(obstacle.reason is Reason.REPLACEMENT_NOT_SANDBOXED for obstacle in obstacles)
        return min(STOPPED_SECONDS, self._resync_seconds) if stopped else self._resync_seconds

    def _is_lively(self, look: Look) -> bool:
        return any(outlook.is_moving and self._moves_now(outlook.profile) for outlook in look.outlooks)

    def _find_missing(self, place: Place) -> frozenset[str]:
        """The namespace's pods without a controller that don't exist for the moment, unless they are listed."""
        missing = (pod for profile in place.terms for pod in self._report_bare(profile).missing)
        return frozenset(pod for pod in missing if pod.startswith(f"{place.namespace}/"))

    def _find_hindered(self, place: Place) -> frozenset[str]:
        """Pods without a controller that can't be moved, so that others have their turn."""
        obstacles = (obstacle for profile in place.terms for obstacle in self._report_bare(profile).obstacles)
        return frozenset(pod for obstacle in obstacles for pod in obstacle.pods)

    def _find_unwritten(self, profile: str) -> tuple[Obstacle, ...]:
        """The profile's namespaces in which nothing is moved."""
        names = [name for name in self._situation.reached.get(profile, ()) if name in self._situation.unwritten]
        return (find_unwritten(names, self._situation.unwritten[names[0]]),) if names else ()

    def _report_bare(self, profile: str) -> BareReport:
        return self._bare.report(profile)

    def _hand_over(self) -> None:
        """Tells who moves pods which may be moved now."""
        candidates: list[Candidate] = []
        bare: list[BarePod] = []
        bare_uids: set[str] = set()
        handed: dict[str, str] = {}
        seen = [each for spot in self._spots.values() if spot.look for each in spot.look.outlooks]
        tried = [pod for outlook in seen for pod in outlook.now[:1]]
        obstacles = self._mover.find_obstacles(tried, LASTING_PAUSE_SECONDS)
        self._outlooks = self._precaution.restrain(seen, {pod for each in obstacles for pod in each.pods})
        for outlook in self._outlooks:
            if not self._moves_now(outlook.profile):
                continue
            spot = self._spots[outlook.workload.namespace]
            handed |= {pod.uid: outlook.profile for pod in outlook.now}
            if outlook.workload.is_bare:
                bare += self._build_bare_pods(outlook, spot)
                bare_uids |= {pod.uid for pod in (*outlook.now, *outlook.later)}
            elif spot.look and not self._is_spent(spot):
                until = spot.look.at + KNOWN_SECONDS
                candidates += [replace(pod, known_until=until) for pod in outlook.now]
        self._handed = handed
        self._mover.require("rescheduling", candidates)
        self._started = self._started or _is_known(self._spots.values())
        if self._started:
            self._bare.require(bare, bare_uids)

    def _is_spent(self, spot: _Spot) -> bool:
        """Whether a pod was evicted since the look, on whose replacement it depends whether another may go."""
        evicted_at = self._evicted_at.get(spot.place.namespace, 0.0)
        return spot.look is not None and spot.look.is_bounded and spot.look.at <= evicted_at

    def _build_bare_pods(self, outlook: Outlook, spot: _Spot) -> list[BarePod]:
        profile = next(each for each in spot.place.profiles if each.name == outlook.profile)
        manifests = spot.look.manifests if spot.look else {}
        known = (manifests[pod.uid] for pod in outlook.now if pod.uid in manifests)
        return [BarePod(profile.name, profile.runtime_class, manifest) for manifest in known]

    def _tell(self) -> None:
        """Has the profiles looked at if their statuses would differ."""
        told = {name: self.find_moves(name) for name in self._situation.terms}
        if told != self._told:
            self._told = told
            self.changed.fire()

    def _note_eviction(self, pod: Candidate) -> None:
        if pod.namespace in self._spots:
            self._evicted_at[pod.namespace] = self._clock.monotonic()
        if profile := self._handed.get(pod.uid):
            self._evicted.append((pod, profile))
            self.controller.enqueue(WHOLE)

    async def _announce(self) -> None:
        while self._evicted:
            pod, profile = self._evicted[0]
            about = {"apiVersion": "v1", "kind": "Pod", "namespace": pod.namespace, "name": pod.name, "uid": pod.uid}
            message = f"evicted so that its replacement runs by profile {profile}, in a sandbox of its own"
            try:
                await post_event(self._api, about, EventType.NORMAL, MoveReason.RESCHEDULED, message, count=False)
            except ApiError as error:
                # Refused for good: the namespace is being deleted, or its quota of events is full.
                self._complaints.raise_about(f"event of pod {pod}", str(error))
            self._evicted.popleft()
