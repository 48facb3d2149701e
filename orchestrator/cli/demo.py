"""``farm demo``: the whole way, from nothing to a table."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import view
from orchestrator.cli.options import new_app

app = new_app()


@app.command()
def demo(
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="DIR", help="Make the farm here and leave it there."),
    ] = None,
) -> None:
    """Make a farm, start a local and emulated devices, build and measure, print the table.

    Exits with 1 if an outcome failed.
    """
    from orchestrator.cli.ending import measure_and_show
    from orchestrator.domain.order import MatrixOrder
    from orchestrator.foundation import DEMO_MATRIX, new_farm

    with ExitStack() as stack:
        folder = keep or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="farm-demo-"))
        )
        config = new_farm(folder)
        code = measure_and_show(config, lambda farm: farm.submit(MatrixOrder(DEMO_MATRIX)))
    if keep is not None:
        view.note(f"look further with: farm --farm {keep} results list")
    if code:
        raise typer.Exit(code)
