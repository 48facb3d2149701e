"""Runs and cells as the store keeps them, and what is granted to a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from orchestrator.domain.workload import Value
from protos.states import CellState, LeaseState, Outcome, RunState


@dataclass(frozen=True, slots=True)
class Run:
    """One order to measure a matrix."""

    run_id: int
    name: str
    state: RunState
    created_at: datetime
    finished_at: datetime | None
    priority: int
    #: Cells of each state.
    cells: Mapping[CellState, int]
    #: Why it ended early; empty: it did not.
    error: str = ""

    @property
    def size(self) -> int:
        """All its cells."""
        return sum(self.cells.values())


@dataclass(frozen=True, slots=True)
class Slot:
    """A measurement that is still wanted: one cell in one block, ready to be granted."""

    run_id: int
    cell_id: int
    block: int
    #: Tries this slot has had.
    tries: int
    priority: int
    #: Slots of one group and block are granted together and interleaved.
    group: str
    #: Name of the one device it must run on; None: any of the type.
    device: str | None
    device_type: str
    #: Place in the matrix.
    position: int


@dataclass(frozen=True, slots=True)
class HeldLease:
    """An exclusive, expiring right to a device and its machine."""

    lease_id: int
    device: str
    machine: str
    fence: int
    state: LeaseState
    granted_at: datetime


@dataclass(frozen=True, slots=True)
class GrantedAttempt:
    """An attempt of a held lease that has not been settled."""

    attempt_id: int
    run_id: int
    cell_id: int
    fence: int
    sequence: int
    state: str
    #: The serialized ``farm.v1.Assignment`` of the cell, without its reference.
    assignment: bytes
    #: The user wants it stopped.
    cancelled: bool


@dataclass(frozen=True, slots=True)
class CellResult:
    """One cell with all it measured; what ``farm results list --json`` prints."""

    run_id: int
    cell_id: int
    workload: str
    case: Mapping[str, Value]
    mode: str
    options: Mapping[str, Value]
    device: str | None
    device_type: str
    arch: str
    emulated: bool
    state: CellState
    outcome: Outcome | None
    reason: str
    #: ``valid``, or why the number may not be used.
    validity: tuple[str, ...]
    #: Accepted attempts.
    attempts: int
    #: Median of every accepted attempt's kept repeats, seconds.
    execute_s: tuple[float, ...]
    #: Kept repeats over all accepted attempts.
    samples: int
    #: ``bench`` or ``main``: what ``execute_s`` spans.
    region: str | None
    load_s: float | None
    instantiate_s: float | None
    peak_memory_bytes: int | None
    artifact: str | None
    runtime: str | None
    output_digest: str | None
    started_at: datetime | None
