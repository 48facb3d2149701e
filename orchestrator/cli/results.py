"""``farm results``: the numbers, of all cells or of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import session, view
from orchestrator.cli.options import (
    FarmOption,
    JsonOption,
    LimitOption,
    OffsetOption,
    new_app,
    page_limit,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.domain.artifact import Provenance
    from orchestrator.domain.run import CellResult
    from orchestrator.store.base import Store

app = new_app()


@app.callback()
def _results() -> None:
    """The numbers: of all cells, or of one with all its attempts."""


@app.command("list")
def list_(
    run: Annotated[int | None, typer.Argument(metavar="RUN", help="Of this run only.")] = None,
    farm: FarmOption = None,
    as_json: JsonOption = False,
    limit: LimitOption = None,
    offset: OffsetOption = 0,
) -> None:
    """List cells with their numbers, newest run first."""
    from orchestrator.store.base import ResultFilter

    wanted = ResultFilter(run_id=run, limit=page_limit(limit, as_json), offset=offset)
    with session.reading(farm) as store:
        if run is not None:
            store.run(run)
        results = store.results(wanted)
        total = store.count_results(wanted)
    if as_json:
        from orchestrator.reads import result_document

        view.document([result_document(result) for result in results])
        return
    from orchestrator.cli.tables import results_table

    view.table(results_table(results))
    left = total - offset - len(results)
    if left > 0:
        view.note(f"{left:,} more; see them with --offset {offset + len(results)}")


@app.command()
def show(
    cell: Annotated[
        int, typer.Argument(metavar="CELL", help="Its number, as `farm results list` shows it.")
    ],
    farm: FarmOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one cell: its attempts with all samples, and how its program and runner were made."""
    from orchestrator import reads
    from orchestrator.domain.errors import NotFound
    from orchestrator.store.base import ResultFilter

    with session.reading(farm) as store:
        found = store.results(ResultFilter(cell_id=cell))
        if not found:
            raise NotFound(f"there is no cell {cell}; see: farm results list")
        result = found[0]
        attempts = [(one, store.samples(one.attempt_id)) for one in store.attempts(cell)]
        made = _provenance(store, result)
    if as_json:
        view.document(reads.cell_document(result, attempts, made))
        return
    from orchestrator.cli import details

    view.table(details.cell_table(result))
    view.say("")
    view.table(details.attempts_table(attempts))
    view.say("")
    view.table(details.provenance_table(made))


def _provenance(store: Store, result: CellResult) -> Sequence[Provenance]:
    """How program and runner were made, each step once."""
    ends = (sha256 for sha256 in (result.artifact, result.runtime) if sha256)
    made = {edge.key: edge for sha256 in ends for edge in store.provenance(sha256)}
    return tuple(made.values())
