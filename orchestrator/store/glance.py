"""A few names out of the database for completing a line, in milliseconds.

SQLite is asked through the standard library: importing SQLAlchemy alone takes longer than a person
waits for a tab. Another database is asked through the store.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any
from urllib.parse import quote

_SQLITE = "sqlite:///"
#: A person at a prompt does not wait for a writer.
_TIMEOUT_S = 0.1


def recent_runs(url: str, most: int) -> Sequence[tuple[int, str, str]]:
    """Answer number, name and state of the newest runs."""
    if not url.startswith(_SQLITE):
        from orchestrator.store.base import RunFilter
        from orchestrator.store.sql import open_store

        with closing(open_store(url, readonly=True)) as store:
            runs = store.runs(RunFilter(limit=most))
        return [(run.run_id, run.name, run.state.value) for run in runs]
    return _ask(url, "SELECT id, name, state FROM runs ORDER BY id DESC LIMIT ?", most)


def recent_cells(url: str, run_id: int | None, most: int) -> Sequence[tuple[int, str, str]]:
    """Answer number, workload and mode of a run's cells, or of the newest ones."""
    if not url.startswith(_SQLITE):
        from orchestrator.store.base import ResultFilter
        from orchestrator.store.sql import open_store

        with closing(open_store(url, readonly=True)) as store:
            cells = store.results(ResultFilter(run_id=run_id, limit=most))
        return [(cell.cell_id, cell.workload, cell.mode) for cell in cells]
    return _ask(
        url,
        "SELECT c.id, w.name, m.label FROM cells c JOIN cases k ON k.id = c.case_id"
        " JOIN workloads w ON w.id = k.workload_id JOIN modes m ON m.id = c.mode_id"
        " WHERE ? IS NULL OR c.run_id = ? ORDER BY c.run_id DESC, c.position LIMIT ?",
        run_id,
        run_id,
        most,
    )


def device_names(url: str) -> Sequence[str]:
    """Answer the names of all devices."""
    return _names(url, "device", "SELECT name FROM devices ORDER BY name")


def mode_labels(url: str) -> Sequence[str]:
    """Answer the labels of all modes that were ever ordered."""
    return _names(url, "mode", "SELECT DISTINCT label FROM modes ORDER BY label")


def _names(url: str, noun: str, statement: str) -> Sequence[str]:
    if url.startswith(_SQLITE):
        return [row[0] for row in _ask(url, statement)]
    from orchestrator.store.base import Noun
    from orchestrator.store.sql import open_store

    with closing(open_store(url, readonly=True)) as store:
        return store.names(Noun(noun))


def _ask(url: str, statement: str, *values: Any) -> list[Any]:
    path = quote(url.removeprefix(_SQLITE).partition("?")[0])
    with closing(
        sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=_TIMEOUT_S)
    ) as database:
        return database.execute(statement, values).fetchall()
