"""Numbers as people read them: three digits and the unit that fits."""

from __future__ import annotations

import pytest

from orchestrator.cli import words


@pytest.mark.parametrize(
    ("value_s", "text"),
    [
        (None, "-"),
        (0.0, "0 s"),
        (1234.0, "1,234 s"),
        (1.0, "1.00 s"),
        (0.0286, "28.6 ms"),
        (0.000999, "999 µs"),
        (2.5e-7, "250 ns"),
    ],
)
def test_seconds(value_s: float | None, text: str) -> None:
    """A duration has a unit between ns and s."""
    assert words.seconds(value_s) == text


@pytest.mark.parametrize(
    ("value_bytes", "text"),
    [(None, "-"), (0, "0 B"), (999, "999 B"), (9_100_000, "9.10 MB"), (2e9, "2.00 GB")],
)
def test_size(value_bytes: float | None, text: str) -> None:
    """A size has a decimal unit."""
    assert words.size(value_bytes) == text


def test_a_case_is_a_workload_with_its_parameters() -> None:
    """Without parameters it is the workload."""
    assert words.case("gemm", {"size": "layer", "n": 2}) == "gemm size=layer n=2"
    assert words.case("noop", {}) == "noop"


def test_counts_are_plural_but_for_one() -> None:
    """Thousands are set apart."""
    assert [words.count(n, "cell") for n in (1, 2, 1000)] == ["1 cell", "2 cells", "1,000 cells"]
