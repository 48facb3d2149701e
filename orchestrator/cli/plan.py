"""``farm plan``: a matrix's cells without running them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import session, view, words
from orchestrator.cli.options import FarmOption, JsonOption, new_app
from orchestrator.cli.run import SetOption

app = new_app()


@app.command()
def plan(
    matrix: Annotated[Path, typer.Argument(metavar="MATRIX")],
    set_: SetOption = None,
    farm: FarmOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the cells, which devices could take each, and why a cell can take none."""
    from orchestrator.cli.details import plan_table
    from orchestrator.cli.run import pair
    from orchestrator.domain.order import MatrixOrder
    from orchestrator.foundation import open_orders
    from orchestrator.reads import plan_document

    orders = open_orders(session.this_farm(farm))
    order = MatrixOrder(matrix.absolute(), tuple(map(pair, set_ or ())))
    found = orders.plan(order)
    devices = orders.inventory.devices
    if as_json:
        view.document([plan_document(cell, devices) for cell in found.cells])
        return
    view.table(plan_table(found.cells, devices))
    impossible = sum(bool(cell.impossible) for cell in found.cells)
    cells = words.count(len(found.cells), "cell")
    view.note(f"{found.spec.name}: {cells}, {impossible} impossible")
