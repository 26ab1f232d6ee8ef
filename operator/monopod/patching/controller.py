"""Replaces sandboxes that are out of date: looks at pods, has those evicted whose turn it is, and remembers refusals.

    a RuntimeClass is patched, a pod grows too old, a node is about to go
        └──► Noticed ──the wait is over──► Waiting ◄──window──► Evicting ──none is left──► Done
                                                                  └── all were refused, their time is past ──► Overdue

What is decided rests on objects: the RuntimeClass's date, the pods, and the profile's status, where it says when the
patch was noticed and which pods were refused. What isn't on record there hasn't begun: before the notice is, nothing is
evicted, and before a termination is, it isn't announced. So a new leader goes on where the old one was.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from monopod.bare_pods.controller import BareKeeper
from monopod.bare_pods.rules.steps import BarePod
from monopod.eviction.evictor import Evictor
from monopod.eviction.rules.order import Candidate, Obstacle
from monopod.kube.client.api import Api, ApiError, ApiUnreachable
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.controller import WHOLE, After, Backoff, Controller, Result
from monopod.kube.logs import ProblemLog
from monopod.kube.objects.conditions import Contribution
from monopod.kube.objects.fields import InvalidManifest
from monopod.kube.signals import Signal
from monopod.patching.announcer import Announcer
from monopod.patching.caches import Caches
from monopod.patching.gather import PatchingGatherer
from monopod.patching.history import History
from monopod.patching.replacements import PatchDryRuns
from monopod.patching.rules.dates import PatchDates
from monopod.patching.rules.input import PatchingInput
from monopod.patching.rules.report import Facts, contribute_patching, describe_refusal, list_due
from monopod.patching.rules.rounds import DONE, Done, Evicting, Noticed, Overdue, Round, Waiting, compute_round
from monopod.patching.rules.scan import PodState, ProfileScan
from monopod.patching.rules.settings import Memory, PatchingSettings
from monopod.patching.rules.staleness import Cause, StalePod
from monopod.patching.rules.turns import (
    NO_TURNS,
    Evidence,
    Turns,
    compute_turns,
    describe_late,
    describe_overtaken,
    describe_unanswered,
    find_short,
    follow_evictions,
    is_proven,
    list_under_way,
    select_settled,
)

INTERVAL_SECONDS: Final = 3.0
LONGEST_INTERVAL_SECONDS: Final = 10.0
RESYNC_SECONDS: Final = 60.0
# Looking takes at most a fifth of the time.
REST_PER_LOOK: Final = 4.0
# What was seen longer ago evicts nothing.
KNOWN_SECONDS: Final = 20.0
# Where dry runs took so long, as they do where a webhook is slow, pods are looked at again before any goes.
OLD_SECONDS: Final = KNOWN_SECONDS / 4
# Budgets refuse for a moment whenever a replacement has become Ready: they block once they did so a few times.
LASTING_PAUSE_SECONDS: Final = 8.0
RETRY_SECONDS: Final = 10.0


@dataclass(slots=True)
class _State:
    """A profile whose sandboxes may be out of date.

    Attributes:
        turns: whose turn it is, as decided by the last look.
    """

    settings: PatchingSettings
    dates: PatchDates
    due: float = 0.0
    interval: float = INTERVAL_SECONDS
    scan: ProfileScan | None = None
    round: Round = DONE
    turns: Turns = NO_TURNS
    facts: Facts | None = None


class Patcher:
    """Looks at the pods of profiles, again and again.

    Attributes:
        changed: what is to be said of a profile is another than before.
        history: what is remembered from one look to the next.
    """

    def __init__(
        self,
        api: Api,
        caches: Caches,
        evictor: Evictor,
        bare: BareKeeper,
        announcer: Announcer,
        problems: ProblemLog,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._caches = caches
        self._evictor = evictor
        self._bare = bare
        self._problems = problems
        self._clock = clock
        self.changed = Signal()
        self._gatherer = PatchingGatherer(api, caches, clock)
        self._dry_runs = PatchDryRuns(api, caches, clock)
        self._announcer = announcer
        self._given: PatchingInput | None = None
        self._states: dict[str, _State] = {}
        self._told: dict[str, Facts | None] = {}
        self.history = History(clock)
        self._handed: dict[str, str] = {}
        self._has_looked = False
        backoff = Backoff(first=2.0, longest=30.0, is_firm=True)
        self.controller = Controller("patching", self._reconcile, problems, backoff=backoff, clock=clock)
        evictor.listen(self._note_eviction)
        evictor.listen_for_doubt(self._note_doubt)

    def limit(self, living: Iterable[str]) -> None:
        """Before anything of a profile is taken back: from now on no pod is evicted for any but these."""
        names = set(living)
        self._states = {name: state for name, state in self._states.items() if name in names}
        if any(profile not in names for profile in self._handed.values()):
            self._hand_over()

    def update(self, given: PatchingInput) -> None:
        """What has changed is looked at now."""
        before, changed, self._given, self._states = self._states, False, given, {}
        dates = PatchDates.from_views(self._caches.runtime_classes.views())
        for name, settings in given.settings.items():
            state = before.get(name)
            if state and (state.settings, state.dates) == (settings, dates):
                self._states[name] = state
                continue
            changed = True
            # What was decided on the same terms goes on until the next look, which is now.
            is_same = state and (state.dates, _forget(state.settings)) == (dates, _forget(settings))
            turns, current = (state.turns, state.round) if state and is_same else (NO_TURNS, DONE)
            scan, facts = (state.scan, state.facts) if state else (None, None)
            self._states[name] = _State(settings, dates, 0.0, INTERVAL_SECONDS, scan, current, turns, facts)
        self._announcer.retain(given.settings)
        # Without a look, though it be at nothing, no one knows which stored pods aren't wanted any more.
        if changed or before.keys() != self._states.keys() or not self._has_looked:
            self._hand_over()
            self.controller.enqueue(WHOLE)

    async def _reconcile(self, _: str) -> Result:
        began = self._clock.monotonic()
        failures: list[Exception] = []
        for state in sorted(self._states.values(), key=lambda state: state.due):
            if state.due > began:
                break
            try:
                await self._look(state)
            except (ApiError, ApiUnreachable, InvalidManifest) as error:
                failures.append(error)
                state.due = self._clock.monotonic() + RETRY_SECONDS
                if len(failures) > 1:
                    break  # it is the API server's trouble, and no profile's
            self.controller.note_progress()
            await asyncio.sleep(0)
        self._has_looked = self._given is not None
        self.history.retain({name: state.scan for name, state in self._states.items()})
        self._gatherer.retain(self._states)
        self._hand_over()
        self._tell()
        if await self._announcer.announce([state.settings for state in self._states.values()]):
            self._refresh_announced()
            self._tell()
        if len(failures) > 1:
            raise failures[0]
        self._report_failure(failures)
        due = min((state.due for state in self._states.values()), default=None)
        return After(RESYNC_SECONDS if due is None else max(due - self._clock.monotonic(), 0.05))

    def _report_failure(self, failures: list[Exception]) -> None:
        if failures:
            self._problems.report("patching of a profile", str(failures[0]))
        else:
            self._problems.clear("patching of a profile")

    async def _look(self, state: _State) -> None:
        """Looks at a profile's pods, decides, and tries what is to go."""
        before, began = (state.round, state.turns, state.facts), self._clock.monotonic()
        await self._decide(state)
        scan, tried_at = state.scan or ProfileScan(), self._clock.monotonic()
        wanted = (pod.workload for pod in state.turns.now if not _is_bare(pod, scan))
        await self._dry_runs.update(wanted, scan, state.settings)
        tried_for = self._clock.monotonic() - tried_at
        if tried_for > OLD_SECONDS:
            await self._decide(state)
        else:
            evicted = self.history.get_evicted(state.settings.profile)
            state.turns = self._follow_evictions(state.turns, state.scan, evicted)
        self._hand_over()
        is_same = (state.round, state.turns, state.facts) == before
        state.interval = min(state.interval * 1.5, LONGEST_INTERVAL_SECONDS) if is_same else INTERVAL_SECONDS
        now = self._clock.monotonic()
        state.due = now + max(self._compute_pause(state), REST_PER_LOOK * (now - began - tried_for))

    async def _decide(self, state: _State) -> None:
        """What is so now, and whose turn it is."""
        settings = state.settings
        self.history.begin_look(settings.profile)
        scan = await self._gatherer.gather(settings, state.dates)
        self.history.observe(scan)
        answers = self._evictor.find_refused([pod.candidate for pod in scan.pods], LASTING_PAUSE_SECONDS)
        words = {uid: describe_refusal(refusal) for uid, refusal in answers.items()}
        tried = {*settings.memory.terminations, *words}
        unanswered = self.history.list_unanswered(scan, settings.profile, tried)
        evidence = Evidence(self.history.expected, self._bare.report(settings.profile).missing, unanswered=unanswered)
        refused = select_settled(words, scan, evidence, self._find_long_refused(scan, words))
        is_overtaken = self._is_overtaken(settings.profile, scan)
        late = (*self._find_late(scan, settings, evidence), *(describe_overtaken(scan) if is_overtaken else ()))
        obstacles = (*late, *describe_unanswered(unanswered, scan), *self._dry_runs.list_obstacles(scan))
        current = self._compute_round(settings, scan, refused, obstacles)
        turns = self._decide_turns(state, current, scan, replace(evidence, refused=tried, is_overtaken=is_overtaken))
        turns = self._follow_evictions(turns, scan, self.history.get_evicted(settings.profile))
        state.scan, state.round, state.turns = scan, current, turns
        state.facts = self._build_facts(state, scan, refused, obstacles)

    def _find_late(self, scan: ProfileScan, settings: PatchingSettings, evidence: Evidence) -> tuple[Obstacle, ...]:
        """What keeps pods of workloads that have lacked Ready pods for too long."""
        short = find_short(scan, settings, evidence)
        return describe_late(short, self.history.select_lasting("short", scan.workloads, short), scan)

    def _find_long_refused(self, scan: ProfileScan, words: Mapping[str, str]) -> set[str]:
        """The uids of workloads with pods that have been refused for long."""
        late = self.history.select_lasting("refused", (pod.uid for pod in scan.pods), words)
        return {pod.workload for pod in scan.pods if pod.uid in late}

    def _is_overtaken(self, profile: str, scan: ProfileScan) -> bool:
        """Whether the first pod of others doesn't wait any more for pods that don't come up."""
        is_doubtful = not is_proven(scan, has_patch=any(pod.cause is Cause.PATCH for pod in scan.stale))
        return self.history.is_overtaken(profile, is_doubtful=is_doubtful, is_under_way=bool(list_under_way(scan)))

    def _compute_round(
        self, settings: PatchingSettings, scan: ProfileScan, refused: Mapping[str, str], obstacles: Iterable[Obstacle]
    ) -> Round:
        kept = {pod for each in obstacles for pod in each.pods}
        passed = {*refused, *(pod.uid for pod in scan.pods if str(pod) in kept)}
        terminations = {uid: each.at for uid, each in settings.memory.terminations.items()}
        zones = self._gatherer.compute_zones()
        return compute_round(scan.stale, zones, settings.windows, self._clock.now(), terminations, passed)

    def _decide_turns(self, state: _State, current: Round, scan: ProfileScan, evidence: Evidence) -> Turns:
        settings = state.settings
        match current:
            case Evicting(next=pods) | Overdue(next=pods):
                going: tuple[StalePod, ...] = pods
            case Done() | Noticed() | Waiting():
                going = ()
        if settings.paused or settings.fault:
            going = ()
        going = tuple(pod for pod in going if not pod.is_unnoticed and pod.uid not in evidence.unanswered)
        has_patch = any(pod.cause is Cause.PATCH for pod in going)
        turns = compute_turns(going, scan, settings, evidence, is_proven=is_proven(scan, has_patch=has_patch))
        # A termination whose time has come waits for nobody's turn. A bare pod would be lost by it.
        wanted = {pod.uid for pod in going} & list_due(settings, current, self._clock.now())
        due = [pod for pod in scan.pods if pod.uid in wanted and not _is_bare(pod, scan)]
        others = (pod for pod in turns.now if pod not in due)
        return replace(turns, now=(*(_mark_overdue(pod) for pod in due), *others))

    def _build_facts(
        self, state: _State, scan: ProfileScan, refused: Mapping[str, str], obstacles: tuple[Obstacle, ...]
    ) -> Facts:
        names = set() if isinstance(state.round, Done) else {str(pod) for pod in state.round.stale}
        bare = [each for each in self._bare.report(state.settings.profile).obstacles if names.intersection(each.pods)]
        return Facts(
            state.settings,
            state.round,
            state.dates.known,
            state.dates.find_fault((state.settings.runtime_class, *sorted(scan.classes))),
            refused,
            (*obstacles, *bare),
            scan.left,
            state.turns.waiting_for,
            self._announcer.get_announced(state.settings.profile),
        )

    def _compute_pause(self, state: _State) -> float:
        """Seconds until the profile is worth another look."""
        longest = LONGEST_INTERVAL_SECONDS if state.settings.moves_on_maintenance else RESYNC_SECONDS
        match state.round:
            case Evicting() | Overdue(may_go=True):
                is_idle = state.settings.paused or bool(state.settings.fault)
                return longest if is_idle else state.interval
            case Noticed(evictions_from=moment) | Waiting(evictions_from=moment):
                left = (moment - self._clock.now()).total_seconds()
                return max(min(longest, left), 0.5)
            case Done() | Overdue():
                return longest

    def _hand_over(self) -> None:
        """Tells who evicts pods which may go now."""
        candidates: list[Candidate] = []
        bare: list[BarePod] = []
        waiting: set[str] = set()
        self._handed = {}
        for name, state in self._states.items():
            if state.scan is None or state.settings.paused or state.settings.fault:
                continue
            for pod in state.turns.now:
                is_good = _is_bare(pod, state.scan) or pod.candidate.overdue or self._dry_runs.allows(pod.workload)
                if not is_good or not self._is_published(pod.candidate.namespace):
                    continue
                self._handed[pod.uid] = name
                if _is_bare(pod, state.scan):
                    bare.append(BarePod(name, state.settings.runtime_class, state.scan.manifests[pod.uid]))
                else:
                    candidates.append(replace(pod.candidate, known_until=self._compute_end(state, pod, state.scan.at)))
            if isinstance(state.round, Evicting | Overdue):
                bare_pods = (pod for pod in state.scan.pods if _is_bare(pod, state.scan))
                waiting |= {pod.uid for pod in bare_pods if pod.stale and not pod.left}
        self._evictor.update("patching", candidates)
        if self._has_looked:
            self._bare.update(bare, waiting, "patching")

    def _compute_end(self, state: _State, pod: PodState, at: float) -> float:
        """Until when the pod may be evicted on what was seen at a time: not once the window has closed."""
        closes = state.round.closes if isinstance(state.round, Evicting) else None
        if closes is None or (pod.stale and pod.stale.cause is Cause.MAINTENANCE):
            return at + KNOWN_SECONDS
        left = (closes - self._clock.now()).total_seconds()
        return min(at + KNOWN_SECONDS, self._clock.monotonic() + left)

    def _is_published(self, namespace: str) -> bool:
        """Whether a replacement there would run by what the profiles say now."""
        view, given = self._caches.namespaces.find("", namespace), self._given
        if view is None or view.terminating or given is None or namespace in given.unwritten:
            return False
        return view.compiled == given.get_selectors(namespace)

    def _refresh_announced(self) -> None:
        for name, state in self._states.items():
            if state.facts:
                state.facts = replace(state.facts, announced=self._announcer.get_announced(name))

    def _tell(self) -> None:
        """Enqueues the profiles if their statuses would differ."""
        told = {name: state.facts for name, state in self._states.items()}
        if told != self._told:
            self._told = told
            self.changed.fire()

    def _note_eviction(self, pod: Candidate) -> None:
        if profile := self._handed.get(pod.uid):
            self._announcer.note_eviction(pod, profile)
            self.history.note_eviction(profile, pod)
            if state := self._states.get(profile):
                state.due = min(state.due, self._clock.monotonic() + INTERVAL_SECONDS)
            self._restrict_to_zone(pod, profile)
            self.controller.enqueue_after(WHOLE, INTERVAL_SECONDS)

    def _note_doubt(self, pod: Candidate) -> None:
        if profile := self._handed.get(pod.uid):
            self.history.note_doubt(profile, pod)
            self._restrict_to_zone(pod, profile)

    def _restrict_to_zone(self, pod: Candidate, profile: str) -> None:
        if state := self._states.get(profile):
            before, state.turns = state.turns, self._follow_evictions(state.turns, state.scan, {pod.uid})
            if state.turns != before:
                self._hand_over()

    def _follow_evictions(self, turns: Turns, scan: ProfileScan | None, evicted: Collection[str]) -> Turns:
        return follow_evictions(turns, scan, evicted, self._gatherer.compute_zones()) if scan and evicted else turns

    def contribute(self, statuses: Mapping[str, Mapping[str, Any]], now: str) -> dict[str, Contribution]:
        """What to say of each profile; `statuses` are those that they have, `now` is an RFC 3339 time."""
        return {
            name: contribute_patching(self._find_facts(name, status), status, now) for name, status in statuses.items()
        }

    def _find_facts(self, name: str, status: Mapping[str, Any]) -> Facts | None:
        """What is known of a profile; of one that is new, without any pod, that nothing is out of date."""
        state = self._states.get(name)
        if state and state.facts:
            return state.facts
        is_new = "patching" not in status and not self._caches.pods.look_up("profile", name)
        return Facts(PatchingSettings(name)) if is_new else None


def _is_bare(pod: PodState, scan: ProfileScan) -> bool:
    return scan.workloads[pod.workload].is_bare


def _mark_overdue(pod: PodState) -> PodState:
    return replace(pod, candidate=replace(pod.candidate, overdue=True))


def _forget(settings: PatchingSettings) -> PatchingSettings:
    """The terms alone."""
    return replace(settings, memory=Memory())
