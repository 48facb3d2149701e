"""Locks between processes: who may be a farm's orchestrator, who may clear a cache."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orchestrator.domain.errors import StateError


@contextmanager
def hold_lock(path: Path, busy: str) -> Iterator[None]:
    """Hold an exclusive lock on a file for as long as the block lasts.

    Does not wait; the kernel lets go if the process dies. The holder's pid is written into the
    file, for people; it proves nothing. Children started with ``exec`` do not inherit the lock.

    Args:
        path: the lock's file; made if it is missing, never removed.
        busy: the error's message if somebody holds it; ``{pid}`` stands for who.

    Raises:
        StateError: another process, or this one elsewhere, holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateError(busy.format(pid=holder(path) or "unknown")) from None
        _write_pid(descriptor)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def share_lock(path: Path) -> Iterator[None]:
    """Hold a lock together with others that share it; waits for who has it alone.

    Args:
        path: the lock's file; made if it is missing, never removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def holder(path: Path) -> int | None:
    """Answer the pid that last took a lock, None if the file says none; it may be gone."""
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return None


def _write_pid(descriptor: int) -> None:
    # The pid is a courtesy: a full disk must not keep the farm down.
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
