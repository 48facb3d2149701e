"""Two writers at once on one database: one of them wins, the other is told, nothing is doubled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import datetime

import pytest

from orchestrator.domain.errors import FarmError, LeaseError, StateError
from orchestrator.domain.matrix import Counts
from orchestrator.store.base import Noun, ResultFilter, Store, Transaction
from orchestrator.store.sql import open_store
from protos.states import RunState
from tests.support import factories as make
from tests.support.storing import Rig

WRITERS = 2
ROUNDS = 8
#: Devices of one machine: only one of them may hold a lease.
FLEET = (make.device("a", machine="box"), make.device("b", machine="box"))


def race(url: str, act: Callable[[int, Transaction], object]) -> list[object]:
    """Have stores of their own do something at once; answers what each came to."""
    came: list[object] = [None] * WRITERS
    together = threading.Barrier(WRITERS)

    def run(number: int, store: Store) -> None:
        together.wait(30)
        try:
            with store.transaction() as t:
                came[number] = act(number, t)
        except FarmError as error:
            came[number] = error

    with ExitStack() as stack:
        stores = [stack.enter_context(closing(open_store(url))) for _ in range(WRITERS)]
        threads = [
            threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(stores)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    return came


def held(came: list[object]) -> list[object]:
    """Those that were not refused."""
    return [one for one in came if not isinstance(one, FarmError)]


@pytest.mark.parametrize("devices", [("a", "a"), ("a", "b")])
def test_one_of_two_grants_wins(store: Store, database_url: str, devices: tuple[str, str]) -> None:
    """On one device or two of one machine; the cells are leased once, the fence is used once."""
    rig = Rig(store, *FLEET)
    for number in range(1, ROUNDS + 1):
        run_id = rig.order()
        slots = store.open_slots()
        now: datetime = rig.now()
        came = race(database_url, lambda n, t: t.grant(devices[n], slots, now))  # noqa: B023  # joined inside
        assert len(held(came)) == 1
        assert all(isinstance(one, LeaseError) for one in came if one not in held(came))
        (lease,) = store.held_leases()
        assert lease == held(came)[0]
        fences = sum(status.fence for status in store.devices())
        assert fences == number
        rig.report(store.lease_attempts(lease.lease_id)[0], device=lease.device)
        assert rig.run(run_id).state is RunState.DONE


def test_one_report_is_accepted_once(store: Store, database_url: str) -> None:
    """Told twice at once: both hear yes, and there is one result."""
    rig = Rig(store)
    for _ in range(ROUNDS):
        run_id = rig.order()
        rig.grant()
        (attempt,) = rig.granted()
        told, now = make.finished(attempt), rig.now()
        came = race(database_url, lambda _, t: t.accept(told, retries=0, now=now))  # noqa: B023  # joined inside
        assert came == [True, True]
        assert rig.result(run_id).attempts == 1
        assert len(store.samples(attempt.attempt_id)) == len(told.samples)


def test_the_same_new_things_are_stored_once(store: Store, database_url: str) -> None:
    """Artifacts, workloads, cases and modes two orders bring along at once."""
    Rig(store)
    for number in range(ROUNDS):
        case = make.case(make.workload(f"w{number}", sizes=("s",)), size="s")
        plan = make.plan(make.cell(case, counts=Counts(attempts=1)))
        new = make.artifact(f"new {number}")

        def act(_: int, t: Transaction) -> int:
            t.record_artifact(new)  # noqa: B023  # joined inside
            return t.create_run(plan, make.later(1))  # noqa: B023  # joined inside

        came = race(database_url, act)
        assert set(came) == {2 * number + 1, 2 * number + 2}
    assert len(store.results(ResultFilter())) == 2 * ROUNDS
    assert len(store.names(Noun.WORKLOAD)) == ROUNDS


def test_a_cell_is_granted_to_one_of_two_devices(store: Store, database_url: str) -> None:
    """Two devices of a type, each on a machine of its own."""
    rig = Rig(store, make.device("a"), make.device("b"))
    for _ in range(ROUNDS):
        rig.order(make.plan(make.cell(target=make.device("a").type)))
        slots, now = store.open_slots(), rig.now()
        came = race(database_url, lambda n, t: t.grant("ab"[n], slots, now))  # noqa: B023  # joined inside
        assert len(held(came)) == 1
        assert all(isinstance(one, StateError) for one in came if one not in held(came))
        (lease,) = store.held_leases()
        rig.report(store.lease_attempts(lease.lease_id)[0], device=lease.device)
