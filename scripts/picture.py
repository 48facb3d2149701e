"""Draws one run's table of results as an SVG picture, the README's docs/demo.svg.

Usage: .venv/bin/python scripts/picture.py FARM RUN FILE.svg [TITLE]
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from orchestrator.cli import tables, view
from orchestrator.config import load_config
from orchestrator.store.base import ResultFilter
from orchestrator.store.sql import open_store

#: Fits the table with its longest mode beside a page's text.
COLUMNS = 100
#: Rich's frame asks a font host for its font; readers have a monospaced one of their own.
_FRAME = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def main(farm: str, run: str, file: str, title: str = "scripts/demo") -> None:
    """Write the picture."""
    store = open_store(load_config(Path(farm)).database_url, readonly=True)
    try:
        results = store.results(ResultFilter(run_id=int(run)))
    finally:
        store.close()
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), highlight=False, markup=False
    )
    view.table(tables.results_table(results), on=console)
    console.save_svg(file, title=title, code_format=_FRAME, unique_id="farm")


if __name__ == "__main__":
    main(*sys.argv[1:])
