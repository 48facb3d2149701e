"""The store's contract under every order of events: seeds are fixed and name each test.

Whatever happens in whatever order, no block of a cell is accepted twice, no machine holds two
leases, no two attempts of a cell are open at once, fences only grow, and once everything has been
reported the farm is at rest with every cell settled.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import pytest

from orchestrator.domain.errors import LeaseError, NotFound, StateError
from orchestrator.domain.matrix import Counts, Mode, Runtime
from orchestrator.domain.run import GrantedAttempt, HeldLease
from orchestrator.store.base import ResultFilter, Store
from protos.states import AttemptState, CellState, DeviceState, Outcome, RunState
from tests.support import factories as make
from tests.support.storing import Rig

#: Two devices of one machine, two that share another, one by itself.
FLEET = (
    make.device("a", machine="box"),
    make.device("b", machine="box"),
    make.device("c", machine="rack", share_machine=True),
    make.device("d", machine="rack", share_machine=True),
    make.device("e"),
)
RETRIES = 2


class Storm:
    """Events in a random order, some of them repeated, late or out of place."""

    def __init__(self, store: Store, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311  # an order of events, not a secret
        self.rig = Rig(store, *FLEET)
        self.store = store
        #: Every attempt ever granted, with its device: reports may come late or twice.
        self.known: list[tuple[str, GrantedAttempt]] = []
        self.leases: list[HeldLease] = []
        counts = Counts(attempts=2)
        self.runs = [
            self.rig.order(
                make.plan(
                    *(make.cell(mode=Mode(Runtime.AOT, opt=n), counts=counts) for n in range(3)),
                    make.cell(target=FLEET[number], counts=counts),
                )
            )
            for number in range(3)
        ]

    def step(self) -> None:
        """Let one thing happen, then look at everything."""
        events: list[Callable[[], None]] = [
            *[self.grant] * 4,
            *[self.report] * 6,
            *[self.progress] * 3,
            *[self.expire] * 2,
            self.see,
            self.cancel_or_resume,
            self.fail_exhausted,
        ]
        self.random.choice(events)()
        self.check()

    def grant(self) -> None:
        device = self.random.choice(FLEET).name
        slots = list(self.store.ready_slots(device))
        self.random.shuffle(slots)
        chosen = slots[: self.random.randint(1, 3)]
        if not chosen:
            return
        before = self.store.device(device).fence
        held = {lease.device for lease in self.store.held_leases()}
        try:
            with self.rig.transaction() as t:
                lease = t.grant(device, chosen, self.rig.now())
        except LeaseError:
            assert held, "nothing was held, yet the grant was refused"
            return
        assert lease.fence == before + 1
        self.leases.append(lease)
        self.known += [(device, one) for one in self.store.lease_attempts(lease.lease_id)]

    def report(self) -> None:
        if not self.known:
            return
        device, attempt = self.random.choice(self.known)
        told = make.finished(attempt, device, outcome=self.random.choice(list(Outcome)))
        if self.random.random() < 0.1:
            told = replace(told, fence=told.fence + self.random.choice((-1, 1)))
        if self.random.random() < 0.1:
            told = replace(told, device="e" if device != "e" else "a")
        try:
            with self.rig.transaction() as t:
                t.accept(told, retries=RETRIES, now=self.rig.now())
        except NotFound:
            assert told.device != device

    def progress(self) -> None:
        if not self.known:
            return
        device, attempt = self.random.choice(self.known)
        told = self.random.choice(
            [AttemptState.STAGING, AttemptState.RUNNING, AttemptState.REPORTED]
        )
        with self.rig.transaction() as t:
            t.note_progress(device, attempt.attempt_id, attempt.fence, told, self.rig.now())

    def expire(self) -> None:
        held = self.store.held_leases()
        if held:
            self.rig.expire(self.random.choice(held))

    def see(self) -> None:
        with self.rig.transaction() as t:
            for device in FLEET:
                t.see_device(device.name, self.rig.now(), agent_version="1", boot_id="b")

    def cancel_or_resume(self) -> None:
        run_id = self.random.choice(self.runs)
        if self.random.random() < 0.5:
            return
        try:
            self.rig.cancel(run_id)
        except StateError:
            self.resume(run_id)

    def resume(self, run_id: int) -> None:
        if self.rig.run(run_id).state is not RunState.CANCELLED:
            return
        with self.rig.transaction() as t:
            t.resume_run(run_id)
        self.rig.make_ready(run_id)

    def fail_exhausted(self) -> None:
        with self.rig.transaction() as t:
            t.fail_exhausted(RETRIES, self.rig.now())

    def settle(self) -> None:
        """Let everything that is wanted be measured."""
        for _ in range(200):
            self.fail_exhausted()
            self.see()
            for lease in self.store.held_leases():
                for attempt in self.store.lease_attempts(lease.lease_id):
                    assert self.rig.report(attempt, device=lease.device) or attempt.cancelled
            for run_id in self.runs:
                self.resume(run_id)
            for device in FLEET:
                if self.store.ready_slots(device.name):
                    self.rig.grant(device.name)
                    break
            else:
                return
        pytest.fail("it never comes to rest")

    def check(self) -> None:
        """Hold the store to what it promises."""
        self.check_leases()
        for run_id in self.runs:
            for cell in self.store.results(ResultFilter(run_id=run_id)):
                self.check_cell(cell.cell_id, cell.state)
            self.check_run(run_id)

    def check_leases(self) -> None:
        held = self.store.held_leases()
        shared = {device.name: device.share_machine for device in FLEET}
        assert max(Counter(lease.device for lease in held).values(), default=0) <= 1
        alone = Counter(lease.machine for lease in held if not shared[lease.device])
        assert max(alone.values(), default=0) <= 1
        for lease in held:
            assert self.store.lease_attempts(lease.lease_id), "a lease without work is held"
            assert self.store.device(lease.device).state in {
                DeviceState.LEASED,
                DeviceState.OFFLINE,
            }

    def check_cell(self, cell_id: int, state: CellState) -> None:
        records = self.store.attempts(cell_id)
        accepted = Counter(one.block for one in records if one.state is AttemptState.ACCEPTED)
        assert max(accepted.values(), default=0) <= 1, f"cell {cell_id} accepted twice"
        final = (AttemptState.ACCEPTED, AttemptState.REJECTED)
        unsettled = [one for one in records if one.state not in final]
        assert len(unsettled) == (state is CellState.LEASED)
        if state is CellState.DONE:
            assert sorted(accepted) == [0, 1] or sorted(accepted) == [0]

    def check_run(self, run_id: int) -> None:
        run = self.rig.run(run_id)
        busy = sum(run.cells[one] for one in (CellState.READY, CellState.LEASED))
        if run.state in (RunState.DONE, RunState.CANCELLED):
            assert (busy, run.finished_at is None) == (0, False)
        else:
            assert (busy > 0, run.finished_at) == (True, None)


@pytest.mark.parametrize("seed", range(8))
def test_any_order_keeps_the_promises(store: Store, seed: int) -> None:
    """Forty random events, each followed by a look at everything, then rest."""
    storm = Storm(store, seed)
    for _ in range(40):
        storm.step()
    storm.settle()
    storm.check()
    assert store.held_leases() == []
    for run_id in storm.runs:
        assert storm.rig.run(run_id).state is RunState.DONE


@pytest.mark.parametrize(
    "order", sorted(set(permutations(("accept", "accept again", "expire", "cancel"))))
)
def test_every_order_of_the_four_ends_of_an_attempt(store: Store, order: tuple[str, ...]) -> None:
    """One granted attempt, four words about it in each order: at most one result, no loose end."""
    rig = Rig(store)
    run_id = rig.order()
    lease = rig.grant()
    (attempt,) = rig.granted()
    ends: dict[str, Callable[[], bool | None]] = {
        "accept": lambda: rig.report(attempt),
        "accept again": lambda: rig.report(attempt),
        "expire": lambda: rig.expire(lease) if store.held_leases() else None,
        "cancel": lambda: _cancel(rig, run_id),
    }
    answers = [ends[word]() for word in order]
    records = store.attempts(attempt.cell_id)
    accepted = [one for one in records if one.state is AttemptState.ACCEPTED]
    first = min(order.index("accept"), order.index("accept again"))
    in_time = first < order.index("expire")
    assert len(accepted) == in_time
    assert (True in answers) == in_time
    assert store.held_leases() == []
    assert rig.run(run_id).state is (RunState.DONE if _done(order) else RunState.CANCELLED)


def _cancel(rig: Rig, run_id: int) -> None:
    if rig.run(run_id).state not in (RunState.DONE, RunState.CANCELLED):
        rig.cancel(run_id)


def _done(order: tuple[str, ...]) -> bool:
    """Say whether the result was in before the wish, and in time."""
    first = min(order.index("accept"), order.index("accept again"))
    return first < order.index("expire") and first < order.index("cancel")
