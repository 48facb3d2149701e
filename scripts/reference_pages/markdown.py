"""Headings and tables of the pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def opening(title: str, source: str) -> str:
    """Begin a page: what it is, and what made it.

    Args:
        title: its heading.
        source: the files of the code it was made from.
    """
    return f"# {title}\n\n*Made by `scripts/reference` from {source}; edit those.*\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; a bar in a cell is escaped, a line break becomes a blank."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """Write a name or a value as code; nothing stays nothing."""
    return f"`{text}`" if text else ""
