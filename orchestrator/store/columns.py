"""The kinds of columns the tables are built of."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum as EnumClass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    DateTime,
    Enum,
    ForeignKey,
    Integer,
    MetaData,
    String,
    bindparam,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

#: Every constraint has a name, so that a later revision can name what it changes.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An aware UTC moment; SQLite keeps it as readable text that sorts by time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Take an aware moment.

        Raises:
            ValueError: the moment is naive.
        """
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            msg = f"a moment without a time zone: {value}"
            raise ValueError(msg)
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give an aware UTC moment."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def words(kind: type[EnumClass]) -> Enum:
    """Keep an enum as its word, so that tables can be read and new words need no new type."""
    return Enum(
        kind,
        native_enum=False,
        length=30,
        values_callable=lambda members: [member.value for member in members],
    )


def key() -> Column[int]:
    """Make a table's own number."""
    return Column("id", Integer, primary_key=True)


def reference(
    name: str, table: str, *, nullable: bool = False, primary_key: bool = False
) -> Column[int]:
    """Point to another table's row."""
    where = ForeignKey(f"{table}.id")
    if primary_key:
        return Column(name, Integer, where, primary_key=True, autoincrement=False)
    return Column(name, Integer, where, nullable=nullable)


def sha256(name: str, **options: Any) -> Column[str]:
    """Hold 64 lower-case hex digits."""
    return Column(name, String(64), **{"nullable": False, **options})


def always(column: Column[Any], value: EnumClass) -> ColumnElement[bool]:
    """Compare with a word written into the statement.

    SQLite takes a partial index only where it can see that the statement asks for its part; a
    parameter hides that.
    """
    return column == bindparam(None, value, type_=column.type, literal_execute=True)
