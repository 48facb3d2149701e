"""What the end of an attempt means for its cell, over every outcome and standing."""

from __future__ import annotations

from itertools import product

import pytest

from orchestrator.domain.settlement import FREE_STOPS, Settlement, Standing, lose, settle
from protos.states import RETRIED, CellState, Outcome, may_move

#: Every cell of up to three blocks, at each block, after up to three tries, wished over or not.
STANDINGS = [
    Standing(blocks, block, tries, wished)
    for blocks, tries, wished in product((1, 2, 3), (0, 1, 2, 3), (False, True))
    for block in range(blocks)
]


@pytest.mark.parametrize("standing", STANDINGS, ids=str)
def test_whatever_happens_is_a_legal_move(standing: Standing) -> None:
    """From leased to where the table allows; nothing settles as accepted and open at one block."""
    found = [settle(standing, outcome, 2) for outcome in Outcome]
    found += [lose(standing, begun=begun) for begun in (False, True)]
    for after in found:
        assert may_move(CellState.LEASED, after.cell)
        if after.accepted and after.cell is CellState.READY:
            assert after.block == standing.block + 1
        if not after.accepted:
            assert after.block == standing.block
            assert after.cell in {CellState.READY, CellState.CANCELLED}


@pytest.mark.parametrize("standing", STANDINGS, ids=str)
def test_a_success_is_always_accepted(standing: Standing) -> None:
    """And opens the next block with a full budget, if there is one and nobody wished it over."""
    after = settle(standing, Outcome.SUCCEEDED, 2)
    last = standing.block + 1 == standing.blocks
    left = CellState.CANCELLED if standing.cancel_wished else CellState.READY
    expected = CellState.DONE if last else left
    assert after == Settlement(accepted=True, cell=expected, block=standing.block + 1, tries=0)


@pytest.mark.parametrize("outcome", sorted(RETRIED))
@pytest.mark.parametrize("retries", [0, 1, 2])
def test_a_budget_of_retries_is_that_many_further_tries(outcome: Outcome, retries: int) -> None:
    """The try after the last retry settles the cell."""
    standing, tried = Standing(1, 0, 0, cancel_wished=False), 0
    while True:
        after, tried = settle(standing, outcome, retries), tried + 1
        if after.cell is not CellState.READY:
            break
        standing = Standing(1, 0, after.tries, cancel_wished=False)
    assert (tried, after.accepted, after.cell) == (retries + 1, True, CellState.FAILED)


def test_the_farms_own_stops_cost_no_try_within_reason() -> None:
    """However small the budget; after too many of them each costs one, so that it ends."""
    for stops in range(FREE_STOPS):
        standing = Standing(1, 0, 2, cancel_wished=False, stops=stops)
        after = settle(standing, Outcome.CANCELLED, 0)
        assert after == Settlement(accepted=False, cell=CellState.READY, block=0, tries=2)
    endless = Standing(1, 0, 0, cancel_wished=False, stops=FREE_STOPS)
    assert settle(endless, Outcome.CANCELLED, 1).tries == 1
    assert settle(endless, Outcome.CANCELLED, 0).cell is CellState.FAILED


def test_a_workloads_failure_is_final_at_once() -> None:
    """However many tries are left."""
    standing = Standing(3, 1, 0, cancel_wished=False)
    for outcome in set(Outcome) - RETRIED - {Outcome.SUCCEEDED, Outcome.CANCELLED}:
        after = settle(standing, outcome, 99)
        assert (after.accepted, after.cell) == (True, CellState.FAILED)


def test_what_never_began_costs_no_try() -> None:
    """A lost list of many attempts does not use up those behind the first."""
    standing = Standing(1, 0, 1, cancel_wished=False)
    assert [lose(standing, begun=begun).tries for begun in (False, True)] == [1, 2]
