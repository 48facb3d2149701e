"""The store's contract: leases, and the way of their attempts to a report."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import pytest

from orchestrator.domain.errors import LeaseError, NotFound, StateError
from orchestrator.domain.matrix import Counts, Mode, Runtime
from orchestrator.store.base import Store, Transaction
from protos.states import (
    AttemptState,
    CellState,
    DeviceState,
    IllegalMoveError,
    LeaseState,
    Outcome,
    RunState,
)
from tests.support import factories as make
from tests.support.storing import Rig

TWO = make.plan(make.cell(mode=Mode(Runtime.FAST)), make.cell(mode=Mode(Runtime.NATIVE)))


def test_a_grant_leases_device_and_cells(store: Store) -> None:
    """The list comes back in its order, numbered from 1, with the cell's order in it."""
    rig = Rig(store)
    run_id = rig.order(TWO)
    lease = rig.grant()
    assert (lease.device, lease.machine, lease.fence, lease.state) == (
        "local",
        "local",
        1,
        LeaseState.HELD,
    )
    assert store.held_leases() == [lease]
    attempts = store.lease_attempts(lease.lease_id)
    assert [one.sequence for one in attempts] == [1, 2]
    assert [one.cell_id for one in attempts] == [one.cell_id for one in store.cells(run_id)]
    assert {one.assignment for one in attempts} == {b"assignment"}
    assert {(one.state, one.fence, one.cancelled) for one in attempts} == {("granted", 1, False)}
    assert rig.states(run_id) == [CellState.LEASED] * 2
    assert store.device("local").state is DeviceState.LEASED
    assert rig.run(run_id).state is RunState.RUNNING


def test_a_device_holds_one_lease(store: Store) -> None:
    """The second grant is refused whole."""
    rig = Rig(store)
    run_id = rig.order(TWO)
    rig.grant(most=1)
    with pytest.raises(LeaseError, match="local holds a lease"):
        rig.grant()
    assert rig.states(run_id) == [CellState.LEASED, CellState.READY]
    assert store.device("local").fence == 1


@pytest.mark.parametrize(
    ("mine", "theirs", "both"),
    [(False, False, False), (True, False, False), (False, True, False), (True, True, True)],
)
def test_a_lease_covers_the_machine(store: Store, *, mine: bool, theirs: bool, both: bool) -> None:
    """Two devices of one machine work at once only if both share it."""
    first = make.device("a", machine="box", share_machine=mine)
    second = make.device("b", machine="box", share_machine=theirs)
    rig = Rig(store, first, second)
    rig.order(TWO)
    rig.grant("a", most=1)
    if both:
        rig.grant("b")
    else:
        with pytest.raises(LeaseError, match="a holds a lease on machine box"):
            rig.grant("b")
    assert len(store.held_leases()) == 1 + both


def test_the_fence_only_grows(store: Store) -> None:
    """Every lease of a device has a higher fence than all before it."""
    rig = Rig(store)
    rig.order(make.plan(make.cell(counts=Counts(attempts=3))))
    fences = []
    for _ in range(3):
        fences.append(rig.grant().fence)
        rig.report(rig.granted()[0])
    assert fences == [1, 2, 3]
    assert store.device("local").fence == 3


def test_what_is_not_open_cannot_be_granted(store: Store) -> None:
    """A slot that was taken meanwhile, a later block, the same cell twice: refused whole."""
    rig = Rig(store, make.device("a"), make.device("b"))
    rig.order(make.plan(make.cell(counts=Counts(attempts=2))))
    (slot,) = store.ready_slots("a")
    with pytest.raises(StateError, match="once per lease"), rig.transaction() as t:
        t.grant("a", [slot, slot], rig.now())
    with pytest.raises(StateError, match="block 1 is not open"), rig.transaction() as t:
        t.grant("a", [replace(slot, block=1)], rig.now())
    rig.grant("b")
    with pytest.raises(StateError, match="block 0 is not open"), rig.transaction() as t:
        t.grant("a", [slot], rig.now())
    assert [lease.device for lease in store.held_leases()] == ["b"]


def test_slots_name_what_a_device_may_take(store: Store) -> None:
    """By its own name or its type, of queued runs, the highest priority first."""
    rig = Rig(store, make.device("a"), make.device("b"), make.emulated())
    low = rig.order(make.plan(make.cell(target=make.device("a")), make.cell(target=make.X86)))
    high = rig.order(make.plan(make.cell(target=make.X86), priority=5))
    rig.order(make.plan(make.cell(target=make.X86)), ready=False)
    slots = store.ready_slots("a")
    assert [(one.run_id, one.position) for one in slots] == [(high, 0), (low, 0), (low, 1)]
    assert [one.device for one in slots] == [None, "a", None]
    assert {one.device_type for one in slots} == {"local-x86_64"}
    assert [one.run_id for one in store.ready_slots("b")] == [high, low]
    assert store.ready_slots("emu") == []


def test_modes_of_one_case_and_target_are_a_group(store: Store) -> None:
    """They are what is compared, so they are interleaved; other cases are not."""
    rig = Rig(store)
    work = make.workload("gemm", sizes=("s", "l"))
    modes = [Mode(Runtime.FAST), Mode(Runtime.NATIVE)]
    cases = [make.case(work, size="s"), make.case(work, size="l")]
    rig.order(make.product(cases, modes, [make.X86]))
    groups = [one.group for one in store.ready_slots("local")]
    assert groups[0] == groups[1] != groups[2] == groups[3]


def test_progress_only_goes_forward(store: Store) -> None:
    """Old and repeated words change nothing."""
    rig = Rig(store)
    rig.order()
    lease = rig.grant()
    attempt = rig.granted()[0].attempt_id
    seen = []
    for told in (AttemptState.RUNNING, AttemptState.STAGING, AttemptState.RUNNING):
        with rig.transaction() as t:
            t.note_progress("local", attempt, lease.fence, told, rig.now())
        seen.append(rig.granted()[0].state)
    assert seen == ["running"] * 3


def test_words_of_others_change_nothing(store: Store) -> None:
    """Another device's word, an old fence, an unknown attempt: all are echoes."""
    rig = Rig(store, make.device("a"), make.device("b"))
    rig.order()
    fence = rig.grant("a").fence
    attempt = rig.granted("a")[0].attempt_id
    with rig.transaction() as t:
        t.note_progress("b", attempt, fence, AttemptState.RUNNING, rig.now())
        t.note_progress("a", attempt, fence + 1, AttemptState.RUNNING, rig.now())
        t.note_progress("a", attempt + 1, fence, AttemptState.RUNNING, rig.now())
    assert rig.granted("a")[0].state == "granted"
    with pytest.raises(IllegalMoveError), rig.transaction() as t:
        t.note_progress("a", attempt, fence, AttemptState.ACCEPTED, rig.now())


def test_an_expired_lease_gives_its_cells_back(store: Store) -> None:
    """The device is offline, its attempts are rejected and no longer wanted."""
    rig = Rig(store)
    run_id = rig.order(TWO)
    lease = rig.grant()
    attempt = rig.granted()[0]
    assert not store.is_settled(attempt.attempt_id, "local")
    rig.expire(lease)
    assert rig.states(run_id) == [CellState.READY] * 2
    assert store.device("local").state is DeviceState.OFFLINE
    assert (store.held_leases(), store.lease_attempts(lease.lease_id)) == ([], [])
    assert store.is_settled(attempt.attempt_id, "local")
    assert rig.run(run_id).state is RunState.RUNNING


def test_a_lost_lease_costs_a_try_only_where_one_may_have_begun(store: Store) -> None:
    """The first attempt of the list is the suspect; those behind it never ran."""
    rig = Rig(store)
    rig.order(TWO)
    rig.expire(rig.grant())
    assert [one.tries for one in store.ready_slots("local")] == [1, 0]


def test_an_expired_lease_ends_a_cancelled_run(store: Store) -> None:
    """A wish does not wait for a dead device."""
    rig = Rig(store)
    run_id = rig.order()
    lease = rig.grant()
    rig.cancel(run_id)
    rig.expire(lease)
    assert rig.states(run_id) == [CellState.CANCELLED]
    assert rig.run(run_id).state is RunState.CANCELLED


def test_a_cell_that_is_lost_too_often_fails(store: Store) -> None:
    """First try and all retries used: the cell fails with the last reason, the run ends."""
    rig = Rig(store)
    run_id = rig.order()
    failed = []
    for number in range(3):
        rig.expire(rig.grant(), f"power cut {number}")
        with rig.transaction() as t:
            failed.append(t.fail_exhausted(2, rig.now()))
    assert failed == [0, 0, 1]
    result = rig.result(run_id)
    assert (result.state, result.outcome) == (CellState.FAILED, Outcome.INFRASTRUCTURE_FAILED)
    assert result.reason == "lost 3 times: power cut 2"
    assert rig.run(run_id).state is RunState.DONE


def test_unknown_attempts_are_settled(store: Store) -> None:
    """Nobody wants their reports; nor another device's."""
    rig = Rig(store, make.device("a"), make.device("b"))
    rig.order()
    rig.grant("a")
    attempt = rig.granted("a")[0].attempt_id
    assert store.is_settled(99, "a")
    assert store.is_settled(attempt, "b")
    with pytest.raises(NotFound), rig.transaction() as t:
        t.expire(99, rig.now(), "")


def test_a_part_that_raises_undoes_itself_only(store: Store) -> None:
    """Many devices share one commit, and one's failure is its own."""
    rig = Rig(store, make.device("a"), make.device("b"))
    rig.order(TWO)
    with rig.transaction() as t:
        with t.part():
            t.grant("a", store.ready_slots("a")[:1], rig.now())
        with pytest.raises(StateError):
            _grant_and_regret(rig, t.part(), t, "b")
    assert [lease.device for lease in store.held_leases()] == ["a"]
    assert store.device("b").state is DeviceState.IDLE


def test_a_transaction_that_raises_leaves_nothing(store: Store) -> None:
    """Not even its finished parts."""
    rig = Rig(store)
    rig.order()
    with pytest.raises(StateError), rig.transaction() as t:
        _grant_and_regret(rig, nullcontext(), t, "local")
    assert store.held_leases() == []
    assert len(store.ready_slots("local")) == 1


def _grant_and_regret(
    rig: Rig, around: AbstractContextManager[None], t: Transaction, device: str
) -> None:
    with around:
        with t.part():
            t.grant(device, rig.store.ready_slots(device), rig.now())
        raise StateError("changed its mind")
