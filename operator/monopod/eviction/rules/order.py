"""Which pod to evict next, and what an answer of the Eviction API means for the pods that still wait.

Whether a budget allows an eviction is the API server's to say. Here is decided whom to ask about and when: each purpose
in its turn (`turns`), so that none is starved, and of its pods the oldest first; after a budget's refusal no pod of the
same workload for a while, longer after each further one, because a budget selects a whole workload; after any other
refusal not that pod; and evictions that were granted keep a distance from each other, over the whole cluster.

    waiting ──granted──► evicted, until it is gone
       ├── refused by a budget ──► paused with its workload ──► waiting
       └── refused otherwise ────► paused, its workload only for a moment ──► waiting

Nothing of this is stored. An operator that was killed asks again and hears the same; it begins with a full distance,
so that the bound on evictions per minute holds across restarts too. Time comes in as seconds of any steady clock.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from monopod.api.reasons import Reason
from monopod.eviction.rules.turns import PURPOSES, Purpose, Turns
from monopod.kube.objects.text import list_names

FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 15.0
# For pods that no one waits for: of a deletion that has failed, and those that only run elsewhere.
PATIENT_PAUSE_SECONDS = 60.0
# The API server wishes for seconds. What a proxy wishes for, which is being mended say, may be hours.
LONGEST_WISH_SECONDS = 300.0
# After no answer twice in a row for pods of a namespace those of others go first for so long.
SILENT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pod that is to be evicted.

    Attributes:
        created: metadata.creationTimestamp as the API server writes it, which sorts as text.
        workload: what it has in common with the pods that the same budgets select: the uid of its controller, or its
            own uid if it has none.
        patient: whether its refusals are answered with longer pauses.
        purpose: what it is evicted for.
        overdue: whether it is deleted if its eviction is refused once more.
        version: the resourceVersion that is to be evicted and no other, "" if any.
        known_until: when what is known of the pod is too old to evict it; it is left alone from then on.
    """

    namespace: str
    name: str
    uid: str
    created: str = ""
    workload: str = ""
    patient: bool = False
    purpose: Purpose = "deletion"
    version: str = ""
    overdue: bool = False
    known_until: float = field(default=math.inf, compare=False)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Evicted:
    """The API server deletes the pod, with its grace period."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The pod doesn't exist any more."""


@dataclass(frozen=True, slots=True)
class Changed:
    """The pod has another version than the one that was to be evicted."""


@dataclass(frozen=True, slots=True)
class OverBudget:
    """A PodDisruptionBudget doesn't allow it now.

    Attributes:
        message: what it needs and has.
        retry_after: the server's wish in seconds, 0 if it has none.
        words: the API server's sentence.
    """

    budgets: tuple[str, ...]
    message: str
    retry_after: float = 0.0
    words: str = ""


@dataclass(frozen=True, slots=True)
class SeveralBudgets:
    """More than one PodDisruptionBudget selects the pod; the Eviction API never evicts such a pod."""

    words: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The API server refuses it for another reason, such as a webhook's or its own rights."""

    message: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No answer that tells: the API server is away or overloaded. The pod may have been evicted all the same."""

    message: str
    retry_after: float = 0.0


Refusal = OverBudget | SeveralBudgets | Refused
Answer = Evicted | Gone | Changed | Refusal | Unanswered


@dataclass(frozen=True, slots=True)
class Evict:
    """Ask for this pod's eviction now."""

    pod: Candidate


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until then; None: until the pods to evict change."""

    until: float | None


Step = Evict | Wait


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why some pods aren't evicted. `pods` and `budgets` are NAMESPACE/NAME; `message` says what to do."""

    reason: Reason
    message: str
    pods: tuple[str, ...]
    budgets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Pause:
    until: float
    length: float
    refusal: Refusal


@dataclass
class EvictionQueue:
    """The pods to evict, and what came of those that were tried.

    Attributes:
        distance: seconds between two evictions that were granted.
        free_at: when the next may be asked for.
    """

    distance: float
    free_at: float
    _pods: tuple[Candidate, ...] = ()
    _tries: dict[str, int] = field(default_factory=dict)
    _evicted: set[str] = field(default_factory=set)
    _pauses: dict[str, _Pause] = field(default_factory=dict)
    """Of workloads that budgets have refused, by their uids."""
    _refused: dict[str, _Pause] = field(default_factory=dict)
    """Of pods that were refused for another reason, by their uids."""
    _rests: dict[str, float] = field(default_factory=dict)
    """Until when a workload with such a pod rests, by its uid: the next of its pods may be refused just so."""
    _silent: dict[str, float] = field(default_factory=dict)
    """By namespace whose last request got no answer, until when pods of others go first: 0 after the first time."""
    _turns: Turns = field(default_factory=Turns)
    _unanswered: int = 0

    def update(self, pods: Iterable[Candidate]) -> bool:
        """Sets the pods that are to be evicted, those that are being terminated left out; whether they changed."""
        before, self._pods = self._pods, tuple(pods)
        wanted = self._pods
        if [(pod, pod.known_until) for pod in wanted] == [(pod, pod.known_until) for pod in before]:
            return False
        uids, workloads = {pod.uid for pod in wanted}, {pod.workload for pod in wanted}
        self._tries = {uid: count for uid, count in self._tries.items() if uid in uids}
        self._evicted &= uids
        self._pauses = {workload: pause for workload, pause in self._pauses.items() if workload in workloads}
        self._refused = {uid: pause for uid, pause in self._refused.items() if uid in uids}
        self._rests = {workload: until for workload, until in self._rests.items() if workload in workloads}
        namespaces = {pod.namespace for pod in wanted}
        self._silent = {namespace: until for namespace, until in self._silent.items() if namespace in namespaces}
        return True

    def decide(self, now: float) -> Step:
        """What to do now."""
        waiting = [pod for pod in self._pods if pod.uid not in self._evicted and now < pod.known_until]
        if not waiting:
            return Wait(None)
        if now < self.free_at:
            return Wait(self.free_at)
        ready = [pod for pod in waiting if self._paused_until(pod) <= now]
        if not ready:
            return Wait(min(map(self._paused_until, waiting)))
        # Whatever has no answer for the pods of one namespace, such as a webhook, stops no others.
        ready = [pod for pod in ready if self._silent.get(pod.namespace, 0.0) <= now] or ready
        purpose = self._turns.choose({pod.purpose for pod in ready})
        # One of each workload: the one that was asked for least, so that one that is never granted stops no other.
        first: dict[str, Candidate] = {}
        for pod in sorted(ready, key=lambda pod: (self._tries.get(pod.uid, 0), *_age(pod))):
            if pod.purpose == purpose:
                first.setdefault(pod.workload, pod)
        return Evict(min(first.values(), key=_age))

    def record_answer(self, pod: Candidate, answer: Answer, now: float) -> None:
        """Remembers what the API server answered."""
        self._tries[pod.uid] = self._tries.get(pod.uid, 0) + 1
        if not isinstance(answer, Unanswered):
            self._unanswered = 0
            self._silent.pop(pod.namespace, None)
        if isinstance(answer, OverBudget | SeveralBudgets | Refused):
            self._turns.note_refusal(pod.purpose)
        match answer:
            case Evicted():
                self.free_at = now + self.distance
                self._evicted.add(pod.uid)
                self._turns.note(pod.purpose)
                self._pauses.pop(pod.workload, None)
                self._rests.pop(pod.workload, None)
            case Gone():
                self._evicted.add(pod.uid)
            case Changed():
                # Left alone until whoever wants it evicted has looked at it again.
                self._pods = tuple(each for each in self._pods if each != pod)
            case Unanswered(retry_after=wish):
                self._unanswered += 1
                growing = min(FIRST_PAUSE_SECONDS * 2 ** (self._unanswered - 1), LONGEST_PAUSE_SECONDS)
                self.free_at = now + max(self.distance, min(wish, LONGEST_WISH_SECONDS), growing)
                is_lasting = pod.namespace in self._silent
                self._silent[pod.namespace] = self.free_at + SILENT_SECONDS if is_lasting else 0.0
            case OverBudget() | SeveralBudgets():
                self._refused.pop(pod.uid, None)
                wish = answer.retry_after if isinstance(answer, OverBudget) else 0.0
                self._pauses[pod.workload] = _lengthen(self._pauses.get(pod.workload), pod, answer, now, wish)
            case Refused():
                self._refused[pod.uid] = _lengthen(self._refused.get(pod.uid), pod, answer, now)
                self._rests[pod.workload] = now + FIRST_PAUSE_SECONDS
            case never:
                assert_never(never)

    def _paused_until(self, pod: Candidate) -> float:
        pauses = (self._pauses.get(pod.workload), self._refused.get(pod.uid))
        return max(self._rests.get(pod.workload, 0.0), *(pause.until if pause else 0.0 for pause in pauses))

    def compute_obstacles(self, pods: Iterable[Candidate], lasting: float = 0.0) -> tuple[Obstacle, ...]:
        """What keeps these pods from being evicted, the last answers taken together by what they say.

        Budgets count only if they have refused long enough for a pause of that many seconds.
        """
        return compute_obstacles(pods := tuple(pods), self.find_refused(pods, lasting))

    def find_refused(self, pods: Iterable[Candidate], lasting: float = 0.0) -> dict[str, Refusal]:
        """The last refusal of each of these pods that has one, by uid; budgets as in `compute_obstacles`.

        A budget's refusal is about all pods of the workload, any other about the very pod.
        """
        waiting = (pod for pod in pods if pod.uid not in self._evicted)
        return {pod.uid: refusal for pod in waiting if (refusal := self._find_refusal(pod, lasting))}

    def _find_refusal(self, pod: Candidate, lasting: float) -> Refusal | None:
        if own := self._refused.get(pod.uid):
            return own.refusal
        pause = self._pauses.get(pod.workload)
        is_passing = pause and pause.length < lasting and isinstance(pause.refusal, OverBudget)
        return pause.refusal if pause and not is_passing else None


def _lengthen(before: _Pause | None, pod: Candidate, refusal: Refusal, now: float, wish: float = 0.0) -> _Pause:
    """The pause after a refusal: twice as long as the one before."""
    longest = PATIENT_PAUSE_SECONDS if pod.patient else LONGEST_PAUSE_SECONDS
    length = min(before.length * 2, longest) if before else FIRST_PAUSE_SECONDS
    return _Pause(now + max(length, min(wish, LONGEST_WISH_SECONDS)), length, refusal)


def _age(pod: Candidate) -> tuple[int, str, str, str]:
    return PURPOSES.index(pod.purpose), pod.created, pod.namespace, pod.name


def compute_obstacles(pods: Iterable[Candidate], refusals: Mapping[str, Refusal]) -> tuple[Obstacle, ...]:
    """The obstacles of pods that were refused (`refusals` by uid), by namespace and budget."""
    groups: defaultdict[tuple[str, Refusal], list[str]] = defaultdict(list)
    for pod in sorted(pods, key=_age):
        if refusal := refusals.get(pod.uid):
            groups[pod.namespace, refusal].append(str(pod))
    return tuple(
        _describe(namespace, refusal, tuple(names))
        for (namespace, refusal), names in sorted(groups.items(), key=lambda group: group[1])
    )


def _describe(namespace: str, refusal: Refusal, pods: tuple[str, ...]) -> Obstacle:
    names = list_names(pods)
    match refusal:
        case OverBudget(budgets, said):
            full = tuple(f"{namespace}/{budget}" for budget in budgets)
            which = f"PodDisruptionBudget {list_names(full)}" if full else "a PodDisruptionBudget"
            message = f"{which} doesn't allow the eviction of {names} now: {said}"
            return Obstacle(Reason.BUDGET_EXHAUSTED, message, pods, full)
        case SeveralBudgets():
            message = (
                f"several PodDisruptionBudgets select {names}, and the Eviction API never evicts such a pod: let only "
                f"one select it (`kubectl get poddisruptionbudgets -n {namespace}`)"
            )
            return Obstacle(Reason.SEVERAL_BUDGETS, message, pods)
        case Refused(said):
            return Obstacle(Reason.EVICTION_REFUSED, f"the API server refuses to evict {names}: {said}", pods)
        case never:
            assert_never(never)


LABELS: Mapping[type[Answer], str] = {
    Evicted: "evicted",
    Gone: "gone",
    Changed: "changed",
    OverBudget: "over_budget",
    SeveralBudgets: "several_budgets",
    Refused: "refused",
    Unanswered: "unanswered",
}
"""The answers as labels of a metric."""
