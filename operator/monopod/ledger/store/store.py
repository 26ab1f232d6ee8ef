"""The store: the one class that the rest of the ledger knows of it.

Synchronous: it is called from threads. Writing calls wait for each other; reading ones see one state of all tables,
and neither wait nor are waited for. Times are milliseconds since the epoch, UTC.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from monopod.ledger.store.answers import Changes, Difference, Group, Grouping, Position
from monopod.usage.rules.lifetime import Lifetime, Watched


class Store:
    """A database of lifetimes, SQLite or PostgreSQL.

    Every method raises StoreUnavailableError if the database can't be used for now.
    """

    @classmethod
    def open(cls, url: str, terms: object) -> "Store":
        """Opens a database, makes it first if it is new, and brings its tables to this version.

        Args:
            url: `sqlite:////data/ledger.db` or `postgresql://user:password@host/database`.
            terms: of billing; sums are computed again if they aren't those of last time.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Closes all connections."""

    @property
    def id(self) -> str:
        """Tells this database from any other, also from an empty one in the same place."""
        raise NotImplementedError

    def join(
        self, lifetimes: Sequence[Lifetime], *, position: Position | None = None, watched: Sequence[Watched] = ()
    ) -> None:
        """Adds facts to what is known, with how far they were read, in one transaction: all of it is kept or nothing.

        In any order and as often as one likes: the same facts give the same store.
        """
        raise NotImplementedError

    def fetch_position(self, source: str) -> Position | None:
        """Returns how far `source` has read; None if it never did."""
        raise NotImplementedError

    def fetch_watched(self) -> list[Watched]:
        """Returns all windows of all recorders, by recorder and start."""
        raise NotImplementedError

    def list_open(self) -> list[Lifetime]:
        """Returns the lifetimes without an end."""
        raise NotImplementedError

    def fetch(self, uid: str) -> Lifetime | None:
        """Returns what is known of one pod."""
        raise NotImplementedError

    def find(self, namespace: str, *, name: str | None = None, workload: str | None = None) -> list[Lifetime]:
        """Returns a namespace's lifetimes of that pod name or workload (`Deployment/web`), the oldest first."""
        raise NotImplementedError

    def fetch_changes(self, after: int, limit: int) -> Changes:
        """Returns what changed since that number, for a peer to join; 0 for everything."""
        raise NotImplementedError

    def sum_usage(
        self, since: int, until: int, by: Grouping, *, now: int, namespaces: frozenset[str] | None = None
    ) -> list[Group]:
        """Sums what was used in a period, by keys in their order.

        Args:
            since: start of the period; part of a second counts if the second begins in the period.
            until: its end, which is no longer in it.
            by: what is summed up in one.
            now: the present, up to which open lifetimes are counted.
            namespaces: only these; None for all.
        """
        raise NotImplementedError

    def sum_totals(self, *, now: int) -> list[Group]:
        """Sums everything ever used; keys are (namespace, profile). Cheap: it reads no lifetime that has ended."""
        raise NotImplementedError

    def iterate(self, since: int, until: int, *, namespaces: frozenset[str] | None = None) -> Iterator[Lifetime]:
        """Streams the lifetimes that are billed for some of a period, open ones too, each once, in no set order."""
        raise NotImplementedError

    def verify(self) -> Iterator[Difference]:
        """Computes everything that is derived again, and tells what isn't as it should be."""
        raise NotImplementedError

    def backup(self, path: Path) -> None:
        """Writes a copy, as of one moment, to a file that isn't there yet. Recording goes on meanwhile."""
        raise NotImplementedError

    def restore(self, path: Path) -> int:
        """Joins all that a copy knows; returns how many lifetimes it had. Positions stay as they are here."""
        raise NotImplementedError


class SpooledStore:
    """Writes to a store and, while it is away, to a bounded file, from where it is joined once the store is back."""

    def join(
        self, lifetimes: Sequence[Lifetime], *, position: Position | None = None, watched: Sequence[Watched] = ()
    ) -> None:
        """As `Store.join`, if need be to the spool.

        Raises:
            SpoolFullError: neither takes it. Nothing was kept: read no further, and call again with the same.
        """
        raise NotImplementedError

    @property
    def is_writable(self) -> bool:
        """Whether the last call reached the store itself."""
        raise NotImplementedError

    @property
    def fill(self) -> float:
        """How full the spool is, from 0 to 1."""
        raise NotImplementedError
