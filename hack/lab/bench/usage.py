"""How soon the ledger says what a month cost, from its hourly sums and from every lifetime, in one SQLite.

The lifetimes are made up, and written to the tables directly: by the ledger's own transactions it would take an hour.
Both answers have to be the same.
"""

import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from lab.progress import step
from monopod.ledger.store.answers import BY_NAMESPACE, BY_WORKLOAD, Dimension, Grouping
from monopod.ledger.store.engine import begin_writing, build_engine
from monopod.ledger.store.groups import Groups
from monopod.ledger.store.rollups import Contribution, Rollups
from monopod.ledger.store.rows import GroupKey, Spans
from monopod.ledger.store.store import Store
from monopod.ledger.store.tables import LIFETIME
from monopod.usage.rules.bill import Terms
from monopod.usage.rules.lifetime import Description, Evidence, Lifetime

BEGIN = 1_793_491_200
"""1 November 2026."""
MONTH = 30 * 86_400
NOW = (BEGIN + MONTH) * 1000
NAMESPACES = 60
WORKLOADS = 20
"""In a namespace; one in fifty of its pods is a workload of its own."""
SIZES = ((250, 512), (250, 1024), (500, 1024), (1000, 2048), (2000, 4096))
OPEN = 10_000
PAGE = 20_000
MOST_GROUPS = 200_000
SEEN_BY = '["monopod-ledger-0","monopod-ledger-1"]'
INSERT = f"INSERT INTO lifetime VALUES ({', '.join('?' * len(LIFETIME.c))})"  # noqa: S608 only question marks
EVIDENCE = '["Acknowledged","PullStarted","WatchedDeletion"]'
ASKED = 5
JOINED = 500

ROWS = """
SELECT namespace, SUM(MIN(billed_until, :until) - MAX(billed_since, :since))
FROM lifetime JOIN usage_group ON usage_group.id = group_id
WHERE billed_since < :until AND billed_until > :since GROUP BY namespace
"""


@dataclass(frozen=True)
class UsageFigures:
    """Seconds, the median of several times.

    Attributes:
        lifetimes: how many ended ones there are.
        open: how many running ones.
        size: of the database, in bytes.
        by_namespace: the month by namespace.
        by_namespace_from_rows: the same from every lifetime.
        day_by_namespace: the last 24 hours, by namespace, which begin within an hour.
        by_workload: the month by workload.
        tenant_by_workload: the same of one namespace.
        by_label: the month by a label, which isn't summed ahead.
        join: adding 500 new lifetimes and their ends, one transaction each.
    """

    lifetimes: int
    open: int
    size: int
    by_namespace: float
    by_namespace_from_rows: float
    day_by_namespace: float
    by_workload: float
    tenant_by_workload: float
    by_label: float
    join: float


def measure_usage(count: int) -> UsageFigures:
    """Makes so many lifetimes up, in a month, and asks.

    Raises:
        AssertionError: The two answers differ.
    """
    with tempfile.TemporaryDirectory(prefix="monopod-usage-") as folder:
        path = Path(folder) / "ledger.db"
        with step(f"making up {count:,} lifetimes", count / 20_000):
            _fill(path, count)
        store = Store.open(f"sqlite:///{path}", Terms())
        with step("asking", 60):
            figures = _ask(store, path, count)
        store.close()
        return figures


def _ask(store: Store, path: Path, count: int) -> UsageFigures:
    begin = BEGIN * 1000
    tenant = frozenset({"team-7"})
    engine = build_engine(f"sqlite:///{path}")

    def ask_rows() -> dict[str, int]:
        with engine.connect() as connection:
            return {
                name: seconds
                for name, seconds in connection.exec_driver_sql(ROWS, {"since": BEGIN, "until": BEGIN + MONTH})
            }

    def ask(since: int, by: Grouping, namespaces: frozenset[str] | None = None) -> Callable[[], Any]:
        return lambda: store.sum_usage(since, NOW, by, now=NOW, namespaces=namespaces)

    summed = dict.fromkeys(ask_rows(), 0)
    for group in store.sum_usage(begin, NOW, BY_NAMESPACE, now=begin):
        summed[group.key[0]] += group.billed.seconds
    for number in range(OPEN):
        summed[f"team-{number % NAMESPACES}"] -= 60  # as a running pod is billed when it has begun
    if summed != ask_rows():
        raise AssertionError("the hourly sums and the lifetimes give different answers")
    figures = UsageFigures(
        lifetimes=count,
        open=OPEN,
        size=path.stat().st_size,
        by_namespace=_time(ask(begin, BY_NAMESPACE)),
        by_namespace_from_rows=_time(ask_rows, 2),
        day_by_namespace=_time(ask(NOW - 86_400_000 - 1_234_000, BY_NAMESPACE)),
        by_workload=_time(ask(begin, BY_WORKLOAD), 2),
        tenant_by_workload=_time(ask(begin, BY_WORKLOAD, tenant)),
        by_label=_time(ask(begin, Grouping(Dimension.LABEL, "app")), 1),
        join=_time_joins(store),
    )
    engine.dispose()
    return figures


def _time_joins(store: Store) -> float:
    dice = random.Random(2)  # noqa: S311 nothing is secret here
    times = []
    for turn in range(2 * ASKED):
        numbers = range(turn * JOINED, (turn + 1) * JOINED)
        started = [_make_up(dice, number, NOW - 3_600_000, number % NAMESPACES) for number in numbers]
        ended = [_end(lifetime) for lifetime in started]
        for batch in (started, ended):
            times.append(_time(partial(store.join, batch), 1))
    return median(times)


def _time(ask: Callable[[], Any], times: int = ASKED) -> float:
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - begin)
    return median(taken)


def _fill(path: Path, count: int) -> None:
    Store.open(f"sqlite:///{path}", Terms()).close()
    dice = random.Random(1)  # noqa: S311 nothing is secret here
    groups, rollups = Groups(), Rollups()
    engine = build_engine(f"sqlite:///{path}")
    for first in range(1, count + 1, PAGE):
        with begin_writing(engine) as connection:
            connection.exec_driver_sql("PRAGMA cache_size=-800000")
            rows = []
            drawn = [_draw(dice, number) for number in range(first, min(first + PAGE, count + 1))]
            numbers = groups.resolve(connection, (key for key, _, _ in drawn))
            for number, (key, one, spans) in enumerate(drawn, start=first):
                rollups.change(None, Contribution(numbers[key], spans))
                rows.append(_make_row(dice, number, one, numbers[key][0], spans))
            connection.exec_driver_sql(INSERT, rows)
            connection.exec_driver_sql("UPDATE ledger SET sequence = ?", (number,))
            if len(rollups) > MOST_GROUPS or number == count:
                rollups.write(connection)
    engine.dispose()
    store = Store.open(f"sqlite:///{path}", Terms())
    running = range(OPEN)
    store.join([_make_up(dice, number, NOW - 3_600_000, team=number % NAMESPACES) for number in running])
    store.close()


def _draw(dice: random.Random, number: int) -> tuple[GroupKey, int, Spans]:
    """A lifetime that has ended: most are of Jobs of minutes, and one in fifty runs for up to a day."""
    team, one = dice.randrange(NAMESPACES), dice.randrange(WORKLOADS)
    since = BEGIN + dice.randrange(MONTH - 90_000)
    length = dice.randrange(86_400) if dice.random() < 0.02 else int(dice.expovariate(1 / 300))
    return _get_key(team, one, number, dice), one, Spans(since, *[since + max(60, length)] * 3)


def _make_row(dice: random.Random, number: int, one: int, group: int, spans: Spans) -> tuple[Any, ...]:
    start, end = spans.since * 1000, spans.billed_until * 1000
    uid, name, node = f"{dice.getrandbits(128):032x}", f"app-{one}-{number:x}", f"node-{number % 100}"
    labels = f'{{"app":"app-{one}","pod-template-hash":"{group:08x}"}}'
    stamps = (start, start, start, start + 900, None, end, f"[{end}]", None)
    row = (number, uid, group, number, name, node, labels, *stamps, SEEN_BY, EVIDENCE, number, False)
    return (*row, *spans, (spans.most_until - spans.since).bit_length())


def _get_key(team: int, one: int, number: int, dice: random.Random) -> GroupKey:
    cpu, memory = SIZES[(team + one) % len(SIZES)]
    workload = f"Pod/task-{number}" if dice.random() < 0.02 else f"Deployment/app-{one}"
    return GroupKey(f"team-{team}", workload, "web" if one % 2 else "batch", cpu, memory, 20, "FARGATE", "x86")


def _make_up(dice: random.Random, number: int, start: int, team: int) -> Lifetime:
    one = dice.randrange(WORKLOADS)
    group = _get_key(team, one, number, dice)
    described = Description(
        version=number,
        name=f"app-{one}-{number:x}",
        node=f"node-{number % 100}",
        labels=(("app", f"app-{one}"), ("pod-template-hash", f"{team * one:08x}")),
        **group._asdict(),
    )
    return Lifetime(
        f"{dice.getrandbits(128):032x}",
        described,
        start,
        pull_started=start,
        acknowledged=start,
        alive=start,
        seen_by=frozenset({"monopod-ledger-0", "monopod-ledger-1"}),
        evidence=frozenset({Evidence.PULL_STARTED, Evidence.ACKNOWLEDGED}),
    )


def _end(lifetime: Lifetime) -> Lifetime:
    end = lifetime.created + 300_000
    known = lifetime.evidence | {Evidence.WATCHED_DELETION}
    return replace(lifetime, alive=end, gone=frozenset({end}), evidence=known)
