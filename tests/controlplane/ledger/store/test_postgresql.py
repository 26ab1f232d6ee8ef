"""The store in a real PostgreSQL: all that it promises in SQLite, several writers, and a server that goes away."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from lab.postgresql import Postgresql, run_postgresql
from monopod.ledger.store.answers import BY_WORKLOAD, Position, StoreUnavailableError
from monopod.ledger.store.engine import begin_reading, build_engine
from monopod.ledger.store.spool import Spool, SpooledStore
from monopod.ledger.store.store import Store
from monopod.ledger.store.tables import METADATA
from monopod.usage.rules.bill import Terms
from tests.ledger import Model, make_views, read_everything
from tests.store_contract import FOREVER, KEYS, NOW, StoreContract

NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[Postgresql]:
    with run_postgresql() as running:
        yield running


@pytest.fixture
def url(server: Postgresql) -> str:
    return server.create_database(f"ledger_{next(NUMBERS)}")


class TestPostgresql(StoreContract):
    """What any store promises."""


def test_the_steps_make_the_tables_that_the_code_knows(url: str) -> None:
    Store.open(url, Terms()).close()
    engine = build_engine(url)
    with begin_reading(engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()


def test_a_server_that_crashes_and_comes_back_has_everything_once(server: Postgresql, url: str, tmp_path: Path) -> None:
    random, model = Random(12), Model()
    store = Store.open(url, Terms())
    spooled = SpooledStore(store, Spool(tmp_path / "spool"))
    for number in range(40):
        if number in (10, 25):
            server.stop()
        if number in (15, 30):
            with pytest.raises(StoreUnavailableError):
                store.list_open()
            assert spooled.fill > 0
            server.start()
        views = make_views(random, f"uid-{number}")
        spooled.join(views, position=Position("ledger-0", str(number)))
        model.join(views)
        assert spooled.is_writable == (number not in (*range(10, 15), *range(25, 30)))
    assert store.fetch_position("ledger-0") == Position("ledger-0", "39")
    assert read_everything(store)[0] == model.lifetimes
    assert list(store.verify()) == []
    key = KEYS["workload"][1]
    assert store.sum_usage(*FOREVER, BY_WORKLOAD, now=NOW) == model.sum_usage(*FOREVER, key, Terms(), NOW)
    store.close()


def test_a_server_that_is_away_at_the_start_is_said() -> None:
    with pytest.raises(StoreUnavailableError):
        Store.open("postgresql://somebody@/ledger?host=/nowhere", Terms())
