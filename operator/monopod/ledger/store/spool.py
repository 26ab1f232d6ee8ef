"""Facts in a bounded file, while the database is away.

    join ──► database is there: what is spooled goes first, in order, then this; the file is emptied
         └─► database is away:  appended to the file ──► file is full: refused, so that its source reads no further

A record is a line: a checksum, and what one call of `join` was given. The last one may be torn, if the process died
while it wrote; nobody was told that it is kept.
"""

import errno
import json
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import structlog

from monopod.ledger.rules.wire import decode_lifetime, decode_watched, encode_lifetime, encode_watched
from monopod.ledger.store.answers import Position, SpoolFullError, StoreUnavailableError
from monopod.ledger.store.store import Store
from monopod.usage.rules.lifetime import Lifetime, Watched

LIMIT_BYTES: Final = 64 * 1024 * 1024

logger = structlog.stdlib.get_logger(__name__)

Call = tuple[list[Lifetime], Position | None, list[Watched]]
"""What `join` was given."""


class Spool:
    """The file. Times of its calls don't overlap: one thread writes."""

    def __init__(self, path: Path, limit: int = LIMIT_BYTES) -> None:
        """Opens it, or makes it.

        Raises:
            OSError: It can't be written.
        """
        self._limit = limit
        self._file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        with self._open_reader(0) as lines:
            self._length = sum(len(line) for line in lines if line.endswith(b"\n"))
        self._read = 0

    def close(self) -> None:
        """Closes the file; what is in it stays."""
        os.close(self._file)

    def _open_reader(self, offset: int) -> BinaryIO:
        os.lseek(self._file, offset, os.SEEK_SET)
        return os.fdopen(os.dup(self._file), "rb")

    @property
    def fill(self) -> float:
        """How full it is, from 0 to 1."""
        return min(1.0, self._length / self._limit)

    def append(self, lifetimes: Sequence[Lifetime], position: Position | None, watched: Sequence[Watched]) -> None:
        """Adds a call, and returns once it is on the disk.

        Raises:
            SpoolFullError: The bound is reached, or the disk full; nothing was added.
        """
        line = _encode((list(lifetimes), position, list(watched)))
        if self._length + len(line) > self._limit:
            raise SpoolFullError(f"the spool holds {self._length:,} bytes and may hold {self._limit:,}")
        try:
            os.ftruncate(self._file, self._length)  # what a call before wrote only in part
            written = os.pwrite(self._file, line, self._length)
            if written < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file)
        except OSError as error:
            raise SpoolFullError(f"the spool can't be written: {error}") from error
        self._length += len(line)

    def replay(self, store: Store) -> None:
        """Joins all that is in it, in order, and empties it.

        Raises:
            StoreUnavailableError: The database is still away; what was joined needn't be, next time.
        """
        with self._open_reader(self._read) as lines:
            while self._read < self._length:
                line = lines.readline()
                self._join(store, line)
                self._read += len(line)
        if self._length:
            os.ftruncate(self._file, 0)
            os.fsync(self._file)
            self._read = self._length = 0

    def _join(self, store: Store, line: bytes) -> None:
        try:
            lifetimes, position, watched = _decode(line)
        except ValueError as error:
            # The disk changed it. Everything else in the file is still worth having.
            logger.error("a spooled record can't be read, and is lost", error=str(error), offset=self._read)
            return
        store.join(lifetimes, position=position, watched=watched)


class SpooledStore:
    """Writes to a store and, while it is away, to a spool, from where it is joined once the store is back."""

    def __init__(self, store: Store, spool: Spool) -> None:
        """Joins what an earlier process left in the spool, if the store is there."""
        self._store = store
        self._spool = spool
        self._is_writable = True
        try:
            spool.replay(store)
        except StoreUnavailableError:
            self._is_writable = False

    def join(
        self, lifetimes: Sequence[Lifetime], *, position: Position | None = None, watched: Sequence[Watched] = ()
    ) -> None:
        """As `Store.join`, if need be to the spool.

        Raises:
            SpoolFullError: Neither takes it. Nothing was kept: read no further, and call again with the same.
        """
        try:
            self._spool.replay(self._store)
            self._store.join(lifetimes, position=position, watched=watched)
        except StoreUnavailableError as error:
            self._is_writable = False
            try:
                self._spool.append(lifetimes, position, watched)
            except SpoolFullError as full:
                raise SpoolFullError(f"the database is away ({error}), and {full}") from error
        else:
            self._is_writable = True

    @property
    def is_writable(self) -> bool:
        """Whether the last call reached the store itself."""
        return self._is_writable

    @property
    def fill(self) -> float:
        """How full the spool is, from 0 to 1."""
        return self._spool.fill


def _encode(call: Call) -> bytes:
    lifetimes, position, watched = call
    record: dict[str, Any] = {
        "lifetimes": [encode_lifetime(lifetime) for lifetime in lifetimes],
        "watched": [encode_watched(window) for window in watched],
    }
    if position:
        record["position"] = [position.source, position.version]
    text = json.dumps(record, separators=(",", ":")).encode()
    return b"%08x %b\n" % (zlib.crc32(text), text)


def _decode(line: bytes) -> Call:
    checksum, _, text = line.rstrip(b"\n").partition(b" ")
    if checksum != b"%08x" % zlib.crc32(text):
        raise ValueError("its checksum differs")
    record = json.loads(text)
    position = record.get("position")
    return (
        [decode_lifetime(lifetime) for lifetime in record["lifetimes"]],
        Position(*position) if position else None,
        [decode_watched(window) for window in record["watched"]],
    )
