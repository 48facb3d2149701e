"""Summaries: exact where they can be checked by hand, and undefined where nothing was measured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.results.stats import Summary, median, quartiles, summarize

TIMES = st.lists(st.floats(1e-9, 1e6), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("values", "summary"),
    [
        ([], None),
        ([2.0], Summary(2.0, 2.0, 2.0, 1)),
        ([3.0, 1.0], Summary(2.0, 1.5, 2.5, 2)),
        ([4.0, 1.0, 3.0, 2.0, 5.0], Summary(3.0, 2.0, 4.0, 5)),
    ],
)
def test_a_summary_can_be_checked_by_hand(values: list[float], summary: Summary | None) -> None:
    """Few values have quartiles a person can work out; none have none."""
    assert summarize(values) == summary


@given(TIMES)
def test_quartiles_are_numpys(values: list[float]) -> None:
    """Anyone who reads the raw samples elsewhere gets the same numbers."""
    assert quartiles(values) == pytest.approx(tuple(np.quantile(values, [0.25, 0.5, 0.75])))
    assert median(values) == pytest.approx(float(np.median(values)))


@given(TIMES)
def test_a_summary_stays_inside_what_was_measured(values: list[float]) -> None:
    """No number is shown that is beyond the smallest and largest value."""
    q1, middle, q3 = quartiles(values)
    assert min(values) <= q1 <= middle <= q3 <= max(values)
    assert quartiles(list(reversed(values))) == (q1, middle, q3)


def test_nothing_measured_is_not_zero() -> None:
    """The absence of a value is told, never turned into a number."""
    assert median([]) is None
    with pytest.raises(ValueError, match="no quartiles"):
        quartiles([])


def test_the_spread_is_a_part_of_the_median() -> None:
    """A spread over a median of zero is undefined."""
    assert Summary(2.0, 1.5, 2.5, 4).spread == 0.5
    assert Summary(0.0, 0.0, 1.0, 4).spread is None
