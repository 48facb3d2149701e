"""What the tables say: ratios only where two numbers can be compared, marks where they cannot."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from orchestrator.cli import view
from orchestrator.cli.ending import summary
from orchestrator.cli.tables import (
    Column,
    Section,
    Table,
    build_table,
    is_failure,
    outcome,
    relative,
    results_table,
)
from orchestrator.domain.order import BuildStep
from orchestrator.domain.run import CellResult
from orchestrator.reads import quartiles, result_document
from protos.states import CellState, Outcome
from tests.support.factories import NOW

NATIVE = CellResult(
    run_id=3,
    cell_id=1,
    workload="gemm",
    case={"size": "layer"},
    mode="native",
    options={},
    device="local",
    device_type="local-x86_64",
    arch="x86_64",
    emulated=False,
    state=CellState.DONE,
    outcome=Outcome.SUCCEEDED,
    reason="",
    validity=("valid",),
    attempts=3,
    execute_s=(0.010, 0.012, 0.011),
    samples=15,
    region="bench",
    load_s=None,
    instantiate_s=None,
    peak_memory_bytes=9_100_000,
    artifact="ab" * 32,
    runtime="cd" * 32,
    output_digest="ef" * 32,
    started_at=NOW,
)
FAST = replace(NATIVE, cell_id=2, mode="wamr-fast", execute_s=(0.11, 0.11, 0.11))


def test_a_ratio_is_the_quotient_of_the_medians() -> None:
    """Of the attempts' medians, relative to native."""
    assert relative(FAST, NATIVE) == pytest.approx(10.0)


@pytest.mark.parametrize(
    "other",
    [
        replace(FAST, region="main"),
        replace(FAST, emulated=True),
        replace(FAST, outcome=Outcome.WRONG_OUTPUT),
        replace(FAST, execute_s=()),
    ],
    ids=["another region", "emulated", "failed", "no time"],
)
def test_what_cannot_be_compared_has_no_ratio(other: CellResult) -> None:
    """In either place of the quotient."""
    assert relative(other, NATIVE) is None
    assert relative(NATIVE, other) is None
    assert relative(FAST, None) is None


def test_each_case_and_device_is_a_part_of_its_own() -> None:
    """An emulated device's numbers never stand beside a real one's, and are marked."""
    emulated = replace(FAST, cell_id=3, device="emu", arch="aarch64", emulated=True)
    table = results_table([NATIVE, FAST, emulated])
    assert [section.title for section in table.sections] == [
        "gemm size=layer on local (x86_64)",
        "gemm size=layer on emu (aarch64, emulated)",
    ]
    assert table.sections[0].rows == (
        ("native", "1", "11.0 ms", "±4.5 %", "1.00x", "9.10 MB", "succeeded"),
        ("wamr-fast", "2", "110 ms", "±0.0 %", "10.0x", "9.10 MB", "succeeded"),
    )
    assert table.sections[1].rows[0][4] == "-"


def test_runs_are_named_where_there_are_several() -> None:
    """Equal cells of two runs are two parts."""
    table = results_table([NATIVE, replace(NATIVE, run_id=2)])
    assert [section.title[:6] for section in table.sections] == ["run 3:", "run 2:"]


def test_an_outcome_says_its_reason_in_one_line() -> None:
    """A build's whole output belongs to the cell's page, not to a table."""
    failed = replace(
        NATIVE,
        state=CellState.FAILED,
        outcome=None,
        reason="tiny.c: zig cc failed\ntiny.c:1: error",
    )
    assert outcome(failed) == "failed: tiny.c: zig cc failed"


def test_a_number_that_is_not_valid_is_marked() -> None:
    """By the kind of doubt in its outcome, and by brackets around its ratio."""
    doubts = ("busy: others used 33 %", "busy: others used 9 %", "throttled: 0x4")
    doubted = replace(FAST, validity=doubts)
    assert outcome(doubted) == "succeeded [not valid: busy, throttled]"
    rows = results_table([NATIVE, doubted]).sections[0].rows
    assert [row[4] for row in rows] == ["1.00x", "(10.0x)"]


@pytest.mark.parametrize(
    ("cell", "fails"),
    [
        (NATIVE, False),
        (replace(NATIVE, state=CellState.IMPOSSIBLE, outcome=None), False),
        (replace(NATIVE, state=CellState.FAILED, outcome=Outcome.TIMED_OUT), True),
        (replace(NATIVE, state=CellState.FAILED, outcome=None), True),
        (replace(NATIVE, state=CellState.CANCELLED, outcome=Outcome.CANCELLED), True),
    ],
)
def test_what_makes_a_runs_exit_code(cell: CellResult, fails: bool) -> None:
    """All but success and what was impossible from the start."""
    assert is_failure(cell) is fails


def test_the_documents_fields_are_the_designs() -> None:
    """`farm results list --json` has exactly these fields (design, section 9)."""
    fields = (
        "run_id cell_id workload case mode options device device_type arch emulated outcome"
        " reason validity attempts execute_s load_s instantiate_s peak_memory_bytes artifact"
        " runtime output_digest started_at"
    )
    document = result_document(NATIVE)
    assert list(document) == fields.split()
    assert document["execute_s"] == {
        "median": 0.011,
        "q1": pytest.approx(0.0105),
        "q3": pytest.approx(0.0115),
        "samples": 15,
        "region": "bench",
    }


def test_a_cell_without_numbers_has_the_same_fields() -> None:
    """Absent numbers are null, so that a reader needs no second shape."""
    document = result_document(replace(NATIVE, execute_s=(), samples=0, region=None))
    assert document["execute_s"] == {
        "median": None,
        "q1": None,
        "q3": None,
        "samples": 0,
        "region": None,
    }


def test_quartiles_of_one_value_are_that_value() -> None:
    """One attempt has a median and no spread."""
    assert quartiles((2.0,)) == (2.0, 2.0, 2.0)


def test_parts_stand_below_each_other() -> None:
    """Columns are as wide in every part, and the header is drawn once."""
    table = Table(
        (Column("mode"), Column("n", right=True)),
        (Section("first", (("a", "1"),)), Section("second", (("longer", "22"),))),
    )
    file = io.StringIO()
    view.table(table, on=Console(file=file, width=40, color_system=None))
    assert [line.rstrip() for line in file.getvalue().splitlines()] == [
        "first",
        "mode     n",
        "a        1",
        "",
        "second",
        "longer  22",
    ]


def test_text_of_strangers_is_no_markup() -> None:
    """What a program or a compiler said is drawn as it is."""
    file = io.StringIO()
    table = Table((Column("said"),), (Section("[bold]t", (("[red]x[/red] :smile:",),)),))
    view.table(table, on=view.console(file))
    assert "[red]x[/red] :smile:" in file.getvalue()
    assert "[bold]t" in file.getvalue()


def test_a_build_is_told_by_digest_size_and_time() -> None:
    """What was known took no time."""
    steps = (
        BuildStep("a.wasm", "made", "never built", 1.25, "ab" * 32, 2048),
        BuildStep("b.wasm", "known", "", 0.0, "cd" * 32, 3),
        BuildStep("c.wasm", "failed", "c.c changed", 0.5, error="zig cc failed\nc.c:1: error"),
    )
    assert [row[1:] for row in build_table(steps).sections[0].rows] == [
        ("made", "abababababab", "2.05 kB", "1.25 s", "never built"),
        ("known", "cdcdcdcdcdcd", "3 B", "-", ""),
        ("failed", "-", "-", "500 ms", "zig cc failed"),
    ]


def test_a_runs_last_line_counts_how_its_cells_ended() -> None:
    """The most frequent ending first."""
    late = replace(FAST, state=CellState.FAILED, outcome=Outcome.TIMED_OUT)
    assert summary(3, [NATIVE, FAST, late]) == "run 3: 3 cells, 2 succeeded, 1 timed_out"
