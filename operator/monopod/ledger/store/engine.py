"""How a database is opened: durable, and so that readers and the writer don't disturb each other."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, NoSuchModuleError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from monopod.ledger.store.answers import StoreUnavailableError

BUSY_SECONDS: Final = 20
"""How long to wait for another process's transaction, `usage backup` beside the recorder for instance."""

_PAUSE_SECONDS: Final = 0.02

_WAL: Final = "PRAGMA journal_mode=WAL"
"""Readers see one state while the writer goes on."""

_SQLITE: Final = (
    "PRAGMA synchronous=FULL",  # what is committed survives the node's power
    "PRAGMA cache_size=-16000",
    "PRAGMA journal_size_limit=67108864",
)
_POSTGRESQL: Final = {
    "connect_timeout": 5,
    "tcp_user_timeout": 15_000,  # a server whose node is gone answers nothing, not even a reset
    "keepalives_idle": 10,
    "options": "-c lock_timeout=20s -c idle_in_transaction_session_timeout=60s -c timezone=UTC",
}

_OUR_FAULT: Final = (DataError, IntegrityError, ProgrammingError)
"""What no waiting mends."""


def build_engine(url: str) -> Engine:
    """Returns an engine for `sqlite:///…` or `postgresql://…`; nothing is opened yet.

    Raises:
        ValueError: The URL is of no database that is supported.
    """
    try:
        parsed = make_url(url)
        match parsed.get_backend_name():
            case "sqlite" if parsed.database and parsed.database != ":memory:":
                engine = create_engine(parsed, connect_args={"timeout": BUSY_SECONDS})
                event.listen(engine, "connect", _prepare_sqlite)
                event.listen(engine, "begin", _begin_sqlite)
                return engine
            case "postgresql":
                named = parsed.set(drivername="postgresql+psycopg")
                arguments = {name: value for name, value in _POSTGRESQL.items() if name not in parsed.query}
                return create_engine(named, connect_args=arguments, pool_pre_ping=True, pool_recycle=600)
            case _:
                raise ValueError("the database must be sqlite:////FILE or postgresql://…")
    except ModuleNotFoundError as error:
        raise ValueError("PostgreSQL needs psycopg: pip install 'monopod[postgresql]'") from error
    except (ArgumentError, NoSuchModuleError) as error:
        raise ValueError("the database's URL can't be read: sqlite:////FILE or postgresql://…") from error


def _prepare_sqlite(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None  # Python's module would begin late, and commit before changes of tables
    _turn_on_wal(connection)
    for pragma in _SQLITE:
        connection.execute(pragma)


def _turn_on_wal(connection: sqlite3.Connection) -> None:
    """Waits by itself: of several who make a new database at once, SQLite refuses all but one without any waiting."""
    give_up_at = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute(_WAL)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_at:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once if another wrote meanwhile; this one waits before.
    is_writing = connection.get_execution_options().get("is_writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")


@contextmanager
def begin_writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that others who write wait for.

    Raises:
        StoreUnavailableError: The database can't be used; nothing was written.
    """
    with _translated(), engine.connect().execution_options(is_writing=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            # Ours alone, for all of our tables: also while the first process makes them.
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('monopod-ledger'))"))
        yield connection


@contextmanager
def begin_reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one state of all tables.

    Raises:
        StoreUnavailableError: The database can't be used.
    """
    with _translated(), engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _OUR_FAULT:
        raise
    except DBAPIError as error:
        raise StoreUnavailableError(str(error.orig).strip()) from error
    except PoolTimeoutError as error:
        raise StoreUnavailableError("all connections to the database are in use") from error
