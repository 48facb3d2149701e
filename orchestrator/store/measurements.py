"""What an attempt measured, in SQL: raw blocks as the truth, summaries by series for charts."""

from __future__ import annotations

import math
import statistics
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, select

from orchestrator.domain.attempt import Finished, Sample
from orchestrator.store import tables as t
from orchestrator.store.database import Database
from orchestrator.store.variants import digest_of_parts

#: The phase of numbers that are about the whole attempt.
TOTAL = "total"

#: Unit by the end of a metric's name; the house's names carry units.
_UNITS: Mapping[str, str] = {"_s": "s", "_ns": "ns", "_bytes": "bytes", "wall": "s"}

#: Numbers without a unit in their name of which less is better.
_COSTS: frozenset[str] = frozenset(
    {
        "cycles",
        "instructions",
        "minor_faults",
        "major_faults",
        "voluntary_switches",
        "involuntary_switches",
    }
)


def pack(values: Sequence[float]) -> bytes:
    """Write values as little-endian doubles."""
    return struct.pack(f"<{len(values)}d", *values)


def unpack(data: bytes) -> tuple[float, ...]:
    """Read what ``pack`` wrote."""
    return struct.unpack(f"<{len(data) // 8}d", data)


def blocks_of(finished: Finished) -> list[Sample]:
    """List all a report measured; whole-attempt numbers are samples of one value."""
    totals = [Sample(TOTAL, name, (value,), 0) for name, value in finished.numbers.items()]
    return [*finished.samples, *totals]


def summary(sample: Sample) -> dict[str, float] | None:
    """Sum up the kept, finite values of a sample; None if there are none.

    Returns:
        Columns of ``attempt_metrics``; quartiles by linear interpolation, and the median absolute
        deviation unscaled.
    """
    values = sorted(one for one in sample.values[sample.warmups :] if math.isfinite(one))
    if not values:
        return None
    median = statistics.median(values)
    return {
        "kept": len(values),
        "median": median,
        "q1": _quantile(values, 0.25),
        "q3": _quantile(values, 0.75),
        "minimum": values[0],
        "maximum": values[-1],
        "mean": statistics.fmean(values),
        "mad": statistics.median(abs(one - median) for one in values),
    }


def store_samples(database: Database, attempt_id: int, samples: Sequence[Sample]) -> None:
    """Keep raw values; blocks are never changed."""
    numbers = _intern_metrics(database, samples)
    rows = [
        {
            "attempt_id": attempt_id,
            "metric_id": numbers[sample.phase, sample.metric],
            "data": pack(sample.values),
            "warmups": sample.warmups,
        }
        for sample in samples
    ]
    if rows:
        database.execute(t.sample_blocks.insert(), rows)


def store_summaries(
    database: Database, attempt: Row[Any], finished: Finished, series_id: int
) -> None:
    """Put an accepted attempt's numbers on their series' lines."""
    samples = blocks_of(finished)
    numbers = _intern_metrics(database, samples)
    placed = {
        "series_id": series_id,
        "attempt_id": attempt.id,
        "granted_at": attempt.granted_at,
        "variant_id": attempt.variant_id,
        "valid": is_valid(finished),
    }
    rows = [
        {**placed, "metric_id": numbers[sample.phase, sample.metric], **summed}
        for sample in samples
        if (summed := summary(sample)) is not None
    ]
    if rows:
        database.execute(t.attempt_metrics.insert(), rows)


def intern_series(database: Database, attempt: Row[Any], region: str | None) -> int:
    """Answer the number of the line an attempt's numbers stand on.

    Equal case, mode, device, comparable facts, same inputs, same kind of region, and the machine
    alike shared or not: only such numbers may stand on one line.
    """
    parts = {
        "case_id": attempt.case_id,
        "mode_id": attempt.mode_id,
        "device_id": attempt.device_id,
        "comparability": attempt.comparability or digest_of_parts({}),
        "inputs_sha256": attempt.inputs_sha256,
        "region": region or "",
        "shared": attempt.shared,
    }
    name = digest_of_parts({key: str(value) for key, value in parts.items()})
    return database.intern(t.series, {"sha256": name}, **parts)


def samples_of(database: Database, attempt_ids: Sequence[int]) -> dict[int, list[Sample]]:
    """Read raw values back, whole-attempt numbers included."""
    blocks, metrics = t.sample_blocks.c, t.metrics.c
    rows = database.execute(
        select(blocks.attempt_id, metrics.phase, metrics.name, blocks.data, blocks.warmups)
        .join(t.metrics, metrics.id == blocks.metric_id)
        .where(blocks.attempt_id.in_(attempt_ids))
        .order_by(blocks.attempt_id, blocks.metric_id)
    )
    found: dict[int, list[Sample]] = {}
    for row in rows:
        sample = Sample(row.phase, row.name, unpack(row.data), row.warmups)
        found.setdefault(row.attempt_id, []).append(sample)
    return found


def is_valid(finished: Finished) -> bool:
    """Say whether nothing speaks against a number."""
    return not validity_of(finished)


def validity_of(finished: Finished) -> list[str]:
    """List what speaks against a number; the word ``valid`` says nothing."""
    return [one for one in finished.validity if one != "valid"]


def _intern_metrics(
    database: Database, samples: Sequence[Sample]
) -> Mapping[tuple[str, str], int]:
    """Answer the number of each sample's metric by phase and name; all known ones are few."""
    c = t.metrics.c
    rows = database.execute(select(c.id, c.phase, c.name))
    numbers = {(row.phase, row.name): row.id for row in rows}
    for sample in samples:
        key = (sample.phase, sample.metric)
        if key not in numbers:
            numbers[key] = database.insert(t.metrics, _metric(sample))
    return numbers


def _metric(sample: Sample) -> dict[str, Any]:
    unit = next((unit for end, unit in _UNITS.items() if sample.metric.endswith(end)), "1")
    costs = unit != "1" or sample.metric in _COSTS
    return {
        "phase": sample.phase,
        "name": sample.metric,
        "unit": unit,
        "direction": -1 if costs else 0,
    }


def _quantile(ordered: Sequence[float], part: float) -> float:
    place = part * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
