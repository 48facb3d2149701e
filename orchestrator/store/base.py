"""The contract of the store: what the farm remembers, whichever database holds it.

Rules every implementation keeps:

* A ``Store`` has one writing thread. Its reading methods may be called from any thread, and see
  what is written so far when the writing thread calls them inside its transaction; other threads
  wait for that to end, so readers better open a ``Store`` of their own.
* All writes happen on a ``Transaction``. It is durable (flushed to disk) once
  ``Store.transaction()`` was left without an exception, and leaves nothing behind if one was
  raised. ``Transaction.part()`` nests: a part that raises undoes itself only, so many devices'
  requests share one durable commit (group commit, D4). A transaction in which the database itself
  failed is over: everything asked of it afterwards raises that error.
* Rows never leave the store; frozen values of ``domain`` do. Instants are aware UTC.
* Moves of states go through ``protos.states``; an illegal one raises ``IllegalMoveError``.
* Whoever names a run, device, cell, lease or attempt that is not there gets ``NotFound``.
* A database that is locked, full or away raises ``StoreUnavailable``; a wrong schema
  ``SchemaMismatch``.
* What an attempt's end means for its cell is decided in ``domain.settlement``, not here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from orchestrator.domain.artifact import Artifact, Provenance
from orchestrator.domain.attempt import Finished, Sample
from orchestrator.domain.device import Device, DeviceStatus
from orchestrator.domain.matrix import CellPlan, Plan
from orchestrator.domain.run import CellResult, GrantedAttempt, HeldLease, Run, Slot
from protos.states import AttemptState, CellState, DeviceState, Health, Outcome, RunState


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
    """A cell of a run, with its plan's key."""

    cell_id: int
    key: str
    state: CellState


class Sort(StrEnum):
    """What a page of results is ordered by; equal ones stand newest run first."""

    NEWEST = "newest"
    OLDEST = "oldest"
    FASTEST = "fastest"
    SLOWEST = "slowest"
    WORKLOAD = "workload"
    MODE = "mode"
    DEVICE = "device"


class Noun(StrEnum):
    """What the store can name: the words a filter takes."""

    WORKLOAD = "workload"
    MODE = "mode"
    DEVICE = "device"
    ARCH = "arch"


@dataclass(frozen=True, slots=True)
class ResultFilter:
    """Which cells a page of results shows; None or empty: all."""

    run_id: int | None = None
    cell_id: int | None = None
    limit: int | None = None
    offset: int = 0
    run_ids: Sequence[int] = ()
    workloads: Sequence[str] = ()
    #: Labels: ``wamr-aot+kernels``.
    modes: Sequence[str] = ()
    #: By name: where it was ordered to run, or where an accepted attempt ran.
    devices: Sequence[str] = ()
    archs: Sequence[str] = ()
    outcomes: Sequence[Outcome] = ()
    #: True: measured and nothing speaks against it; False: something does.
    valid: bool | None = None
    #: Of runs ordered at or after this moment.
    since: datetime | None = None
    #: Of runs ordered before this moment.
    until: datetime | None = None
    sort: Sort = Sort.NEWEST


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs a page shows, newest first; None or empty: all."""

    states: Sequence[RunState] = ()
    since: datetime | None = None
    until: datetime | None = None
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


ALL_RUNS = RunFilter()


class Transaction(ABC):
    """Writes that become durable together."""

    @abstractmethod
    def part(self) -> AbstractContextManager[None]:
        """Nest: what is written inside is undone alone if the block raises."""

    # devices

    @abstractmethod
    def declare_devices(self, devices: Sequence[Device]) -> None:
        """Make the store's devices those of the inventory: new ones added, changed ones changed.

        A device that is no longer declared keeps its history and takes no more work (hold
        ``maintenance``, note says why) until it is declared again.
        """

    @abstractmethod
    def see_device(self, device: str, now: datetime, *, agent_version: str, boot_id: str) -> None:
        """Note contact: offline becomes idle, or leased where a lease is still held."""

    @abstractmethod
    def record_facts(self, device: str, facts: Mapping[str, str], now: datetime) -> int:
        """Make these facts the device's current snapshot; the same facts again: the same id."""

    @abstractmethod
    def move_device(self, device: str, state: DeviceState) -> None:
        """Change a device's state."""

    @abstractmethod
    def set_health(self, device: str, health: Health, note: str) -> None:
        """Change a device's health, saying why."""

    # what was built

    @abstractmethod
    def record_artifact(self, artifact: Artifact) -> None:
        """Remember an artifact nothing made here: an input, a source. Idempotent by digest."""

    @abstractmethod
    def record_provenance(self, made: Iterable[Provenance]) -> None:
        """Remember products, recipes and their ingredients. Idempotent by recipe key."""

    # runs

    @abstractmethod
    def create_run(self, plan: Plan, now: datetime) -> int:
        """Store a plan as a run that is building, its cells waiting or impossible.

        Returns:
            The run's id.

        Raises:
            NotFound: a cell's device is not declared.
        """

    @abstractmethod
    def move_run(self, run_id: int, state: RunState, now: datetime, error: str = "") -> None:
        """Change a run's state; one that is queued with all its cells settled is done at once.

        Raises:
            NotFound: no such run.
        """

    @abstractmethod
    def ready_cell(self, cell_id: int, order: CellOrder) -> None:
        """A waiting cell's artifacts are built: it becomes ready. Any other stays as it is.

        Raises:
            NotFound: an artifact of the order is not recorded.
        """

    @abstractmethod
    def fail_cell(self, cell_id: int, reason: str) -> None:
        """A waiting cell cannot be built: it fails, with the reason. Any other stays as it is."""

    @abstractmethod
    def cancel_run(self, run_id: int, now: datetime) -> None:
        """The user's wish: unsettled cells become cancelled, but for leased ones.

        Their attempts are marked to be stopped. When such an attempt is settled its cell becomes
        cancelled (done, if that was the success of its last block), and the run with its last
        cell. A second wish changes nothing.

        Raises:
            NotFound: no such run.
            StateError: it is over already.
        """

    @abstractmethod
    def resume_run(self, run_id: int) -> Sequence[CellRow]:
        """A cancelled run goes back to building, its cancelled cells to waiting.

        Blocks that were measured stay measured.

        Returns:
            The cells to build.

        Raises:
            NotFound: no such run.
            StateError: the run is not cancelled.
        """

    # leases and attempts

    @abstractmethod
    def grant(self, device: str, slots: Sequence[Slot], now: datetime) -> HeldLease:
        """Lease the device and make one attempt per slot, numbered from 1 in that order.

        The device's fence grows by one. The cells become leased, the device leased, their runs
        running. A cell is in a lease once; its next block needs another.

        Raises:
            LeaseError: the device holds a lease, or another of its machine (unless both share it).
            StateError: a slot is not open: its cell is not ready, or not at that block.
            ValueError: no slots.
        """

    @abstractmethod
    def note_progress(
        self, device: str, attempt_id: int, fence: int, told: AttemptState, now: datetime
    ) -> None:
        """Take an agent's word on an attempt of its own.

        Echoes, settled and foreign attempts change nothing.
        """

    @abstractmethod
    def accept(self, finished: Finished, *, retries: int, now: datetime) -> bool:
        """Store a report once and settle its attempt.

        A report of an attempt that is unsettled under a held lease settles it; one that comes too
        late is kept beside, rejected. A report that is stored already, or that names another fence
        or sequence than the attempt's own, changes nothing.

        A success is accepted: the block's one result. With blocks left the cell is ready for the
        next one, with its full budget of tries; else it is done. Under a wish to cancel anything
        else is rejected with its outcome kept, and the cell cancelled. Without one, an outcome of
        ``states.RETRIED`` with tries left is rejected with its outcome kept, counts as a try, and
        the cell is ready again. A cancel nobody wished for is the farm's own stop: likewise, but
        it counts as no try as long as the block has had fewer than ``settlement.FREE_STOPS`` such.
        Anything else is accepted and the cell failed. Only a success stores times (D9).

        When the lease's last attempt is settled the lease is released and the device idle. When a
        run's last cell is settled the run is done, or cancelled if the user wished so.

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
        """End a held lease from outside; the device is offline.

        Its unsettled attempts are rejected, their cells ready again (cancelled, if the user wished
        so). It counts as a try of those that had begun as far as is known, and of the first one,
        which may have begun unheard; ``fail_exhausted`` fails cells that had too many.
        """

    @abstractmethod
    def fail_exhausted(self, retries: int, now: datetime) -> int:
        """Fail ready cells whose block has used its first try and all retries.

        Returns:
            How many.
        """


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
        """Whether an attempt's report is stored or no longer wanted; unknown ones are settled."""

    @abstractmethod
    def ready_slots(self, device: str) -> Sequence[Slot]:
        """What this device may take, by name or type, of runs queued or running.

        Each ready cell's lowest open block, counted from 0; by priority, run, block and place in
        the matrix.
        """

    @abstractmethod
    def open_slots(self) -> Sequence[Slot]:
        """What any device may take, declared or not; in the order of ``ready_slots``."""

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
    def runs(self, wanted: RunFilter = ALL_RUNS) -> Sequence[Run]:
        """A page of runs, newest first."""

    @abstractmethod
    def run_spec(self, run_id: int) -> str:
        """The text the run was ordered with."""

    @abstractmethod
    def cells(self, run_id: int) -> Sequence[CellRow]:
        """All cells of a run, in the matrix's order."""

    @abstractmethod
    def results(self, wanted: ResultFilter) -> Sequence[CellResult]:
        """A page of cells with their numbers: newest run first, each in the matrix's order.

        A failed cell shows no times, though earlier blocks of it had some (D9).
        """

    @abstractmethod
    def count_results(self, wanted: ResultFilter) -> int:
        """How many cells the filter finds without its page."""

    @abstractmethod
    def names(self, noun: Noun) -> Sequence[str]:
        """Every name of a kind that was ever ordered or declared, sorted."""

    @abstractmethod
    def attempts(self, cell_id: int) -> Sequence[AttemptRecord]:
        """All attempts of a cell, rejected ones included, oldest first."""

    @abstractmethod
    def samples(self, attempt_id: int) -> Sequence[Sample]:
        """The raw samples of an attempt."""

    @abstractmethod
    def provenance(self, sha256: str) -> Sequence[Provenance]:
        """How an artifact was made: its own recipe, then those of its ingredients, to the sources.

        Tools that were built here are followed too. Where several recipes gave the same bytes, the
        newest is told.
        """

    @abstractmethod
    def referenced_blobs(self) -> set[str]:
        """sha256 of every artifact the store knows."""


__all__ = [
    "ALL_RUNS",
    "AttemptRecord",
    "CellOrder",
    "CellPlan",
    "CellRow",
    "Noun",
    "ResultFilter",
    "RunFilter",
    "Sort",
    "Store",
    "Transaction",
]
