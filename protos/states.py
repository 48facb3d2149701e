"""States of device, lease, cell and attempt, outcomes, and every legal move, as pure functions.

Both sides of the wire and the tests use this one table, so that a move which is illegal for the
orchestrator is illegal for the agent too. Nothing here has an effect: a function answers, the
caller acts.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar


class IllegalMoveError(ValueError):
    """A move that no table allows; always a bug of the caller."""


class DeviceState(StrEnum):
    """What a device does now, as the orchestrator sees it."""

    IDLE = "idle"
    LEASED = "leased"
    OFFLINE = "offline"


class Health(StrEnum):
    """Whether a device's measurements can be trusted; apart from its state (D12)."""

    GOOD = "good"
    UNKNOWN = "unknown"
    BAD = "bad"


class Hold(StrEnum):
    """The operator's hold on a device; apart from state and health (D12)."""

    NONE = "none"
    DRAIN = "drain"
    MAINTENANCE = "maintenance"


class RunState(StrEnum):
    """The life of an order."""

    BUILDING = "building"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


class CellState(StrEnum):
    """The life of one point of a matrix."""

    WAITING = "waiting"
    READY = "ready"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    IMPOSSIBLE = "impossible"


class LeaseState(StrEnum):
    """The life of an exclusive right to a device."""

    HELD = "held"
    RELEASED = "released"
    EXPIRED = "expired"
    REVOKED = "revoked"


class AttemptState(StrEnum):
    """The life of one try of one cell on one device."""

    GRANTED = "granted"
    STAGING = "staging"
    RUNNING = "running"
    REPORTED = "reported"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Outcome(StrEnum):
    """How an attempt ended; a failed workload is data, only the last three speak of the farm."""

    SUCCEEDED = "succeeded"
    WORKLOAD_FAILED = "workload_failed"
    WRONG_OUTPUT = "wrong_output"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    DEVICE_FAILED = "device_failed"
    INFRASTRUCTURE_FAILED = "infrastructure_failed"
    UNSUPPORTED = "unsupported"


#: Outcomes whose fault is not the workload's: the cell is tried again while its budget lasts.
RETRIED: frozenset[Outcome] = frozenset({Outcome.DEVICE_FAILED, Outcome.INFRASTRUCTURE_FAILED})

DEVICE_MOVES: Mapping[DeviceState, frozenset[DeviceState]] = {
    DeviceState.IDLE: frozenset({DeviceState.LEASED, DeviceState.OFFLINE}),
    DeviceState.LEASED: frozenset({DeviceState.IDLE, DeviceState.OFFLINE}),
    # Back with its lease still held, or back without.
    DeviceState.OFFLINE: frozenset({DeviceState.IDLE, DeviceState.LEASED}),
}

RUN_MOVES: Mapping[RunState, frozenset[RunState]] = {
    RunState.BUILDING: frozenset({RunState.QUEUED, RunState.DONE, RunState.CANCELLED}),
    RunState.QUEUED: frozenset({RunState.RUNNING, RunState.DONE, RunState.CANCELLED}),
    RunState.RUNNING: frozenset({RunState.DONE, RunState.CANCELLED}),
    RunState.DONE: frozenset(),
    # A cancelled run can be resumed: its unfinished cells are built and queued again.
    RunState.CANCELLED: frozenset({RunState.BUILDING}),
}

CELL_MOVES: Mapping[CellState, frozenset[CellState]] = {
    # A build that fails fails the cell; a device that cannot take it makes it impossible.
    CellState.WAITING: frozenset(
        {CellState.READY, CellState.FAILED, CellState.CANCELLED, CellState.IMPOSSIBLE}
    ),
    CellState.READY: frozenset({CellState.LEASED, CellState.CANCELLED, CellState.FAILED}),
    # Back to ready: another block is wanted, or the attempt is tried again.
    CellState.LEASED: frozenset(
        {CellState.READY, CellState.DONE, CellState.FAILED, CellState.CANCELLED}
    ),
    CellState.DONE: frozenset(),
    CellState.FAILED: frozenset(),
    # Resuming a cancelled run makes its cells wait again.
    CellState.CANCELLED: frozenset({CellState.WAITING}),
    CellState.IMPOSSIBLE: frozenset(),
}

LEASE_MOVES: Mapping[LeaseState, frozenset[LeaseState]] = {
    LeaseState.HELD: frozenset({LeaseState.RELEASED, LeaseState.EXPIRED, LeaseState.REVOKED}),
    LeaseState.RELEASED: frozenset(),
    LeaseState.EXPIRED: frozenset(),
    LeaseState.REVOKED: frozenset(),
}

ATTEMPT_MOVES: Mapping[AttemptState, frozenset[AttemptState]] = {
    # Messages may be lost, so the orchestrator may see a later state without the ones between.
    AttemptState.GRANTED: frozenset(
        {
            AttemptState.STAGING,
            AttemptState.RUNNING,
            AttemptState.REPORTED,
            AttemptState.REJECTED,
        }
    ),
    AttemptState.STAGING: frozenset(
        {AttemptState.RUNNING, AttemptState.REPORTED, AttemptState.REJECTED}
    ),
    AttemptState.RUNNING: frozenset({AttemptState.REPORTED, AttemptState.REJECTED}),
    AttemptState.REPORTED: frozenset({AttemptState.ACCEPTED, AttemptState.REJECTED}),
    AttemptState.ACCEPTED: frozenset(),
    AttemptState.REJECTED: frozenset(),
}

State = TypeVar("State", DeviceState, RunState, CellState, LeaseState, AttemptState)

_TABLES: Mapping[type, Mapping[object, frozenset[object]]] = {
    DeviceState: DEVICE_MOVES,  # type: ignore[dict-item]  # one table per enum, keyed by that enum
    RunState: RUN_MOVES,  # type: ignore[dict-item]
    CellState: CELL_MOVES,  # type: ignore[dict-item]
    LeaseState: LEASE_MOVES,  # type: ignore[dict-item]
    AttemptState: ATTEMPT_MOVES,  # type: ignore[dict-item]
}


def may_move(before: State, after: State) -> bool:
    """Say whether a move is legal. Staying where one is always is: repeats do no harm."""
    return before == after or after in _TABLES[type(before)][before]


def move(before: State, after: State) -> State:
    """Answer the state after a legal move.

    Raises:
        IllegalMoveError: the tables do not know this move.
    """
    if not may_move(before, after):
        msg = f"{type(before).__name__}: {before} may not become {after}"
        raise IllegalMoveError(msg)
    return after


def is_final(state: State) -> bool:
    """Say whether nothing can follow this state."""
    return not _TABLES[type(state)][state]


def advance_attempt(known: AttemptState, told: AttemptState) -> AttemptState:
    """Take an agent's word on an attempt, which may be old, repeated or out of order.

    An agent's word only ever moves an attempt forward; anything else is an echo and changes
    nothing.
    """
    order = list(AttemptState)
    if order.index(told) > order.index(AttemptState.REPORTED):
        msg = f"an agent cannot make an attempt {told}"
        raise IllegalMoveError(msg)
    return told if may_move(known, told) else known


def accepts(fence: int, sequence: int, highest_fence: int, highest_sequence: int) -> bool:
    """Say whether an agent that has seen the highest (fence, sequence) may begin this one.

    Both only grow: a repeated or late order is refused, so no attempt begins twice (D3).
    """
    return (fence, sequence) > (highest_fence, highest_sequence)
