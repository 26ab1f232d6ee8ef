"""The store in SQLite."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import event

from monopod.ledger.store.answers import BY_NAMESPACE, BY_POD, BY_WORKLOAD, StoreUnavailableError
from monopod.ledger.store.engine import build_engine
from monopod.ledger.store.store import Store
from monopod.usage.rules.bill import Terms
from tests.ledger import BEGIN, HOUR_MS, a_lifetime, make_views
from tests.store_contract import NOW, StoreContract


class TestSqlite(StoreContract):
    """What any store promises."""

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'ledger.db'}"


def test_those_who_make_a_new_database_at_once_wait_for_each_other(tmp_path: Path) -> None:
    for number in range(20):
        barrier = Barrier(3)

        def make(url: str, barrier: Barrier) -> str:
            barrier.wait()
            store = Store.open(url, Terms())
            store.close()
            return store.id

        with ThreadPoolExecutor(3) as pool:
            url = f"sqlite:///{tmp_path / f'{number}.db'}"
            made = [pool.submit(make, url, barrier) for _ in range(3)]
            assert len({each.result() for each in made}) == 1


def test_nothing_that_is_asked_often_reads_all_lifetimes(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'ledger.db'}", Terms())
    store.join([view for number in range(20) for view in make_views(Random(number), f"uid-{number}")])
    asked: dict[str, Any] = {}

    @event.listens_for(store._engine, "before_cursor_execute")
    def remember(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.startswith("SELECT"):
            asked[statement] = parameters

    period = BEGIN + 1_000, BEGIN + 100 * HOUR_MS
    for namespaces in (None, frozenset({"team-1"})):
        for by in (BY_NAMESPACE, BY_WORKLOAD, BY_POD):
            store.sum_usage(*period, by, now=NOW, namespaces=namespaces)
            store.sum_usage(period[0], period[0] + HOUR_MS, by, now=NOW, namespaces=namespaces)
        list(store.iterate(*period, namespaces=namespaces))
    store.sum_totals(now=NOW)
    store.list_open()
    store.find("team-1", name="pod-1")
    store.find("team-1", workload="Deployment/web")
    store.fetch("uid-1")
    store.fetch_changes(3, 5)
    store.join([a_lifetime()])
    event.remove(store._engine, "before_cursor_execute", remember)
    with store._engine.connect() as connection:
        plans = {
            statement: [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            for statement, parameters in asked.items()
        }
    store.close()
    scans = [step for plan in plans.values() for step in plan if step.startswith("SCAN")]
    assert {step for step in scans if "lifetime" in step or "usage_hour" in step} == {
        "SCAN lifetime USING INDEX lifetime_open"
    }


@pytest.mark.parametrize("url", ["", "mysql://somewhere/ledger", "sqlite://", "sqlite:///:memory:", "no url"])
def test_a_url_of_no_database_that_is_supported_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="database"):
        build_engine(url)


def test_a_folder_that_is_away_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="unable to open"):
        Store.open(f"sqlite:///{tmp_path}/away/ledger.db", Terms())


def test_a_full_disk_keeps_nothing_of_a_join_and_all_of_the_next(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'ledger.db'}", Terms())
    with store._engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    def set_limit(connection: Any, _: Any) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    event.listen(store._engine, "connect", set_limit)
    store._engine.dispose()
    many = [a_lifetime(f"uid-{number}") for number in range(500)]
    with pytest.raises(StoreUnavailableError, match="full"):
        store.join(many)
    assert store.fetch("uid-1") is None
    event.remove(store._engine, "connect", set_limit)
    store._engine.dispose()
    store.join(many)
    assert len(store.fetch_changes(0, 1000).lifetimes) == 500
    assert list(store.verify()) == []
    store.close()
