"""One connection to a database: its transactions, and its complaints in the farm's words."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import (
    Connection,
    CursorResult,
    Engine,
    Executable,
    RootTransaction,
    Table,
    select,
)
from sqlalchemy.exc import DBAPIError

from orchestrator.domain.errors import StoreError, StoreUnavailable, UsageError
from orchestrator.store import sqlite
from orchestrator.store.transactions import BEGIN

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Answer = TypeVar("Answer")


#: How often a database that went away is looked for.
_PAUSE_S = 0.2


class Database:
    """A connection held open; threads take turns, a transaction each.

    A transaction in which the database failed is over: whatever is asked of it afterwards raises
    the same error, so that nothing of it can become durable by accident. A server that was
    restarted between two transactions is connected to again.

    Args:
        engine: to the database.
        readonly: refuse to write.
        patience_s: how long a server that went away is waited for.
    """

    def __init__(self, engine: Engine, *, readonly: bool, patience_s: float = 10.0) -> None:
        self._engine = engine
        self._readonly = readonly
        self._patience_s = patience_s
        self._failure: StoreError | None = None
        self._lock = threading.RLock()
        self._connection = self._connect()

    @property
    def name(self) -> str:
        """The database, for people."""
        return self._engine.url.database or ""

    @property
    def dialect(self) -> str:
        """Its kind: ``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    def execute(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> CursorResult[Any]:
        """Run one statement in the transaction that is open.

        Raises:
            StoreUnavailable: the database is locked, full or away.
            SchemaMismatch: a table or column is not there.
        """
        if self._failure is not None:
            raise self._failure
        with self._translated():
            return self._connection.execute(statement, parameters)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See one state of the database throughout; inside a writing transaction, its own."""
        with self._lock:
            if self._connection.in_transaction():
                yield
                return
            self._begin(self._words.READ)
            try:
                yield
            finally:
                self._undo()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write durably, or not at all."""
        with self._lock:
            if self._readonly or self._connection.in_transaction():
                msg = "a transaction on a read-only store, or inside another one"
                raise RuntimeError(msg)
            transaction = self._begin(self._words.WRITE)
            try:
                yield
                self._commit(transaction)
            except BaseException:
                self._undo()
                raise

    @contextmanager
    def nested(self) -> Iterator[None]:
        """Undo what is written inside, and only that, if the block raises."""
        with self._translated():
            savepoint = self._connection.begin_nested()
        try:
            yield
        except BaseException:
            # After a failure the database may have undone everything, savepoints included.
            if self._failure is None:
                savepoint.rollback()
            raise
        if self._failure is not None:
            raise self._failure
        with self._translated():
            savepoint.commit()

    def insert(self, table: Table, values: Mapping[str, Any]) -> int:
        """Add one row; answers its number."""
        key = self.execute(table.insert(), values).inserted_primary_key
        if key is None:
            msg = f"{table.name} numbers no rows"
            raise TypeError(msg)
        return int(key[0])

    def intern(self, table: Table, key: Mapping[str, Any], **rest: Any) -> int:
        """Answer the number of the row with this key, adding it with the rest if it is new."""
        same = (table.c[name] == value for name, value in key.items())
        found = self.execute(select(table.c.id).where(*same)).scalar()
        return int(found) if found is not None else self.insert(table, {**key, **rest})

    def look(self, ask: Callable[[Connection], Answer]) -> Answer:
        """Have the database's own catalogue read in the transaction that is open."""
        with self._translated():
            return ask(self._connection)

    def migrate(self, apply: Callable[[Connection], list[str]]) -> list[str]:
        """Let a migration work in the transaction that is open; answers the revisions applied."""
        with self._translated():
            return apply(self._connection)

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()
        self._engine.dispose()

    @property
    def _words(self) -> Any:
        """What is said differently to each kind of database."""
        if self.dialect == "sqlite":
            return sqlite
        from orchestrator.store import postgresql

        return postgresql

    def _connect(self) -> Connection:
        with self._translated():
            return self._engine.connect()

    def _begin(self, how: str) -> RootTransaction:
        if not self._is_lost():
            try:
                return self._begin_once(how)
            except StoreUnavailable:
                if not self._is_lost():
                    raise
        # Nothing was asked in this transaction yet, so another connection does as well.
        self._connect_again()
        return self._begin_once(how)

    def _is_lost(self) -> bool:
        return self._connection.closed or self._connection.invalidated

    def _begin_once(self, how: str) -> RootTransaction:
        self._failure = None
        self._connection.execution_options(**{BEGIN: how})
        try:
            with self._translated():
                return self._connection.begin()
        except StoreError:
            if not self._is_lost():
                # What began before the wait for a lock failed is still open.
                self._connection.connection.rollback()
            raise

    def _connect_again(self) -> None:
        self._connection.close()
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                self._connection = self._connect()
            except StoreUnavailable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE_S)
            else:
                return

    def _commit(self, transaction: RootTransaction) -> None:
        if self._failure is not None:
            raise self._failure
        with self._translated():
            transaction.commit()

    def _undo(self) -> None:
        self._failure = None
        with self._translated():
            self._connection.rollback()
            # After a commit that failed SQLAlchemy sends none, yet the database may wait for one.
            if not self._is_lost():
                self._connection.connection.rollback()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the database's own complaints into the farm's; what is a bug stays one."""
        try:
            yield
        except DBAPIError as error:
            found = self._complaint(error)
            if found is None:
                raise
            self._failure = found
            raise found from error
        except OverflowError as error:
            # SQLite's numbers have 64 bits, and the only larger ones are asked for by people.
            problem = "a number is too large for a database: write a smaller one"
            raise UsageError(problem) from error

    def _complaint(self, error: DBAPIError) -> StoreError | None:
        if self.dialect == "sqlite" and not isinstance(error.orig, sqlite3.Error):
            return None
        found: StoreError | None = self._words.complaint(self.name, error.orig)
        return found


class Access:
    """What the rooms of the store have in common: the database they work on."""

    def __init__(self, database: Database) -> None:
        self._db = database
