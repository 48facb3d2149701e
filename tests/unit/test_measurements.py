"""Raw blocks and their summaries, against numpy; snapshots and what decides comparability."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from orchestrator.domain.attempt import Sample
from orchestrator.domain.snapshot import comparability_key, facts_key
from orchestrator.store.measurements import pack, summary, unpack


@pytest.mark.parametrize("seed", range(10))
def test_summaries_agree_with_numpy(seed: int) -> None:
    """Of one to a hundred values, warmups left out."""
    values = random.Random(seed)  # noqa: S311  # numbers for a test, not a secret
    kept = [values.lognormvariate(-5, 1) for _ in range(values.randint(1, 100))]
    found = summary(Sample("execute", "wall", (99.0, 98.0, *kept), 2))
    median = float(np.median(kept))
    expected = {
        "kept": len(kept),
        "median": median,
        "q1": np.quantile(kept, 0.25),
        "q3": np.quantile(kept, 0.75),
        "minimum": min(kept),
        "maximum": max(kept),
        "mean": np.mean(kept),
        "mad": np.median([abs(one - median) for one in kept]),
    }
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("values", [(), (1.0,), (1.0, math.nan), (1.0, math.inf)])
def test_nothing_kept_is_no_summary(values: tuple[float, ...]) -> None:
    """Only a warmup, or nothing finite behind it: there is no number to show."""
    assert summary(Sample("execute", "wall", values, 1)) is None


def test_blocks_are_little_endian_doubles() -> None:
    """As another program would read them."""
    values = (1.5, -0.0, 1e308)
    assert np.frombuffer(pack(values), dtype="<f8").tolist() == list(values)
    assert unpack(pack(values)) == values


def test_a_new_kernel_breaks_a_series_and_a_full_disk_does_not() -> None:
    """Facts that change what a program costs decide; the rest is information."""
    facts = {"cpu.model": "A72", "kernel.release": "6.1", "disk.free_bytes": "9", "os.name": "x"}
    same = {**facts, "disk.free_bytes": "1", "memory.free_bytes": "5", "agent.version": "2"}
    other = {**facts, "kernel.release": "6.2"}
    assert comparability_key(facts) == comparability_key(same) != comparability_key(other)
    assert len({facts_key(one) for one in (facts, same, other)}) == 3
