"""Whose database it is: a farm's own, or nobody's yet."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, select

from orchestrator.domain.errors import ConfigError
from orchestrator.store import tables as t
from orchestrator.store.database import Database


def belong(database: Database, farm_id: str, *, readonly: bool) -> None:
    """Make sure a database is a farm's; one that is nobody's becomes it when it can be written.

    Raises:
        ConfigError: it is another farm's.
    """
    with database.reading():
        owner = owner_of(database)
    if owner is None and not readonly:
        with database.writing():
            owner = owner_of(database)
            if owner is None:
                enter(database, farm_id)
    if owner not in (None, farm_id):
        msg = (
            f"{database.name}: the database of farm {owner}, not of {farm_id};"
            " correct database in farm.toml"
        )
        raise ConfigError(msg)


def owner_of(database: Database) -> str | None:
    """Answer the farm a database is of; None: nobody's yet."""
    found = database.execute(select(t.farm.c.farm_id)).scalar()
    return None if found is None else str(found)


def enter(database: Database, farm_id: str) -> None:
    """Write down whose database it is."""
    database.insert(t.farm, {"id": 1, "farm_id": farm_id})


def refuse_filled(database: Database) -> None:
    """Make sure that nothing is in a database, inside the transaction that is open.

    Raises:
        ConfigError: tables or views are there already.
    """
    names = database.look(_names)
    if not names:
        return
    whose = f"the database of farm {owner_of(database)}" if t.farm.name in names else "not empty"
    step = "made with: createdb NAME" if database.dialect == "postgresql" else "or another file"
    msg = (
        f"{database.name}: {whose} ({len(names)} tables and views, first {names[0]}):"
        f" nothing was changed; name an empty one, {step}"
    )
    raise ConfigError(msg)


def _names(connection: Connection) -> list[str]:
    found = inspect(connection)
    return sorted([*found.get_table_names(), *found.get_view_names()])
