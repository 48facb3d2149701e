"""Fresh databases for tests, one maker per kind: a new kind joins every store suite here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path

from orchestrator.store.sql import upgrade
from tests.support.postgresql import cluster


@contextmanager
def sqlite_database(folder: Path) -> Iterator[str]:
    """Make an empty SQLite database with this version's schema; answers its address."""
    url = f"sqlite:///{folder / 'farm.db'}"
    upgrade(url)
    yield url


@contextmanager
def postgresql_database(folder: Path) -> Iterator[str]:
    """Make an empty PostgreSQL database with this version's schema; answers its address."""
    del folder
    with cluster().database(template=_template()) as url:
        yield url


@cache
def _template() -> str:
    """Migrate once; copying a database takes a tenth of migrating it."""
    url = cluster().create("farm_template")
    upgrade(url)
    return "farm_template"


#: Every database the farm runs on.
DATABASES: dict[str, Callable[[Path], AbstractContextManager[str]]] = {
    "postgresql": postgresql_database,
    "sqlite": sqlite_database,
}


@contextmanager
def bare_database(kind: str, folder: Path) -> Iterator[str]:
    """Lend the address of a database of a kind that is not there, or quite empty."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'bare.db'}"
        return
    with cluster().database() as url:
        yield url
