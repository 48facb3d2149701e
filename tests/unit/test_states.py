"""The states and legal moves both sides share: every edge, every illegal edge, every order."""

from __future__ import annotations

from enum import StrEnum
from itertools import permutations, product

import pytest

from protos import states
from protos.states import (
    AttemptState,
    CellState,
    DeviceState,
    IllegalMoveError,
    LeaseState,
    Outcome,
    RunState,
)

#: The design's edges, written a second time by hand: a slip in the tables shows as a difference.
EDGES: dict[type[StrEnum], str] = {
    DeviceState: "idle>leased idle>offline leased>idle leased>offline offline>idle offline>leased",
    RunState: (
        "building>queued building>done building>cancelled queued>running queued>done "
        "queued>cancelled running>done running>cancelled cancelled>building"
    ),
    CellState: (
        "waiting>ready waiting>failed waiting>cancelled waiting>impossible ready>leased "
        "ready>cancelled ready>failed leased>ready leased>done leased>failed leased>cancelled "
        "cancelled>waiting"
    ),
    LeaseState: "held>released held>expired held>revoked",
    AttemptState: (
        "granted>staging granted>running granted>reported granted>rejected staging>running "
        "staging>reported staging>rejected running>reported running>rejected "
        "reported>accepted reported>rejected"
    ),
}
FINAL: dict[type[StrEnum], set[str]] = {
    DeviceState: set(),
    RunState: {"done"},
    CellState: {"done", "failed", "impossible"},
    LeaseState: {"released", "expired", "revoked"},
    AttemptState: {"accepted", "rejected"},
}
FIRST: dict[type[StrEnum], str] = {
    DeviceState: "offline",
    RunState: "building",
    CellState: "waiting",
    LeaseState: "held",
    AttemptState: "granted",
}
TOLD_BY_AGENTS = (
    AttemptState.GRANTED,
    AttemptState.STAGING,
    AttemptState.RUNNING,
    AttemptState.REPORTED,
)

PAIRS = [
    pytest.param(before, after, id=f"{kind.__name__}-{before}-{after}")
    for kind in EDGES
    for before, after in product(kind, repeat=2)
]
KINDS = [pytest.param(kind, id=kind.__name__) for kind in EDGES]


def edges(kind: type[StrEnum]) -> set[tuple[str, str]]:
    """Split the table above into (before, after)."""
    parts = (edge.partition(">") for edge in EDGES[kind].split())
    return {(before, after) for before, _, after in parts}


def reachable(kind: type[StrEnum], start: str) -> set[str]:
    """Collect what some number of the moves that ``states`` allows leads to."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        before = kind(waiting.pop())
        if before in seen:
            continue
        seen.add(before.value)
        waiting += [after.value for after in kind if states.may_move(before, after)]  # type: ignore[type-var]  # a StrEnum of EDGES
    return seen


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_a_move_is_legal_exactly_where_the_design_draws_it(
    before: AttemptState, after: AttemptState
) -> None:
    """Each ordered pair of each machine is judged, so no edge is legal by accident."""
    drawn = before == after or (before.value, after.value) in edges(type(before))
    assert states.may_move(before, after) == drawn
    if drawn:
        assert states.move(before, after) is after
    else:
        with pytest.raises(IllegalMoveError, match=f"{before} may not become {after}"):
            states.move(before, after)


@pytest.mark.parametrize("kind", KINDS)
def test_every_state_can_be_reached(kind: type[StrEnum]) -> None:
    """From its first state each machine gets everywhere, so no state is dead paint."""
    assert reachable(kind, FIRST[kind]) == {state.value for state in kind}


@pytest.mark.parametrize("kind", KINDS)
def test_final_states_are_those_of_the_design(kind: type[StrEnum]) -> None:
    """Nothing follows a final state, and every other life can still end."""
    assert {s.value for s in kind if states.is_final(s)} == FINAL[kind]  # type: ignore[type-var]  # as above
    for state in kind:
        ends = reachable(kind, state.value) & FINAL[kind]
        assert bool(ends) == bool(FINAL[kind])


def test_an_agents_words_in_any_order_only_lead_forward() -> None:
    """Late, repeated and reordered words end in the furthest state told, never before it."""
    order = list(AttemptState)
    for words in product(TOLD_BY_AGENTS, repeat=5):
        known = AttemptState.GRANTED
        for told in words:
            after = states.advance_attempt(known, told)
            assert order.index(after) == max(order.index(known), order.index(told)), words
            known = after
        assert known == max(words, key=order.index), words


@pytest.mark.parametrize("settled", [AttemptState.ACCEPTED, AttemptState.REJECTED])
@pytest.mark.parametrize("told", TOLD_BY_AGENTS)
def test_a_settled_attempt_is_deaf(settled: AttemptState, told: AttemptState) -> None:
    """No word of an agent opens an attempt that the orchestrator has settled."""
    assert states.advance_attempt(settled, told) is settled


@pytest.mark.parametrize("known", list(AttemptState))
@pytest.mark.parametrize("told", [AttemptState.ACCEPTED, AttemptState.REJECTED])
def test_an_agent_cannot_settle(known: AttemptState, told: AttemptState) -> None:
    """Accepting and rejecting are the orchestrator's, whatever is known."""
    with pytest.raises(IllegalMoveError, match=f"cannot make an attempt {told}"):
        states.advance_attempt(known, told)


def test_orders_in_any_order_begin_at_most_once_and_only_upwards() -> None:
    """Each (fence, sequence) arrives twice, in every order: what begins only grows, once each."""
    orders = list(product((1, 2, 3), (1, 2)))
    for arriving in permutations(orders):
        highest = (0, 0)
        begun: list[tuple[int, int]] = []
        for order in [*arriving, *arriving]:
            if states.accepts(*order, *highest):
                begun.append(order)
                highest = order
        assert begun == sorted(set(begun)), arriving
        assert begun[-1] == max(orders), arriving


def test_a_new_fence_beats_any_sequence() -> None:
    """The lease's number counts first, so an old lease's late attempts are refused."""
    assert states.accepts(5, 1, 4, 99)
    assert not states.accepts(4, 100, 5, 1)
    assert not states.accepts(5, 1, 5, 1)


def test_only_faults_of_device_and_farm_are_retried() -> None:
    """A workload's own failure is data and never tried again."""
    assert {Outcome.DEVICE_FAILED, Outcome.INFRASTRUCTURE_FAILED} == states.RETRIED
    assert {outcome.value for outcome in Outcome} == {
        "succeeded",
        "workload_failed",
        "wrong_output",
        "timed_out",
        "cancelled",
        "device_failed",
        "infrastructure_failed",
        "unsupported",
    }
