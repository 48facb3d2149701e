"""Summaries of measured values; pure, and quick to import since every table needs them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Summary:
    """Some values in four numbers; the unit is theirs."""

    median: float
    q1: float
    q3: float
    #: How many values.
    count: int

    @property
    def spread(self) -> float | None:
        """The interquartile range as a part of the median; None where the median is 0."""
        return (self.q3 - self.q1) / self.median if self.median else None


def summarize(values: Sequence[float]) -> Summary | None:
    """Summarise values; None where there is none, since nothing measured is not zero.

    Args:
        values: finite, in any order and unit.
    """
    if not values:
        return None
    q1, median, q3 = quartiles(values)
    return Summary(median, q1, q3, len(values))


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Answer lower quartile, median and upper quartile.

    Args:
        values: at least one, finite, in any order.

    Raises:
        ValueError: no value.

    Source:
        Hyndman and Fan 1996, definition 7, as numpy's default: exact at both ends, so that a
        quartile never lies outside of what was measured.
    """
    if not values:
        raise ValueError("no value has no quartiles")
    if len(values) == 1:
        return values[0], values[0], values[0]
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return q1, median, q3


def median(values: Sequence[float]) -> float | None:
    """Answer the middle value, the mean of the two middle ones for an even count; None for none.

    Args:
        values: finite, in any order.
    """
    return statistics.median(values) if values else None
