"""``farm runs``: orders, and how far they came."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import session, view
from orchestrator.cli.asking import (
    CsvOption,
    SinceOption,
    UntilOption,
    moment,
    one_form,
    words_of,
)
from orchestrator.cli.logs import logs
from orchestrator.cli.options import (
    FarmOption,
    JsonOption,
    LimitOption,
    OffsetOption,
    RunArgument,
    new_app,
    page_limit,
)
from orchestrator.domain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.domain.order import RetryOrder
    from orchestrator.domain.run import Run

app = new_app()


app.command()(logs)


@app.callback()
def _runs() -> None:
    """List, show, cancel and retry runs, and read what they printed."""


@app.command("list")
def list_(
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state",
            metavar="S",
            help="building, queued, running, done or cancelled; repeatable.",
        ),
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    farm: FarmOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    limit: LimitOption = None,
    offset: OffsetOption = 0,
) -> None:
    """List runs, newest first."""
    from orchestrator.store.base import RunFilter
    from protos.states import RunState

    one_form(as_json=as_json, as_csv=as_csv)
    now = datetime.now(UTC)
    page = page_limit(limit, as_json or as_csv)
    wanted = RunFilter(
        states=words_of(RunState, state or (), "--state"),
        since=moment(since, "--since", now),
        until=moment(until, "--until", now, ends_day=True),
        # One more than is shown says whether there are more.
        limit=None if page is None else page + 1,
        offset=offset,
    )
    with session.reading(farm) as store:
        runs = store.runs(wanted)
    if as_json or as_csv:
        _write(runs[:page], as_csv=as_csv)
        return
    from orchestrator.cli.tables import runs_table

    view.table(runs_table(runs[:page]))
    if page is not None and len(runs) > page:
        view.note(f"there are more; see them with --offset {offset + page}")


def _write(runs: Sequence[Run], *, as_csv: bool) -> None:
    from orchestrator.reads import RUN_RECORD, run_document, run_record

    if as_csv:
        view.records(RUN_RECORD, map(run_record, runs))
    else:
        view.document([run_document(run) for run in runs])


@app.command()
def show(run: RunArgument, farm: FarmOption = None, as_json: JsonOption = False) -> None:
    """Show one run, its order and its results."""
    from orchestrator.reads import order_document, result_document, run_document
    from orchestrator.store.base import ResultFilter

    with session.reading(farm) as store:
        found, order = store.run(run), store.run_spec(run)
        results = store.results(ResultFilter(run_id=run))
    if as_json:
        cells = [result_document(result) for result in results]
        view.document({**run_document(found), "order": order_document(order), "results": cells})
        return
    from orchestrator.cli.tables import cells_line, results_table

    view.say(f"run {run}: {found.name}, {found.state}, {cells_line(found)}")
    ordered = order_document(order)
    if ordered["order"] == "program":
        from orchestrator.cli.program import command_line

        view.say(command_line(ordered))
    if found.error:
        view.say(found.error)
    view.table(results_table(results))


@app.command()
def cancel(run: RunArgument, farm: FarmOption = None) -> None:
    """Stop a run: what has not begun never will, what runs is stopped."""
    config = session.this_farm(farm)
    from orchestrator.cli.follow import wait_until_over

    with session.reading(farm) as store:
        store.run(run)  # a run that is not there needs no orchestrator to say so
    with session.changing(config) as reached:
        reached.farm.cancel(run)
        if not wait_until_over(reached.farm, run):
            view.note(f"run {run} still stops; see: farm runs show {run}")
            raise typer.Exit(3)
    view.note(f"run {run} is cancelled; take it up again with: farm run --resume {run}")


@app.command()
def retry(
    run: RunArgument,
    cells: Annotated[
        list[str] | None,
        typer.Option(
            "--cells",
            metavar="WHICH",
            help="failed, all, or numbers such as 7,9; repeatable; default: failed.",
        ),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Do not follow; needs a running orchestrator.")
    ] = False,
    farm: FarmOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure cells of a run again, in a new run, and follow it as `farm run` does.

    The first run stays as it is; the new one's order names it. Exits with 1 if an outcome failed.
    """
    from orchestrator.retries import choose_cells

    order = _retry_order(run, tuple(cells or ()))
    config = session.this_farm(farm)
    with session.reading(farm) as store:
        choose_cells(order, store.cells(run))  # a mistake needs no orchestrator to be told
    if detach:
        with ExitStack() as stack:
            again = session.living(stack, config).farm.retry(order)
        if as_json:
            view.document({"run_id": again})
        else:
            view.say(f"run {again}; follow it with: farm runs show {again}")
        return
    from orchestrator.cli.ending import measure_and_show

    code = measure_and_show(config, lambda living: living.retry(order), as_json=as_json)
    if code:
        raise typer.Exit(code)


def _retry_order(run_id: int, written: Sequence[str]) -> RetryOrder:
    from orchestrator.domain.order import RetryOrder

    words = [word.strip() for text in written for word in text.split(",")]
    if words in ([], ["failed"]):
        return RetryOrder(run_id)
    if words == ["all"]:
        return RetryOrder(run_id, everything=True)
    for word in words:
        if not (word.isascii() and word.isdigit()):
            raise UsageError(
                f"--cells: '{word}' is no cell's number; 'failed' and 'all' stand alone"
            )
    return RetryOrder(run_id, cell_ids=tuple(dict.fromkeys(map(int, words))))
