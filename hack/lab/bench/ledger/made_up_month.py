"""A SQLite database of the ledger's, with pods of a month that were made up.

Nearly all of them are Jobs of minutes, and written by SQL: the ledger's own transactions would take an hour for ten
million. What runs for hours, or still runs, is written by the ledger.
"""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

from monopod.ledger.store.engine import begin_writing, build_engine
from monopod.ledger.store.groups import Groups, split
from monopod.ledger.store.rows import GroupKey
from monopod.ledger.store.store import Store
from monopod.usage.rules.bill import Terms
from monopod.usage.rules.lifetime import Description, Evidence, Lifetime

BEGIN: Final = 1_793_491_200
"""1 November 2026."""
MONTH: Final = 30 * 86_400
NOW: Final = (BEGIN + MONTH) * 1000
NAMESPACES: Final = 60
WORKLOADS: Final = 20
"""In each namespace."""
SIZES: Final = ((250, 512), (250, 1024), (500, 1024), (1000, 2048), (2000, 4096))
OPEN: Final = 10_000
LONG: Final = 500
"""One in so many pods runs for up to a day; of these, one in ten is a workload of its own."""

_LIFETIMES: Final = """
WITH RECURSIVE drawn(number, slot, since, luck) AS (
  SELECT 1, 0, :begin, 0 UNION ALL
  SELECT number + 1, abs(random() % :slots), :begin + abs(random() % (:month - 4000)), abs(random() % 1000)
  FROM drawn WHERE number < :count
), lived AS (
  SELECT number, slot, since, since + 60 + luck * luck * luck * 3540 / 1000000000 AS until FROM drawn
)
INSERT INTO lifetime SELECT
  number, lower(hex(randomblob(16))), pool.id, number, printf('app-%d-%x', slot % 20, number),
  'node-' || number % 100, printf('{"app":"app-%d","pod-template-hash":"%08x"}', slot % 20, slot),
  since * 1000, since * 1000, since * 1000, since * 1000 + 900, NULL, until * 1000, printf('[%d000]', until), NULL,
  '["monopod-ledger-0","monopod-ledger-1"]', '["Acknowledged","PullStarted","WatchedDeletion"]',
  number, 0, since, until, until, until, CASE WHEN until - since < 64 THEN 6 WHEN until - since < 128 THEN 7
    WHEN until - since < 256 THEN 8 WHEN until - since < 512 THEN 9 WHEN until - since < 1024 THEN 10
    WHEN until - since < 2048 THEN 11 ELSE 12 END
FROM lived JOIN pool USING (slot)
"""
_SUMS: Final = (
    # None is longer than an hour, so it is billed for some of two hours at most.
    """
    INSERT INTO usage_hour SELECT group_id, hour, sum(seconds), sum(seconds), sum(seconds) FROM (
      SELECT group_id, billed_since / 3600 AS hour,
        min(billed_until, (billed_since / 3600 + 1) * 3600) - billed_since AS seconds FROM lifetime
      UNION ALL
      SELECT group_id, billed_until / 3600, billed_until % 3600 FROM lifetime
      WHERE billed_until / 3600 > billed_since / 3600 AND billed_until % 3600 > 0
    ) GROUP BY group_id, hour
    """,
    """
    INSERT INTO usage_hour SELECT total, hour, sum(h.least), sum(h.billed), sum(h.most)
    FROM usage_hour AS h JOIN usage_group ON id = group_id GROUP BY total, hour
    """,
    """
    UPDATE usage_group SET (least, billed, most) =
      (SELECT coalesce(sum(least), 0), coalesce(sum(billed), 0), coalesce(sum(most), 0)
       FROM usage_hour WHERE group_id = id)
    """,
    "UPDATE ledger SET sequence = (SELECT count(*) FROM lifetime)",
)


def make_month(path: Path, count: int) -> None:
    """Makes the database, with so many pods that have ended and `OPEN` that run."""
    Store.open(f"sqlite:///{path}", Terms()).close()
    dice = random.Random(1)  # noqa: S311 nothing is secret here
    long = count // LONG
    _write_short(path, count - long)
    store = Store.open(f"sqlite:///{path}", Terms())
    numbers = range(count, count + long)
    started = (draw_pod(dice, number, BEGIN + dice.randrange(MONTH - 90_000)) for number in numbers)
    for page in split((end_pod(pod, dice.randrange(86_400)) for pod in started), 500):
        store.join(page)
    store.join([draw_pod(dice, number, BEGIN + MONTH - 3600) for number in range(OPEN)])
    store.close()


def draw_pod(dice: random.Random, number: int, since: int) -> Lifetime:
    """Makes a pod up that runs; its namespace goes by its number."""
    key = _get_key(number % NAMESPACES, dice.randrange(WORKLOADS))
    name = f"task-{number:x}"
    described = Description(
        version=number,
        name=name,
        node=f"node-{number % 100}",
        labels=(("app", key.workload.removeprefix("Deployment/")), ("pod-template-hash", f"{number % 1200:08x}")),
        **(key._replace(workload=f"Pod/{name}") if dice.random() < 0.1 else key)._asdict(),
    )
    start = since * 1000
    return Lifetime(
        f"{dice.getrandbits(128):032x}",
        described,
        start,
        pull_started=start,
        acknowledged=start,
        container_started=start + 900,
        alive=start,
        seen_by=frozenset({"monopod-ledger-0", "monopod-ledger-1"}),
        evidence=frozenset({Evidence.PULL_STARTED, Evidence.ACKNOWLEDGED}),
    )


def end_pod(pod: Lifetime, seconds: int) -> Lifetime:
    """The same pod, watched until it was gone after so long."""
    end = pod.created + seconds * 1000
    return replace(pod, alive=end, gone=frozenset({end}), evidence=pod.evidence | {Evidence.WATCHED_DELETION})


def _get_key(team: int, one: int) -> GroupKey:
    cpu, memory = SIZES[(team + one) % len(SIZES)]
    profile = "web" if one % 2 else "batch"
    return GroupKey(f"team-{team}", f"Deployment/app-{one}", profile, cpu, memory, 20, "FARGATE", "x86")


def _write_short(path: Path, count: int) -> None:
    keys = [_get_key(team, one) for team in range(NAMESPACES) for one in range(WORKLOADS)]
    engine = build_engine(f"sqlite:///{path}")
    with begin_writing(engine) as connection:
        numbers = Groups().resolve(connection, keys)
    engine.dispose()
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        # Nobody misses the file if this process dies. Indexes are made afterwards, which is many times faster.
        for pragma in ("journal_mode=MEMORY", "synchronous=OFF", "cache_size=-400000", "temp_store=FILE"):
            database.execute(f"PRAGMA {pragma}")
        database.execute("CREATE TEMP TABLE pool (slot INTEGER PRIMARY KEY, id INTEGER)")
        database.executemany("INSERT INTO pool VALUES (?, ?)", enumerate(numbers[key][0] for key in keys))
        indexes = list(_drop_indexes(database))
        values = {"begin": BEGIN, "month": MONTH, "slots": len(keys), "count": count}
        database.execute(_LIFETIMES, values)
        for statement in (*_SUMS, *indexes):
            database.execute(statement)


def _drop_indexes(database: sqlite3.Connection) -> Iterator[str]:
    found = database.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'lifetime' AND sql IS NOT NULL"
    ).fetchall()
    for name, sql in found:
        database.execute(f"DROP INDEX {name}")
        yield sql
