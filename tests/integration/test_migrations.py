"""Migrations on real database files: they lead to the models, whole or not at all."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine

import migrations
from orchestrator.domain.errors import SchemaMismatch, StoreUnavailable
from orchestrator.store import schema
from orchestrator.store.sql import open_store, upgrade
from orchestrator.store.tables import metadata
from orchestrator.store.views import VIEWS

ALL = ["0001", "0002", "0003", "0004"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a place for a database."""
    return tmp_path / "farm.db"


def url_of(path: Path) -> str:
    """Answer a file's address."""
    return f"sqlite:///{path}"


def schema_of(path: Path) -> Mapping[str, str]:
    """Read every table, index and view with its SQL, blanks aside."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT name, sql FROM sqlite_master"
            " WHERE sql IS NOT NULL AND name != 'alembic_version'"
        ).fetchall()
    return {name: " ".join(sql.split()) for name, sql in rows}


def columns_of(path: Path) -> Mapping[str, list[tuple[object, ...]]]:
    """Read what SQLite itself understood of each table: columns, keys, references."""
    found: dict[str, list[tuple[object, ...]]] = {}
    with closing(sqlite3.connect(path)) as connection:
        for table in metadata.tables:
            for kind in ("table_xinfo", "foreign_key_list", "index_list"):
                rows = connection.execute(f"PRAGMA {kind}({table})").fetchall()
                # The first number is the order in which they were made.
                plain = [row[1:] if kind == "index_list" else row for row in rows]
                found[f"{table} {kind}"] = sorted(plain, key=str)
    return found


def test_migrated_schema_equals_the_models(path: Path, tmp_path: Path) -> None:
    """Table by table, index by index, as SQLite writes and as it understands them."""
    upgrade(url_of(path))
    other = tmp_path / "models.db"
    engine = create_engine(url_of(other))
    metadata.create_all(engine)
    with engine.begin() as connection:
        for view in VIEWS.values():
            connection.exec_driver_sql(view)
    engine.dispose()
    assert schema_of(path) == schema_of(other)
    assert columns_of(path) == columns_of(other)


def test_alembic_sees_no_difference(path: Path) -> None:
    """A revision written by autogenerate would be empty."""
    upgrade(url_of(path))
    engine = create_engine(url_of(path))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        found = [one for one in compare_metadata(context, metadata) if one[0] != "remove_table"]
    engine.dispose()
    assert found == []


def test_there_is_one_head_and_the_store_knows_it() -> None:
    """The number the store checks without Alembic is the newest revision's."""
    scripts = ScriptDirectory.from_config(migrations.config())
    assert scripts.get_heads() == [schema.HEAD]
    assert [one.revision for one in scripts.walk_revisions()][::-1] == ALL


def test_upgrade_tells_what_it_applied(path: Path) -> None:
    """The second time there is nothing to do."""
    assert upgrade(url_of(path)) == ALL
    assert upgrade(url_of(path)) == []
    open_store(url_of(path)).close()


@pytest.mark.parametrize("revision", ALL[:-1])
def test_every_older_schema_is_refused_and_can_be_upgraded(path: Path, revision: str) -> None:
    """The complaint names the command that helps."""
    migrate(path, revision)
    with pytest.raises(SchemaMismatch, match=rf"schema {revision}.*farm db upgrade"):
        open_store(url_of(path))
    assert upgrade(url_of(path)) == ALL[ALL.index(revision) + 1 :]
    open_store(url_of(path)).close()


def test_a_newer_schema_is_left_alone(path: Path) -> None:
    """A farm that is too old says so, and changes nothing."""
    upgrade(url_of(path))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    for attempt in (lambda: open_store(url_of(path)), lambda: upgrade(url_of(path))):
        with pytest.raises(SchemaMismatch, match=r"9999.*newer farm"):
            attempt()


def test_an_empty_database_asks_for_upgrade(path: Path) -> None:
    """A file without tables is not a farm's."""
    path.touch()
    with pytest.raises(SchemaMismatch, match="farm db upgrade"):
        open_store(url_of(path))


def test_a_migration_that_fails_leaves_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All revisions are one transaction, tables included."""

    def fail(connection: Connection) -> list[str]:
        command.upgrade(migrations.config(connection), "0001")
        raise RuntimeError("power cut")

    monkeypatch.setattr(migrations, "apply", fail)
    with pytest.raises(RuntimeError, match="power cut"):
        upgrade(url_of(path))
    assert schema_of(path) == {}


def test_two_upgrades_at_once_do_it_once(path: Path) -> None:
    """The second waits for the first and finds nothing to do."""
    applied: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: applied.append(upgrade(url_of(path)))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(applied) == [[], ALL]


def test_what_is_no_database_is_refused(path: Path) -> None:
    """And is not overwritten."""
    path.write_text("notes of a user\n" * 100)
    for attempt in (lambda: open_store(url_of(path)), lambda: upgrade(url_of(path))):
        with pytest.raises(StoreUnavailable, match="is not a database"):
            attempt()
    assert path.read_text() == "notes of a user\n" * 100


def migrate(path: Path, revision: str) -> None:
    """Bring a new database to one revision."""
    engine = create_engine(url_of(path))
    with engine.begin() as connection:
        command.upgrade(migrations.config(connection), revision)
    engine.dispose()
