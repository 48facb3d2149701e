"""Fits a table to a width: as it is, with cells folded, with columns left out, or stacked; pure.

Where no width is given (a file, a pipe) nothing is folded, cut or left out, and a row is a line.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.cli.tables import Column, Section, Table

_GAP = "  "
#: No column of text is folded to less: below it words fall apart.
_LEAST = 18


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line with the name of its style; empty: plain."""

    text: str
    style: str = ""


Line = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A table as lines, and what had no room."""

    lines: tuple[Line, ...]
    #: Names of the columns that were left out.
    left_out: tuple[str, ...] = ()


def lay_out(table: Table, width: int | None) -> Drawing:
    """Draw a table.

    Args:
        table: what it says.
        width: columns of the screen; None: any.
    """
    places = list(range(len(table.columns)))
    while True:
        widths = _fitting(table, places, width)
        if widths is not None:
            left_out = set(range(len(table.columns))) - set(places)
            names = tuple(table.columns[place].name for place in sorted(left_out))
            return Drawing(tuple(_lines(table, places, widths, width)), names)
        spare = max(places, key=lambda place: table.columns[place].spare)
        if table.columns[spare].spare == 0:
            return Drawing(tuple(_stacked(table, width or 0)))
        places.remove(spare)


def _fitting(table: Table, places: Sequence[int], width: int | None) -> list[int] | None:
    """Answer a width for each column, over all parts alike; None: there is no room for them."""
    widths = [_natural(table, place) for place in places]
    if width is None:
        return widths
    least = [
        own if table.columns[place].right else min(own, _LEAST)
        for place, own in zip(places, widths, strict=True)
    ]
    room = width - len(_GAP) * (len(places) - 1)
    if sum(least) > room:
        return None
    return _squeezed(widths, least, room)


def _squeezed(widths: list[int], least: list[int], room: int) -> list[int]:
    """Take from the widest column first until all fit."""
    # None needs more than the screen has, and each round takes one column away.
    widths = [max(low, min(own, room)) for own, low in zip(widths, least, strict=True)]
    while sum(widths) > room:
        wide = max(
            (place for place, own in enumerate(widths) if own > least[place]),
            key=widths.__getitem__,
        )
        widths[wide] -= 1
    return widths


def _natural(table: Table, place: int) -> int:
    cells = (row[place] for section in table.sections for row in section.rows)
    longest = max((columns_of(line) for cell in cells for line in cell.splitlines()), default=0)
    return max(longest, columns_of(table.columns[place].name))


def _lines(
    table: Table, places: Sequence[int], widths: Sequence[int], width: int | None
) -> Iterator[Line]:
    columns = [table.columns[place] for place in places]
    for index, section in enumerate(table.sections):
        yield from _heading(section, index, width)
        if index == 0 and any(column.name for column in columns):
            names = [[column.name] for column in columns]
            yield from _row(names, columns, widths, "header")
        for row in section.rows:
            cells = [
                fold(row[place], None if width is None else own)
                for place, own in zip(places, widths, strict=True)
            ]
            yield from _row(cells, columns, widths, "")


def _heading(section: Section, index: int, width: int | None) -> Iterator[Line]:
    if not section.title:
        return
    if index:
        yield ()
    for line in fold(section.title, width):
        yield (Span(line, "title"),)


def _row(
    cells: Sequence[Sequence[str]], columns: Sequence[Column], widths: Sequence[int], style: str
) -> Iterator[Line]:
    styles = [style or style_of(" ".join(lines)) for lines in cells]
    for number in range(max(map(len, cells))):
        parts = [lines[number] if number < len(lines) else "" for lines in cells]
        last = max((place for place, part in enumerate(parts) if part), default=-1)
        line: list[Span] = []
        for place, part in enumerate(parts[: last + 1]):
            padding = " " * (widths[place] - columns_of(part))
            right = columns[place].right
            gap = _GAP if place < last else ""
            before, after = (padding, "") if right else ("", padding if place < last else "")
            line += [Span(before), Span(part, styles[place]), Span(after + gap)]
        yield tuple(span for span in line if span.text)


def _stacked(table: Table, width: int) -> Iterator[Line]:
    """Write a row as lines ``name  value``, with a line between rows; nothing is left out."""
    names = [column.name for column in table.columns]
    margin = max(map(columns_of, names)) + len(_GAP)
    first = True
    for index, section in enumerate(table.sections):
        yield from _heading(section, index, width)
        for row in section.rows:
            if not first:
                yield ()
            first = False
            for name, cell in zip(names, row, strict=True):
                yield from _pair(name, cell, margin, width)


def _pair(name: str, cell: str, margin: int, width: int) -> Iterator[Line]:
    if margin + _LEAST // 2 > width:
        yield from ((Span(line, "header"),) for line in fold(name, width))
        yield from ((Span(line, style_of(cell)),) for line in fold(cell, width))
        return
    for number, line in enumerate(fold(cell, width - margin)):
        label = name if number == 0 else ""
        yield (
            Span(label, "header"),
            Span(" " * (margin - columns_of(label))),
            Span(line, style_of(cell)),
        )


_STYLES = {
    "succeeded": "good",
    "present": "good",
    "workload_failed": "bad",
    "wrong_output": "bad",
    "timed_out": "bad",
    "device_failed": "bad",
    "infrastructure_failed": "bad",
    "failed": "bad",
    "cancelled": "doubt",
    "missing": "doubt",
    "impossible": "faint",
}


def style_of(cell: str) -> str:
    """Name the style of a cell by its first word."""
    return _STYLES.get(cell.split(":")[0].split(" ")[0], "")


def fold(text: str, width: int | None) -> list[str]:
    """Break a text into lines of a width, at spaces where there are some; at least one line."""
    if width is None:
        return [harmless(" ".join(text.splitlines()))]
    lines = [line for part in text.splitlines() for line in _fold_line(harmless(part), width)]
    return lines or [""]


def _fold_line(text: str, width: int) -> Iterator[str]:
    while columns_of(text) > width:
        end = _fits(text, width)
        space = text.rfind(" ", 0, end + 1)
        if space > 0:
            yield text[:space].rstrip()
            text = text[space + 1 :]
        else:
            yield text[:end]
            text = text[end:]
    yield text


def _fits(text: str, width: int) -> int:
    """Count the characters that fit; at least one."""
    used = 0
    for place, character in enumerate(text):
        used += columns_of(character)
        if used > width:
            return max(place, 1)
    return len(text)


def columns_of(text: str) -> int:
    """Count the columns a text takes on a screen."""
    if text.isascii():
        return len(text)
    return sum(map(_columns_of_one, text))


def _columns_of_one(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) == "Cf":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


#: What turns the direction of text around: what is shown would not be what is there.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


def harmless(text: str) -> str:
    """Write out what would command a terminal: ``\\x1b``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_harmless_one(character) for character in text)


def _harmless_one(character: str) -> str:
    if unicodedata.category(character) in {"Cc", "Zl", "Zp"} or character in _TURNING:
        code = ord(character)
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return character
