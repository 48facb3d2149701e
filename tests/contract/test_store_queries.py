"""Questions in SQL on every database: what reads is answered, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.errors import StoreUnavailable, UsageError
from orchestrator.store.base import Store
from orchestrator.store.queries import asked
from orchestrator.store.views import DESCRIPTIONS
from tests.support.storing import Rig

ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c"


@pytest.fixture(name="url")
def _url(store: Store, database_url: str) -> str:
    """Give a farm's database with a result."""
    rig = Rig(store)
    rig.order()
    rig.measure()
    return database_url


def ask(url: str, statement: str, timeout_s: float = 30.0) -> list[Mapping[str, Any]]:
    """Read a whole answer."""
    with asked(url, statement, timeout_s) as answer:
        return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def test_an_answer_has_columns_and_rows(url: str) -> None:
    """Beside an orchestrator that has the database open."""
    assert ask(url, "SELECT state, outcome FROM result") == [
        {"state": "done", "outcome": "succeeded"}
    ]
    assert ask(url, "/* % */ SELECT 7 % 4 AS rest -- done") == [{"rest": 3}]
    assert ask(url, "VALUES (1)") == [{"column1": 1}]


def test_no_row_still_has_columns(url: str) -> None:
    """A table of them can be drawn."""
    with asked(url, "SELECT run_id, mode FROM result WHERE run_id < 0", 30.0) as answer:
        assert answer.columns == ["run_id", "mode"]
        assert list(answer.rows) == []


def test_rows_come_as_they_are_asked_for(url: str) -> None:
    """The first ones of a question that never ends."""
    with asked(url, ENDLESS, 0.0) as answer:
        assert [next(answer.rows)[0] for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM runs",
        "-- only a look\nUPDATE runs SET name = 'x'",
        "INSERT INTO runs SELECT * FROM runs",
        "DROP TABLE runs",
        "CREATE TABLE mine (a INTEGER)",
        "CREATE TEMP TABLE mine (a INTEGER)",
        "ATTACH 'other.db' AS other",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA query_only = OFF",
        "PRAGMA writable_schema = ON",
        "COPY (SELECT 1) TO PROGRAM 'touch gone'",
        "CALL mine()",
        "LISTEN mine",
        "WITH gone AS (SELECT 1) DELETE FROM runs",
        "COPY runs TO STDOUT",
        "SET TRANSACTION READ WRITE",
        "COMMIT",
        "DO $$ BEGIN END $$",
        "VACUUM",
    ],
)
def test_nothing_can_be_written(url: str, statement: str) -> None:
    """The line says what farm sql is for, and everything is as it was."""
    with pytest.raises(UsageError, match="only reads"):
        ask(url, statement)
    assert len(ask(url, "SELECT * FROM runs")) == 1


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELEC 1", "line 1, column 1 of the statement: .*SELEC"),
        ("SELECT nix FROM runs", "line 1, column 8 of the statement: .*nix"),
        ("SELECT *\nFROM nix", "line 2, column 6 of the statement: .*nix"),
        ("SELECT 1; SELECT 2", "statement is wrong: .*(one statement|multiple commands)"),
        ("SELECT 1; DELETE FROM runs", "statement is wrong: .*(one statement|multiple commands)"),
        ("SELECT load_extension('x')", "(only reads|does not exist)"),
        ("SELECT * FROM pragma_journal_mode('delete')", "(only reads|does not exist)"),
        ("EXPLAIN ANALYZE DELETE FROM runs", "(only reads|near)"),
        ("SELECT setval('runs_id_seq', 1)", "(only reads|no such function)"),
        ("SELECT set_config('transaction_read_only', 'off', false)", "statement"),
        ("", "no statement"),
        (" -- nothing\n", "no statement"),
    ],
)
def test_a_wrong_statement_is_one_line_with_its_place(url: str, statement: str, said: str) -> None:
    """As exactly as the database knows it."""
    with pytest.raises(UsageError, match=said) as told:
        ask(url, statement)
    assert "\n" not in str(told.value)


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    """A folder, and a file of something else."""
    (tmp_path / "text").write_text("no database" * 1000)
    for path, said in ((tmp_path, "disk I/O error"), (tmp_path / "text", "is not a database")):
        with pytest.raises(StoreUnavailable, match=said):
            ask(f"sqlite:///{path}", "SELECT * FROM runs")


def test_a_slow_statement_is_stopped(url: str) -> None:
    """While it computes, and while its rows are read."""
    counted = f"SELECT count(*) FROM ({ENDLESS}) AS c"  # noqa: S608  # our own words
    for statement in (counted, ENDLESS):
        with (
            pytest.raises(UsageError, match=r"stopped after 0.2 s.*--timeout"),
            asked(url, statement, 0.2) as answer,
        ):
            for _ in answer.rows:
                pass


def test_each_view_is_described_whole(url: str) -> None:
    """Every column, in order, and no other."""
    for name, described in DESCRIPTIONS.items():
        with asked(url, f"SELECT * FROM {name}", 30.0) as answer:  # noqa: S608  # our own names
            assert list(answer.columns) == list(described.columns)


def test_a_database_that_is_not_there_is_said(url: str) -> None:
    """And not made."""
    with pytest.raises(StoreUnavailable, match=r"no (such )?database there"):
        ask(f"{url}-nix", "SELECT 1")
