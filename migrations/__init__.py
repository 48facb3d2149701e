"""Revisions of the database's schema, applied by Alembic inside a transaction of the caller's."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from orchestrator.domain.errors import SchemaMismatch

#: Where the revisions are, wherever the package is installed.
FOLDER = Path(__file__).parent


def config(connection: Connection | None = None) -> Config:
    """Tell Alembic where the revisions are, and which connection to use."""
    made = Config(attributes={"connection": connection})
    made.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return made


def apply(connection: Connection, revision: str = "head") -> list[str]:
    """Bring a database to a revision that is newer than its own.

    Args:
        connection: to the database.
        revision: which; without a word the newest.

    Returns:
        The revisions applied, oldest first.

    Raises:
        SchemaMismatch: the database has a revision this version does not know.
    """
    before = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory.from_config(config())
    try:
        scripts.get_revisions(before or "base")
    except CommandError as error:
        msg = f"schema {before} was made by a newer farm: use that one"
        raise SchemaMismatch(msg) from error
    steps = [one.revision for one in scripts.iterate_revisions(revision, before or "base")]
    command.upgrade(config(connection), revision)
    return steps[::-1]


def step_back(connection: Connection) -> str | None:
    """Say what going back by one revision would lose; None: there is nothing to go back from."""
    current = MigrationContext.configure(connection).get_current_revision()
    if current is None:
        return None
    script = ScriptDirectory.from_config(config()).get_revision(current)
    return " ".join(str(script.module.downgrade.__doc__).split())


def go_back(connection: Connection) -> tuple[str, str]:
    """Bring a database one revision back; answers the revision undone, and the one it has now."""
    context = MigrationContext.configure(connection)
    before = context.get_current_revision() or ""
    command.downgrade(config(connection), "-1")
    return before, MigrationContext.configure(connection).get_current_revision() or "none"
