"""How soon the ledger says what a month cost, from its hourly sums and from every lifetime, in one SQLite.

Both answers have to be the same.
"""

import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from lab.bench.ledger.made_up_month import BEGIN, MONTH, NAMESPACES, NOW, OPEN, draw_pod, end_pod, make_month
from lab.progress import step
from monopod.ledger.store.answers import BY_NAMESPACE, BY_WORKLOAD, Dimension, Grouping
from monopod.ledger.store.engine import build_engine
from monopod.ledger.store.store import Store
from monopod.usage.rules.bill import Terms

ASKED = 5
JOINED = 500

ROWS = """
SELECT namespace, SUM(MIN(billed_until, :until) - MAX(billed_since, :since))
FROM lifetime JOIN usage_group ON usage_group.id = group_id
WHERE billed_since < :until AND billed_until > :since GROUP BY namespace
"""


@dataclass(frozen=True)
class UsageFigures:
    """Seconds, the median of several times if there were more than one.

    Attributes:
        lifetimes: how many ended ones there are.
        open: how many running ones.
        size: of the database, in bytes.
        by_namespace: the month by namespace.
        by_namespace_cpu: CPU time of the same, which other work on the machine adds little to.
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
    by_namespace_cpu: float
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
        with step(f"making up {count:,} pods", count / 40_000):
            make_month(path, count)
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

    began = time.perf_counter()
    by_rows = ask_rows()
    took_rows = time.perf_counter() - began  # minutes, where there are millions: once is enough
    summed = dict.fromkeys(by_rows, 0)
    for group in store.sum_usage(begin, NOW, BY_NAMESPACE, now=begin):
        summed[group.key[0]] += group.billed.seconds
    for number in range(OPEN):
        summed[f"team-{number % NAMESPACES}"] -= 60  # as a running pod is billed when it has begun
    if summed != by_rows:
        raise AssertionError("the hourly sums and the lifetimes give different answers")
    figures = UsageFigures(
        lifetimes=count,
        open=OPEN,
        size=path.stat().st_size,
        by_namespace=_time(ask(begin, BY_NAMESPACE)),
        by_namespace_cpu=_time(ask(begin, BY_NAMESPACE), clock=time.process_time),
        by_namespace_from_rows=took_rows,
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
        started = [draw_pod(dice, number, BEGIN + MONTH - 3600) for number in numbers]
        ended = [end_pod(pod, 300) for pod in started]
        for batch in (started, ended):
            times.append(_time(partial(store.join, batch), 1))
    return median(times)


def _time(ask: Callable[[], Any], times: int = ASKED, clock: Callable[[], float] = time.perf_counter) -> float:
    taken = []
    for _ in range(times):
        begin = clock()
        ask()
        taken.append(clock() - begin)
    return median(taken)
