"""What an agent must not forget: the highest (fence, sequence) it began, and every attempt until
it is settled.

Written before acting (D3). SQLite with one flush per change: after ``kill -9`` or a power cut the
journal is as of its last answered call. A small reserve file is given up when the disk is full, so
that the end of an attempt can still be written down.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

from agent.errors import DiskFull
from agent.order import Ref
from protos.states import AttemptState, accepts, move

#: Room for some hundred reports; a report is about 1 KB, SQLite grows its files by 4 KB pages.
RESERVE_BYTES = 512 * 1024

_SCHEMA = """
CREATE TABLE IF NOT EXISTS highest (
    one INTEGER PRIMARY KEY CHECK (one = 1), fence INTEGER NOT NULL, sequence INTEGER NOT NULL);
INSERT OR IGNORE INTO highest VALUES (1, 0, 0);
CREATE TABLE IF NOT EXISTS attempts (
    fence INTEGER NOT NULL, sequence INTEGER NOT NULL, attempt_id INTEGER NOT NULL,
    state TEXT NOT NULL, assignment BLOB NOT NULL, token TEXT NOT NULL,
    boot_id TEXT NOT NULL DEFAULT '', conditions BLOB NOT NULL DEFAULT x'',
    report BLOB NOT NULL DEFAULT x'', PRIMARY KEY (fence, sequence));
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One attempt as the journal has it."""

    ref: Ref
    state: AttemptState
    #: The serialized order; empty where it was stopped before the order was known.
    assignment: bytes
    #: Marks every process of the attempt, in the environment.
    token: str
    #: The boot it runs in, once it runs.
    boot_id: str
    #: The serialized conditions before the run, once it runs.
    conditions: bytes
    #: The serialized report, once it is over.
    report: bytes


class Journal:
    """The attempts this agent began and has not been told to forget; safe between threads."""

    def __init__(self, folder: Path) -> None:
        """Open or create the journal in a folder that this process owns."""
        self._lock = threading.Lock()
        self._reserve = folder / "reserve"
        self._database = sqlite3.connect(
            folder / "journal.sqlite", check_same_thread=False, isolation_level=None
        )
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_SCHEMA)
        self._keep_reserve()

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            self._database.close()

    def highest(self) -> tuple[int, int]:
        """Answer the highest (fence, sequence) ever begun; (0, 0): none."""
        with self._lock:
            fence, sequence = self._database.execute(
                "SELECT fence, sequence FROM highest"
            ).fetchone()
        return int(fence), int(sequence)

    def begin(self, ref: Ref, assignment: bytes, token: str) -> bool:
        """Write down that an attempt begins, unless it or a later one has begun before.

        Returns:
            Whether it may begin: True at most once for each reference, whatever happens between.

        Raises:
            DiskFull: nothing was written.
        """
        with self._lock:
            fence, sequence = self._database.execute(
                "SELECT fence, sequence FROM highest"
            ).fetchone()
            if not accepts(ref.fence, ref.sequence, fence, sequence):
                return False
            self._write(
                ("UPDATE highest SET fence = ?, sequence = ?", ref.key),
                (
                    "INSERT INTO attempts (fence, sequence, attempt_id, state, assignment, token)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (*ref.key, ref.attempt_id, AttemptState.STAGING, assignment, token),
                ),
            )
        return True

    def run(self, ref: Ref, boot_id: str, conditions: bytes) -> None:
        """Write down that the runner is about to start; from now on it is never started again.

        Raises:
            DiskFull: nothing was written.
        """
        with self._lock:
            move(self._state(ref), AttemptState.RUNNING)
            self._write(
                (
                    "UPDATE attempts SET state = ?, boot_id = ?, conditions = ?"
                    " WHERE fence = ? AND sequence = ?",
                    (AttemptState.RUNNING, boot_id, conditions, *ref.key),
                )
            )

    def report(self, ref: Ref, report: bytes) -> None:
        """Write down how an attempt ended; the first report stays, also when called again.

        Raises:
            DiskFull: nothing was written.
        """
        with self._lock:
            if move(self._state(ref), AttemptState.REPORTED) == self._state(ref):
                return
            self._write(
                (
                    "UPDATE attempts SET state = ?, report = ? WHERE fence = ? AND sequence = ?",
                    (AttemptState.REPORTED, report, *ref.key),
                )
            )

    def forget(self, ref: Ref) -> bool:
        """Drop a reported attempt; answers whether there was one. The highest reference stays."""
        with self._lock:
            rows = self._database.execute(
                "SELECT state FROM attempts WHERE fence = ? AND sequence = ? AND attempt_id = ?",
                (*ref.key, ref.attempt_id),
            ).fetchall()
            if not rows or rows[0][0] != AttemptState.REPORTED:
                return False
            self._write(("DELETE FROM attempts WHERE fence = ? AND sequence = ?", ref.key))
        self._keep_reserve()
        return True

    def entries(self) -> tuple[Entry, ...]:
        """Answer all attempts that are not forgotten, in the order they began."""
        with self._lock:
            rows = self._database.execute(
                "SELECT fence, sequence, attempt_id, state, assignment, token, boot_id,"
                " conditions, report FROM attempts ORDER BY fence, sequence"
            ).fetchall()
        return tuple(
            Entry(Ref(row[0], row[1], row[2]), AttemptState(row[3]), *row[4:]) for row in rows
        )

    def _state(self, ref: Ref) -> AttemptState:
        row = self._database.execute(
            "SELECT state FROM attempts WHERE fence = ? AND sequence = ?", ref.key
        ).fetchone()
        return AttemptState(row[0])

    def _write(self, *statements: tuple[str, tuple[object, ...]]) -> None:
        """Commit statements together; a full disk costs the reserve first."""
        try:
            self._commit(statements)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                raise
            if not self._reserve.exists():
                raise DiskFull(f"no room for the journal in {self._reserve.parent}") from error
            self._reserve.unlink()
            self._write(*statements)

    def _commit(self, statements: tuple[tuple[str, tuple[object, ...]], ...]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            for text, values in statements:
                self._database.execute(text, values)
            self._database.execute("COMMIT")
        except sqlite3.Error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def _keep_reserve(self) -> None:
        """Set room aside again where there is some; without it the journal works as well."""
        if self._reserve.exists():
            return
        descriptor = os.open(self._reserve, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
        except OSError:
            self._reserve.unlink()
        finally:
            os.close(descriptor)
