"""``farm results``: the numbers, of all cells or of one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import session, view
from orchestrator.cli.asking import (
    CsvOption,
    SinceOption,
    UntilOption,
    moment,
    names_of,
    one_form,
    orderable,
    words_of,
)
from orchestrator.cli.files import files
from orchestrator.cli.options import (
    FarmOption,
    JsonOption,
    LimitOption,
    OffsetOption,
    new_app,
    page_limit,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.config import FarmConfig
    from orchestrator.domain.artifact import Provenance
    from orchestrator.domain.run import CellResult
    from orchestrator.store.base import ResultFilter, Store

app = new_app()
app.command()(files)


@app.callback()
def _results() -> None:
    """The numbers: of all cells, or of one with all its attempts."""


@app.command("list")
def list_(
    run: Annotated[int | None, typer.Argument(metavar="RUN", help="Of this run only.")] = None,
    runs: Annotated[
        list[int] | None, typer.Option("--run", metavar="RUN", help="Of this run; repeatable.")
    ] = None,
    workload: Annotated[
        list[str] | None, typer.Option("--workload", metavar="W", help="Of this; repeatable.")
    ] = None,
    mode: Annotated[
        list[str] | None, typer.Option("--mode", metavar="M", help="In this mode; repeatable.")
    ] = None,
    device: Annotated[
        list[str] | None, typer.Option("--device", metavar="D", help="On this; repeatable.")
    ] = None,
    arch: Annotated[
        list[str] | None, typer.Option("--arch", metavar="A", help="Of this kind; repeatable.")
    ] = None,
    outcome: Annotated[
        list[str] | None, typer.Option("--outcome", metavar="O", help="Ended so; repeatable.")
    ] = None,
    valid: Annotated[
        bool | None,
        typer.Option("--valid/--invalid", help="Measured, and nothing or something against it."),
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    sort: Annotated[
        str,
        typer.Option(
            metavar="BY",
            help="newest, oldest, fastest, slowest, workload, mode or device.",
        ),
    ] = "newest",
    farm: FarmOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    limit: LimitOption = None,
    offset: OffsetOption = 0,
) -> None:
    """List cells with their numbers, newest run first."""
    asked = _Asked(
        run_ids=(*(() if run is None else (run,)), *(runs or ())),
        names={"workload": workload, "mode": mode, "device": device, "arch": arch},
        outcomes=tuple(outcome or ()),
        valid=valid,
        since=since,
        until=until,
        sort=sort,
    )
    one_form(as_json=as_json, as_csv=as_csv)
    with session.reading(farm) as store:
        wanted = replace(
            _wanted(store, session.this_farm(farm), asked),
            limit=page_limit(limit, as_json or as_csv),
            offset=offset,
        )
        results = store.results(wanted)
        total = store.count_results(wanted)
    if as_json:
        from orchestrator.reads import result_document

        view.document([result_document(result) for result in results])
        return
    if as_csv:
        from orchestrator.reads import RESULT_RECORD, result_record

        view.records(RESULT_RECORD, map(result_record, results))
        return
    from orchestrator.cli.tables import results_list, results_table

    # Parts with ratios need a run's cells together; any other order is a plain list.
    in_parts = sort in {"newest", "oldest"}
    view.table(results_table(results) if in_parts else results_list(results))
    left = total - offset - len(results)
    if left > 0:
        view.note(f"{left:,} more; see them with --offset {offset + len(results)}")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a list of results was asked for, as written."""

    run_ids: tuple[int, ...]
    names: Mapping[str, Sequence[str] | None]
    outcomes: tuple[str, ...]
    valid: bool | None
    since: str | None
    until: str | None
    sort: str


def _wanted(store: Store, config: FarmConfig, asked: _Asked) -> ResultFilter:
    from orchestrator.store.base import Noun, ResultFilter, Sort
    from protos.states import Outcome

    now = datetime.now(UTC)
    outcomes = words_of(Outcome, asked.outcomes, "--outcome")
    (sort,) = words_of(Sort, (asked.sort,), "--sort")
    since = moment(asked.since, "--since", now)
    until = moment(asked.until, "--until", now, ends_day=True)
    for run_id in asked.run_ids:
        store.run(run_id)
    names = {
        noun: names_of(store, noun, asked.names[noun], orderable(config, noun)) for noun in Noun
    }
    return ResultFilter(
        run_ids=asked.run_ids,
        workloads=names[Noun.WORKLOAD],
        modes=names[Noun.MODE],
        devices=names[Noun.DEVICE],
        archs=names[Noun.ARCH],
        outcomes=outcomes,
        valid=asked.valid,
        since=since,
        until=until,
        sort=sort,
    )


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
    left = [(one.attempt_id, one.finished.files) for one, _ in attempts if one.finished]
    if any(files for _, files in left):
        view.say("")
        view.table(details.files_table(left))
    view.say("")
    view.table(details.provenance_table(made))


def _provenance(store: Store, result: CellResult) -> Sequence[Provenance]:
    """How program and runner were made, each step once."""
    ends = (sha256 for sha256 in (result.artifact, result.runtime) if sha256)
    made = {edge.key: edge for sha256 in ends for edge in store.provenance(sha256)}
    return tuple(made.values())
