"""``farm build``: builds what is missing, without measuring."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import session, view
from orchestrator.cli.options import FarmOption, JsonOption, new_app
from orchestrator.cli.program import SetOption
from orchestrator.domain.errors import UsageError

if TYPE_CHECKING:
    from orchestrator.domain.order import BuildOrder

app = new_app()


@app.command()
def build(
    matrix: Annotated[
        Path | None, typer.Argument(metavar="MATRIX", help="Build what its cells need.")
    ] = None,
    arch: Annotated[
        list[str] | None,
        typer.Option("--arch", metavar="A", help="Without a matrix: for this; repeatable."),
    ] = None,
    workload: Annotated[
        list[str] | None,
        typer.Option("--workload", metavar="W", help="Without a matrix: this; repeatable."),
    ] = None,
    set_: SetOption = None,
    farm: FarmOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build what is missing for a matrix, or for workloads and architectures (default: all).

    Exits with 1 if something could not be built.
    """
    from orchestrator.cli import follow
    from orchestrator.cli.complaints import told_once
    from orchestrator.cli.tables import build_table
    from orchestrator.reads import build_document

    order = _order(matrix, tuple(arch or ()), tuple(workload or ()), tuple(set_ or ()))
    config = session.this_farm(farm)
    with session.changing(config, with_devices=False) as reached:
        progress = follow.build(reached.farm, reached.farm.build(order))
    if as_json:
        view.document(build_document(progress))
    else:
        view.table(build_table(progress.steps))
    for error in told_once(step.error for step in progress.steps if step.error):
        view.complain(error)
    if progress.error:
        view.complain(progress.error)
    if progress.error or any(step.state == "failed" for step in progress.steps):
        raise typer.Exit(1)


def _order(
    matrix: Path | None,
    archs: tuple[str, ...],
    workloads: tuple[str, ...],
    overrides: tuple[str, ...],
) -> BuildOrder:
    from orchestrator.cli.program import pair
    from orchestrator.domain.order import MatrixOrder, SelectionOrder

    if matrix is None:
        if overrides:
            raise UsageError("--set is for a matrix; name one")
        return SelectionOrder(archs, workloads)
    if archs or workloads:
        raise UsageError("name a matrix, or --arch and --workload, not both")
    return MatrixOrder(matrix.absolute(), tuple(map(pair, overrides)))
