"""Which cells of a run are measured again, and the plan of the run they become.

A run that is done stays done and a failed cell stays failed (states are final): what was measured
keeps its place, and a retry is a run of its own that names the one it came from.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from orchestrator.domain.errors import MatrixError, NotFound, StateError
from orchestrator.domain.matrix import Plan
from orchestrator.domain.order import RetryOrder
from orchestrator.orders import Orders
from orchestrator.store.base import CellRow
from protos.states import CellState

_OPEN = (CellState.WAITING, CellState.READY, CellState.LEASED)
#: In a run's order: the run it measures again.
RETRY_OF = "retry_of"


def choose_cells(order: RetryOrder, cells: Sequence[CellRow]) -> frozenset[str]:
    """Choose the cells of a run that are measured again.

    Args:
        order: what is wanted.
        cells: all of the run.

    Returns:
        Their plans' keys.

    Raises:
        NotFound: the run has no such cell.
        StateError: a chosen one has not ended yet, or none has failed.
    """
    chosen = _chosen(order, {cell.cell_id: cell for cell in cells})
    unfinished = [cell for cell in chosen if cell.state in _OPEN]
    if unfinished:
        raise StateError(
            f"cell {unfinished[0].cell_id} of run {order.run_id} is {unfinished[0].state}, it has"
            f" not ended yet: wait, or cancel it with: farm runs cancel {order.run_id}"
        )
    if not chosen:
        raise StateError(_none_failed(order.run_id, cells))
    return frozenset(cell.key for cell in chosen)


def _chosen(order: RetryOrder, cells: dict[int, CellRow]) -> list[CellRow]:
    if order.everything:
        return list(cells.values())
    if not order.cell_ids:
        return [cell for cell in cells.values() if cell.state is CellState.FAILED]
    for cell_id in order.cell_ids:
        if cell_id not in cells:
            raise NotFound(
                f"run {order.run_id} has no cell {cell_id}; see: farm results list {order.run_id}"
            )
    return [cells[cell_id] for cell_id in order.cell_ids]


def _none_failed(run_id: int, cells: Sequence[CellRow]) -> str:
    if any(cell.state is CellState.CANCELLED for cell in cells):
        return f"run {run_id} has cancelled cells and no failed one: farm run --resume {run_id}"
    return f"run {run_id} has no failed cell; measure all again with: --cells all"


def plan_again(orders: Orders, text: str, run_id: int, keys: frozenset[str]) -> Plan:
    """Make the plan of a retry from what its run was ordered with.

    Args:
        orders: reads it anew, so that a mended workload counts.
        text: the run's order.
        run_id: the run.
        keys: of the cells that are wanted.

    Raises:
        UsageError: what it ordered is gone or wrong by now.
        StateError: a wanted cell is no part of the order any more.
    """
    whole = orders.recall(text)
    cells = tuple(cell for cell in whole.cells if cell.key in keys)
    if len(cells) < len(keys):
        raise StateError(
            f"{len(keys) - len(cells)} of the cells are no part of run {run_id}'s order any more:"
            " order them anew with: farm run"
        )
    if all(cell.impossible for cell in cells):
        raise MatrixError(f"no device can take any of its cells: {cells[0].impossible}")
    kept = {**json.loads(text), RETRY_OF: run_id}
    spec = replace(whole.spec, text=json.dumps(kept, sort_keys=True))
    return replace(whole, spec=spec, cells=cells)
