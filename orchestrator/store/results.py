"""Results in SQL: pages of cells, each with the numbers of its accepted attempts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select

from orchestrator.domain.run import CellResult
from orchestrator.store import tables as t
from orchestrator.store.base import Noun, ResultFilter, Store
from orchestrator.store.columns import always
from orchestrator.store.database import Access
from orchestrator.store.filters import filtered, paged
from protos.states import AttemptState, Outcome

#: Cells whose attempts are read at once; a database takes only so many parameters.
_AT_ONCE = 500

#: (phase, name) of the metrics a result shows.
_EXECUTE = ("execute", "wall")
_LOAD = ("load", "wall")
_INSTANTIATE = ("instantiate", "wall")
_PEAK = ("total", "peak_memory_bytes")


@dataclass
class _Measured:
    """What the accepted attempts of one cell say together."""

    attempts: list[Row[Any]] = field(default_factory=list)
    #: Medians of each metric, one per attempt.
    medians: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    samples: int = 0


class ResultReads(Access, Store):
    """The part of a store that is about results."""

    def results(self, wanted: ResultFilter) -> Sequence[CellResult]:
        found: list[CellResult] = []
        with self._db.reading():
            page = self._db.execute(paged(wanted)).scalars().all()
            for start in range(0, len(page), _AT_ONCE):
                part = page[start : start + _AT_ONCE]
                cells = {cell.id: cell for cell in self._db.execute(_cells(part))}
                measured = self._measured(part)
                found += [_result(cells[id_], measured.get(id_, _Measured())) for id_ in part]
        return found

    def count_results(self, wanted: ResultFilter) -> int:
        count = filtered(select(func.count()).select_from(t.cells), wanted)
        with self._db.reading():
            return int(self._db.execute(count).scalar_one())

    def names(self, noun: Noun) -> Sequence[str]:
        column: ColumnElement[str] = {
            Noun.WORKLOAD: t.workloads.c.name,
            Noun.MODE: t.modes.c.label,
            Noun.DEVICE: t.devices.c.name,
            Noun.ARCH: t.device_types.c.arch,
        }[noun]
        with self._db.reading():
            # Sorted here: each database has an order of its own for text.
            return sorted(self._db.execute(select(column).distinct()).scalars())

    def _measured(self, cell_ids: Sequence[int]) -> Mapping[int, _Measured]:
        found: dict[int, _Measured] = {}
        cell_of: dict[int, int] = {}
        for row in self._db.execute(_accepted(cell_ids)):
            found.setdefault(row.cell_id, _Measured()).attempts.append(row)
            cell_of[row.id] = row.cell_id
        for row in self._db.execute(_medians(cell_ids)):
            measured = found[cell_of[row.attempt_id]]
            metric = (row.phase, row.name)
            measured.medians.setdefault(metric, []).append(row.median)
            measured.samples += row.kept if metric == _EXECUTE else 0
        return found


def _cells(cell_ids: Sequence[int]) -> Select[Any]:
    c = t.cells.c
    kinds, runners, programs = t.device_types.c, t.artifacts.alias(), t.artifacts.alias()
    return (
        select(
            c.id,
            c.run_id,
            c.emulated,
            c.state,
            c.outcome,
            c.reason,
            t.workloads.c.name.label("workload"),
            t.cases.c.parameters,
            t.modes.c.label,
            t.modes.c.runtime,
            t.modes.c.options,
            t.devices.c.name.label("device"),
            kinds.name.label("device_type"),
            kinds.arch,
            runners.c.sha256.label("runner"),
            programs.c.sha256.label("program"),
        )
        .join(t.cases, t.cases.c.id == c.case_id)
        .join(t.workloads, t.workloads.c.id == t.cases.c.workload_id)
        .join(t.modes, t.modes.c.id == c.mode_id)
        .join(t.device_types, kinds.id == c.device_type_id)
        .outerjoin(t.devices, t.devices.c.id == c.device_id)
        .outerjoin(t.variants, t.variants.c.id == c.variant_id)
        .outerjoin(runners, runners.c.id == t.variants.c.runner_id)
        .outerjoin(programs, programs.c.id == t.variants.c.program_id)
        .where(c.id.in_(cell_ids))
    )


def _accepted(cell_ids: Sequence[int]) -> Select[Any]:
    a, outputs = t.attempts.c, t.artifacts.c
    return (
        select(
            a.id,
            a.cell_id,
            a.validity,
            a.region,
            a.started_at,
            a.granted_at,
            t.leases.c.emulator,
            t.devices.c.name.label("device"),
            outputs.sha256.label("output"),
        )
        .join(t.leases, t.leases.c.id == a.lease_id)
        .join(t.devices, t.devices.c.id == t.leases.c.device_id)
        .outerjoin(t.artifacts, outputs.id == a.output_id)
        .where(a.cell_id.in_(cell_ids), always(a.state, AttemptState.ACCEPTED))
        .order_by(a.cell_id, a.block)
    )


def _medians(cell_ids: Sequence[int]) -> Select[Any]:
    """Find summaries by their whole key: series, metric, time, attempt."""
    a, m, metrics = t.attempts.c, t.attempt_metrics.c, t.metrics.c
    shown = [
        (metrics.phase == phase) & (metrics.name == name)
        for phase, name in (_EXECUTE, _LOAD, _INSTANTIATE, _PEAK)
    ]
    return (
        select(m.attempt_id, metrics.phase, metrics.name, m.median, m.kept)
        .select_from(t.attempts)
        .join(t.metrics, shown[0] | shown[1] | shown[2] | shown[3])
        .join(
            t.attempt_metrics,
            (m.series_id == a.series_id)
            & (m.metric_id == metrics.id)
            & (m.granted_at == a.granted_at)
            & (m.attempt_id == a.id),
        )
        .where(a.cell_id.in_(cell_ids), always(a.state, AttemptState.ACCEPTED))
        .order_by(a.cell_id, a.block)
    )


def _result(cell: Row[Any], measured: _Measured) -> CellResult:
    attempts = measured.attempts
    # A cell that failed shows no time, though some of its attempts had one (D9).
    timed = cell.outcome in (None, Outcome.SUCCEEDED)
    medians = measured.medians if timed else {}
    return CellResult(
        run_id=cell.run_id,
        cell_id=cell.id,
        workload=cell.workload,
        case=cell.parameters,
        mode=cell.label,
        options=cell.options,
        device=", ".join(dict.fromkeys(one.device for one in attempts)) or cell.device,
        device_type=cell.device_type,
        arch=cell.arch,
        emulated=cell.emulated or any(one.emulator is not None for one in attempts),
        state=cell.state,
        outcome=cell.outcome,
        reason=cell.reason,
        validity=_validity(attempts),
        attempts=len(attempts),
        execute_s=tuple(medians.get(_EXECUTE, ())),
        samples=measured.samples if timed else 0,
        region=_last(attempts, "region") if timed else None,
        load_s=_median(medians.get(_LOAD, ())),
        instantiate_s=_median(medians.get(_INSTANTIATE, ())),
        peak_memory_bytes=_most(medians.get(_PEAK, ())),
        artifact=cell.program,
        runtime=cell.runner,
        output_digest=_last(attempts, "output"),
        started_at=min((one.started_at or one.granted_at for one in attempts), default=None),
    )


def _validity(attempts: Sequence[Row[Any]]) -> tuple[str, ...]:
    reasons = tuple(dict.fromkeys(word for one in attempts for word in one.validity))
    return reasons or (("valid",) if attempts else ())


def _last(attempts: Sequence[Row[Any]], name: str) -> Any:
    told = [value for one in attempts if (value := getattr(one, name)) is not None]
    return told[-1] if told else None


def _median(values: Sequence[float]) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    middle = len(ordered) // 2
    return (ordered[middle] + ordered[-middle - 1]) / 2


def _most(values: Sequence[float]) -> int | None:
    return int(max(values)) if values else None
