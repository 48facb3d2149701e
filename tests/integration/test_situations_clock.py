"""The orchestrator's wall clock jumps: leases, results, filters and what people are told of it.

The monotonic clock goes on by itself meanwhile, as a machine's does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.clock import ManualClock
from orchestrator.domain.attempt import Finished
from orchestrator.domain.sync import AttemptRef
from orchestrator.store.audit import audit
from orchestrator.store.base import ResultFilter, RunFilter, Sort
from protos.states import AttemptState, CellState, Outcome, RunState
from tests.support import factories as make
from tests.support.runtime import Desk, Puppet, open_desk, told

DAY = timedelta(days=1)
YEAR_1970 = datetime(1970, 1, 1, 0, 0, 10, tzinfo=UTC)
#: Of a machine's wall clock, while its monotonic one goes on.
JUMPS = {"back": -DAY, "forward": DAY, "to 1970": YEAR_1970 - ManualClock().instant}
#: Of the desk: lease and grace.
LEASE_S, GRACE_S = 30.0, 10.0


@dataclass
class JumpyDesk:
    """A farm of one device whose wall clock a test sets."""

    desk: Desk
    clock: ManualClock
    puppet: Puppet = field(default_factory=lambda: Puppet("local"))

    def jump(self, by: timedelta) -> None:
        """Set the wall clock; the other hand stays where it is."""
        self.clock.instant += by

    def begin(self) -> AttemptRef:
        """Order a cell by this clock and have the agent begin it."""
        with self.desk.transaction() as t:
            run_id = t.create_run(make.plan(), self.clock.now())
        self.desk.make_ready(run_id)
        (work,) = self.desk.synchronize(self.puppet).work
        self.puppet.begin(work.ref)
        self.desk.synchronize(self.puppet)
        return work.ref

    def end(self, ref: AttemptRef) -> bool:
        """Report it, and let the agent hear of it."""
        report: Finished = told(ref, "local")
        with self.desk.transaction() as t:
            counts = self.desk.scheduler.accept(t, report)
        self.puppet.begin(ref, AttemptState.REPORTED)
        self.desk.synchronize(self.puppet)
        return counts


@pytest.fixture(name="rig")
def _rig(tmp_path: Path) -> Iterator[JumpyDesk]:
    clock = ManualClock()
    with open_desk(tmp_path, lease_s=LEASE_S, grace_s=GRACE_S, clock=clock) as desk:
        yield JumpyDesk(desk, clock)


def _complaints(folder: Path, now: datetime) -> list[str]:
    return [one.what for one in audit(f"sqlite:///{folder / 'farm.db'}", now).complaints]


@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)
def test_a_jump_neither_ends_nor_prolongs_a_lease(jump: timedelta, rig: JumpyDesk) -> None:
    """Only served seconds do, by the clock that never jumps."""
    rig.begin()
    rig.desk.serve(20)
    rig.jump(jump)
    rig.desk.serve(19)
    assert rig.desk.store.held_leases()
    rig.desk.serve(2)
    assert rig.desk.store.held_leases() == []
    assert rig.desk.states(1) == [CellState.READY]


@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)
def test_a_jump_costs_a_run_nothing(jump: timedelta, rig: JumpyDesk, tmp_path: Path) -> None:
    """The result that comes afterwards is the one that counts, and is taken once."""
    ref = rig.begin()
    rig.jump(jump)
    rig.desk.synchronize(rig.puppet)
    assert [rig.end(ref), rig.end(ref)] == [True, True]
    assert rig.desk.run(1).state is RunState.DONE
    assert rig.desk.result(1).attempts == 1
    assert rig.desk.store.held_leases() == []
    right = max(rig.clock.now(), ManualClock().instant, make.later(rig.desk.moment))
    assert _complaints(tmp_path, right) == []


@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)
def test_a_restart_after_a_jump_gives_a_full_term(jump: timedelta, rig: JumpyDesk) -> None:
    """A new process with another time has no reason to end what it finds."""
    ref = rig.begin()
    rig.jump(jump)
    rig.desk.restart()
    rig.desk.serve(LEASE_S + GRACE_S - 1)
    assert rig.desk.store.held_leases()
    assert rig.end(ref)


@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)
def test_how_long_something_runs_is_no_matter_of_the_date(jump: timedelta, rig: JumpyDesk) -> None:
    """What a person reads while it runs goes neither back nor a day ahead."""
    rig.begin()
    (before,) = rig.desk.scheduler.activities()
    rig.desk.serve(3)
    rig.jump(jump)
    rig.desk.synchronize(rig.puppet)
    (after,) = rig.desk.scheduler.activities()
    assert after.since_s == before.since_s == rig.clock.monotonic_s() - 3


@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)
def test_a_bad_device_rests_no_longer(jump: timedelta, rig: JumpyDesk) -> None:
    """A device that failed is tried again after served seconds, whatever the date."""
    ref = rig.begin()
    assert not rig.desk.settle(ref, "local", Outcome.DEVICE_FAILED)
    rig.puppet.attempts.clear()
    assert rig.desk.synchronize(rig.puppet).work == ()
    rig.jump(jump)
    assert rig.desk.synchronize(rig.puppet).work == ()
    rig.desk.serve(1)
    assert rig.desk.synchronize(rig.puppet).work


@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)
def test_runs_and_results_keep_the_order_they_came_in(jump: timedelta, rig: JumpyDesk) -> None:
    """The newest is the one ordered last, not the one with the latest date."""
    for _ in range(2):
        assert rig.end(rig.begin())
        rig.jump(jump)
        jump = -jump
    newest = ResultFilter(sort=Sort.NEWEST)
    assert [one.run_id for one in rig.desk.store.runs()] == [2, 1]
    assert [one.run_id for one in rig.desk.store.results(newest)] == [2, 1]


@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)
def test_since_and_until_go_by_what_the_clock_said(jump: timedelta, rig: JumpyDesk) -> None:
    """At or after the one, before the other, of runs and of results alike."""
    assert rig.end(rig.begin())
    rig.jump(jump)
    assert rig.end(rig.begin())
    first, second = ManualClock().instant, rig.clock.now()
    later, earlier = (2, 1) if second > first else (1, 2)
    border = max(first, second)
    for since, until, wanted in ((border, None, later), (None, border, earlier)):
        runs = rig.desk.store.runs(RunFilter(since=since, until=until))
        results = rig.desk.store.results(ResultFilter(since=since, until=until))
        assert [one.run_id for one in runs] == [wanted]
        assert [one.run_id for one in results] == [wanted]


def test_rows_of_the_future_are_told(rig: JumpyDesk, tmp_path: Path) -> None:
    """Written while the clock was ahead; a minute is another machine's and no complaint."""
    rig.jump(timedelta(days=3650))
    assert rig.end(rig.begin())
    ahead = rig.clock.now()
    rows = _complaints(tmp_path, ahead - timedelta(days=3650))
    assert rows
    assert all("is ahead of this machine's clock: " in row for row in rows)
    assert f"runs.created_at is ahead of this machine's clock: {ahead:%F %TZ}" in rows
    assert _complaints(tmp_path, ahead - timedelta(seconds=59)) == []


def test_a_farm_that_starts_in_1970_measures(rig: JumpyDesk, tmp_path: Path) -> None:
    """A machine without a battery for its clock, which is set right later."""
    rig.jump(YEAR_1970 - rig.clock.now())
    assert rig.end(rig.begin())
    rig.jump(datetime(2026, 1, 1, tzinfo=UTC) - rig.clock.now())
    assert rig.end(rig.begin())
    first, second = sorted(rig.desk.store.runs(), key=lambda one: one.run_id)
    assert first.created_at == YEAR_1970
    assert second.created_at - first.created_at > 50 * 365 * DAY
    assert rig.desk.store.runs(RunFilter(until=YEAR_1970)) == []
    assert _complaints(tmp_path, make.later(1e6)) == []
