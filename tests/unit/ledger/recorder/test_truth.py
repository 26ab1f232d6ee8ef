"""Whatever two recorders miss, and whenever they exchange what they know: the truth lies within the bill's bounds."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import pytest

from monopod.ledger.recorder.closing import Listed, close, close_missing
from monopod.usage.rules.bill import Terms, compute_bill
from monopod.usage.rules.lifetime import Evidence, Interval, Lifetime, Watched, join
from tests.unit.usage.rules.golden_bills import NOON, a_lifetime

END = 900_000
SECOND = 1000


@dataclass(frozen=True)
class Pod:
    """What really happened, in milliseconds; `pull` stays unknown where the kubelet tells no such condition."""

    uid: str
    created: int
    acknowledged: int
    pull: int
    container: int
    deleted: int
    tells_pull: bool

    @property
    def moments(self) -> tuple[int, ...]:
        return (self.created, self.acknowledged, self.pull, self.container)

    @property
    def billed(self) -> int:
        start = self.pull if self.tells_pull else self.acknowledged
        if start >= self.deleted:
            return 0
        return max(60, -(-(self.deleted - start // SECOND * SECOND) // SECOND))

    def look(self, at: int, recorder: str) -> Lifetime:
        """What its object tells at a moment."""

        def stamp(moment: int) -> int | None:
            return NOON + moment // SECOND * SECOND if moment <= at else None

        is_pending = self.tells_pull and self.acknowledged <= at < self.pull
        seen = a_lifetime(alive=at, evidence=[Evidence.PULL_PENDING] if is_pending else [])
        return replace(
            seen,
            uid=self.uid,
            description=replace(seen.description, version=at),
            created=NOON + self.created // SECOND * SECOND,
            acknowledged=stamp(self.acknowledged),
            pull_started=stamp(self.pull) if self.tells_pull else None,
            container_started=stamp(self.container),
            seen_by=frozenset({recorder}),
        )


@dataclass
class Recorder:
    """One that lists when it comes up, then sees every event, and now and then learns what the other knows."""

    name: str
    known: dict[str, Lifetime] = field(default_factory=dict)
    windows: dict[tuple[str, int], int] = field(default_factory=dict)
    since: int | None = None

    def put(self, lifetime: Lifetime) -> None:
        known = self.known.get(lifetime.uid)
        self.known[lifetime.uid] = join(known, lifetime) if known else lifetime

    def start(self, at: int, pods: list[Pod]) -> None:
        present = {pod.uid: pod for pod in pods if pod.created <= at < pod.deleted}
        windows = [Watched(name, NOON + since, NOON + until) for (name, since), until in self.windows.items()]
        opened = [lifetime for lifetime in self.known.values() if lifetime.is_open]
        for lifetime in close_missing(opened, Listed(present, at, NOON + at), windows, {}):
            self.put(lifetime)
        for pod in present.values():
            self.put(pod.look(at, self.name))
        self.since = at
        self.watch(at)

    def stop(self) -> None:
        self.since = None

    def watch(self, at: int) -> None:
        if self.since is not None:
            self.windows[self.name, self.since] = at

    def observe(self, pod: Pod, at: int) -> None:
        if self.since is None:
            return
        self.watch(at)
        seen = pod.look(min(at, pod.deleted - 1), self.name)
        is_gone = at == pod.deleted
        self.put(close(seen, Interval(NOON + at, NOON + at), Evidence.WATCHED_DELETION, None) if is_gone else seen)

    def learn(self, other: "Recorder") -> None:
        for lifetime in other.known.values():
            self.put(lifetime)
        for key, until in other.windows.items():
            self.windows[key] = max(until, self.windows.get(key, 0))


def exchange(one: Recorder, other: Recorder) -> None:
    """If both are up."""
    if one.since is not None and other.since is not None:
        one.learn(other)
        other.learn(one)


def make_pod(dice: random.Random, uid: str, tells_pull: bool) -> Pod:
    def later(moment: int) -> int:
        return moment + dice.choice([0, 300, 5_000, 60_000]) + dice.randrange(2_000)

    created = dice.randrange(END // 2)
    acknowledged = later(created)
    pull = later(acknowledged)
    return Pod(
        uid,
        created,
        acknowledged,
        pull,
        later(pull),
        deleted=created + dice.randrange(500, 300_000),
        tells_pull=tells_pull,
    )


def list_turns(dice: random.Random) -> Iterator[tuple[int, bool]]:
    """When a recorder comes up and goes down, in turns; in the end it is up."""
    at = dice.choice([0, 0, 50_000])
    while at < END:
        yield at, True
        at += dice.choice([30_000, 100_000, 300_000])
        yield at, False
        at += dice.choice([1_000, 30_000, 180_000])
    yield max(at, END) + SECOND, True


def live_through(dice: random.Random, pods: list[Pod]) -> dict[str, Lifetime]:
    """What both know in the end."""
    one, other = Recorder("a"), Recorder("b")
    events: list[tuple[int, int, Callable[[], None]]] = []
    for recorder in (one, other):
        for at, is_up in list_turns(dice):
            events.append((at, 0, partial(recorder.start, at, pods) if is_up else recorder.stop))
        events += [(at, 1, partial(recorder.watch, at)) for at in range(0, END, 5_000)]
        for pod in pods:
            moments = [moment for moment in pod.moments if moment < pod.deleted]
            events += [(moment, 2, partial(recorder.observe, pod, moment)) for moment in [*moments, pod.deleted]]
    events += [(at, 3, partial(exchange, one, other)) for at in range(0, END, 7_000)]
    for _, _, happen in sorted(events, key=lambda event: event[:2]):
        happen()
    one.learn(other)
    return one.known


@pytest.mark.parametrize("tells_pull", [True, False], ids=["kubelet", "kwok"])
@pytest.mark.parametrize("seed", range(60))
def test_the_truth_lies_between_the_least_and_the_most(seed: int, tells_pull: bool) -> None:
    dice = random.Random(seed)
    pods = [make_pod(dice, f"uid-{number}", tells_pull) for number in range(12)]
    known = live_through(dice, pods)
    for pod in pods:
        if lifetime := known.get(pod.uid):  # else nobody was there while it lived
            assert not lifetime.is_open
            bill = compute_bill(lifetime, Terms(), NOON + 2 * END)
            least, most = (bill.least - bill.start, bill.most - bill.start) if bill else (0, 0)
            assert least <= pod.billed <= most, (pod, lifetime)
