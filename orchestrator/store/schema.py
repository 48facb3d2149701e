"""Which schema a database has, and how it becomes this version's."""

from __future__ import annotations

from sqlalchemy import URL, Engine, text

from orchestrator.domain.errors import ConfigError, SchemaMismatch
from orchestrator.store import sqlite
from orchestrator.store.database import Database

#: The newest revision under ``migrations/``; a test holds the two together.
HEAD = "0003"

#: How long to wait for another writer, seconds; the longest write of a farm is far shorter.
BUSY_TIMEOUT_S = 10.0


def make_engine(url: str, *, mode: str, timeout_s: float = BUSY_TIMEOUT_S) -> Engine:
    """Make the engine an address asks for.

    Args:
        url: ``sqlite:///PATH``; the path is taken as it is written, whatever letters it has.
        mode: ``ro``, ``rw``, or ``rwc`` to make the database.
        timeout_s: how long to wait for another writer.

    Raises:
        ConfigError: no address, or of a database this version does not know.
        StoreUnavailable: the database is not there.
    """
    start, found, path = url.partition("sqlite:///")
    if start or not found:
        msg = f"not a database this version knows: {url!r}; write sqlite:////absolute/path/farm.db"
        raise ConfigError(msg)
    return sqlite.engine(URL.create("sqlite", database=path), mode=mode, timeout_s=timeout_s)


def check(database: Database) -> None:
    """Make sure a database has this version's schema.

    Raises:
        SchemaMismatch: it has not.
    """
    with database.reading():
        found = database.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found == HEAD:
        return
    known = found is None or (found.isdecimal() and found < HEAD)
    step = "run: farm db upgrade" if known else "it was made by a newer farm: use that one"
    msg = f"{database.name}: schema {found or 'empty'}, this farm needs {HEAD}; {step}"
    raise SchemaMismatch(msg)


def upgrade(url: str) -> list[str]:
    """Bring a database to this version's schema, making it if there is none; all or nothing.

    Returns:
        The revisions applied, oldest first; none if it was up to date.

    Raises:
        ConfigError: the address is wrong.
        StoreUnavailable: the database is locked, full or away.
        SchemaMismatch: it was made by a newer farm.
    """
    # Importing Alembic takes 0.3 s, and only this needs it.
    from migrations import apply

    database = Database(make_engine(url, mode="rwc"), readonly=False)
    try:
        with database.writing():
            return database.migrate(apply)
    finally:
        database.close()
