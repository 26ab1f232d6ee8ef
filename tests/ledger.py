"""Made-up lives of pods, and what a ledger has to say of them, computed from every fact by the rules alone."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random

from monopod.ledger.store.answers import Group, Position
from monopod.ledger.store.store import Store
from monopod.usage.rules.bill import Range, Terms, compute_bill
from monopod.usage.rules.lifetime import Description, Evidence, Lifetime, Watched, join, join_watched

BEGIN = 1_790_000_000_000
"""When the first of these pods lived."""
HOUR_MS = 3_600_000
SIZES = ((250, 512, 20), (250, 1024, 20), (1000, 2048, 35), (4000, 30720, 175))
RECORDERS = ("ledger-0", "ledger-1")


def a_lifetime(
    uid: str = "uid-1",
    *,
    created: int = BEGIN,
    seconds: int | None = 90,
    namespace: str = "default",
    name: str = "web-1",
    workload: str = "Deployment/web",
    labels: tuple[tuple[str, str], ...] = (("app", "web"),),
) -> Lifetime:
    """A pod of 0.25 vCPU and 512 MiB that ran for so long; still running with None."""
    end = None if seconds is None else created + seconds * 1000
    described = Description(
        1, namespace, name, "web", workload, 250, 512, 20, "FARGATE", "x86", "node-1", tuple(sorted(labels))
    )
    return Lifetime(
        uid,
        described,
        created,
        pull_started=created,
        alive=created if end is None else end,
        gone=frozenset() if end is None else frozenset({end}),
        seen_by=frozenset({"ledger-0"}),
        evidence=frozenset({Evidence.PULL_STARTED}),
    )


def make_views(random: Random, uid: str) -> list[Lifetime]:
    """What several looks at one pod told: parts of a life, some of them wrong about its end."""
    created = BEGIN + random.randrange(72 * HOUR_MS)
    length = random.choice((5_000, 61_000, HOUR_MS, 40 * HOUR_MS)) + random.randrange(HOUR_MS)
    cpu, memory, storage = random.choice(SIZES)
    described = Description(
        version=1,
        namespace=f"team-{random.randrange(4)}",
        name=f"pod-{random.randrange(20)}",
        profile=random.choice(("web", "batch")),
        workload=random.choice(("Deployment/web", "Job/once", f"Pod/{uid}")),
        cpu_millis=cpu,
        memory_mib=memory,
        storage_gib=storage,
        capacity=random.choice(("FARGATE", "FARGATE", "FARGATE_SPOT")),
        architecture=random.choice(("x86", "x86", "arm")),
        node="",
        labels=tuple(sorted({"app": random.choice("abc"), "it's.example/ö": 'a"b'}.items())),
    )
    views = []
    for _ in range(random.randrange(1, 5)):
        seen = created + random.randrange(length)
        gone = {created + length + random.randrange(5_000) for _ in range(random.randrange(3))}
        if random.random() < 0.1:
            gone.add(created + random.randrange(length))
        views.append(
            Lifetime(
                uid,
                replace(described, version=random.randrange(1, 9), node=random.choice(("", "node-1", "node-2"))),
                created=created,
                pull_started=random.choice((None, created + 900, created + 900)),
                acknowledged=random.choice((None, created + 700)),
                container_started=random.choice((None, created + 2_000)),
                finished=random.choice((None, None, created + length - 1_000)),
                alive=seen,
                gone=frozenset(gone),
                node_renewed=random.choice((None, None, None, seen)),
                seen_by=frozenset(random.sample(RECORDERS, random.randrange(1, 3))),
                evidence=frozenset(random.sample(sorted(Evidence), 2)),
            )
        )
    return views


class Model:
    """Every fact, joined in memory."""

    def __init__(self) -> None:
        self.lifetimes: dict[str, Lifetime] = {}
        self.watched: dict[tuple[str, int], Watched] = {}

    def join(self, lifetimes: Iterable[Lifetime], watched: Iterable[Watched] = ()) -> None:
        for one in lifetimes:
            self.lifetimes[one.uid] = join(self.lifetimes[one.uid], one) if one.uid in self.lifetimes else one
        for window in watched:
            key = window.recorder, window.since
            self.watched[key] = join_watched(self.watched[key], window) if key in self.watched else window

    def sum_usage(
        self,
        since: int,
        until: int,
        key: Callable[[Lifetime], tuple[str, ...]],
        terms: Terms,
        now: int,
        namespaces: frozenset[str] | None = None,
    ) -> list[Group]:
        sums: dict[tuple[tuple[str, ...], str, str], Range] = {}
        for lifetime in self.lifetimes.values():
            described = lifetime.description
            bill = compute_bill(self._extend(lifetime), terms, now)
            if bill and (namespaces is None or described.namespace in namespaces):
                names = key(lifetime), described.capacity, described.architecture
                sums[names] = sums.get(names, Range()) + bill.clip(-(-since // 1000), -(-until // 1000))
        return [
            Group(*names, usage.least, usage.billed, usage.most)
            for names, usage in sorted(sums.items())
            if usage.most.seconds
        ]

    def _extend(self, lifetime: Lifetime) -> Lifetime:
        if not lifetime.is_open:
            return lifetime
        seen = (window.until for window in self.watched.values() if window.recorder in lifetime.seen_by)
        return replace(lifetime, alive=max([lifetime.alive, *seen]))


def read_everything(store: Store, page: int = 7) -> tuple[dict[str, Lifetime], list[Watched]]:
    """All facts of a store."""
    lifetimes = {}
    after = 0
    while True:
        changes = store.fetch_changes(after, page)
        lifetimes.update({lifetime.uid: lifetime for lifetime in changes.lifetimes})
        if changes.is_end:
            return lifetimes, list(changes.watched)
        after = changes.last


def exchange(one: Store, other: Store) -> None:
    """Lets both learn what the other knows, until there is nothing new."""
    while pull(one, other) + pull(other, one):
        pass


def pull(into: Store, source: Store) -> int:
    """Joins what is new in `source`, by a position of its own; returns how many lifetimes that was."""
    name = f"peer {source.id}"
    position = into.fetch_position(name)
    changes = source.fetch_changes(int(position.version) if position else 0, 5)
    into.join(changes.lifetimes, position=Position(name, str(changes.last)), watched=changes.watched)
    return len(changes.lifetimes)
