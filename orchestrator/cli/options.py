"""Options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FarmOption = Annotated[
    Path | None,
    typer.Option("--farm", metavar="DIR", help="The farm; default: as `farm --help` says."),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout, nothing else there.")
]
LimitOption = Annotated[
    int | None,
    typer.Option(
        "--limit", metavar="N", min=0, help="Rows at most, 0: all; default: 100, with --json all."
    ),
]
OffsetOption = Annotated[int, typer.Option("--offset", metavar="N", min=0, help="Rows to skip.")]

RunArgument = Annotated[int, typer.Argument(metavar="RUN", help="Its number.")]

#: Rows of a table for people where nothing was said; rich takes about 1 ms a row.
PAGE = 100


def page_limit(limit: int | None, as_json: bool) -> int | None:
    """Say how many rows to read; None: all."""
    if limit is None:
        return None if as_json else PAGE
    return limit or None


def new_app() -> typer.Typer:
    """Make a command's parser: plain help, since drawing it with rich takes twice the time."""
    return typer.Typer(rich_markup_mode=None, add_completion=False)
