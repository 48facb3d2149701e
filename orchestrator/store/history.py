"""One cell's attempts in SQL, rejected ones included, each with everything it told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, Select, select

from orchestrator.domain.artifact import Digest
from orchestrator.domain.attempt import Finished, Sample
from orchestrator.store import tables as t
from orchestrator.store.base import AttemptRecord, Store
from orchestrator.store.database import Access
from orchestrator.store.measurements import TOTAL, samples_of


class HistoryReads(Access, Store):
    """The part of a store that is about attempts."""

    def attempts(self, cell_id: int) -> Sequence[AttemptRecord]:
        with self._db.reading():
            rows = self._db.execute(_attempts(cell_id)).all()
            numbers = [row.id for row in rows]
            samples = samples_of(self._db, numbers)
            logs = self._logs(numbers)
            files = self._files(numbers)
        return [
            _record(row, samples.get(row.id, []), logs.get(row.id, {}), files.get(row.id, {}))
            for row in rows
        ]

    def samples(self, attempt_id: int) -> Sequence[Sample]:
        with self._db.reading():
            found = samples_of(self._db, [attempt_id]).get(attempt_id, [])
        return [one for one in found if one.phase != TOTAL]

    def _logs(self, attempt_ids: Sequence[int]) -> Mapping[int, Mapping[str, Digest]]:
        logs, artifacts = t.attempt_logs.c, t.artifacts.c
        rows = self._db.execute(
            select(logs.attempt_id, logs.kind, artifacts.sha256, artifacts.size_bytes)
            .join(t.artifacts, artifacts.id == logs.artifact_id)
            .where(logs.attempt_id.in_(attempt_ids))
        )
        found: dict[int, dict[str, Digest]] = {}
        for row in rows:
            digest = Digest(row.sha256, row.size_bytes)
            found.setdefault(row.attempt_id, {})[row.kind] = digest
        return found

    def _files(self, attempt_ids: Sequence[int]) -> Mapping[int, Mapping[str, Digest]]:
        files, artifacts = t.attempt_files.c, t.artifacts.c
        rows = self._db.execute(
            select(files.attempt_id, files.path, artifacts.sha256, artifacts.size_bytes)
            .join(t.artifacts, artifacts.id == files.artifact_id)
            .where(files.attempt_id.in_(attempt_ids))
            .order_by(files.attempt_id, files.path)
        )
        found: dict[int, dict[str, Digest]] = {}
        for row in rows:
            digest = Digest(row.sha256, row.size_bytes)
            found.setdefault(row.attempt_id, {})[row.path] = digest
        return found


def _attempts(cell_id: int) -> Select[Any]:
    a, leases, outputs = t.attempts.c, t.leases.c, t.artifacts.c
    return (
        select(
            t.attempts,
            t.cells.c.run_id,
            leases.fence,
            leases.machine,
            t.devices.c.name.label("device"),
            t.sessions.c.boot_id,
            outputs.sha256.label("output_sha256"),
            outputs.size_bytes.label("output_bytes"),
        )
        .join(t.cells, t.cells.c.id == a.cell_id)
        .join(t.leases, leases.id == a.lease_id)
        .join(t.devices, t.devices.c.id == leases.device_id)
        .outerjoin(t.sessions, t.sessions.c.id == a.session_id)
        .outerjoin(t.artifacts, outputs.id == a.output_id)
        .where(a.cell_id == cell_id)
        .order_by(a.id)
    )


def _record(
    row: Row[Any],
    samples: Sequence[Sample],
    logs: Mapping[str, Digest],
    files: Mapping[str, Digest],
) -> AttemptRecord:
    return AttemptRecord(
        attempt_id=row.id,
        run_id=row.run_id,
        cell_id=row.cell_id,
        block=row.block,
        device=row.device,
        machine=row.machine,
        lease_id=row.lease_id,
        fence=row.fence,
        sequence=row.sequence,
        state=row.state,
        granted_at=row.granted_at,
        finished=None if row.outcome is None else _finished(row, samples, logs, files),
    )


def _finished(
    row: Row[Any],
    samples: Sequence[Sample],
    logs: Mapping[str, Digest],
    files: Mapping[str, Digest],
) -> Finished:
    return Finished(
        attempt_id=row.id,
        device=row.device,
        fence=row.fence,
        sequence=row.sequence,
        outcome=row.outcome,
        reason=row.reason,
        validity=tuple(row.validity),
        exit_code=row.exit_code,
        signal=row.signal,
        trap=row.trap,
        region=row.region,
        samples=tuple(one for one in samples if one.phase != TOTAL),
        numbers={one.metric: one.values[0] for one in samples if one.phase == TOTAL},
        output=row.output_sha256 and Digest(row.output_sha256, row.output_bytes),
        output_truncated=row.output_truncated,
        logs=logs,
        files=files,
        boot_id=row.boot_id or "",
        runner_started_ns=row.runner_started_ns,
        runner_ended_ns=row.runner_ended_ns,
        started_at=row.started_at,
        ended_at=row.ended_at,
        runner_version=row.runner_version,
        adopted=row.adopted,
        conditions=row.conditions,
    )
