"""A store driven step by step, in the words of a scheduler, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from orchestrator.domain.artifact import Artifact, ArtifactKind
from orchestrator.domain.device import Device
from orchestrator.domain.matrix import Plan
from orchestrator.domain.run import CellResult, GrantedAttempt, HeldLease, Run
from orchestrator.store.base import CellOrder, ResultFilter, Store, Transaction
from protos.states import CellState, Outcome, RunState
from tests.support import factories as make

RUNNER = make.artifact("runner", ArtifactKind.RUNNER)
PROGRAM = make.artifact("program")


class Rig:
    """What a test asks of a store, with the steps around it left out."""

    def __init__(self, store: Store, *devices: Device) -> None:
        self.store = store
        self.moment = 0.0
        devices = devices or (make.device(),)
        with self.transaction() as t:
            t.declare_devices(devices)
            for one in devices:
                t.see_device(one.name, self.now(), agent_version="1", boot_id="boot-1")

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Write."""
        return self.store.transaction()

    def now(self) -> datetime:
        """Answer the next second."""
        self.moment += 1
        return make.later(self.moment)

    def order(self, plan: Plan | None = None, *, ready: bool = True) -> int:
        """Order a plan and make its cells ready."""
        with self.transaction() as t:
            run_id = t.create_run(plan or make.plan(), self.now())
        if ready:
            self.make_ready(run_id)
        return run_id

    def make_ready(
        self, run_id: int, program: Artifact = PROGRAM, inputs: Sequence[Artifact] = ()
    ) -> None:
        """Build a run's waiting cells and queue it."""
        order = CellOrder(
            assignment=b"assignment",
            runner_sha256=RUNNER.digest.sha256,
            program_sha256=program.digest.sha256,
            inputs={one.name: one.digest.sha256 for one in inputs},
        )
        with self.transaction() as t:
            for one in (RUNNER, program, *inputs):
                t.record_artifact(one)
            for cell in self.store.cells(run_id):
                t.ready_cell(cell.cell_id, order)
            t.move_run(run_id, RunState.QUEUED, self.now())

    def grant(self, device: str = "local", most: int | None = None) -> HeldLease:
        """Give a device what it may take."""
        with self.transaction() as t:
            return t.grant(device, self.store.ready_slots(device)[:most], self.now())

    def granted(self, device: str = "local") -> Sequence[GrantedAttempt]:
        """Answer the unsettled attempts of a device."""
        return [
            attempt
            for lease in self.store.held_leases()
            if lease.device == device
            for attempt in self.store.lease_attempts(lease.lease_id)
        ]

    def report(
        self,
        attempt: GrantedAttempt,
        outcome: Outcome = Outcome.SUCCEEDED,
        device: str = "local",
        *,
        retries: int = 2,
    ) -> bool:
        """Settle an attempt."""
        told = make.finished(attempt, device, outcome=outcome)
        with self.transaction() as t:
            return t.accept(told, retries=retries, now=self.now())

    def measure(
        self, outcome: Outcome = Outcome.SUCCEEDED, device: str = "local", *, retries: int = 2
    ) -> list[bool]:
        """Grant what may be taken, and report it all with one outcome."""
        self.grant(device)
        attempts = self.granted(device)
        return [self.report(one, outcome, device, retries=retries) for one in attempts]

    def cancel(self, run_id: int) -> None:
        """Wish a run over."""
        with self.transaction() as t:
            t.cancel_run(run_id, self.now())

    def expire(self, lease: HeldLease, reason: str = "no contact") -> None:
        """End a lease from outside."""
        with self.transaction() as t:
            t.expire(lease.lease_id, self.now(), reason)

    def states(self, run_id: int) -> list[CellState]:
        """Answer the states of a run's cells, in order."""
        return [cell.state for cell in self.store.cells(run_id)]

    def run(self, run_id: int) -> Run:
        """Answer a run."""
        return self.store.run(run_id)

    def result(self, run_id: int, place: int = 0) -> CellResult:
        """Answer one cell's result."""
        return self.store.results(ResultFilter(run_id=run_id))[place]
