"""A copy of a store in one SQLite file, whatever database it is in; and what a copy knows, joined again."""

import os
import sqlite3
import uuid
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine

PAGE: Final = 2000


def copy_sqlite(engine: Engine, path: Path) -> None:
    """Copies a SQLite database as it is at one moment, while it is written.

    Raises:
        OSError: The file can't be written, or is there already.
    """
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        raw = engine.raw_connection()
        copy = sqlite3.connect(path)
        try:
            source: Any = raw.driver_connection
            source.backup(copy)
            # One file without a log beside it. With an id of its own: a peer that had read the original's latest
            # changes would wait for their numbers, should somebody put the copy in its place.
            copy.execute("PRAGMA journal_mode=DELETE")
            copy.execute("UPDATE ledger SET store = ?", (uuid.uuid4().hex,))
            copy.commit()
        finally:
            copy.close()
            raw.close()
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def check_copy(path: Path) -> None:
    """Raises ValueError if a file isn't a copy of a store, or is damaged."""
    if not path.is_file():
        raise ValueError(f"{path} isn't there")
    copy = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        messages = [message for (message,) in copy.execute("PRAGMA quick_check")]
        copy.execute("SELECT store FROM ledger").fetchone()
    except sqlite3.DatabaseError as error:
        raise ValueError(f"{path} isn't a copy of a ledger: {error}") from error
    finally:
        copy.close()
    if messages != ["ok"]:
        raise ValueError(f"{path} is damaged: {messages[0]}")
