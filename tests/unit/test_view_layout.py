"""How tables meet the width of a screen: folded, short of columns or stacked, never cut."""

from __future__ import annotations

import io
import sys
from dataclasses import replace

import pytest

from orchestrator.cli import view
from orchestrator.cli.layout import columns_of, fold, harmless, lay_out
from orchestrator.cli.tables import Column, Section, Table, results_table
from protos.states import CellState, Outcome
from tests.unit.test_view_tables import FAST, NATIVE

TABLE = Table(
    (Column("name"), Column("n", right=True), Column("size", right=True, spare=1), Column("why")),
    (Section("", (("one", "1", "20 kB", "because it was said so by somebody"),)),),
)


def drawn(table: Table, width: int | None) -> list[str]:
    """Draw without style."""
    return ["".join(span.text for span in line) for line in lay_out(table, width).lines]


def test_without_a_width_a_row_is_a_line() -> None:
    """Nothing is folded, cut or padded at the end, also where a cell has lines of its own."""
    long = Table((Column("why"), Column("n")), (Section("", (("x" * 500 + "\nmore", ""),)),))
    assert drawn(long, None) == [f"why{' ' * 499}n", f"{'x' * 500} more"]


def test_a_wide_screen_shows_it_as_it_is() -> None:
    """Numbers to the right, text to the left."""
    assert drawn(TABLE, 80) == [
        "name  n   size  why",
        "one   1  20 kB  because it was said so by somebody",
    ]


def test_text_is_folded_before_a_column_goes() -> None:
    """At spaces."""
    assert drawn(TABLE, 36) == [
        "name  n   size  why",
        "one   1  20 kB  because it was said",
        "                so by somebody",
    ]


def test_a_spare_column_goes_where_folding_is_not_enough() -> None:
    """And is named."""
    drawing = lay_out(TABLE, 30)
    assert drawing.left_out == ("size",)
    assert drawn(TABLE, 30) == [
        "name  n  why",
        "one   1  because it was said",
        "         so by somebody",
    ]


def test_at_last_rows_are_stacked_with_everything() -> None:
    """What was left out for a table is there again."""
    assert lay_out(TABLE, 20).left_out == ()
    assert drawn(TABLE, 20) == [
        "name  one",
        "n     1",
        "size  20 kB",
        "why   because it was",
        "      said so by",
        "      somebody",
    ]


@pytest.mark.parametrize("width", [*range(8, 61), 72, 80, 100, 160])
def test_results_fit_any_screen_and_keep_their_marks(width: int) -> None:
    """No line is wider than the screen; emulation, numbers and the doubt are always there."""
    doubted = replace(
        FAST,
        arch="aarch64",
        device="emu-aarch64",
        emulated=True,
        state=CellState.FAILED,
        outcome=Outcome.WORKLOAD_FAILED,
        reason="trap: out of bounds memory access",
        validity=("busy: others used 33 %",),
    )
    lines = drawn(results_table([NATIVE, doubted]), width)
    assert max(map(columns_of, lines)) <= width
    text = "".join("".join(lines).split())
    for mark in ("emulated", "11.0ms", "native", "wamr-fast", "outofbounds", "notvalid:busy"):
        assert mark in text


def test_wide_characters_take_two_columns() -> None:
    """And what combines with the one before takes none."""
    assert [columns_of(text) for text in ("ab", "行列", "e\u0301", "\u200b")] == [2, 4, 1, 0]
    assert fold("行列行列", 5) == ["行列", "行列"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("über 行", "über 行"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\tb\r", "a\\x09b\\x0d"),
        ("\x9b1m", "\\x9b1m"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\u2028", "\\u2028"),
    ],
)
def test_what_commands_a_terminal_is_written_out(text: str, shown: str) -> None:
    """C0, C1, separators of lines and turns of direction."""
    assert harmless(text) == shown


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.mark.parametrize(
    ("environment", "colour", "coloured"),
    [
        ({"TERM": "xterm"}, "auto", True),
        ({"TERM": "dumb"}, "auto", False),
        ({}, "auto", False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, "auto", False),
        ({"TERM": "xterm", "NO_COLOR": ""}, "auto", True),
        ({"TERM": "xterm"}, "never", False),
        ({"TERM": "dumb", "NO_COLOR": "1"}, "always", True),
    ],
)
def test_colour_is_for_terminals_that_can(
    environment: dict[str, str], colour: str, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a person says at the command counts more than the environment."""
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    view.choose_colour(view.Colour(colour))
    try:
        view.table(results_table([NATIVE]))
    finally:
        view.choose_colour(view.Colour.AUTO)
    assert ("\x1b[" in screen.getvalue()) is coloured
