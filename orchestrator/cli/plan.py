"""``farm plan``: a matrix's cells and what they need, without running or building anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import session, view, words
from orchestrator.cli.options import FarmOption, JsonOption, new_app
from orchestrator.cli.run import SetOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.domain.matrix import Plan
    from orchestrator.domain.order import BuildStep

app = new_app()


@app.command()
def plan(
    matrix: Annotated[Path, typer.Argument(metavar="MATRIX")],
    set_: SetOption = None,
    farm: FarmOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the cells, what would be built, which devices could take each, and why none can."""
    from dataclasses import asdict

    from orchestrator.builds import open_builder
    from orchestrator.cli.details import plan_table
    from orchestrator.cli.run import pair
    from orchestrator.domain.order import MatrixOrder
    from orchestrator.foundation import open_orders
    from orchestrator.reads import plan_document

    config = session.this_farm(farm)
    orders = open_orders(config)
    found = orders.plan(MatrixOrder(matrix.absolute(), tuple(map(pair, set_ or ()))))
    devices = orders.inventory.devices
    steps = open_builder(config).survey(found.cells)
    if as_json:
        cells = [plan_document(cell, devices) for cell in found.cells]
        build = [asdict(step) for step in steps]
        view.document({"name": found.spec.name, "cells": cells, "build": build})
        return
    view.table(plan_table(found.cells, devices))
    _show_build(steps)
    view.note(plan_line(found))
    view.note(survey_line(steps))


def _show_build(steps: Sequence[BuildStep]) -> None:
    """Show what would be made, and what cannot be."""
    from orchestrator.cli.tables import survey_table

    if any(step.state != "known" for step in steps):
        view.say("")
        view.table(survey_table(steps))


def plan_line(plan: Plan) -> str:
    """Count a plan's cells: ``gemm-modes: 12 cells, 1 impossible``."""
    impossible = sum(bool(cell.impossible) for cell in plan.cells)
    return f"{plan.spec.name}: {words.count(len(plan.cells), 'cell')}, {impossible} impossible"


def survey_line(steps: Sequence[BuildStep]) -> str:
    """Count what a build would make: ``to build: 3 of 31 artifacts``."""
    waiting = sum(step.state == "waiting" for step in steps)
    failed = sum(step.state == "failed" for step in steps)
    known = f"{words.count(len(steps), 'artifact')}, all known"
    line = f"to build: {waiting} of {words.count(len(steps), 'artifact')}" if waiting else known
    return line + (f", {failed} cannot be" if failed else "")
