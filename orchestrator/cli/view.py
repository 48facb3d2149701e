"""The one place that prints: data to stdout, prose to stderr."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TextIO

from orchestrator.domain.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.cli.layout import Line
    from orchestrator.cli.tables import Table

#: Columns where nobody's terminal says how many; a file or a pipe has room.
_WIDE = 160
#: Select Graphic Rendition of ECMA-48.
_CODES = {
    "title": "1",
    "header": "2",
    "faint": "2",
    "bad": "31",
    "good": "32",
    "doubt": "33",
}
#: The same for rich, which records pictures.
_RICH = {
    "title": "bold",
    "header": "dim",
    "faint": "dim",
    "bad": "red",
    "good": "green",
    "doubt": "yellow",
}


class Colour(StrEnum):
    """When output is coloured."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass
class _Choice:
    colour: Colour = Colour.AUTO


_chosen = _Choice()


def choose_colour(colour: Colour) -> None:
    """Note what the root's ``--color`` said."""
    _chosen.colour = colour


def is_coloured(file: TextIO) -> bool:
    """Say whether a stream gets colour: a terminal that can, unless somebody said otherwise.

    ``NO_COLOR`` counts if it is set and not empty (https://no-color.org).
    """
    if _chosen.colour is not Colour.AUTO:
        return _chosen.colour is Colour.ALWAYS
    return moves(file) and not os.environ.get("NO_COLOR")


def moves(file: TextIO) -> bool:
    """Say whether a stream is a terminal that can do more than print line after line."""
    return file.isatty() and os.environ.get("TERM", "") not in {"", "dumb", "unknown"}


def say(text: str) -> None:
    """Write data for people to stdout."""
    print(text, file=_out())


def note(text: str) -> None:
    """Write prose to stderr; to nobody if it is closed."""
    if sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)


def complain(text: str) -> None:
    """Write an error to stderr."""
    note(f"farm: {text}")


def document(content: Any) -> None:
    """Write one JSON document to stdout."""
    out = _out()
    json.dump(content, out, indent=2, ensure_ascii=False)
    print(file=out)


def documents(items: Iterable[Any]) -> None:
    """Write one JSON list to stdout, an item a line, as they come."""
    out = _out()
    before = "[\n"
    for item in items:
        out.write(f"{before}{json.dumps(item, ensure_ascii=False)}")
        before = ",\n"
    print("[]" if before == "[\n" else "\n]", file=out)


def records(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write CSV to stdout, its names first (RFC 4180, but lines end as this system's do)."""
    writer = csv.writer(_out(), lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)


def raw(data: bytes) -> None:
    """Write bytes to stdout as they are."""
    out = _out()
    out.flush()
    out.buffer.write(data)


def text(data: bytes) -> None:
    """Write what a stranger's program printed, line by line; on a terminal, harmless."""
    from orchestrator.cli.layout import harmless

    out = _out()
    shown = data.decode(errors="backslashreplace")
    if out.isatty():
        shown = "\n".join("\t".join(map(harmless, line.split("\t"))) for line in shown.split("\n"))
    out.write(shown if shown.endswith("\n") or not shown else f"{shown}\n")
    out.flush()


def title(text: str) -> None:
    """Write a title to stdout."""
    from orchestrator.cli.layout import Span

    lines([(Span(text, "title"),)])


def console(file: TextIO) -> Console:
    """Make a console of rich's on a stream, wide where it is no terminal."""
    from rich.console import Console

    width = None if file.isatty() else _WIDE
    no_color = None if is_coloured(file) else True
    return Console(
        file=file, width=width, no_color=no_color, highlight=False, emoji=False, markup=False
    )


def table(content: Table, *, on: Console | None = None) -> None:
    """Draw a table on stdout.

    Args:
        content: what it says.
        on: a console of one's own, to record a picture.
    """
    from orchestrator.cli.layout import lay_out

    if not content.size:
        on.print(content.empty) if on else say(content.empty)
        return
    drawing = lay_out(content, on.width if on else _width(_out()))
    if on is not None:
        _print_rich(drawing.lines, on)
        return
    lines(drawing.lines)
    if drawing.left_out:
        left_out = ", ".join(drawing.left_out)
        note(f"left out for want of room: {left_out}; a wider terminal or --json has it")


def lines(drawn: Iterable[Line]) -> None:
    """Write lines to stdout, in colour where that fits."""
    out = _out()
    coloured = is_coloured(out)
    for line in drawn:
        print("".join(_painted(span.text, span.style, coloured) for span in line), file=out)
    # What follows on stderr must not overtake it where both go to one place.
    out.flush()


def _painted(text: str, style: str, coloured: bool) -> str:
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if coloured and style else text


def _print_rich(drawn: Iterable[Line], on: Console) -> None:
    from rich.text import Text

    for line in drawn:
        spans = ((span.text, _RICH.get(span.style, "")) for span in line)
        on.print(Text.assemble(*spans), no_wrap=True, overflow="ignore", crop=False)


def _width(file: TextIO) -> int | None:
    return shutil.get_terminal_size().columns if file.isatty() else None


def _out() -> TextIO:
    """Answer stdout.

    Raises:
        UsageError: whoever started us closed it.
    """
    if sys.stdout is None:
        raise UsageError("standard output is closed: open it, or send it to /dev/null")
    return sys.stdout
