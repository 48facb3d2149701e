"""How a followed run ends: its table or document, and the exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from orchestrator.cli import follow, view, words
from orchestrator.cli.complaints import told_once
from orchestrator.cli.tables import is_failure, results_table
from orchestrator.config import FarmConfig
from orchestrator.domain.run import CellResult
from orchestrator.reads import result_document
from orchestrator.service import Farm
from orchestrator.store.base import ResultFilter
from orchestrator.store.sql import open_store
from protos.states import CellState


def measure_and_show(
    config: FarmConfig, begin: Callable[[Farm], int], *, as_json: bool = False
) -> int:
    """Begin a run, follow it and show what it came to.

    Args:
        config: the farm.
        begin: orders the run, or takes one up, and answers its id.
        as_json: print documents in place of a table.

    Returns:
        The exit code: 0, 1 where an outcome failed, 130 where the user left.
    """
    failed = False

    def show(run_id: int) -> None:
        nonlocal failed
        results = read_results(config, run_id)
        failed = any(map(is_failure, results))
        if as_json:
            view.document([result_document(result) for result in results])
        else:
            view.table(results_table(results))
        for reason in not_built(results):
            view.note(reason)
        if not as_json:
            view.note(summary(run_id, results))

    code = follow.measure(config, begin, show)
    return code or int(failed)


def read_results(config: FarmConfig, run_id: int) -> Sequence[CellResult]:
    """Read all cells of a run."""
    store = open_store(config.database_url, readonly=True, farm_id=config.farm_id)
    try:
        return store.results(ResultFilter(run_id=run_id))
    finally:
        store.close()


def not_built(results: Sequence[CellResult]) -> list[str]:
    """Answer why cells could not be built, each reason once, with the tool's own last lines."""
    reasons = (
        result.reason
        for result in results
        if result.state is CellState.FAILED and result.outcome is None
    )
    return told_once(reasons)


def summary(run_id: int, results: Sequence[CellResult]) -> str:
    """Say in one line how a run's cells ended: ``run 3: 12 cells, 10 succeeded, 2 timed_out``."""
    ends = Counter(
        result.state.value if result.outcome is None else result.outcome.value
        for result in results
    )
    parts = (f"{count} {end}" for end, count in ends.most_common())
    return f"run {run_id}: " + ", ".join((words.count(len(results), "cell"), *parts))
