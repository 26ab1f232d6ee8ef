"""How the tables came to be what they are: a step for each version that changed them, with Alembic.

A new step is a file `versions/vNNNN_name.py` with the next revision. Before it is written, the tables as they are go
into tests/unit/ledger/store/schemas, from where the tests migrate every one of them.
"""

import uuid
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, select

from monopod.ledger.store.tables import LEDGER

LOCATION: Final = "monopod.ledger.store:migrations"


class NewerTablesError(Exception):
    """A later version of Monopod made the tables; this one would misread them."""


def migrate(connection: Connection) -> None:
    """Brings the tables to this version, in the connection's transaction, and gives a new database its id.

    Raises:
        NewerTablesError: They are of a later version.
    """
    config = Config()
    config.set_main_option("script_location", LOCATION)
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    script = ScriptDirectory.from_config(config)
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is not None and revision not in {step.revision for step in script.walk_revisions()}:
        raise NewerTablesError(
            f"the ledger's database has tables of a later version of Monopod ({revision}); "
            "start that version, or restore a backup into a new database"
        )
    if revision != script.get_current_head():
        command.upgrade(config, "head")
    if connection.execute(select(LEDGER.c.id)).first() is None:
        connection.execute(insert(LEDGER).values(id=1, store=uuid.uuid4().hex, sequence=0, terms=""))
