"""The store's contract: runs and their cells."""

from __future__ import annotations

import pytest

from orchestrator.domain.errors import NotFound, StateError
from orchestrator.domain.matrix import Counts, Mode, Runtime
from orchestrator.store.base import CellOrder, ResultFilter, RunFilter, Store
from protos.states import CellState, IllegalMoveError, Outcome, RunState
from tests.support import factories as make
from tests.support.storing import Rig

TWO = make.plan(
    make.cell(mode=Mode(Runtime.FAST)), make.cell(mode=Mode(Runtime.NATIVE)), text="the: text\n"
)


def test_a_plan_becomes_a_run_that_is_building(store: Store) -> None:
    """Name, text and cells in the matrix's order; nothing is finished."""
    rig = Rig(store)
    run_id = rig.order(TWO, ready=False)
    run = rig.run(run_id)
    assert (run.name, run.state, run.finished_at, run.size) == ("test", RunState.BUILDING, None, 2)
    assert run.cells[CellState.WAITING] == 2
    assert run.cells[CellState.DONE] == 0
    assert store.run_spec(run_id) == "the: text\n"
    assert [cell.key for cell in store.cells(run_id)] == [cell.key for cell in TWO.cells]


def test_what_cannot_run_is_impossible_from_the_start(store: Store) -> None:
    """The reason shows with the result, and the run can still end."""
    rig = Rig(store)
    run_id = rig.order(make.plan(make.cell(impossible="no SIMD there")))
    assert rig.states(run_id) == [CellState.IMPOSSIBLE]
    result = rig.result(run_id)
    assert (result.outcome, result.reason) == (Outcome.UNSUPPORTED, "no SIMD there")
    assert rig.run(run_id).state is RunState.DONE
    assert rig.run(run_id).finished_at is not None


def test_a_run_on_an_undeclared_device_is_refused_whole(store: Store) -> None:
    """Nothing is left of a run that cannot be stored."""
    rig = Rig(store)
    with pytest.raises(NotFound, match="ghost"):
        rig.order(make.plan(make.cell(), make.cell(target=make.device("ghost"))))
    assert store.runs() == []
    assert store.count_results(ResultFilter()) == 0


def test_readiness_needs_recorded_artifacts(store: Store) -> None:
    """A result must be able to say what ran."""
    rig = Rig(store)
    run_id = rig.order(ready=False)
    order = CellOrder(b"", make.digest("runner").sha256, make.digest("program").sha256)
    with pytest.raises(NotFound, match="not recorded"), rig.transaction() as t:
        t.ready_cell(store.cells(run_id)[0].cell_id, order)
    assert rig.states(run_id) == [CellState.WAITING]


def test_a_build_that_fails_fails_its_cell_only(store: Store) -> None:
    """The other cell runs; the run is done when both are settled."""
    rig = Rig(store)
    run_id = rig.order(TWO, ready=False)
    with rig.transaction() as t:
        t.fail_cell(store.cells(run_id)[0].cell_id, "cc: no")
    rig.make_ready(run_id)
    assert rig.states(run_id) == [CellState.FAILED, CellState.READY]
    assert rig.measure() == [True]
    assert rig.run(run_id).state is RunState.DONE
    assert rig.result(run_id).reason == "cc: no"


def test_a_run_whose_builds_all_fail_is_done(store: Store) -> None:
    """It does not wait for devices."""
    rig = Rig(store)
    run_id = rig.order(ready=False)
    with rig.transaction() as t:
        t.fail_cell(store.cells(run_id)[0].cell_id, "cc: no")
        t.move_run(run_id, RunState.QUEUED, rig.now())
    assert rig.run(run_id).state is RunState.DONE


def test_settled_cells_stay_as_they_are(store: Store) -> None:
    """Late words of a build change nothing."""
    rig = Rig(store)
    run_id = rig.order()
    rig.measure()
    cell_id = store.cells(run_id)[0].cell_id
    with rig.transaction() as t:
        t.fail_cell(cell_id, "late")
        t.ready_cell(cell_id, CellOrder(b"", "", ""))
    assert rig.states(run_id) == [CellState.DONE]
    assert rig.result(run_id).reason == ""


def test_runs_come_newest_first_by_page(store: Store) -> None:
    """Pages neither overlap nor leave out."""
    rig = Rig(store)
    ids = [rig.order(make.plan(name=f"run {n}")) for n in range(5)]
    assert [run.run_id for run in store.runs()] == ids[::-1]
    assert [run.run_id for run in store.runs(RunFilter(limit=2, offset=1))] == [ids[3], ids[2]]
    assert [run.run_id for run in store.runs(RunFilter(offset=4))] == [ids[0]]


def test_a_run_ends_with_its_error(store: Store) -> None:
    """Why it ended early is kept."""
    rig = Rig(store)
    run_id = rig.order(ready=False)
    with rig.transaction() as t:
        t.move_run(run_id, RunState.DONE, rig.now(), "the compiler is gone")
    assert rig.run(run_id).error == "the compiler is gone"
    with pytest.raises(IllegalMoveError), rig.transaction() as t:
        t.move_run(run_id, RunState.QUEUED, rig.now())


def test_a_cancelled_run_without_leases_is_over_at_once(store: Store) -> None:
    """Waiting and ready cells are cancelled; a second cancel is told so."""
    rig = Rig(store)
    run_id = rig.order(TWO)
    rig.cancel(run_id)
    assert rig.states(run_id) == [CellState.CANCELLED] * 2
    assert rig.run(run_id).state is RunState.CANCELLED
    assert rig.result(run_id).outcome is Outcome.CANCELLED
    with pytest.raises(StateError, match="cancelled already"):
        rig.cancel(run_id)


def test_a_cancelled_run_waits_for_its_leased_cells(store: Store) -> None:
    """Their attempts are marked; each settles its cell, the last one the run."""
    rig = Rig(store)
    run_id = rig.order(TWO)
    rig.grant(most=1)
    rig.cancel(run_id)
    rig.cancel(run_id)
    assert rig.states(run_id) == [CellState.LEASED, CellState.CANCELLED]
    assert rig.run(run_id).state is RunState.RUNNING
    (attempt,) = rig.granted()
    assert attempt.cancelled
    assert not rig.report(attempt, Outcome.CANCELLED)
    assert rig.states(run_id) == [CellState.CANCELLED] * 2
    assert rig.run(run_id).state is RunState.CANCELLED


def test_a_result_that_beats_the_cancel_counts(store: Store) -> None:
    """A last block's success makes its cell done; an earlier block's does not go on."""
    rig = Rig(store)
    run_id = rig.order(
        make.plan(
            make.cell(mode=Mode(Runtime.FAST)),
            make.cell(mode=Mode(Runtime.NATIVE), counts=Counts(attempts=2)),
        )
    )
    rig.grant()
    rig.cancel(run_id)
    assert [rig.report(attempt) for attempt in rig.granted()] == [True, True]
    assert rig.states(run_id) == [CellState.DONE, CellState.CANCELLED]
    assert rig.run(run_id).state is RunState.CANCELLED


@pytest.mark.parametrize("outcome", [Outcome.WORKLOAD_FAILED, Outcome.DEVICE_FAILED])
def test_a_failure_under_a_cancel_is_a_cancel(store: Store, outcome: Outcome) -> None:
    """What dies while it is being stopped says nothing about the workload."""
    rig = Rig(store)
    run_id = rig.order()
    rig.grant()
    rig.cancel(run_id)
    (attempt,) = rig.granted()
    assert not rig.report(attempt, outcome)
    assert rig.states(run_id) == [CellState.CANCELLED]


def test_a_cancelled_run_can_be_resumed(store: Store) -> None:
    """What was measured stays, what was not is built and measured again."""
    rig = Rig(store)
    run_id = rig.order(make.plan(*TWO.cells, name="resumed"))
    rig.grant(most=1)
    (first,) = rig.granted()
    rig.report(first)
    rig.grant()
    rig.cancel(run_id)
    (second,) = rig.granted()
    rig.report(second, Outcome.CANCELLED)
    with rig.transaction() as t:
        rows = t.resume_run(run_id)
    assert [row.key for row in rows] == [TWO.cells[1].key]
    assert rig.states(run_id) == [CellState.DONE, CellState.WAITING]
    assert (rig.run(run_id).state, rig.run(run_id).finished_at) == (RunState.BUILDING, None)
    rig.make_ready(run_id)
    assert rig.measure() == [True]
    assert rig.run(run_id).state is RunState.DONE


def test_only_a_cancelled_run_can_be_resumed(store: Store) -> None:
    """The complaint names the state it is in."""
    rig = Rig(store)
    run_id = rig.order()
    with pytest.raises(StateError, match="queued"), rig.transaction() as t:
        t.resume_run(run_id)
    with pytest.raises(NotFound), rig.transaction() as t:
        t.resume_run(99)


def test_unknown_runs_are_not_found(store: Store) -> None:
    """Every read of a run names the one it does not know."""
    for read in (store.run, store.run_spec, store.cells):
        with pytest.raises(NotFound, match="no run 7"):
            read(7)
