"""What a copy of a ledger's database knows is added to a database, which may be in use."""

import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO

from monopod.ledger.store.answers import StoreUnavailableError
from monopod.ledger.store.migrations import NewerTablesError
from monopod.ledger.store.store import Store


class RestorationError(Exception):
    """The copy couldn't be added, or not all of it; the message says why."""


def restore_copy(database: str, source: BinaryIO) -> int:
    """Adds a copy that is read to its end; returns how many lifetimes it has.

    Raises:
        RestorationError: It is no copy, or damaged, or the database can't be used. What was added is right.
    """
    # Next to a database that is a file: there is room, and temporary folders may be in memory.
    folder = Path(database.removeprefix("sqlite:///")).parent if database.startswith("sqlite:///") else None
    try:
        store = Store.open(database)
        try:
            with tempfile.TemporaryDirectory(prefix="restore-", dir=folder) as scratch:
                path = Path(scratch) / "copy.db"
                with path.open("wb") as copy:
                    shutil.copyfileobj(source, copy)
                return store.restore(path)
        finally:
            store.close()
    except (OSError, ValueError, NewerTablesError, StoreUnavailableError) as error:
        raise RestorationError(str(error)) from error
