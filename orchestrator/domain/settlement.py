"""What the end of an attempt means for its cell. Pure: the store carries it out."""

from __future__ import annotations

from dataclasses import dataclass

from protos.states import RETRIED, CellState, Outcome

#: Stops by the farm itself that cost a block no try. An orchestrator that is away for longer than
#: its leases, twenty times in the same block, is not what keeps that block from its result; a
#: workload that starves its agent of every contact may be.
FREE_STOPS = 20


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a cell was when an attempt of it ended."""

    #: Blocks wanted, each a measurement of its own.
    blocks: int
    #: The block of this attempt; blocks are measured in order, from 0.
    block: int
    #: Tries of this block that ended before without a result.
    tries: int
    #: The user wants the run over.
    cancel_wished: bool
    #: Attempts of this block that the farm itself stopped before.
    stops: int = 0


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of an attempt and its cell."""

    #: Whether the attempt is the block's one result.
    accepted: bool
    cell: CellState
    #: The block that is open next, and the tries it has had.
    block: int
    tries: int


def settle(standing: Standing, outcome: Outcome, retries: int) -> Settlement:
    """Decide by an attempt's outcome.

    A cancel nobody wished for is the farm's own stop: its agent had no contact for longer than
    the lease allows. The cell is tried again and its budget is left alone, up to ``FREE_STOPS``
    times a block; then it counts as a failure of the device does.

    Args:
        standing: the cell as it was.
        outcome: how the attempt ended.
        retries: further tries a block has after its first.
    """
    if outcome is Outcome.SUCCEEDED:
        return _succeeded(standing)
    if standing.cancel_wished:
        return _back(standing, CellState.CANCELLED, standing.tries)
    if outcome is Outcome.CANCELLED and standing.stops < FREE_STOPS:
        return _back(standing, CellState.READY, standing.tries)
    again = outcome in RETRIED or outcome is Outcome.CANCELLED
    if again and standing.tries < retries:
        return _back(standing, CellState.READY, standing.tries + 1)
    return Settlement(
        accepted=True, cell=CellState.FAILED, block=standing.block, tries=standing.tries
    )


def lose(standing: Standing, *, begun: bool) -> Settlement:
    """Decide for an attempt whose lease ended under it.

    Args:
        standing: the cell as it was.
        begun: whether it may have run; one that never began costs no try.
    """
    if standing.cancel_wished:
        return _back(standing, CellState.CANCELLED, standing.tries)
    return _back(standing, CellState.READY, standing.tries + int(begun))


def _succeeded(standing: Standing) -> Settlement:
    after = standing.block + 1
    if after >= standing.blocks:
        cell = CellState.DONE
    else:
        cell = CellState.CANCELLED if standing.cancel_wished else CellState.READY
    return Settlement(accepted=True, cell=cell, block=after, tries=0)


def _back(standing: Standing, cell: CellState, tries: int) -> Settlement:
    return Settlement(accepted=False, cell=cell, block=standing.block, tries=tries)
