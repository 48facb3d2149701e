"""What the scheduler decides, without a store or a clock."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.decisions import (
    FIRST_REST_S,
    LONGEST_REST_S,
    ServingClock,
    has_begun,
    is_lost,
    judge_word,
    next_rest,
)
from orchestrator.domain.run import GrantedAttempt
from orchestrator.domain.sync import (
    AgentWord,
    AttemptRef,
    AttemptWord,
    Desired,
    LeaseTerm,
    Work,
)
from protos.states import AttemptState

REF = AttemptRef(fence=3, sequence=2, attempt_id=7)
ATTEMPT = GrantedAttempt(7, 1, 1, 3, 2, "running", b"", cancelled=False)
LIVING = [AttemptState.GRANTED, AttemptState.STAGING, AttemptState.RUNNING]


def _word(*attempts: AttemptWord, highest: tuple[int, int] = (0, 0), fence: int = 0) -> AgentWord:
    return AgentWord("1", "boot", "agent", *highest, fence, attempts)


# what becomes of an attempt an agent speaks of


@pytest.mark.parametrize("state", LIVING)
@pytest.mark.parametrize("begun", [True, False])
def test_a_wanted_attempt_is_left_alone(state: AttemptState, *, begun: bool) -> None:
    """Neither stopped nor forgotten."""
    told = AttemptWord(REF, state)
    assert judge_word(told, ATTEMPT, begun=begun, settled=False) == (False, False)


@pytest.mark.parametrize("state", LIVING)
@pytest.mark.parametrize("begun", [True, False])
def test_a_cancelled_attempt_is_stopped(state: AttemptState, *, begun: bool) -> None:
    """Also one that only waits its turn: the agent says that it will not begin it."""
    cancelled = replace(ATTEMPT, cancelled=True)
    told = AttemptWord(REF, state)
    assert judge_word(told, cancelled, begun=begun, settled=False) == (True, False)


@pytest.mark.parametrize("state", LIVING)
@pytest.mark.parametrize("begun", [True, False])
def test_what_nobody_wants_is_stopped_if_it_began(state: AttemptState, *, begun: bool) -> None:
    """And never forgotten while it lives."""
    told = AttemptWord(REF, state)
    assert judge_word(told, None, begun=begun, settled=True) == (begun, False)


@pytest.mark.parametrize("settled", [True, False])
def test_a_report_is_forgotten_once_it_is_settled(*, settled: bool) -> None:
    """And never stopped: there is nothing left to stop."""
    told = AttemptWord(REF, AttemptState.REPORTED)
    attempt = None if settled else ATTEMPT
    assert judge_word(told, attempt, begun=True, settled=settled) == (False, settled)


@given(st.tuples(st.integers(0, 5), st.integers(0, 5)))
def test_begun_is_what_the_agent_would_refuse(highest: tuple[int, int]) -> None:
    """Up to its highest (fence, sequence), in that order."""
    assert has_begun(_word(highest=highest), REF) == (highest >= (3, 2))


def test_lost_is_begun_and_not_known() -> None:
    """An attempt that is queued, running, reported or not yet told is not lost."""
    known = AttemptWord(REF, AttemptState.RUNNING)
    assert is_lost(_word(highest=(3, 2)), ATTEMPT)
    assert is_lost(_word(highest=(4, 1)), ATTEMPT)
    assert not is_lost(_word(known, highest=(3, 2)), ATTEMPT)
    assert not is_lost(_word(highest=(3, 1)), ATTEMPT)


# whether an answer can wait


LEASE = LeaseTerm(1, 3, 30.0)


@pytest.mark.parametrize(
    ("desired", "word", "differs"),
    [
        (Desired(), _word(), False),
        (Desired(send_facts=True), _word(), True),
        (Desired(stop=(REF,)), _word(), True),
        (Desired(forget=(REF,)), _word(), True),
        (Desired(lease=LEASE), _word(), True),
        (Desired(), _word(fence=3), True),
        (Desired(lease=LEASE), _word(fence=3), False),
        (Desired(lease=LEASE, work=(Work(REF, b""),)), _word(fence=3), True),
        (
            Desired(lease=LEASE, work=(Work(REF, b""),)),
            _word(AttemptWord(REF, AttemptState.GRANTED), fence=3),
            False,
        ),
    ],
)
def test_an_answer_waits_if_it_changes_nothing(
    desired: Desired, word: AgentWord, *, differs: bool
) -> None:
    """Work the agent has queued is no news."""
    assert desired.differs_from(word) == differs


# time


@given(st.lists(st.floats(0, 10**6)))
def test_no_step_counts_more_than_the_longest(steps: list[float]) -> None:
    """However long the process stood still, and never less than nothing."""
    clock, now_s, served_s = ServingClock(2.0), 100.0, 0.0
    clock.tick(now_s)
    for step in steps:
        now_s += step
        after_s = clock.tick(now_s)
        assert 0 <= after_s - served_s <= 2.0 + 1e-6
        served_s = after_s


def test_the_first_tick_counts_nothing() -> None:
    """The clock's start is arbitrary."""
    assert ServingClock(2.0).tick(12345.0) == 0.0


def test_a_clock_that_jumps_back_counts_nothing() -> None:
    """Time never runs backwards."""
    clock = ServingClock(2.0)
    clock.tick(10.0)
    assert clock.tick(5.0) == 0.0
    assert clock.tick(6.0) == 1.0


def test_each_rest_is_longer_up_to_a_limit() -> None:
    """A broken device does not eat a run's retries at once."""
    rest = next_rest(None, 100.0)
    assert (rest.failures, rest.until_s) == (1, 100.0 + FIRST_REST_S)
    for _ in range(20):
        rest = next_rest(rest, 100.0)
    assert (rest.failures, rest.until_s) == (21, 100.0 + LONGEST_REST_S)
