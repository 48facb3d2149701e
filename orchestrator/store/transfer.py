"""Rows on their way out of one database and into another, whichever kinds the two are.

A row travels as a list of JSON values in the order its columns are named: instants as ISO 8601,
bytes as base64, words and numbers as they are. So the rows of a SQLite farm fill a PostgreSQL one.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    DateTime,
    LargeBinary,
    MetaData,
    Table,
    func,
    select,
    text,
)

from orchestrator.domain.errors import SchemaMismatch
from orchestrator.store import tables as t
from orchestrator.store.audit import needed_blobs
from orchestrator.store.database import Database
from orchestrator.store.identity import belong, refuse_filled
from orchestrator.store.schema import HEAD, check, make_engine
from orchestrator.store.sql import SqlStore, SqlTransaction
from protos.states import DeviceState

#: What a restored farm adds to every device's fence. The original may have gone on granting after
#: the copy was made; at one lease a second it would take 31 years to come this far.
FENCE_STEP = 1_000_000_000
#: Why leases that were held in a copy are over.
RESTORED = "the farm was restored from a backup"
#: Rows of one chunk: a cell with its assignment takes about a kilobyte.
_CHUNK_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of one table."""

    table: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


class Rows:
    """Everything one database holds, at one moment."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @property
    def revision(self) -> str:
        """The schema they have."""
        return HEAD

    def chunks(self) -> Iterator[Chunk]:
        """Give every row, each table after those it points to."""
        for table in t.metadata.sorted_tables:
            names = [column.name for column in table.columns]
            # PostgreSQL keeps no order by itself; the same farm twice gives the same copy.
            wanted = select(table).order_by(*table.primary_key.columns)
            found = self._db.execute(wanted.execution_options(yield_per=_CHUNK_ROWS))
            for part in found.partitions():
                yield Chunk(table.name, names, [[_out(value) for value in row] for row in part])

    def known_blobs(self) -> Mapping[str, int]:
        """Every artifact with its size; those made on the way to others lie in no blob store."""
        a = t.artifacts.c
        return {
            row.sha256: row.size_bytes for row in self._db.execute(select(a.sha256, a.size_bytes))
        }

    def needed_blobs(self) -> Mapping[str, int]:
        """Those that a farm has to have, with their sizes."""
        return needed_blobs(self._db)


@contextmanager
def snapshot(url: str, farm_id: str = "") -> Iterator[Rows]:
    """See one moment of a database for as long as the block lasts, whoever writes meanwhile.

    Args:
        url: its address.
        farm_id: the farm whose database it must be; empty: any.

    Raises:
        ConfigError: it is another farm's.
        StoreUnavailable: it is locked, damaged or away.
        SchemaMismatch: it has another schema than this version's.
    """
    database = Database(make_engine(url, mode="ro"), readonly=True)
    try:
        check(database)
        if farm_id:
            belong(database, farm_id, readonly=True)
        with database.reading():
            yield Rows(database)
    finally:
        database.close()


def fill(
    url: str,
    revision: str,
    chunks: Iterable[Chunk],
    accept: Callable[[Mapping[str, int]], None],
    now: datetime,
) -> None:
    """Make a database of rows, bring it to this version's schema, and let it take the original's
    place: leases that were held are over, and every fence is raised. All or nothing.

    Args:
        url: an empty database, or a SQLite file that is not there yet.
        revision: the schema that the rows have.
        chunks: the rows, each table after those it points to.
        accept: told how many rows each table has; raises to have nothing kept.
        now: the time.

    Raises:
        ConfigError: there is something in the database.
        StoreUnavailable: the database is full or away.
        SchemaMismatch: the rows do not fit their revision.
    """
    # Importing Alembic takes 0.3 s, and only this needs it.
    from migrations import apply

    database = Database(make_engine(url, mode="rwc", serving=True), readonly=False)

    def work(connection: Connection) -> list[str]:
        apply(connection, revision)
        tables = _reflected(connection)
        for chunk in chunks:
            _insert(connection, tables, chunk)
        accept({name: _count(connection, table) for name, table in tables.items()})
        _renumber(connection, tables)
        return apply(connection)

    try:
        with database.writing():
            refuse_filled(database)
            database.migrate(work)
            _take_over(database, now)
    finally:
        database.close()


def _reflected(connection: Connection) -> Mapping[str, Table]:
    """Read the tables as they are: an older revision's are not this version's."""
    metadata = MetaData()
    metadata.reflect(connection)
    return {name: one for name, one in metadata.tables.items() if name != "alembic_version"}


def _insert(connection: Connection, tables: Mapping[str, Table], chunk: Chunk) -> None:
    try:
        table = tables[chunk.table]
        columns = [table.c[name] for name in chunk.columns]
    except KeyError as error:
        msg = f"rows of {chunk.table} do not fit their schema: there is no {error}"
        raise SchemaMismatch(msg) from error
    for column in columns:
        if isinstance(column.type, JSON):
            column.type.none_as_null = bool(column.nullable)
    rows = [
        {column.name: _in(column, value) for column, value in zip(columns, row, strict=True)}
        for row in chunk.rows
    ]
    connection.execute(table.insert(), rows)


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _renumber(connection: Connection, tables: Mapping[str, Table]) -> None:
    """Have PostgreSQL number new rows after the ones that brought their numbers."""
    if connection.dialect.name != "postgresql":
        return
    for name, table in tables.items():
        if "id" in table.c and (last := connection.execute(select(func.max(table.c.id))).scalar()):
            numbers = text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :last)")
            connection.execute(numbers, {"name": name, "last": last})


def _take_over(database: Database, now: datetime) -> None:
    """Let go of what only the original can still hold."""
    write, read = SqlTransaction(database), SqlStore(database)
    for lease in read.held_leases():
        write.expire(lease.lease_id, now, RESTORED)
    for status in read.devices():
        write.move_device(status.device.name, DeviceState.OFFLINE)
    fence = t.devices.c.fence
    database.execute(t.devices.update().values(fence=fence + FENCE_STEP))


def _out(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.value if isinstance(value, Enum) else value


def _in(column: Column[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.type, DateTime):
        return datetime.fromisoformat(value)
    if isinstance(column.type, LargeBinary):
        return base64.b64decode(value)
    return value
