"""The store's contract: a report is stored once and settles its attempt."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.errors import NotFound
from orchestrator.domain.matrix import Counts, Mode, Runtime
from orchestrator.domain.settlement import FREE_STOPS
from orchestrator.store.base import Store
from protos.states import AttemptState, CellState, DeviceState, Outcome, RunState
from tests.support import factories as make
from tests.support.storing import Rig


def test_a_success_settles_everything_above_it(store: Store) -> None:
    """Attempt accepted, cell done, lease released, device idle, run done."""
    rig = Rig(store)
    run_id = rig.order()
    assert rig.measure() == [True]
    assert rig.states(run_id) == [CellState.DONE]
    assert store.held_leases() == []
    assert store.device("local").state is DeviceState.IDLE
    run = rig.run(run_id)
    assert (run.state, run.finished_at is None) == (RunState.DONE, False)


def test_every_block_is_measured_once(store: Store) -> None:
    """A success with blocks left makes the cell ready for the next one."""
    rig = Rig(store)
    run_id = rig.order(make.plan(make.cell(counts=Counts(attempts=3))))
    blocks = []
    while slots := store.ready_slots("local"):
        blocks += [slot.block for slot in slots]
        assert rig.measure() == [True]
    assert blocks == [0, 1, 2]
    assert rig.result(run_id).attempts == 3


def test_the_same_report_twice_changes_nothing(store: Store) -> None:
    """Whatever the repeat says, the first word stays."""
    rig = Rig(store)
    run_id = rig.order()
    rig.grant()
    (attempt,) = rig.granted()
    assert rig.report(attempt)
    before = store.attempts(attempt.cell_id)
    assert rig.report(attempt)
    assert rig.report(attempt, Outcome.WRONG_OUTPUT)
    assert store.attempts(attempt.cell_id) == before
    assert rig.result(run_id).outcome is Outcome.SUCCEEDED


def test_a_report_of_a_lost_lease_is_kept_beside(store: Store) -> None:
    """It is rejected with its numbers, and the cell is measured again."""
    rig = Rig(store)
    run_id = rig.order()
    lease = rig.grant()
    (attempt,) = rig.granted()
    rig.expire(lease)
    assert not rig.report(attempt)
    assert not rig.report(attempt)
    (record,) = store.attempts(attempt.cell_id)
    assert record.state is AttemptState.REJECTED
    assert record.finished is not None
    assert record.finished.samples == make.samples()
    assert rig.result(run_id).execute_s == ()
    with rig.transaction() as t:
        t.see_device("local", rig.now(), agent_version="1", boot_id="boot-2")
    assert rig.measure() == [True]
    assert rig.result(run_id).attempts == 1


def test_a_report_with_another_fence_changes_nothing(store: Store) -> None:
    """Only the lease's own fence and the attempt's own number count."""
    rig = Rig(store)
    run_id = rig.order()
    rig.grant()
    told = make.finished(rig.granted()[0])
    for wrong in (replace(told, fence=7), replace(told, sequence=2)):
        with rig.transaction() as t:
            assert not t.accept(wrong, retries=2, now=rig.now())
    assert rig.states(run_id) == [CellState.LEASED]
    assert rig.report(rig.granted()[0])


def test_a_report_from_another_device_is_not_found(store: Store) -> None:
    """A device speaks of its own attempts only."""
    rig = Rig(store, make.device("a"), make.device("b"))
    rig.order()
    rig.grant("a")
    (attempt,) = rig.granted("a")
    with pytest.raises(NotFound, match="on b"):
        rig.report(attempt, device="b")
    with pytest.raises(NotFound, match="no attempt 99"):
        rig.report(replace(attempt, attempt_id=99), device="a")


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome.WORKLOAD_FAILED,
        Outcome.WRONG_OUTPUT,
        Outcome.TIMED_OUT,
        Outcome.UNSUPPORTED,
    ],
)
def test_a_workloads_failure_is_not_retried(store: Store, outcome: Outcome) -> None:
    """The attempt is accepted, the cell failed with its outcome, and no time is stored."""
    rig = Rig(store)
    run_id = rig.order(make.plan(make.cell(counts=Counts(attempts=3))))
    assert rig.measure(outcome) == [True]
    result = rig.result(run_id)
    assert (result.state, result.outcome) == (CellState.FAILED, outcome)
    assert result.reason == "exit code 1"
    assert (result.execute_s, result.samples, result.region) == ((), 0, None)
    assert rig.run(run_id).state is RunState.DONE


def test_a_later_failure_takes_the_times_with_it(store: Store) -> None:
    """A cell whose second block prints something wrong shows no time at all."""
    rig = Rig(store)
    run_id = rig.order(make.plan(make.cell(counts=Counts(attempts=2))))
    rig.measure()
    assert len(rig.result(run_id).execute_s) == 1
    rig.measure(Outcome.WRONG_OUTPUT)
    result = rig.result(run_id)
    assert (result.outcome, result.execute_s, result.attempts) == (Outcome.WRONG_OUTPUT, (), 2)


@pytest.mark.parametrize("outcome", [Outcome.DEVICE_FAILED, Outcome.INFRASTRUCTURE_FAILED])
def test_the_farms_own_failure_is_retried(store: Store, outcome: Outcome) -> None:
    """First try and two retries; the last one's failure fails the cell."""
    rig = Rig(store)
    run_id = rig.order()
    accepted, states = [], []
    while store.ready_slots("local"):
        accepted += rig.measure(outcome, retries=2)
        states += rig.states(run_id)
    assert accepted == [False, False, True]
    assert states == [CellState.READY, CellState.READY, CellState.FAILED]
    assert rig.result(run_id).outcome is outcome
    records = store.attempts(store.cells(run_id)[0].cell_id)
    assert [one.finished and one.finished.outcome for one in records] == [outcome] * 3


def test_the_farms_own_stops_cost_a_block_no_try(store: Store) -> None:
    """But not for ever: a block that is stopped again and again fails as others do."""
    rig = Rig(store)
    run_id = rig.order(make.plan(make.cell(counts=Counts(attempts=2))))
    for _ in range(FREE_STOPS - 1):
        assert rig.measure(Outcome.CANCELLED, retries=0) == [False]
        assert [slot.tries for slot in store.ready_slots("local")] == [0]
    assert rig.measure(retries=0) == [True]
    for _ in range(FREE_STOPS):
        assert rig.measure(Outcome.CANCELLED, retries=0) == [False]
    assert rig.measure(Outcome.CANCELLED, retries=0) == [True]
    assert rig.states(run_id) == [CellState.FAILED]


def test_no_retries_means_none(store: Store) -> None:
    """Zero is zero."""
    rig = Rig(store)
    run_id = rig.order()
    assert rig.measure(Outcome.DEVICE_FAILED, retries=0) == [True]
    assert rig.states(run_id) == [CellState.FAILED]


def test_each_block_has_its_own_tries(store: Store) -> None:
    """A success gives the next block a full budget."""
    rig = Rig(store)
    run_id = rig.order(make.plan(make.cell(counts=Counts(attempts=2))))
    for outcome in (Outcome.DEVICE_FAILED, Outcome.SUCCEEDED, Outcome.DEVICE_FAILED):
        rig.measure(outcome, retries=1)
    assert rig.states(run_id) == [CellState.READY]
    assert [slot.tries for slot in store.ready_slots("local")] == [1]


def test_a_lease_lasts_till_its_last_attempt(store: Store) -> None:
    """Reports may come in any order."""
    rig = Rig(store)
    rig.order(make.plan(make.cell(mode=Mode(Runtime.FAST)), make.cell()))
    rig.grant()
    first, second = rig.granted()
    rig.report(second)
    assert len(store.held_leases()) == 1
    assert store.device("local").state is DeviceState.LEASED
    rig.report(first)
    assert store.held_leases() == []


def test_an_offline_devices_report_leaves_it_offline(store: Store) -> None:
    """Who is away is away, though its lease ends."""
    rig = Rig(store)
    rig.order()
    rig.grant()
    with rig.transaction() as t:
        t.move_device("local", DeviceState.OFFLINE)
    rig.report(rig.granted()[0])
    assert store.held_leases() == []
    assert store.device("local").state is DeviceState.OFFLINE


def test_a_report_comes_back_whole(store: Store) -> None:
    """Every field that was told is kept, of accepted attempts as of rejected ones."""
    rig = Rig(store)
    rig.order()
    lease = rig.grant()
    (attempt,) = rig.granted()
    told = replace(
        make.finished(attempt, validity=("steal 3 %, above 2 %",), reason="slow"),
        logs={"stderr": make.digest("oops")},
        output_truncated=True,
        adopted=True,
    )
    with rig.transaction() as t:
        assert t.accept(told, retries=0, now=rig.now())
    (record,) = store.attempts(attempt.cell_id)
    assert record.finished == told
    assert (record.state, record.lease_id, record.fence, record.sequence, record.block) == (
        AttemptState.ACCEPTED,
        lease.lease_id,
        1,
        1,
        0,
    )
    assert (record.device, record.machine, record.granted_at) == (
        "local",
        "local",
        lease.granted_at,
    )


def test_an_attempt_without_a_report_has_none(store: Store) -> None:
    """Lost attempts are listed too."""
    rig = Rig(store)
    rig.order()
    rig.expire(rig.grant())
    (record,) = store.attempts(1)
    assert (record.state, record.finished) == (AttemptState.REJECTED, None)
