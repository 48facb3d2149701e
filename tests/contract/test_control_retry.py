"""The farm's contract: what is measured again, in process and over the unix socket."""

from __future__ import annotations

import json

import pytest

from orchestrator.domain.errors import MatrixError, NotFound, StateError
from orchestrator.domain.order import RetryOrder
from orchestrator.retries import plan_again
from protos.states import CellState, RunState
from tests.contract.test_control import Asked, asked
from tests.support.farms import wait_for

__all__ = ["asked"]


def failed_run(asked: Asked, *modes: str) -> int:
    """Order a run of which these modes cannot be built."""
    asked.rig.builder.failing = set(modes)
    run_id = asked.submit()
    wait_for(
        lambda: asked.farm.watch_run(run_id).state is not RunState.BUILDING, "the build is over"
    )
    asked.rig.builder.failing = set()
    return run_id


def modes_of(asked: Asked, run_id: int) -> list[str]:
    """Name the modes of a run's cells, in order."""
    keys = [row.key for row in asked.rig.store.cells(run_id)]
    plan = asked.rig.farm.orders.recall(asked.rig.store.run_spec(run_id))
    labels = {cell.key: cell.mode.label for cell in plan.cells}
    return [labels[key] for key in keys]


def test_what_failed_is_measured_again_in_a_run_of_its_own(asked: Asked) -> None:
    """The first run stays as it is; the new one says where it comes from."""
    first = failed_run(asked, "native")
    again = asked.farm.retry(RetryOrder(first))
    asked.wait_for_state(again, RunState.QUEUED)
    assert modes_of(asked, again) == ["native"]
    assert [row.state for row in asked.rig.store.cells(again)] == [CellState.READY]
    assert [row.state for row in asked.rig.store.cells(first)] == [
        CellState.READY,
        CellState.FAILED,
    ]
    assert json.loads(asked.rig.store.run_spec(again))["retry_of"] == first


def test_named_cells_or_all_are_measured_again(asked: Asked) -> None:
    """Also those that a retry of a retry still has."""
    first = failed_run(asked, "native", "wamr-fast")
    ids = [row.cell_id for row in asked.rig.store.cells(first)]
    one = asked.farm.retry(RetryOrder(first, cell_ids=(ids[1],)))
    assert modes_of(asked, one) == ["native"]
    every = asked.farm.retry(RetryOrder(first, everything=True))
    assert modes_of(asked, every) == ["wamr-fast", "native"]
    asked.wait_for_state(one, RunState.QUEUED)
    asked.farm.cancel(one)
    third = asked.farm.retry(RetryOrder(one, everything=True))
    assert modes_of(asked, third) == ["native"]


def test_a_repeated_retry_is_one_more_run(asked: Asked) -> None:
    """As a repeated submit is: whoever lost an answer sees both in the list of runs."""
    first = failed_run(asked, "native")
    assert asked.farm.retry(RetryOrder(first)) + 1 == asked.farm.retry(RetryOrder(first))


def test_a_retry_can_be_cancelled_and_taken_up(asked: Asked) -> None:
    """Only its own cells come back."""
    first = failed_run(asked, "native")
    again = asked.farm.retry(RetryOrder(first))
    asked.wait_for_state(again, RunState.QUEUED)
    asked.farm.cancel(again)
    asked.farm.resume(again)
    assert asked.wait_for_state(again, RunState.QUEUED).cells == 1


def test_what_cannot_be_measured_again_is_refused_and_leaves_no_run(asked: Asked) -> None:
    """No such run or cell, a cell that has not ended, none that failed."""
    run_id = asked.submit()
    asked.wait_for_state(run_id, RunState.QUEUED)
    open_cell = asked.rig.store.cells(run_id)[0].cell_id
    for order, kind, said in (
        (RetryOrder(99), NotFound, "no run 99"),
        (RetryOrder(run_id, cell_ids=(99,)), NotFound, f"run {run_id} has no cell 99"),
        (RetryOrder(run_id, cell_ids=(open_cell,)), StateError, "has not ended yet"),
        (RetryOrder(run_id, everything=True), StateError, "has not ended yet"),
        (RetryOrder(run_id), StateError, "has no failed cell"),
    ):
        with pytest.raises(kind, match=said):
            asked.farm.retry(order)
    asked.farm.cancel(run_id)
    with pytest.raises(StateError, match="farm run --resume"):
        asked.farm.retry(RetryOrder(run_id))
    assert [run.run_id for run in asked.rig.store.runs()] == [run_id]


def test_a_retry_whose_workload_is_gone_leaves_no_run(asked: Asked) -> None:
    """The complaint names file and line, as for an order."""
    first = failed_run(asked, "native")
    (asked.rig.folder / "workloads" / "tiny" / "workload.yaml").unlink()
    with pytest.raises(MatrixError, match="tiny"):
        asked.farm.retry(RetryOrder(first))
    assert len(asked.rig.store.runs()) == 1


def test_a_cell_that_is_no_part_of_its_order_any_more_is_refused(asked: Asked) -> None:
    """Cells of a type are other cells than those of a device."""
    matrix = asked.rig.matrix
    matrix.write_text(matrix.read_text().replace("[local]", "{device_type: [here]}"))
    first = failed_run(asked, "native")
    spec = asked.rig.store.run_spec(first)
    kept = json.loads(spec)
    kept["text"] = kept["text"].replace("{device_type: [here]}", "[local]")
    keys = frozenset(row.key for row in asked.rig.store.cells(first))
    with pytest.raises(StateError, match="order them anew"):
        plan_again(asked.rig.farm.orders, json.dumps(kept), first, keys)
