"""The one place that prints: data to stdout, prose to stderr."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.cli.tables import Section, Table

#: Columns where nobody's terminal says how many; a file or a pipe has room.
_WIDE = 160


def say(text: str) -> None:
    """Write data for people to stdout."""
    print(text)


def note(text: str) -> None:
    """Write prose to stderr."""
    print(text, file=sys.stderr, flush=True)


def complain(text: str) -> None:
    """Write an error to stderr."""
    print(f"farm: {text}", file=sys.stderr, flush=True)


def document(content: Any) -> None:
    """Write one JSON document to stdout."""
    json.dump(content, sys.stdout, indent=2, ensure_ascii=False)
    print()


def console(file: TextIO) -> Console:
    """Make a console on a stream, wide where it is no terminal."""
    from rich.console import Console

    width = None if file.isatty() else _WIDE
    return Console(file=file, width=width, highlight=False, emoji=False, markup=False)


def table(content: Table, *, on: Console | None = None) -> None:
    """Draw a table on stdout.

    Args:
        content: what it says.
        on: a console of one's own, to record a picture.
    """
    out = on or console(sys.stdout)
    if not content.size:
        out.print(content.empty)
        return
    widths = _widths(content)
    for index, section in enumerate(content.sections):
        if section.title:
            out.print(f"\n{section.title}" if index else section.title, style="bold")
        named = any(column.name for column in content.columns)
        out.print(_drawn(content, section, widths, with_header=named and index == 0))
    # What follows on stderr must not overtake it where both go to one place.
    out.file.flush()


def _drawn(content: Table, section: Section, widths: list[int], *, with_header: bool) -> Any:
    from rich.table import Table as Drawing
    from rich.text import Text

    drawing = Drawing(
        box=None, show_header=with_header, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False
    )
    for column, width in zip(content.columns, widths, strict=True):
        drawing.add_column(
            column.name,
            justify="right" if column.right else "left",
            min_width=width,
            overflow="fold",
            no_wrap=column.right,
        )
    for row in section.rows:
        drawing.add_row(*(Text(cell, style=_style(cell)) for cell in row))
    return drawing


#: Width from which a column may be squeezed; narrower ones keep their width in every part of a
#: table.
_SQUEEZED = 30
_COLOURS = {
    "succeeded": "green",
    "workload_failed": "red",
    "wrong_output": "red",
    "timed_out": "red",
    "device_failed": "red",
    "infrastructure_failed": "red",
    "failed": "red",
    "cancelled": "yellow",
    "impossible": "dim",
    "missing": "yellow",
    "present": "green",
}


def _widths(content: Table) -> list[int]:
    """Answer what each column needs over all parts, so that they stand below each other."""
    cells = [[column.name] for column in content.columns]
    for section in content.sections:
        for row in section.rows:
            for place, cell in enumerate(row):
                cells[place].append(cell)
    return [min(max(map(len, column)), _SQUEEZED) for column in cells]


def _style(cell: str) -> str:
    return _COLOURS.get(cell.split(":")[0].split(" ")[0], "")
