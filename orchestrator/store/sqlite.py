"""SQLite: how its files are opened, how its transactions begin, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.pool import NullPool

from orchestrator.domain.errors import (
    ConfigError,
    SchemaMismatch,
    StoreError,
    StoreUnavailable,
)
from orchestrator.store.transactions import begin_with

READ = "BEGIN"
#: Takes the writer's place at once: a read followed by a write can then not fail between the two.
WRITE = "BEGIN IMMEDIATE"

#: Page cache of one connection, KiB; negative, as the pragma wants it.
_CACHE_KIB = -16_384


def engine(url: URL, *, mode: str, timeout_s: float) -> Engine:
    """Make an engine for one file.

    Args:
        url: ``sqlite:////absolute/path``.
        mode: as in SQLite's URI: ``ro``, ``rw``, or ``rwc`` to make the file.
        timeout_s: how long to wait for another writer.

    Raises:
        ConfigError: the address names no file.
        StoreUnavailable: there is no such file, or this user may not look.
    """
    path = file_of(url)
    if mode != "rwc" and not _is_there(path):
        msg = f"{path}: no database there; run: farm init (new farm) or farm db upgrade"
        raise StoreUnavailable(msg)

    def connect() -> sqlite3.Connection:
        return _connect(path, mode=mode, timeout_s=timeout_s)

    made = create_engine(url, creator=connect, poolclass=NullPool)
    begin_with(made, WRITE)
    return made


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        msg = f"{path}: {error.strerror}; check its permissions"
        raise StoreUnavailable(msg) from error


def file_of(url: URL) -> Path:
    """Answer the file an address names.

    Raises:
        ConfigError: it names none.
    """
    if not url.database or url.database == ":memory:":
        msg = "a farm's SQLite database is a file: sqlite:////absolute/path/farm.db"
        raise ConfigError(msg)
    return Path(url.database)


def _connect(path: Path, *, mode: str, timeout_s: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri_of(path, mode),
        uri=True,
        timeout=timeout_s,
        isolation_level=None,  # transactions begin where we say, not where sqlite3 guesses
        check_same_thread=False,  # the store's owner may not be its user
    )
    connection.execute(f"PRAGMA cache_size = {_CACHE_KIB}")
    if mode != "ro":
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    return connection


def uri_of(path: Path, mode: str) -> str:
    """Write the address by which SQLite opens a file.

    Args:
        path: the file.
        mode: as in SQLite's URI: ``ro``, ``rw``, or ``rwc`` to make it.
    """
    return f"file:{quote(str(path.absolute()))}?mode={mode}{_still(path) if mode == 'ro' else ''}"


def _still(path: Path) -> str:
    """Say that a file cannot change, where it cannot.

    Readers too write beside a database in WAL mode. Where they may not, on read-only media or in
    another user's folder, it can be read all the same as long as nobody has it open for writing:
    then there is a journal beside it.
    """
    wal = path.with_name(f"{path.name}-wal")
    in_use = wal.exists() and (
        wal.stat().st_size > 0 or path.with_name(f"{path.name}-shm").exists()
    )
    return "" if in_use or os.access(path.parent, os.W_OK) else "&immutable=1"


def complaint(name: str, error: sqlite3.Error) -> StoreError | None:
    """Say what an error means for the farm; None: it is a bug of ours.

    Args:
        name: the database, for people.
        error: its ``sqlite_errorname`` is from https://www.sqlite.org/rescode.html
    """
    code: str = getattr(error, "sqlite_errorname", "") or ""
    if code == "SQLITE_ERROR" and "no such" in str(error):
        return SchemaMismatch(f"{name}: {error}; run: farm db upgrade")
    for start, meaning in _MEANINGS.items():
        if code.startswith(start):
            return StoreUnavailable(f"{name}: {meaning} ({error})")
    return None


_MEANINGS = {
    "SQLITE_BUSY": "another process holds the database; try again, or see who with: fuser",
    "SQLITE_LOCKED": "another process holds the database; try again, or see who with: fuser",
    "SQLITE_FULL": "no room left on its disk; nothing stored is lost, make room and try again",
    "SQLITE_IOERR": "its disk fails or is full; nothing stored is lost, see: df, dmesg",
    "SQLITE_CANTOPEN": "cannot be opened; check the path, its permissions and its disk (df -i)",
    "SQLITE_READONLY": "may not be written by this user",
    "SQLITE_PERM": "may not be used by this user",
    "SQLITE_CORRUPT": "is damaged; restore a copy",
    "SQLITE_NOTADB": "is not a database; check database in farm.toml",
}
