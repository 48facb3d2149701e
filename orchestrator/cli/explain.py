"""``farm explain``: why a cell waits, for what, why it can run nowhere, or how it ended."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import session, view
from orchestrator.cli.options import (
    FarmOption,
    JsonOption,
    LimitOption,
    OffsetOption,
    RunArgument,
    new_app,
    page_limit,
)
from orchestrator.domain.errors import FarmUnavailable, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.config import FarmConfig
    from orchestrator.domain.run import CellResult, Run
    from orchestrator.explanations import Situation
    from orchestrator.store.base import Store

app = new_app()


@app.command()
def explain(
    run: RunArgument,
    cell: Annotated[
        int | None, typer.Argument(metavar="CELL", help="Only this one, in full.")
    ] = None,
    farm: FarmOption = None,
    as_json: JsonOption = False,
    limit: LimitOption = None,
    offset: OffsetOption = 0,
) -> None:
    """Say why a run's cells wait, what for, why one can run nowhere, or how it ended.

    Works without an orchestrator too: it reads the database, and decides as placement does.
    """
    from orchestrator.explanations import explain_cells
    from orchestrator.store.base import ResultFilter

    config = session.this_farm(farm)
    wanted = ResultFilter(
        run_id=run, cell_id=cell, limit=page_limit(limit, as_json), offset=offset
    )
    with session.reading(farm) as store:
        found = store.run(run)
        cells = store.results(wanted)
        if cell is not None and not cells:
            raise NotFound(f"run {run} has no cell {cell}; see: farm results list {run}")
        left = store.count_results(wanted) - offset - len(cells)
        known = _situation(config, store, found, cells, in_full=cell is not None)
    explained = explain_cells(cells, known)
    if as_json:
        from orchestrator.reads import explanation_document

        view.document(
            {
                "run_id": run,
                "state": found.state.value,
                "orchestrator": known.served,
                "cells": [explanation_document(one) for one in explained],
            }
        )
        return
    from orchestrator.cli.details import explanations_table
    from orchestrator.cli.tables import cells_line

    view.note(f"run {run}: {found.name}, {found.state}, {cells_line(found)}")
    view.table(explanations_table(explained))
    if left > 0:
        view.note(f"{left:,} more; see them with --offset {offset + len(cells)}")


def _situation(
    config: FarmConfig, store: Store, run: Run, cells: Sequence[CellResult], *, in_full: bool
) -> Situation:
    from orchestrator.clock import SystemClock
    from orchestrator.explanations import Situation
    from protos.states import CellState

    served, build = _ask_orchestrator(config, run)
    told = [cell.cell_id for cell in cells if in_full or cell.state is CellState.LEASED]
    return Situation(
        run=run,
        statuses=store.devices(),
        slots=store.open_slots(),
        held=store.held_leases(),
        now=SystemClock().now(),
        served=served,
        build=build,
        attempts={cell_id: store.attempts(cell_id) for cell_id in told},
    )


def _ask_orchestrator(config: FarmConfig, run: Run) -> tuple[bool, str]:
    """Answer whether one lives, and how far it says the run's build is."""
    from protos.states import RunState

    with ExitStack() as stack:
        try:
            farm = session.living(stack, config).farm
            if run.state is not RunState.BUILDING:
                return True, ""
            from orchestrator.cli.progress import build_line

            steps = farm.watch_run(run.run_id).build.steps
        except FarmUnavailable:
            return False, ""
        busy = [
            f"{step.name} {step.elapsed_s:.0f} s" for step in steps if step.state == "building"
        ]
        return True, ", ".join((build_line(steps), *busy)) if steps else ""
