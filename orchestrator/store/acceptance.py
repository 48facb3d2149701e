"""Reports in SQL: stored once, judged once, and what follows for cell, lease, device and run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Table, func, select

from orchestrator.domain.artifact import Artifact, ArtifactKind, Digest
from orchestrator.domain.attempt import Finished
from orchestrator.domain.errors import NotFound
from orchestrator.domain.settlement import Settlement, settle
from orchestrator.store import tables as t
from orchestrator.store.base import Transaction
from orchestrator.store.columns import always
from orchestrator.store.database import Access, Database
from orchestrator.store.devices import intern_session
from orchestrator.store.leases import (
    change_device_state,
    end_lease,
    has_open_attempts,
    move_cell,
    standing_of,
)
from orchestrator.store.measurements import (
    blocks_of,
    intern_series,
    is_valid,
    store_samples,
    store_summaries,
    validity_of,
)
from orchestrator.store.provenance import intern_artifact
from orchestrator.store.runs import UNSETTLED, change_cell, end_if_settled
from protos.states import (
    AttemptState,
    CellState,
    DeviceState,
    LeaseState,
    Outcome,
    move,
)


class AcceptanceWrites(Access, Transaction):
    """The part of a transaction that is about reports."""

    def accept(self, finished: Finished, *, retries: int, now: datetime) -> bool:
        attempt = _attempt_row(self._db, finished)
        if attempt.outcome is not None:
            return attempt.state is AttemptState.ACCEPTED
        if (attempt.fence, attempt.sequence) != (finished.fence, finished.sequence):
            return False
        wanted = attempt.state in UNSETTLED and attempt.lease_state is LeaseState.HELD
        standing = replace(standing_of(attempt), stops=self._stops(attempt, finished.outcome))
        after = settle(standing, finished.outcome, retries) if wanted else None
        self._store_report(attempt, finished, after, now)
        if after is None:
            return False
        reason = reason_of(finished)
        move_cell(self._db, attempt, after, finished.outcome, reason)
        self._release_if_settled(attempt, now)
        end_if_settled(self._db, attempt.run_id, now)
        return after.accepted

    def _stops(self, attempt: Row[Any], outcome: Outcome) -> int:
        """Count the farm's own stops of a block; looked up only where they matter."""
        if outcome is not Outcome.CANCELLED:
            return 0
        a = t.attempts.c
        stopped = select(func.count()).where(
            a.cell_id == attempt.cell_id,
            a.block == attempt.block,
            a.outcome == Outcome.CANCELLED,
            a.cancel_wished.is_(False),
        )
        return int(self._db.execute(stopped).scalar_one())

    def fail_exhausted(self, retries: int, now: datetime) -> int:
        c = t.cells.c
        exhausted = self._db.execute(
            select(c.id, c.run_id, c.state, c.tries).where(
                always(c.state, CellState.READY), c.tries > retries
            )
        ).all()
        for cell in exhausted:
            change_cell(
                self._db,
                cell.id,
                state=move(cell.state, CellState.FAILED),
                outcome=Outcome.INFRASTRUCTURE_FAILED,
                reason=f"lost {cell.tries} times: {self._last_reason(cell.id)}",
            )
        for run_id in {cell.run_id for cell in exhausted}:
            end_if_settled(self._db, run_id, now)
        return len(exhausted)

    def _store_report(
        self, attempt: Row[Any], finished: Finished, after: Settlement | None, now: datetime
    ) -> None:
        succeeded = finished.outcome is Outcome.SUCCEEDED
        # A failing attempt stores no time (D9), only what it used.
        samples = [one for one in blocks_of(finished) if succeeded or one.phase == "total"]
        store_samples(self._db, attempt.id, samples)
        series_id = None
        if succeeded and after is not None and after.accepted:
            series_id = intern_series(self._db, attempt, finished.region)
            store_summaries(self._db, attempt, finished, series_id)
        self._store_outputs(t.attempt_logs, "kind", attempt.id, finished.logs)
        self._store_outputs(t.attempt_files, "path", attempt.id, finished.files)
        values = {**self._report(attempt, finished, now), "series_id": series_id}
        if after is not None:
            values["state"], values["moved_at"] = _final(attempt.state, after), now
        self._db.execute(t.attempts.update().where(t.attempts.c.id == attempt.id), values)

    def _report(self, attempt: Row[Any], finished: Finished, now: datetime) -> dict[str, Any]:
        boot_id = finished.boot_id
        return {
            "outcome": finished.outcome,
            "reason": finished.reason or attempt.reason,
            "valid": is_valid(finished),
            "validity": validity_of(finished),
            "exit_code": finished.exit_code,
            "signal": finished.signal,
            "trap": finished.trap,
            "region": finished.region if finished.outcome is Outcome.SUCCEEDED else None,
            "output_id": self._output(finished),
            "output_truncated": finished.output_truncated,
            "session_id": intern_session(self._db, attempt.device_id, boot_id, now)
            if boot_id
            else None,
            "runner_started_ns": finished.runner_started_ns,
            "runner_ended_ns": finished.runner_ended_ns,
            "started_at": finished.started_at,
            "ended_at": finished.ended_at,
            "runner_version": finished.runner_version,
            "adopted": finished.adopted,
            "conditions": {name: dict(seen) for name, seen in finished.conditions.items()},
        }

    def _output(self, finished: Finished) -> int | None:
        if finished.output is None:
            return None
        return intern_artifact(self._db, Artifact(finished.output, ArtifactKind.OUTPUT, "stdout"))

    def _store_outputs(
        self, table: Table, name: str, attempt_id: int, digests: Mapping[str, Digest]
    ) -> None:
        rows = [
            {
                "attempt_id": attempt_id,
                name: told,
                "artifact_id": intern_artifact(
                    self._db, Artifact(digest, ArtifactKind.OUTPUT, told)
                ),
            }
            for told, digest in digests.items()
        ]
        if rows:
            self._db.execute(table.insert(), rows)

    def _release_if_settled(self, attempt: Row[Any], now: datetime) -> None:
        if has_open_attempts(self._db, attempt.lease_id):
            return
        end_lease(self._db, attempt.lease_id, LeaseState.RELEASED, now)
        device = self._db.execute(
            select(t.devices.c.id, t.devices.c.state).where(t.devices.c.id == attempt.device_id)
        ).one()
        if device.state is DeviceState.LEASED:
            change_device_state(self._db, device, DeviceState.IDLE)

    def _last_reason(self, cell_id: int) -> str:
        a = t.attempts.c
        newest = select(func.max(a.id)).where(a.cell_id == cell_id).scalar_subquery()
        return str(self._db.execute(select(a.reason).where(a.id == newest)).scalar() or "")


def reason_of(finished: Finished) -> str:
    """Say in a few words why an attempt ended as it did; empty after a success."""
    if finished.reason or finished.outcome is Outcome.SUCCEEDED:
        return finished.reason
    if finished.trap:
        return finished.trap
    if finished.signal:
        return f"signal {finished.signal}"
    return f"exit code {finished.exit_code}"


def _final(state: AttemptState, after: Settlement) -> AttemptState:
    reported = move(state, AttemptState.REPORTED)
    return move(reported, AttemptState.ACCEPTED if after.accepted else AttemptState.REJECTED)


def _attempt_row(database: Database, finished: Finished) -> Row[Any]:
    """Find the attempt a report is about, with its cell, lease, device, facts and variant.

    Raises:
        NotFound: no such attempt on this device.
    """
    a, c, leases, devices = t.attempts.c, t.cells.c, t.leases.c, t.devices.c
    snapshots, variants = t.snapshots.c, t.variants.c
    found = database.execute(
        select(
            t.attempts,
            c.run_id,
            c.case_id,
            c.mode_id,
            c.blocks,
            c.tries,
            c.state.label("cell_state"),
            leases.device_id,
            leases.fence,
            leases.shared,
            leases.state.label("lease_state"),
            snapshots.comparability,
            variants.inputs_sha256,
        )
        .join(t.cells, c.id == a.cell_id)
        .join(t.leases, leases.id == a.lease_id)
        .join(t.devices, devices.id == leases.device_id)
        .join(t.variants, variants.id == a.variant_id)
        .outerjoin(t.snapshots, snapshots.id == leases.snapshot_id)
        .where(a.id == finished.attempt_id, devices.name == finished.device)
    ).one_or_none()
    if found is None:
        msg = f"no attempt {finished.attempt_id} on {finished.device}"
        raise NotFound(msg)
    return found
