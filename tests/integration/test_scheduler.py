"""What devices are told to do, over a real database, with a clock turned by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from orchestrator.decisions import FIRST_REST_S, LONGEST_REST_S
from orchestrator.domain.errors import NotFound
from orchestrator.domain.matrix import Counts, Mode, Runtime
from orchestrator.domain.sync import AgentWord, AttemptRef, AttemptWord, Desired
from protos.states import AttemptState, CellState, DeviceState, Health, Outcome, RunState
from tests.support import factories as make
from tests.support.runtime import ASSIGNMENT, Desk, Puppet, open_desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A farm of one device."""
    with open_desk(tmp_path) as opened:
        yield opened


@pytest.fixture
def puppet() -> Puppet:
    """Its agent."""
    return Puppet("local")


def _refs(desired: Desired) -> list[AttemptRef]:
    return [work.ref for work in desired.work]


def _begun(desk: Desk, puppet: Puppet) -> AttemptRef:
    """Order one cell and have the agent begin it."""
    desk.order()
    (ref,) = _refs(desk.synchronize(puppet))
    puppet.begin(ref)
    desk.synchronize(puppet)
    return ref


def test_without_work_there_is_no_lease(desk: Desk, puppet: Puppet) -> None:
    """An idle device is told nothing, and there is nothing to say."""
    desired = desk.synchronize(puppet)
    assert desired.lease is None
    assert desired.send_facts
    with desk.transaction() as t:
        t.record_facts("local", {"cpu": "x"}, desk.now())
    assert not desk.synchronize(puppet).differs_from(puppet.word())


def test_a_block_is_granted_whole(desk: Desk, puppet: Puppet) -> None:
    """All cells of a block come as one list, numbered from 1, with their stored orders."""
    modes = [Mode(Runtime.NATIVE), Mode(Runtime.FAST)]
    desk.order(make.product([make.case()], modes, [make.X86]))
    desired = desk.synchronize(puppet)
    assert [(ref.fence, ref.sequence) for ref in _refs(desired)] == [(1, 1), (1, 2)]
    assert {work.assignment for work in desired.work} == {ASSIGNMENT}
    assert desired.lease is not None
    assert desired.lease.valid_s == desk.rules.lease_s


def test_a_lost_answer_is_repeated(desk: Desk, puppet: Puppet) -> None:
    """As long as the agent has not begun, each answer says the same, under the same fence."""
    desk.order()
    assert _refs(desk.synchronize(puppet)) == _refs(desk.synchronize(puppet))


def test_a_queued_order_is_repeated_but_no_news(desk: Desk, puppet: Puppet) -> None:
    """An agent that has it queued is told again, which need not be told at once."""
    desk.order()
    (ref,) = _refs(desk.synchronize(puppet))
    puppet.attempts[ref] = AttemptState.GRANTED
    with desk.transaction() as t:
        t.record_facts("local", {"cpu": "x"}, desk.now())
    desired = desk.synchronize(puppet)
    assert _refs(desired) == [ref]
    assert not desired.differs_from(puppet.word())


def test_a_begun_attempt_is_not_ordered_again(desk: Desk, puppet: Puppet) -> None:
    """What runs is left alone."""
    _begun(desk, puppet)
    desired = desk.synchronize(puppet)
    assert (desired.work, desired.stop, desired.forget) == ((), (), ())


def test_what_an_agent_does_is_known(desk: Desk, puppet: Puppet) -> None:
    """Its word moves the attempt, and says since when it is there."""
    ref = _begun(desk, puppet)
    since_s = desk.clock.monotonic_s()
    desk.serve(3)
    desk.synchronize(puppet)
    (activity,) = desk.scheduler.activities()
    assert (activity.attempt_id, activity.state) == (ref.attempt_id, AttemptState.RUNNING)
    assert activity.since_s == since_s
    assert desk.granted()[0].state == AttemptState.RUNNING


def test_an_old_word_moves_nothing_back(desk: Desk, puppet: Puppet) -> None:
    """A late call that speaks of staging does not undo running."""
    ref = _begun(desk, puppet)
    late = AgentWord("1", "boot", "agent", 1, 1, 1, (AttemptWord(ref, AttemptState.STAGING),))
    with desk.transaction() as t:
        desk.scheduler.synchronize(t, "local", late)
    assert desk.granted()[0].state == AttemptState.RUNNING


def test_a_settled_report_may_be_forgotten(desk: Desk, puppet: Puppet) -> None:
    """Not before it is accepted; after that the lease is over and the device idle."""
    ref = _begun(desk, puppet)
    puppet.begin(ref, AttemptState.REPORTED)
    assert desk.synchronize(puppet).forget == ()
    assert desk.settle(ref, "local")
    desired = desk.synchronize(puppet)
    assert desired.forget == (ref,)
    assert desired.lease is None
    assert desk.store.device("local").state is DeviceState.IDLE


def test_a_report_five_times_is_accepted_once(desk: Desk, puppet: Puppet) -> None:
    """Repeats answer the same and change nothing."""
    ref = _begun(desk, puppet)
    assert [desk.settle(ref, "local") for _ in range(5)] == [True] * 5
    assert desk.result(1).attempts == 1
    assert desk.run(1).state is RunState.DONE


def test_a_foreign_attempt_is_not_found(desk: Desk, puppet: Puppet) -> None:
    """No device settles what it never was given."""
    _begun(desk, puppet)
    with pytest.raises(NotFound):
        desk.settle(AttemptRef(1, 1, 999), "local")


def test_the_next_block_is_granted_at_once(desk: Desk, puppet: Puppet) -> None:
    """A device with a report still in its journal gets the next block under a new fence."""
    desk.order(make.plan(make.cell(counts=Counts(attempts=2))))
    (first,) = _refs(desk.synchronize(puppet))
    puppet.begin(first, AttemptState.REPORTED)
    desk.settle(first, "local")
    desired = desk.synchronize(puppet)
    assert desired.forget == (first,)
    assert [(ref.fence, ref.sequence) for ref in _refs(desired)] == [(2, 1)]


# cancels


def test_a_cancel_before_it_was_told_settles_at_once(desk: Desk, puppet: Puppet) -> None:
    """No agent has to be asked about what none has."""
    run_id = desk.order()
    desk.synchronize(puppet)
    desk.cancel(run_id)
    assert desk.synchronize(Puppet("local")).lease is None
    assert desk.run(run_id).state is RunState.CANCELLED


@pytest.mark.parametrize("state", [AttemptState.GRANTED, AttemptState.RUNNING])
def test_a_cancel_stops_what_an_agent_has(desk: Desk, puppet: Puppet, state: AttemptState) -> None:
    """It is stopped, reports, and only then the cell is cancelled and the device free."""
    run_id = desk.order()
    (ref,) = _refs(desk.synchronize(puppet))
    puppet.attempts[ref] = state
    if state is AttemptState.RUNNING:
        puppet.begin(ref)
    desk.cancel(run_id)
    desired = desk.synchronize(puppet)
    assert (desired.work, desired.stop) == ((), (ref,))
    assert desk.run(run_id).state is RunState.RUNNING
    puppet.begin(ref, AttemptState.REPORTED)
    desk.settle(ref, "local", Outcome.CANCELLED)
    assert desk.run(run_id).state is RunState.CANCELLED
    assert desk.store.device("local").health is not Health.BAD


# time


def test_silence_ends_a_lease(desk: Desk, puppet: Puppet) -> None:
    """After lease and grace: the device is offline, its health unknown, the cell ready again."""
    _begun(desk, puppet)
    desk.serve(39)
    assert desk.store.held_leases()
    assert "local" in desk.serve(2)
    assert desk.store.held_leases() == []
    status = desk.store.device("local")
    assert (status.state, status.health) == (DeviceState.OFFLINE, Health.UNKNOWN)
    assert "no contact" in status.note
    assert desk.states(1) == [CellState.READY]


def test_contact_renews_a_lease(desk: Desk, puppet: Puppet) -> None:
    """However long the attempt takes."""
    _begun(desk, puppet)
    for _ in range(5):
        desk.serve(30)
        desk.synchronize(puppet)
    assert desk.store.held_leases()


def test_only_serving_time_ends_a_lease(desk: Desk, puppet: Puppet) -> None:
    """A suspended machine or a stopped process is not the agent's silence."""
    _begun(desk, puppet)
    desk.serve(20)
    desk.sleep(86_400)
    desk.serve(10)
    assert desk.store.held_leases()
    desk.serve(12)
    assert desk.store.held_leases() == []


def test_a_restart_gives_a_full_term(desk: Desk, puppet: Puppet) -> None:
    """A new process knows no last contact; it waits lease and grace, then ends it."""
    _begun(desk, puppet)
    desk.serve(39)
    desk.restart()
    desk.sleep(3600)
    desk.serve(39)
    assert desk.store.held_leases()
    desk.serve(2)
    assert desk.store.held_leases() == []


def test_a_restart_adopts_what_runs(desk: Desk, puppet: Puppet) -> None:
    """The agent's next word finds its lease still held and nothing to change."""
    ref = _begun(desk, puppet)
    desk.restart()
    desired = desk.synchronize(puppet)
    assert desired.lease is not None
    assert (desired.stop, desired.work) == ((), ())
    assert desk.settle(ref, "local")


def test_what_expired_is_stopped_before_new_work(desk: Desk, puppet: Puppet) -> None:
    """A device that comes back still running is given nothing until that has ended."""
    ref = _begun(desk, puppet)
    desk.serve(50)
    desired = desk.synchronize(puppet)
    assert (desired.lease, desired.stop) == (None, (ref,))
    puppet.begin(ref, AttemptState.REPORTED)
    assert not desk.settle(ref, "local")
    desired = desk.synchronize(puppet)
    assert desired.forget == (ref,)
    assert [one.fence for one in _refs(desired)] == [2]
    assert desk.store.device("local").state is DeviceState.LEASED


def test_an_idle_device_goes_offline_and_comes_back(desk: Desk, puppet: Puppet) -> None:
    """By silence, and by its next word."""
    desk.synchronize(puppet)
    desk.serve(41)
    assert desk.store.device("local").state is DeviceState.OFFLINE
    desk.synchronize(puppet)
    assert desk.store.device("local").state is DeviceState.IDLE


def test_a_lease_lost_too_often_fails_its_cell(desk: Desk, puppet: Puppet) -> None:
    """The budget of retries holds for lost leases too, with the reason."""
    desk.order()
    for _ in range(desk.rules.retries + 1):
        puppet.attempts.clear()
        (ref,) = _refs(desk.synchronize(puppet))
        puppet.begin(ref)
        desk.synchronize(puppet)
        desk.serve(45)
    assert desk.states(1) == [CellState.FAILED]
    assert "no contact" in desk.result(1).reason
    assert desk.run(1).state is RunState.DONE


# what goes wrong


def test_an_agent_that_lost_its_record_costs_a_try(desk: Desk, puppet: Puppet) -> None:
    """Begun by its highest number but not in its journal: nobody will report it."""
    _begun(desk, puppet)
    puppet.attempts.clear()
    desk.synchronize(puppet)
    desk.serve(FIRST_REST_S + 1)
    assert [ref.fence for ref in _refs(desk.synchronize(puppet))] == [2]
    assert desk.store.attempts(1)[0].state is AttemptState.REJECTED


def test_infrastructure_is_retried_then_failed(desk: Desk, puppet: Puppet) -> None:
    """With the configured retries, resting longer each time, and health says why."""
    desk.order()
    for failures in range(1, desk.rules.retries + 2):
        (ref,) = _refs(desk.synchronize(puppet))
        puppet.begin(ref, AttemptState.REPORTED)
        desk.settle(ref, "local", Outcome.INFRASTRUCTURE_FAILED)
        status = desk.store.device("local")
        assert status.health is (Health.BAD if failures >= 3 else Health.UNKNOWN)
        assert _refs(desk.synchronize(puppet)) == []
        desk.serve(LONGEST_REST_S)
    assert desk.states(1) == [CellState.FAILED]
    assert desk.result(1).outcome is Outcome.INFRASTRUCTURE_FAILED


def test_a_bad_device_recovers_by_itself(desk: Desk, puppet: Puppet) -> None:
    """After its rest it is woken, given work, and good again once that succeeds."""
    desk.order()
    for _ in range(3):
        (ref,) = _refs(desk.synchronize(puppet))
        puppet.begin(ref, AttemptState.REPORTED)
        desk.settle(ref, "local", Outcome.DEVICE_FAILED)
        assert desk.serve(LONGEST_REST_S) == {"local"}
        desk.synchronize(puppet)
    desk.order()
    assert desk.store.device("local").health is Health.BAD
    (ref,) = _refs(desk.synchronize(puppet))
    assert desk.store.device("local").health is Health.UNKNOWN
    puppet.begin(ref, AttemptState.REPORTED)
    desk.settle(ref, "local")
    assert desk.store.device("local").health is Health.GOOD


@pytest.mark.parametrize(
    "outcome", [Outcome.WORKLOAD_FAILED, Outcome.WRONG_OUTPUT, Outcome.TIMED_OUT]
)
def test_a_workloads_fault_is_final_and_not_the_devices(
    desk: Desk, puppet: Puppet, outcome: Outcome
) -> None:
    """No retry, and the device stays good."""
    ref = _begun(desk, puppet)
    desk.settle(ref, "local", outcome)
    assert desk.states(1) == [CellState.FAILED]
    assert desk.store.device("local").health is Health.GOOD


def test_an_unknown_device_is_not_found(desk: Desk) -> None:
    """Nothing is written for it."""
    with desk.transaction() as t, pytest.raises(NotFound):
        desk.scheduler.synchronize(t, "stranger", Puppet("stranger").word())


# machines


def test_one_machine_measures_one_thing(tmp_path: Path) -> None:
    """Two devices of one machine take turns, and the second is told when the first is done."""
    one, other = make.device("one", machine="m"), make.emulated("two", machine="m")
    with open_desk(tmp_path, one, other) as desk:
        case, mode = make.case(), Mode(Runtime.NATIVE)
        desk.order(make.product([case], [mode], [one, other]))
        first, second = Puppet("one"), Puppet("two")
        (ref,) = _refs(desk.synchronize(first))
        assert _refs(desk.synchronize(second)) == []
        first.begin(ref, AttemptState.REPORTED)
        desk.settle(ref, "one")
        assert "two" in desk.scheduler.affected_by("one")
        assert len(_refs(desk.synchronize(second))) == 1


def test_devices_that_share_their_machine_run_together(tmp_path: Path) -> None:
    """By the operator's wish."""
    devices = [make.device(name, machine="m", share_machine=True) for name in ("one", "two")]
    with open_desk(tmp_path, *devices) as desk:
        desk.order(make.product([make.case()], [Mode(Runtime.NATIVE)], devices))
        assert [len(_refs(desk.synchronize(Puppet(one.name)))) for one in devices] == [1, 1]


def test_another_device_of_the_type_may_retry(tmp_path: Path) -> None:
    """A cell ordered for a type goes to whoever asks next."""
    with ExitStack() as stack:
        desk = stack.enter_context(open_desk(tmp_path, make.device("a"), make.device("b")))
        desk.order(make.plan(make.cell(target=make.X86)))
        first = Puppet("a")
        (ref,) = _refs(desk.synchronize(first))
        first.begin(ref, AttemptState.REPORTED)
        desk.settle(ref, "a", Outcome.DEVICE_FAILED)
        assert desk.scheduler.affected_by("a") == {"a", "b"}
        assert len(_refs(desk.synchronize(Puppet("b")))) == 1
