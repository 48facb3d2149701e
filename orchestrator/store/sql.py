"""The store in SQL, put together from its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from orchestrator.store.acceptance import AcceptanceWrites
from orchestrator.store.base import Store, Transaction
from orchestrator.store.database import Database
from orchestrator.store.devices import DeviceReads, DeviceWrites
from orchestrator.store.history import HistoryReads
from orchestrator.store.identity import belong, enter, refuse_filled
from orchestrator.store.leases import LeaseReads, LeaseWrites
from orchestrator.store.provenance import ProvenanceReads, ProvenanceWrites
from orchestrator.store.results import ResultReads
from orchestrator.store.runs import RunReads, RunWrites
from orchestrator.store.schema import BUSY_TIMEOUT_S, check, make_engine, upgrade


class SqlTransaction(
    DeviceWrites, ProvenanceWrites, RunWrites, LeaseWrites, AcceptanceWrites, Transaction
):
    """Writes on a SQL database."""

    def part(self) -> AbstractContextManager[None]:
        return self._db.nested()


class SqlStore(
    DeviceReads, ProvenanceReads, RunReads, LeaseReads, ResultReads, HistoryReads, Store
):
    """The farm's memory in a SQL database."""

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self._db.writing():
            yield SqlTransaction(self._db)

    def close(self) -> None:
        self._db.close()


def create_store(url: str, farm_id: str, fill: Callable[[Transaction], None]) -> None:
    """Make an empty database a new farm's; all or nothing.

    Args:
        url: of a file that is not there yet, or of a server's empty database.
        farm_id: the farm.
        fill: what else is written with it.

    Raises:
        ConfigError: the address is wrong, or there is something in the database.
        StoreUnavailable: it is full or away, or this user may not.
    """
    from migrations import apply

    database = Database(make_engine(url, mode="rwc", serving=True), readonly=False)
    try:
        with database.writing():
            refuse_filled(database)
            database.migrate(apply)
            enter(database, farm_id)
            fill(SqlTransaction(database))
    finally:
        database.close()


def open_store(
    url: str,
    *,
    readonly: bool = False,
    timeout_s: float = BUSY_TIMEOUT_S,
    farm_id: str = "",
    serving: bool = False,
) -> Store:
    """Open a database that has this version's schema.

    Args:
        url: ``sqlite:////absolute/path/farm.db`` or ``postgresql://USER@HOST:PORT/NAME``.
        readonly: refuse writes, and open a file this user may only read.
        timeout_s: how long to wait for another writer.
        farm_id: the farm whose database it must be; empty: any.
        serving: be the one orchestrator on a server's database; a file's is held by its folder.

    Raises:
        ConfigError: the address is wrong, or it is another farm's database.
        StoreUnavailable: the database is locked, damaged, away or served by another orchestrator.
        SchemaMismatch: its schema is older or newer than this version's.
    """
    mode = "ro" if readonly else "rw"
    engine = make_engine(url, mode=mode, timeout_s=timeout_s, serving=serving)
    database = Database(engine, readonly=readonly, patience_s=timeout_s)
    try:
        check(database)
        if farm_id:
            belong(database, farm_id, readonly=readonly)
    except BaseException:
        database.close()
        raise
    return SqlStore(database)


__all__ = ["SqlStore", "SqlTransaction", "create_store", "open_store", "upgrade"]
