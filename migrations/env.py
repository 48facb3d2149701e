"""What Alembic runs: in the farm on the farm's connection, by hand with ``-x url=ADDRESS``."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import Connection

from orchestrator.store.schema import make_engine
from orchestrator.store.tables import metadata


def compares(thing: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
    """Leave out what Alembic does not manage: views are not tables."""
    del thing, name, other
    return not (kind == "table" and reflected)


def migrate(connection: Connection) -> None:
    """Apply what is asked for on a connection, as one transaction: SQLite can undo DDL."""
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    """Use the caller's connection, or make one."""
    connection = context.config.attributes.get("connection")
    if connection is not None:
        migrate(connection)
        return
    engine = make_engine(context.get_x_argument(as_dictionary=True)["url"], mode="rwc")
    with engine.begin() as own:
        migrate(own)


main()
