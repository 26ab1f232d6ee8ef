"""Alembic runs this: the steps go through the connection that it is given, in one transaction."""

from alembic import context

from monopod.ledger.store.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
