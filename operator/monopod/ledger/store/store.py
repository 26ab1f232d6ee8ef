"""The store: the one class that the rest of the ledger knows of it.

Synchronous: it is called from threads. Writing calls wait for each other; reading ones see one state of all tables,
and neither wait nor are waited for. Times are milliseconds since the epoch, UTC.
"""

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Final, Self

from sqlalchemy import Connection, Engine, select, update

from monopod.ledger.store import reading, sums
from monopod.ledger.store.answers import Changes, Difference, Group, Grouping, Position
from monopod.ledger.store.backup import check_copy, copy_sqlite
from monopod.ledger.store.engine import begin_reading, begin_writing, build_engine
from monopod.ledger.store.groups import Groups
from monopod.ledger.store.migrations import migrate
from monopod.ledger.store.tables import LEDGER, LIFETIME
from monopod.ledger.store.terms import decode_terms, encode_terms
from monopod.ledger.store.verify import find_differences, rebuild
from monopod.ledger.store.writer import write_facts
from monopod.usage.rules.bill import Terms
from monopod.usage.rules.lifetime import Lifetime, Watched

_PAGE: Final = 2000

MOST_TEXT: Final = 2 * 1024 * 1024
"""Characters of the texts in a page of changes. A pod may have 16 KiB of labels, and each character of them may become
six bytes of JSON."""


class Store:
    """A database of lifetimes, SQLite or PostgreSQL.

    Every method raises StoreUnavailableError if the database can't be used for now.
    """

    def __init__(self, engine: Engine, identity: str) -> None:
        """For `open`."""
        self._engine = engine
        self._id = identity
        self._groups = Groups()
        self._writing = Lock()

    @classmethod
    def open(cls, url: str, terms: Terms | None = None) -> Self:
        """Opens a database, makes it first if it is new, and brings its tables to this version.

        Args:
            url: `sqlite:////data/ledger.db` or `postgresql://user:password@host/database`.
            terms: of billing. If they aren't those of last time, all sums are computed again, which takes minutes for
                millions of lifetimes. They are the database's: a process that opened it earlier goes by them, too.
                None for those that it has.

        Raises:
            ValueError: The URL is of no database that is supported.
            NewerTablesError: A later version made the tables.
        """
        engine = build_engine(url)
        try:
            with begin_writing(engine) as connection:
                migrate(connection)
                _apply_terms(connection, terms)
                identity = str(connection.execute(select(LEDGER.c.store)).scalar_one())
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, identity)

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

    @property
    def id(self) -> str:
        """Tells this database from any other, also from an empty one in the same place."""
        return self._id

    def join(
        self, lifetimes: Sequence[Lifetime], *, position: Position | None = None, watched: Sequence[Watched] = ()
    ) -> None:
        """Adds facts to what is known, with how far they were read, in one transaction: all of it is kept or nothing.

        In any order and as often as one likes: the same facts give the same store.
        """
        with self._writing:
            try:
                with begin_writing(self._engine) as connection:
                    terms = decode_terms(_fetch_terms(connection))
                    write_facts(connection, self._groups, terms, lifetimes, position, watched)
            except BaseException:
                self._groups.forget()
                raise

    def fetch_position(self, source: str) -> Position | None:
        """Returns how far `source` has read; None if it never did."""
        with begin_reading(self._engine) as connection:
            return reading.fetch_position(connection, source)

    def fetch_watched(self) -> list[Watched]:
        """Returns all windows of all recorders, by recorder and start."""
        with begin_reading(self._engine) as connection:
            return reading.fetch_watched(connection)

    def list_open(self) -> list[Lifetime]:
        """Returns the lifetimes without an end."""
        with begin_reading(self._engine) as connection:
            return reading.fetch_lifetimes(connection, LIFETIME.c.is_open)

    def fetch(self, uid: str) -> Lifetime | None:
        """Returns what is known of one pod."""
        with begin_reading(self._engine) as connection:
            return next(iter(reading.fetch_lifetimes(connection, LIFETIME.c.uid == uid)), None)

    def find(
        self,
        namespace: str,
        *,
        name: str | None = None,
        workload: str | None = None,
        uid: str = "",
        period: tuple[int, int] = (0, 2**62),
        most: int = 1000,
    ) -> list[Lifetime]:
        """Returns a namespace's lifetimes of that pod name or workload (`Deployment/web`), the oldest first.

        Raises:
            TooManyLifetimesError: there are more than `most` in the period.
        """
        with begin_reading(self._engine) as connection:
            return reading.find_lifetimes(connection, namespace, name, workload, uid, period, most)

    def fetch_changes(self, after: int, limit: int, most_text: int = MOST_TEXT) -> Changes:
        """Returns a page of what changed since that number, for a peer to join; 0 for everything."""
        with begin_reading(self._engine) as connection:
            return reading.fetch_changes(connection, after, limit, most_text)

    def sum_usage(
        self,
        since: int,
        until: int,
        by: Grouping,
        *,
        now: int,
        namespaces: frozenset[str] | None = None,
        most: int | None = None,
    ) -> list[Group]:
        """Sums what was used in a period, by keys in their order.

        Args:
            since: start of the period; a second belongs to it if it begins in it.
            until: its end, which is no longer in it.
            by: what is summed up in one.
            now: the present, up to which open lifetimes are counted.
            namespaces: only these; None for all.
            most: how many groups the answer may have; None for any number.

        Raises:
            TooManyGroupsError: It would have more.
        """
        period = (-(-since // 1000), -(-until // 1000))
        with begin_reading(self._engine) as connection:
            terms = decode_terms(_fetch_terms(connection))
            return sums.sum_usage(connection, terms, period, by, namespaces, now, most)

    def sum_totals(self, *, now: int) -> list[Group]:
        """Sums everything ever used; keys are (namespace, profile). Cheap: it reads no lifetime that has ended."""
        with begin_reading(self._engine) as connection:
            return sums.sum_totals(connection, decode_terms(_fetch_terms(connection)), now)

    def find_first_hours(self, *, now: int) -> dict[tuple[str, ...], int]:
        """In which hour since the epoch each pair of namespace and profile first used something."""
        with begin_reading(self._engine) as connection:
            return sums.find_first_hours(connection, decode_terms(_fetch_terms(connection)), now)

    def iterate(
        self, since: int, until: int, *, namespaces: frozenset[str] | None = None
    ) -> Generator[Lifetime, None, None]:
        """Streams lifetimes that are billed for some of a period and all open ones, each once, in no set order.

        All as of one moment, which the database remembers until the last is read: don't leave it half read.
        """
        period = (-(-since // 1000), -(-until // 1000))
        with begin_reading(self._engine) as connection:
            yield from reading.iterate_lifetimes(connection, *period, namespaces)

    def verify(self) -> Iterator[Difference]:
        """Computes everything that is derived again, and tells what isn't as it should be."""
        return find_differences(self._engine, lambda connection: decode_terms(_fetch_terms(connection)))

    def rebuild(self) -> None:
        """Computes everything that is derived again, and keeps that: mends what `verify` finds."""
        with self._writing, begin_writing(self._engine) as connection:
            rebuild(connection, decode_terms(_fetch_terms(connection)))

    def backup(self, path: Path) -> None:
        """Writes a copy to a SQLite file that isn't there yet. Recording goes on meanwhile.

        Raises:
            OSError: The file can't be written, or is there already.
        """
        if self._engine.dialect.name == "sqlite":
            copy_sqlite(self._engine, path)
            return
        path.touch(0o600, exist_ok=False)
        copy = Store.open(f"sqlite:///{path}")
        try:
            copy.join_store(self)
        finally:
            copy.close()

    def restore(self, path: Path) -> int:
        """Joins all that a copy knows, and brings the copy's tables to this version for that.

        Positions stay as they are here: what happened since the copy is read, not skipped.

        Returns:
            How many lifetimes the copy had.

        Raises:
            ValueError: It is no copy, or damaged.
            NewerTablesError: A later version made the copy.
        """
        check_copy(path)
        copy = Store.open(f"sqlite:///{path}")
        try:
            return self.join_store(copy)
        finally:
            copy.close()

    def join_store(self, other: "Store") -> int:
        """Joins all that another store knows; returns how many lifetimes that was."""
        after = count = 0
        while True:
            changes = other.fetch_changes(after, _PAGE)
            self.join(changes.lifetimes, watched=changes.watched)
            after, count = changes.last, count + len(changes.lifetimes)
            if changes.is_end:
                return count


def _fetch_terms(connection: Connection) -> str:
    return str(connection.execute(select(LEDGER.c.terms)).scalar_one())


def _apply_terms(connection: Connection, terms: Terms | None) -> None:
    kept = _fetch_terms(connection)
    if terms is None:
        terms = decode_terms(kept) if kept else Terms()
    if encode_terms(terms) != kept:
        rebuild(connection, terms)
        connection.execute(update(LEDGER).values(terms=encode_terms(terms)))
