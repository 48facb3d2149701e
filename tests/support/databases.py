"""Fresh databases for tests, one maker per kind: a new kind joins every store suite here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from orchestrator.store.sql import upgrade


@contextmanager
def sqlite_database(folder: Path) -> Iterator[str]:
    """Make an empty SQLite database with this version's schema; answers its address."""
    url = f"sqlite:///{folder / 'farm.db'}"
    upgrade(url)
    yield url


#: Every database the farm runs on.
DATABASES: dict[str, Callable[[Path], AbstractContextManager[str]]] = {"sqlite": sqlite_database}
