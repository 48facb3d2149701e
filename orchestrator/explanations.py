"""Says of each cell why it waits, what it waits for, why it can run nowhere or how it ended; pure.

Why an open cell waits is said by ``placement``, by the very function that places it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.domain.device import DeviceStatus
from orchestrator.domain.run import CellResult, HeldLease, Run, Slot
from orchestrator.placement import explain_all
from orchestrator.store.base import AttemptRecord
from protos.states import AttemptState, CellState, RunState

#: Said of what only an orchestrator brings further.
_NOBODY = "no orchestrator of this farm is running; start one with: farm up"
_OPEN = (AttemptState.GRANTED, AttemptState.STAGING, AttemptState.RUNNING, AttemptState.REPORTED)


@dataclass(frozen=True, slots=True)
class Situation:
    """All that decides what a run's cells wait for."""

    run: Run
    statuses: Sequence[DeviceStatus]
    #: All open slots of the farm.
    slots: Sequence[Slot]
    held: Sequence[HeldLease]
    now: datetime
    #: Whether an orchestrator answers.
    served: bool
    #: How far the run's build is; empty: not known.
    build: str = ""
    #: By cell: of those that are leased, and of those whose end is to be told in full.
    attempts: Mapping[int, Sequence[AttemptRecord]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A cell and what is to be said of it."""

    cell: CellResult
    why: tuple[str, ...]


def explain_cells(cells: Sequence[CellResult], known: Situation) -> tuple[Explanation, ...]:
    """Explain cells of one run.

    Args:
        cells: of the run.
        known: the farm now.
    """
    numbers = {cell.cell_id for cell in cells if cell.state is CellState.READY}
    devices = {status.device.name: status.device for status in known.statuses}
    waits = explain_all(
        [slot for slot in known.slots if slot.cell_id in numbers],
        known.statuses,
        known.slots,
        known.held,
        devices,
        known.now,
    )
    return tuple(Explanation(cell, _why(cell, known, waits)) for cell in cells)


def _why(
    cell: CellResult, known: Situation, waits: Mapping[int, tuple[str, ...]]
) -> tuple[str, ...]:
    attempts = known.attempts.get(cell.cell_id, ())
    nobody = () if known.served else (_NOBODY,)
    match cell.state:
        case CellState.WAITING:
            return (*nobody, _build(known))
        case CellState.READY:
            # The cell was read first, and no longer waits where its slot is gone.
            waiting = waits.get(cell.cell_id, ("a device has just taken it; ask again",))
            return (*nobody, *waiting, *_before(attempts))
        case CellState.LEASED:
            return (*nobody, *_measuring(attempts))
        case CellState.IMPOSSIBLE:
            return (f"no device can ever take it: {cell.reason}",)
        case _:
            return (*_ended(cell, known.run), *_before(attempts))


def _build(known: Situation) -> str:
    if known.run.state is not RunState.BUILDING:
        return f"its run is {known.run.state}"
    return "its run is being built" + (f": {known.build}" if known.build else "")


def _measuring(attempts: Sequence[AttemptRecord]) -> tuple[str, ...]:
    lines = (
        f"attempt {one.attempt_id} (block {one.block}) on {one.device}: {_stands(one)}"
        for one in attempts
        if one.state in _OPEN
    )
    return tuple(lines) or ("its attempt has just ended",)


def _stands(attempt: AttemptRecord) -> str:
    if attempt.state is AttemptState.GRANTED:
        return "granted, not begun; those before it under the same lease go first"
    return attempt.state.value


def _ended(cell: CellResult, run: Run) -> tuple[str, ...]:
    if cell.state is CellState.CANCELLED:
        return (f"cancelled with its run; take it up with: farm run --resume {run.run_id}",)
    if cell.outcome is None:
        return (f"it could not be built: {cell.reason}",)
    reason = f": {cell.reason}" if cell.reason else ""
    said = f"{cell.outcome}{reason}"
    doubts = [doubt for doubt in cell.validity if doubt != "valid"]
    invalid = (f"not valid: {'; '.join(doubts)}",) if doubts else ()
    if cell.state is CellState.DONE:
        return (f"{said}, {cell.attempts} accepted", *invalid)
    logs = f"what it printed: farm runs logs {run.run_id} {cell.cell_id}"
    return (said, *invalid, logs)


def _before(attempts: Sequence[AttemptRecord]) -> tuple[str, ...]:
    """Tell the tries that did not count."""
    return tuple(
        f"attempt {one.attempt_id} on {one.device} did not count: "
        + (one.finished.outcome.value if one.finished else "lost")
        + (f", {one.finished.reason}" if one.finished and one.finished.reason else "")
        for one in attempts
        if one.state is AttemptState.REJECTED
    )
