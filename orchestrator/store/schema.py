"""Which schema a database has, and how it becomes this version's."""

from __future__ import annotations

from sqlalchemy import URL, Engine, text

from orchestrator.domain.errors import ConfigError, SchemaMismatch
from orchestrator.store import sqlite
from orchestrator.store.address import SQLITE, is_postgresql
from orchestrator.store.database import Database
from orchestrator.store.identity import belong

#: The newest revision under ``migrations/``; a test holds the two together.
HEAD = "0004"

#: How long to wait for another writer, seconds; the longest write of a farm is far shorter.
BUSY_TIMEOUT_S = 10.0


def make_engine(
    url: str, *, mode: str, timeout_s: float = BUSY_TIMEOUT_S, serving: bool = False
) -> Engine:
    """Make the engine an address asks for.

    Args:
        url: ``sqlite:///PATH``, the path taken as it is written, whatever letters it has; or
            ``postgresql://USER@HOST:PORT/NAME``.
        mode: ``ro``, ``rw``, or ``rwc`` to make the database; a server's must be there already.
        timeout_s: how long to wait for another writer.
        serving: be the one orchestrator on a server's database; a file's is held by its folder.

    Raises:
        ConfigError: no address, of a database this version does not know, or without a driver.
        StoreUnavailable: the database is not there.
    """
    if is_postgresql(url):
        return _postgresql(url, mode, timeout_s, serving)
    start, found, path = url.partition(SQLITE)
    if start or not found:
        msg = (
            f"not a database this version knows: {url.partition(':')[0]!r}; write"
            " sqlite:////absolute/path/farm.db or postgresql://USER@HOST:PORT/NAME"
        )
        raise ConfigError(msg)
    return sqlite.engine(URL.create("sqlite", database=path), mode=mode, timeout_s=timeout_s)


def _postgresql(url: str, mode: str, timeout_s: float, serving: bool) -> Engine:
    try:
        # The driver and SQLAlchemy's dialect take 0.1 s, and farms on SQLite need neither.
        from orchestrator.store import postgresql
    except ImportError as error:
        msg = f"PostgreSQL needs its driver ({error}); install it: pip install 'psycopg[binary]'"
        raise ConfigError(msg) from error
    return postgresql.engine(url, mode=mode, timeout_s=timeout_s, serving=serving)


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

    database = Database(make_engine(url, mode="rwc", serving=True), readonly=False)
    try:
        with database.writing():
            return database.migrate(apply)
    finally:
        database.close()


def what_going_back_loses(url: str) -> str:
    """Say what the newest revision's undoing would lose.

    Raises:
        ConfigError: the address is wrong.
        StoreUnavailable: the database is locked or away.
        SchemaMismatch: it has none of this version's revisions.
    """
    from migrations import step_back

    database = Database(make_engine(url, mode="ro"), readonly=True)
    try:
        check(database)
        with database.reading():
            return str(database.look(step_back))
    finally:
        database.close()


def go_back(url: str, farm_id: str = "") -> tuple[str, str]:
    """Bring a database of this version's schema one revision back; all or nothing.

    Args:
        url: its address.
        farm_id: the farm whose database it must be; empty: any.

    Returns:
        The revision undone, and the one the database has now.

    Raises:
        ConfigError: the address is wrong, or it is another farm's database.
        StoreUnavailable: the database is locked, full or away.
        SchemaMismatch: its schema is not this version's.
    """
    from migrations import go_back as undo

    database = Database(make_engine(url, mode="rw", serving=True), readonly=False)
    try:
        check(database)
        if farm_id:
            belong(database, farm_id, readonly=True)
        with database.writing():
            return database.look(undo)
    finally:
        database.close()
