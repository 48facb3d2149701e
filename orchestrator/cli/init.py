"""``farm init``: a new farm."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import view
from orchestrator.cli.options import new_app

app = new_app()


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Made if missing.")] = Path(),
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="An empty database: postgresql://USER@HOST:PORT/NAME; default: SQLite in DIR.",
        ),
    ] = None,
) -> None:
    """Make a new farm: farm.toml, inventory.yaml of this machine, database and CA.

    Refuses to overwrite.
    """
    from orchestrator.foundation import new_farm

    config = new_farm(folder, database)
    view.say(f"a farm in {config.folder}; its devices are declared in {config.inventory.name}")
