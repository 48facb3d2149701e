"""Questions a person writes in SQL: read-only, in limited time, row by row."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.domain.errors import FarmError, StoreUnavailable, UsageError
from orchestrator.store import sqlite
from orchestrator.store.address import SQLITE, is_postgresql
from orchestrator.store.statements import refused, too_slow, wrong

#: Words a statement that reads may begin with; SQLite's PRAGMA is judged further by what it asks.
_READS = frozenset({"select", "with", "values", "explain"})
_FIRST_WORD = re.compile(r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/|\()*([A-Za-z_]*)", re.DOTALL)
#: What a PRAGMA may ask: how the tables are made.
_PRAGMAS = frozenset(
    {"table_list", "table_info", "table_xinfo", "index_list", "index_info", "foreign_key_list"}
)
_ALLOWED = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE, sqlite3.SQLITE_FUNCTION}
)
#: Steps of SQLite's machine between two looks at the clock: about a millisecond.
_STEPS = 20_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question gave; its rows come as they are asked for, and only once."""

    columns: Sequence[str]
    rows: Iterator[Sequence[Any]]


@contextmanager
def asked(url: str, statement: str, timeout_s: float) -> Iterator[Answer]:
    """Ask a database, whatever schema it has; the answer ends with the block.

    Args:
        url: the database's address.
        statement: one statement.
        timeout_s: seconds until it is stopped, the reading of its rows included; 0: never.

    Raises:
        UsageError: the statement is wrong, would write, or took too long; also while rows are
            read.
        StoreUnavailable: the database is away, locked or damaged.
    """
    _refuse_writing(statement, reads=_READS | _more_reads(url))
    if is_postgresql(url):
        from orchestrator.store import postgresql

        with postgresql.asked(url, statement, timeout_s) as (columns, rows):
            yield Answer(columns, rows)
        return
    with _asked_sqlite(Path(url.removeprefix(SQLITE)), statement, timeout_s) as answer:
        yield answer


def _more_reads(url: str) -> frozenset[str]:
    return frozenset({"table", "show"}) if is_postgresql(url) else frozenset({"pragma"})


def _refuse_writing(statement: str, reads: frozenset[str]) -> None:
    found = _FIRST_WORD.match(statement)
    word = found[1].lower() if found else ""
    if not word and found is not None and not statement[found.end() :].strip(" \n;"):
        raise UsageError("there is no statement: write one, such as 'SELECT * FROM result'")
    if word not in reads:
        # A word nobody knows is a slip of the pen, which the database tells better.
        if re.match(r"(?i)(sel|wit|val|exp)", word):
            return
        raise refused()


@contextmanager
def _asked_sqlite(path: Path, statement: str, timeout_s: float) -> Iterator[Answer]:
    if not path.exists():
        raise StoreUnavailable(f"{path}: no database there; run: farm db upgrade")
    clock = _Clock(timeout_s)
    address = sqlite.uri_of(path, "ro")
    with (
        _told(path, statement, clock),
        closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection,
    ):
        connection.text_factory = lambda data: data.decode(errors="replace")
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.set_authorizer(_judge)
        connection.set_progress_handler(clock.is_over, _STEPS)
        cursor = connection.execute(statement)
        columns = [column[0] for column in cursor.description or ()]
        yield Answer(columns, iter(cursor))


class _Clock:
    """Stops a statement; whoever is told so asks it why."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.over = False
        self._deadline = time.monotonic() + timeout_s if timeout_s else None

    def is_over(self) -> bool:
        """Say whether the time is up, and remember it."""
        self.over = self._deadline is not None and time.monotonic() > self._deadline
        return self.over


def _judge(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """Let SQLite compile only what reads: no ATTACH, no PRAGMA that sets, no extension."""
    if action == sqlite3.SQLITE_FUNCTION and second == "load_extension":
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_PRAGMA:
        return sqlite3.SQLITE_OK if first in _PRAGMAS else sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


@contextmanager
def _told(path: Path, statement: str, clock: _Clock) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _meaning(path, statement, clock, error) from error


def _meaning(
    path: Path, statement: str, clock: _Clock, error: sqlite3.Error
) -> FarmError | KeyboardInterrupt:
    code: str = getattr(error, "sqlite_errorname", "") or ""
    if code == "SQLITE_INTERRUPT":
        # Python drops what is raised while SQLite calls back, an interrupt from the keyboard too.
        return too_slow(clock.timeout_s) if clock.over else KeyboardInterrupt()
    # A PRAGMA that is asked as a table, and a function, are refused under another code.
    if code in {"SQLITE_AUTH", "SQLITE_READONLY"} or str(error).startswith("not authorized"):
        return refused()
    known = sqlite.complaint(str(path), error) if code != "SQLITE_ERROR" else None
    return known or wrong(statement, str(error), _place(statement, str(error)))


def _place(statement: str, said: str) -> int | None:
    """Find what an error of SQLite's is about; it names the word, not its place."""
    found = re.match(r'near "(.+)": |no such (?:column|table|function): (?:\w+\.)?(\w+)$', said)
    if found is None:
        return None
    word = found[1] or found[2]
    edge = r"\b" if re.fullmatch(r"\w+", word) else ""
    places = [one.start() for one in re.finditer(f"{edge}{re.escape(word)}{edge}", statement)]
    return places[0] if len(places) == 1 else None
