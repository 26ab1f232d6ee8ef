"""How soon the ledger says what a month cost, from its hourly sums and from every lifetime, in one SQLite.

The lifetimes are made up, and written to the tables directly: by the ledger's own transactions it would take hours. Its
sums are then computed by the ledger itself, and both answers have to be the same.
"""

import random
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import insert

from lab.progress import step
from monopod.ledger.store.answers import BY_NAMESPACE, BY_WORKLOAD, Dimension, Grouping
from monopod.ledger.store.engine import begin_writing, build_engine
from monopod.ledger.store.groups import Groups
from monopod.ledger.store.rows import GroupKey, Spans, encode_row, encode_spans
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
"""In a namespace; one in ten of its pods is a workload of its own."""
SIZES = ((250, 512), (250, 1024), (500, 1024), (1000, 2048), (2000, 4096))
OPEN = 10_000
PAGE = 20_000
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
        rebuild: computing all sums again.
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
    rebuild: float


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
        with step("summing them by hour", count / 40_000):
            rebuild = _time(store.rebuild, 1)
        with step("asking", 60):
            figures = _ask(store, path, count, rebuild)
        store.close()
        return figures


def _ask(store: Store, path: Path, count: int, rebuild: float) -> UsageFigures:
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
    running = {name: OPEN // NAMESPACES * 60 for name in summed}
    if summed != {name: seconds + running[name] for name, seconds in ask_rows().items()}:
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
        rebuild=rebuild,
    )
    engine.dispose()
    return figures


def _time_joins(store: Store) -> float:
    dice = random.Random(2)  # noqa: S311 nothing is secret here
    times = []
    for turn in range(2 * ASKED):
        started = [_make_up(dice, turn * JOINED + number, None) for number in range(JOINED)]
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
    groups = Groups()
    engine = build_engine(f"sqlite:///{path}")
    made = 0
    for page in _page(_make_all(dice, count)):
        with begin_writing(engine) as connection:
            connection.exec_driver_sql("PRAGMA cache_size=-400000")
            numbers = groups.resolve(connection, (key for _, key, _ in page))
            rows = []
            for lifetime, key, spans in page:
                made += 1
                beside = {"id": made, "sequence": made, "group_id": numbers[key][0]}
                rows.append({**encode_row(lifetime), **beside, **encode_spans(spans)})
            connection.execute(insert(LIFETIME), rows)
            connection.exec_driver_sql("UPDATE ledger SET sequence = ?", (made,))
    engine.dispose()


def _page(values: Iterator[Any]) -> Iterator[list[Any]]:
    while page := [value for _, value in zip(range(PAGE), values, strict=False)]:
        yield page


def _make_all(dice: random.Random, count: int) -> Iterator[tuple[Lifetime, GroupKey, Spans | None]]:
    for number in range(count):
        lifetime = _end(_make_up(dice, number, BEGIN + dice.randrange(MONTH - 90_000)), _draw_length(dice))
        until = max(lifetime.created // 1000 + 60, lifetime.alive // 1000)
        yield lifetime, _get_key(lifetime), Spans(lifetime.created // 1000, until, until, until)
    for number in range(OPEN - OPEN % NAMESPACES):
        lifetime = _make_up(dice, number, BEGIN + MONTH - 3600, team=number % NAMESPACES)
        yield lifetime, _get_key(lifetime), None


def _draw_length(dice: random.Random) -> int:
    """Most pods are Jobs of minutes; one in fifty runs for up to a day."""
    return dice.randrange(86_400) if dice.random() < 0.02 else int(dice.expovariate(1 / 300))


def _make_up(dice: random.Random, number: int, start: int | None, team: int | None = None) -> Lifetime:
    start = (BEGIN + MONTH - 3600 if start is None else start) * 1000
    team = dice.randrange(NAMESPACES) if team is None else team
    one = dice.randrange(WORKLOADS)
    cpu, memory = SIZES[(team + one) % len(SIZES)]
    workload = f"Pod/task-{number}" if dice.random() < 0.1 else f"Deployment/app-{one}"
    described = Description(
        version=number,
        namespace=f"team-{team}",
        name=f"app-{one}-{number:x}",
        profile="web" if one % 2 else "batch",
        workload=workload,
        cpu_millis=cpu,
        memory_mib=memory,
        storage_gib=20,
        capacity="FARGATE",
        architecture="x86",
        node=f"node-{number % 100}",
        labels=(("app", f"app-{one}"), ("pod-template-hash", f"{team * one:08x}")),
    )
    return Lifetime(
        str(uuid.UUID(int=dice.getrandbits(128))),
        described,
        start,
        pull_started=start,
        acknowledged=start,
        alive=start,
        seen_by=frozenset({"monopod-ledger-0", "monopod-ledger-1"}),
        evidence=frozenset({Evidence.PULL_STARTED, Evidence.ACKNOWLEDGED}),
    )


def _end(lifetime: Lifetime, seconds: int = 300) -> Lifetime:
    end = lifetime.created + seconds * 1000
    return Lifetime(
        lifetime.uid,
        lifetime.description,
        lifetime.created,
        lifetime.pull_started,
        lifetime.acknowledged,
        alive=end,
        gone=frozenset({end}),
        seen_by=lifetime.seen_by,
        evidence=lifetime.evidence | {Evidence.WATCHED_DELETION},
    )


def _get_key(lifetime: Lifetime) -> GroupKey:
    return GroupKey(*(getattr(lifetime.description, name) for name in GroupKey._fields))
