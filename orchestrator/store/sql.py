"""The store in SQL, put together from its parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from orchestrator.store.acceptance import AcceptanceWrites
from orchestrator.store.base import Store, Transaction
from orchestrator.store.database import Database
from orchestrator.store.devices import DeviceReads, DeviceWrites
from orchestrator.store.history import HistoryReads
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


def open_store(url: str, *, readonly: bool = False, timeout_s: float = BUSY_TIMEOUT_S) -> Store:
    """Open a database that has this version's schema.

    Args:
        url: ``sqlite:////absolute/path/farm.db``.
        readonly: refuse writes, and open a file this user may only read.
        timeout_s: how long to wait for another writer.

    Raises:
        ConfigError: the address is wrong.
        StoreUnavailable: the database is locked, damaged or not there.
        SchemaMismatch: its schema is older or newer than this version's.
    """
    engine = make_engine(url, mode="ro" if readonly else "rw", timeout_s=timeout_s)
    database = Database(engine, readonly=readonly)
    try:
        check(database)
    except BaseException:
        database.close()
        raise
    return SqlStore(database)


__all__ = ["SqlStore", "SqlTransaction", "open_store", "upgrade"]
