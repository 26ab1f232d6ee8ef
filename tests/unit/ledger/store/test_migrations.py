"""Tables of every version since the first become those of this one, with what is in them."""

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine

from monopod.ledger.store.engine import begin_reading, begin_writing, build_engine
from monopod.ledger.store.migrations import NewerTablesError, migrate, versions
from monopod.ledger.store.store import Store
from monopod.ledger.store.tables import METADATA
from monopod.usage.rules.bill import Terms
from tests.ledger import a_lifetime

SCHEMAS = Path(__file__).parent / "schemas"
"""A dump of each version's database: `sqlite3 FILE .dump`, with one ended lifetime and an open one in it."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.mark.parametrize("dump", sorted(SCHEMAS.glob("*.sql")), ids=lambda dump: dump.stem)
def test_a_database_of_every_version_is_brought_to_this_one(dump: Path, path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.executescript(dump.read_text())
    database.close()
    store = Store.open(f"sqlite:///{path}", Terms())
    expected = [a_lifetime("ended", seconds=61), a_lifetime("open", seconds=None)]
    assert list(store.fetch_changes(0, 10).lifetimes) == expected
    assert list(store.verify()) == []
    store.join(expected)
    store.close()


def test_there_is_a_dump_of_every_version() -> None:
    steps = {path.stem.removeprefix("v").split("_")[0] for path in Path(versions.__file__).parent.glob("v*.py")}
    assert {dump.stem for dump in SCHEMAS.glob("*.sql")} == steps


def test_the_steps_make_the_tables_that_the_code_knows(path: Path) -> None:
    migrated, made = build_engine(f"sqlite:///{path}"), build_engine(f"sqlite:///{path.with_name('made.db')}")
    with begin_writing(migrated) as connection:
        migrate(connection)
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    METADATA.create_all(made)
    assert describe_tables(migrated) == describe_tables(made)


def describe_tables(engine: Engine) -> dict[str, str]:
    with begin_reading(engine) as connection:
        rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        described = {name: " ".join(sql.split()) for name, sql in rows if name != "alembic_version"}
    engine.dispose()
    return described


def test_tables_of_a_later_version_are_left_alone(path: Path) -> None:
    store = Store.open(f"sqlite:///{path}", Terms())
    store.join([a_lifetime()])
    store.close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(NewerTablesError, match="a later version of Monopod"):
        Store.open(f"sqlite:///{path}", Terms())
