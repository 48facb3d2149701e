"""``farm workloads``: what can be run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import session, view
from orchestrator.cli.options import FarmOption, JsonOption, new_app

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.domain.workload import Workload

app = new_app()


@app.callback()
def _workloads() -> None:
    """What can be run."""


@app.command("list")
def list_(farm: FarmOption = None, as_json: JsonOption = False) -> None:
    """List workloads with their parameters."""
    found = _catalogue(farm)
    if as_json:
        from orchestrator.reads import workload_document

        view.document([workload_document(workload) for workload in found.values()])
        return
    from orchestrator.cli.details import workloads_table

    view.table(workloads_table(found))


@app.command()
def show(
    workload: Annotated[str, typer.Argument(metavar="WORKLOAD")],
    farm: FarmOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one workload."""
    from orchestrator.domain.errors import NotFound
    from orchestrator.files.spelling import next_step

    found = _catalogue(farm)
    if workload not in found:
        raise NotFound(f"there is no workload {workload}: {next_step(workload, found)}")
    if as_json:
        from orchestrator.reads import workload_document

        view.document(workload_document(found[workload]))
        return
    from orchestrator.cli.details import workload_table

    view.table(workload_table(found[workload]))


def _catalogue(farm: Path | None) -> dict[str, Workload]:
    from orchestrator.files.workloads import catalogue

    return catalogue(session.this_farm(farm).workloads)
