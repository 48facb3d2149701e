"""The contract of the store: what the farm remembers, whichever database holds it.

Rules every implementation keeps:

* A ``Store`` is used by one writing thread; reading methods of a second ``Store`` on the same database may run beside it.
* All writes happen on a ``Transaction``. It is durable (flushed to disk) once ``Store.transaction()`` was left without an
  exception, and leaves nothing behind if one was raised. ``Transaction.part()`` nests: a part that raises undoes itself
  only, so many devices' requests share one durable commit (group commit, D4).
* Rows never leave the store; frozen values of ``domain`` do. Instants are aware UTC.
* Moves of states go through ``protos.states``; an illegal one raises ``IllegalMoveError``.
* A database that is locked, full or away raises ``StoreUnavailable``; a wrong schema ``SchemaMismatch``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.domain.artifact import Artifact, Provenance
from orchestrator.domain.attempt import Finished, Sample
from orchestrator.domain.device import Device, DeviceStatus
from orchestrator.domain.matrix import CellPlan, Plan
from orchestrator.domain.run import CellResult, GrantedAttempt, HeldLease, Run, Slot
from protos.states import AttemptState, CellState, DeviceState, Health, RunState


@dataclass(frozen=True, slots=True)
class CellOrder:
    """What a cell became once its artifacts are built."""

    #: Serialized ``farm.v1.Assignment`` without its reference.
    assignment: bytes
    runner_sha256: str
    program_sha256: str
    #: What else it is given, role -> sha256: ``stdin``, ``expected``, ``data/model.bin``. Numbers
    #: measured with other inputs are never compared. All these artifacts are recorded before.
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CellRow:
    """A cell of a run that is not settled, with its plan's key."""

    cell_id: int
    key: str
    state: CellState


@dataclass(frozen=True, slots=True)
class ResultFilter:
    """Which cells a page of results shows; None: all."""

    run_id: int | None = None
    cell_id: int | None = None
    limit: int | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One attempt with everything the store knows of it; what ``farm results show`` prints."""

    attempt_id: int
    run_id: int
    cell_id: int
    block: int
    device: str
    machine: str
    lease_id: int
    fence: int
    sequence: int
    state: AttemptState
    granted_at: datetime
    finished: Finished | None


class Transaction(ABC):
    """Writes that become durable together."""

    @abstractmethod
    def part(self) -> AbstractContextManager[None]:
        """Nest: what is written inside is undone alone if the block raises."""

    # devices

    @abstractmethod
    def declare_devices(self, devices: Sequence[Device]) -> None:
        """Make the store's devices those of the inventory: new ones added, changed ones changed.

        A device that is no longer declared keeps its history and takes no more work (hold ``maintenance``, note says why).
        """

    @abstractmethod
    def see_device(self, device: str, now: datetime, *, agent_version: str, boot_id: str) -> None:
        """Note contact: ``seen_at``, and offline becomes idle, or leased where a lease is still held."""

    @abstractmethod
    def record_facts(self, device: str, facts: Mapping[str, str], now: datetime) -> int:
        """Intern the facts as the device's current snapshot and answer its id; the same facts again: the same id."""

    @abstractmethod
    def move_device(self, device: str, state: DeviceState) -> None:
        """Change a device's state."""

    @abstractmethod
    def set_health(self, device: str, health: Health, note: str) -> None:
        """Change a device's health, saying why."""

    # what was built

    @abstractmethod
    def record_artifact(self, artifact: Artifact) -> None:
        """Remember an artifact that nothing made here: an input, a source. Idempotent by digest."""

    @abstractmethod
    def record_provenance(self, made: Iterable[Provenance]) -> None:
        """Remember products, recipes and edges (child, parent, role, recipe). Idempotent by recipe key."""

    # runs

    @abstractmethod
    def create_run(self, plan: Plan, now: datetime) -> int:
        """Store a plan as a run in state building: workloads, cases and modes interned, cells waiting or impossible.

        Returns:
            The run's id.
        """

    @abstractmethod
    def move_run(self, run_id: int, state: RunState, now: datetime, error: str = "") -> None:
        """Change a run's state.

        Raises:
            NotFound: no such run.
        """

    @abstractmethod
    def ready_cell(self, cell_id: int, order: CellOrder) -> None:
        """A waiting cell's artifacts are built: it becomes ready. A cell that is no longer waiting stays as it is."""

    @abstractmethod
    def fail_cell(self, cell_id: int, reason: str) -> None:
        """A cell cannot be built: it becomes failed, with the reason. A settled cell stays as it is."""

    @abstractmethod
    def cancel_run(self, run_id: int, now: datetime) -> None:
        """The user's wish: unsettled cells become cancelled, except leased ones, whose attempts are marked to be stopped.

        A cell with a marked attempt becomes cancelled when that attempt is settled, and so does the run with its last cell.

        Raises:
            NotFound: no such run.
            StateError: it is over already.
        """

    @abstractmethod
    def resume_run(self, run_id: int) -> Sequence[CellRow]:
        """A cancelled run goes back to building, its cancelled cells to waiting; answers the cells to build.

        Raises:
            NotFound: no such run.
            StateError: the run is not cancelled.
        """

    # leases and attempts

    @abstractmethod
    def grant(self, device: str, slots: Sequence[Slot], now: datetime) -> HeldLease:
        """Lease the device, raise its fence by one, and make one attempt per slot, numbered from 1 in that order.

        The cells become leased, the device leased, their runs running.

        Raises:
            LeaseError: the device, or another device of its machine (unless both share it), holds a lease.
        """

    @abstractmethod
    def note_progress(
        self, device: str, attempt_id: int, fence: int, told: AttemptState, now: datetime
    ) -> None:
        """Take an agent's word on an attempt of its own; echoes, settled and foreign attempts change nothing."""

    @abstractmethod
    def accept(self, finished: Finished, *, retries: int, now: datetime) -> bool:
        """Store a report once and settle its attempt.

        Accepted if the attempt is of this device and fence, its lease is held, it is unsettled, and no other attempt was
        accepted for the same cell and block; otherwise the attempt is rejected, its numbers kept beside it. A report that is
        already stored changes nothing.

        An accepted attempt moves its cell: succeeded, blocks left -> ready; succeeded, last block -> done; an outcome of
        ``states.RETRIED`` with tries left in this block -> the attempt counts as a try, is *rejected* with its outcome kept,
        and the cell is ready again; cancelled -> cancelled; anything else -> failed. Attempts of the same lease for cells
        that are settled meanwhile stay as they are. When the lease's last attempt is settled the lease is released and the
        device idle. When a run's last cell is settled the run is done (cancelled, if the user wished so).

        Args:
            finished: the judged report.
            retries: further tries a block has after its first.
            now: the orchestrator's time.

        Returns:
            Whether it was accepted.

        Raises:
            NotFound: no such attempt on this device.
        """

    @abstractmethod
    def expire(self, lease_id: int, now: datetime, reason: str) -> None:
        """End a held lease from outside: its unsettled attempts are rejected, their cells ready again, the device offline.

        A slot whose attempts were lost this way more often than ``retries`` of ``lost_slots`` is failed by the scheduler.
        """

    @abstractmethod
    def fail_exhausted(self, retries: int, now: datetime) -> int:
        """Fail ready cells one of whose blocks has used its first try and all retries; answers how many."""


class Store(ABC):
    """The farm's memory."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[Transaction]:
        """Write durably, or not at all."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the database."""

    # reading

    @abstractmethod
    def devices(self) -> Sequence[DeviceStatus]:
        """All devices, by name."""

    @abstractmethod
    def device(self, name: str) -> DeviceStatus:
        """One device.

        Raises:
            NotFound: no such device.
        """

    @abstractmethod
    def held_leases(self) -> Sequence[HeldLease]:
        """All leases that are held."""

    @abstractmethod
    def lease_attempts(self, lease_id: int) -> Sequence[GrantedAttempt]:
        """The attempts of a lease that are not settled, by sequence."""

    @abstractmethod
    def is_settled(self, attempt_id: int, device: str) -> bool:
        """Whether the report of this attempt is stored, or no longer wanted; unknown attempts are settled."""

    @abstractmethod
    def ready_slots(self, device: str) -> Sequence[Slot]:
        """Open slots this device may take by name or type, of runs queued or running: each ready cell's lowest open block."""

    @abstractmethod
    def knows_facts(self, device: str) -> bool:
        """Whether a snapshot of the device is stored."""

    @abstractmethod
    def run(self, run_id: int) -> Run:
        """One run.

        Raises:
            NotFound: no such run.
        """

    @abstractmethod
    def runs(self, *, limit: int | None = None, offset: int = 0) -> Sequence[Run]:
        """Runs, newest first."""

    @abstractmethod
    def run_spec(self, run_id: int) -> str:
        """The text the run was ordered with."""

    @abstractmethod
    def cells(self, run_id: int) -> Sequence[CellRow]:
        """The cells of a run, in the matrix's order."""

    @abstractmethod
    def results(self, wanted: ResultFilter) -> Sequence[CellResult]:
        """A page of cells with their numbers: one run in the matrix's order, over runs the newest first."""

    @abstractmethod
    def count_results(self, wanted: ResultFilter) -> int:
        """How many cells the filter finds without its page."""

    @abstractmethod
    def attempts(self, cell_id: int) -> Sequence[AttemptRecord]:
        """All attempts of a cell, rejected ones included, oldest first."""

    @abstractmethod
    def samples(self, attempt_id: int) -> Sequence[Sample]:
        """The raw samples of an attempt."""

    @abstractmethod
    def provenance(self, sha256: str) -> Sequence[Provenance]:
        """How an artifact was made, its own recipe first, then its ingredients', down to sources."""

    @abstractmethod
    def referenced_blobs(self) -> set[str]:
        """sha256 of every artifact the store knows."""


__all__ = [
    "AttemptRecord",
    "CellOrder",
    "CellPlan",
    "CellRow",
    "ResultFilter",
    "Store",
    "Transaction",
]
