"""Leases and their attempts in SQL: granted, heard of, lost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, or_, select

from orchestrator.domain.errors import LeaseError, NotFound, StateError
from orchestrator.domain.run import GrantedAttempt, HeldLease, Slot
from orchestrator.domain.settlement import Settlement, Standing, lose
from orchestrator.store import tables as t
from orchestrator.store.base import Store, Transaction
from orchestrator.store.columns import always
from orchestrator.store.database import Access, Database
from orchestrator.store.devices import device_row
from orchestrator.store.runs import AT_WORK, UNSETTLED, change_cell, change_run, end_if_settled
from protos.states import (
    AttemptState,
    CellState,
    DeviceState,
    LeaseState,
    Outcome,
    RunState,
    advance_attempt,
    move,
)


def open_attempts(database: Database, lease_id: int) -> Sequence[Row[Any]]:
    """Find a lease's attempts that are not settled, by sequence, each with its cell."""
    a, c = t.attempts.c, t.cells.c
    return database.execute(
        select(
            t.attempts,
            c.run_id,
            c.blocks,
            c.tries,
            c.assignment,
            c.state.label("cell_state"),
        )
        .join(t.cells, c.id == a.cell_id)
        .where(a.lease_id == lease_id, a.state.in_(UNSETTLED))
        .order_by(a.sequence)
    ).all()


def has_open_attempts(database: Database, lease_id: int) -> bool:
    """Say whether a lease has attempts that are not settled."""
    a = t.attempts.c
    wanted = select(a.id).where(a.lease_id == lease_id, a.state.in_(UNSETTLED)).limit(1)
    return database.execute(wanted).first() is not None


def standing_of(attempt: Row[Any]) -> Standing:
    """Say how far the cell of an attempt is; the row carries both."""
    return Standing(
        blocks=attempt.blocks,
        block=attempt.block,
        tries=attempt.tries,
        cancel_wished=attempt.cancel_wished,
    )


def move_cell(
    database: Database, attempt: Row[Any], after: Settlement, outcome: Outcome | None, reason: str
) -> None:
    """Carry out what an attempt's end means for its cell; only a settled cell has an outcome."""
    settled = after.cell is not CellState.READY
    change_cell(
        database,
        attempt.cell_id,
        state=move(attempt.cell_state, after.cell),
        block=after.block,
        tries=after.tries,
        outcome=outcome if settled else None,
        reason=reason if settled else "",
    )


def end_lease(
    database: Database, lease_id: int, state: LeaseState, now: datetime, reason: str = ""
) -> None:
    """End a held lease."""
    held = database.execute(select(t.leases.c.state).where(t.leases.c.id == lease_id)).scalar()
    if not isinstance(held, LeaseState):
        msg = f"no lease {lease_id}"
        raise NotFound(msg)
    database.execute(
        t.leases.update().where(t.leases.c.id == lease_id),
        {"state": move(held, state), "ended_at": now, "reason": reason},
    )


class LeaseWrites(Access, Transaction):
    """The part of a transaction that is about leases and the way of their attempts."""

    def grant(self, device: str, slots: Sequence[Slot], now: datetime) -> HeldLease:
        if not slots:
            raise ValueError("a lease without attempts")
        row = device_row(self._db, device)
        self._refuse_held_machine(row)
        cells = self._ready_cells(slots)
        lease = self._insert_lease(row, now)
        self._db.execute(
            t.attempts.insert(),
            [
                _attempt(lease, number, slot, cells[slot.cell_id], now)
                for number, slot in enumerate(slots, start=1)
            ],
        )
        for cell_id, cell in cells.items():
            change_cell(self._db, cell_id, state=move(cell.state, CellState.LEASED))
        self._start_runs({slot.run_id for slot in slots})
        return lease

    def note_progress(
        self, device: str, attempt_id: int, fence: int, told: AttemptState, now: datetime
    ) -> None:
        a, leases, devices = t.attempts.c, t.leases.c, t.devices.c
        known = self._db.execute(
            select(a.state)
            .join(t.leases, leases.id == a.lease_id)
            .join(t.devices, devices.id == leases.device_id)
            .where(a.id == attempt_id, leases.fence == fence, devices.name == device)
            .where(a.state.in_(UNSETTLED))
        ).scalar()
        if not isinstance(known, AttemptState):
            return
        after = advance_attempt(known, told)
        if after is not known:
            _change_attempt(self._db, attempt_id, state=after, moved_at=now)

    def expire(self, lease_id: int, now: datetime, reason: str) -> None:
        end_lease(self._db, lease_id, LeaseState.EXPIRED, now, reason)
        lost = open_attempts(self._db, lease_id)
        for place, attempt in enumerate(lost):
            # The first may have run unheard; those behind it wait for it.
            begun = place == 0 or attempt.state is not AttemptState.GRANTED
            self._lose(attempt, begun=begun, now=now, reason=reason)
        for run_id in {attempt.run_id for attempt in lost}:
            end_if_settled(self._db, run_id, now)
        leases, devices = t.leases.c, t.devices.c
        device = self._db.execute(
            select(devices.id, devices.state)
            .join(t.leases, leases.device_id == devices.id)
            .where(leases.id == lease_id)
        ).one()
        change_device_state(self._db, device, DeviceState.OFFLINE)

    def _lose(self, attempt: Row[Any], *, begun: bool, now: datetime, reason: str) -> None:
        after = lose(standing_of(attempt), begun=begun)
        state = move(attempt.state, AttemptState.REJECTED)
        _change_attempt(self._db, attempt.id, state=state, moved_at=now, reason=reason)
        move_cell(self._db, attempt, after, Outcome.CANCELLED, "cancelled")

    def _refuse_held_machine(self, device: Row[Any]) -> None:
        leases, devices = t.leases.c, t.devices.c
        held = self._db.execute(
            select(leases.device_id, leases.shared, devices.name)
            .join(t.devices, devices.id == leases.device_id)
            .where(always(leases.state, LeaseState.HELD))
            .where(or_(leases.machine == device.machine, leases.device_id == device.id))
        )
        for lease in held:
            if lease.device_id == device.id or not (lease.shared and device.share_machine):
                msg = f"{lease.name} holds a lease on machine {device.machine}"
                raise LeaseError(msg)

    def _ready_cells(self, slots: Sequence[Slot]) -> dict[int, Row[Any]]:
        c = t.cells.c
        rows = self._db.execute(
            select(c.id, c.state, c.block, c.variant_id).where(
                c.id.in_([slot.cell_id for slot in slots])
            )
        )
        cells = {row.id: row for row in rows}
        for slot in slots:
            cell = cells.get(slot.cell_id)
            if cell is None or cell.state is not CellState.READY or cell.block != slot.block:
                msg = f"cell {slot.cell_id}, block {slot.block} is not open"
                raise StateError(msg)
        if len(cells) < len(slots):
            raise StateError("a cell is granted once per lease")
        return cells

    def _insert_lease(self, device: Row[Any], now: datetime) -> HeldLease:
        fence = device.fence + 1
        s = t.snapshots.c
        snapshot = select(s.id).where(s.device_id == device.id, s.sha256 == device.snapshot_sha256)
        lease_id = self._db.insert(
            t.leases,
            {
                "device_id": device.id,
                "fence": fence,
                "device_type_id": device.device_type_id,
                "machine": device.machine,
                "shared": device.share_machine,
                "emulator": device.emulator,
                "snapshot_id": self._db.execute(snapshot).scalar(),
                "state": LeaseState.HELD,
                "granted_at": now,
                "reason": "",
            },
        )
        change_device_state(self._db, device, DeviceState.LEASED, fence=fence)
        return HeldLease(lease_id, device.name, device.machine, fence, LeaseState.HELD, now)

    def _start_runs(self, run_ids: set[int]) -> None:
        runs = self._db.execute(
            select(t.runs.c.id, t.runs.c.state).where(t.runs.c.id.in_(run_ids))
        ).all()
        for run in runs:
            change_run(self._db, run.id, state=move(run.state, RunState.RUNNING))


class LeaseReads(Access, Store):
    """The part of a store that is about leases and the way of their attempts."""

    def held_leases(self) -> Sequence[HeldLease]:
        leases, devices = t.leases.c, t.devices.c
        wanted = (
            select(t.leases, devices.name)
            .join(t.devices, devices.id == leases.device_id)
            .where(always(leases.state, LeaseState.HELD))
            .order_by(leases.id)
        )
        with self._db.reading():
            return [
                HeldLease(row.id, row.name, row.machine, row.fence, row.state, row.granted_at)
                for row in self._db.execute(wanted)
            ]

    def lease_attempts(self, lease_id: int) -> Sequence[GrantedAttempt]:
        with self._db.reading():
            fence = self._db.execute(
                select(t.leases.c.fence).where(t.leases.c.id == lease_id)
            ).scalar()
            return [
                GrantedAttempt(
                    attempt_id=row.id,
                    run_id=row.run_id,
                    cell_id=row.cell_id,
                    fence=int(fence or 0),
                    sequence=row.sequence,
                    state=row.state,
                    assignment=row.assignment,
                    cancelled=row.cancel_wished,
                )
                for row in open_attempts(self._db, lease_id)
            ]

    def is_settled(self, attempt_id: int, device: str) -> bool:
        a, leases, devices = t.attempts.c, t.leases.c, t.devices.c
        unsettled = (
            select(a.id)
            .join(t.leases, leases.id == a.lease_id)
            .join(t.devices, devices.id == leases.device_id)
            .where(a.id == attempt_id, devices.name == device, a.state.in_(UNSETTLED))
        )
        with self._db.reading():
            return self._db.execute(unsettled).first() is None

    def ready_slots(self, device: str) -> Sequence[Slot]:
        with self._db.reading():
            row = device_row(self._db, device)
            return [_slot(cell) for cell in self._db.execute(_ready().where(_takes(row)))]

    def open_slots(self) -> Sequence[Slot]:
        with self._db.reading():
            return [_slot(cell) for cell in self._db.execute(_ready())]


def change_device_state(
    database: Database, device: Row[Any], state: DeviceState, **values: Any
) -> None:
    """Move a device, of which the row says number and state."""
    database.execute(
        t.devices.update().where(t.devices.c.id == device.id),
        {"state": move(device.state, state), **values},
    )


def _change_attempt(database: Database, attempt_id: int, **values: Any) -> None:
    database.execute(t.attempts.update().where(t.attempts.c.id == attempt_id), values)


def _attempt(
    lease: HeldLease, sequence: int, slot: Slot, cell: Row[Any], now: datetime
) -> dict[str, Any]:
    return {
        "cell_id": slot.cell_id,
        "block": slot.block,
        "lease_id": lease.lease_id,
        "sequence": sequence,
        "variant_id": cell.variant_id,
        "state": AttemptState.GRANTED,
        "cancel_wished": False,
        "granted_at": now,
        "moved_at": now,
        "reason": "",
    }


def _takes(device: Row[Any]) -> ColumnElement[bool]:
    c = t.cells.c
    return or_(
        c.device_id == device.id,
        c.device_id.is_(None) & (c.device_type_id == device.device_type_id),
    )


def _ready() -> Select[Any]:
    c, runs, kinds, named = t.cells.c, t.runs.c, t.device_types.c, t.devices.c
    return (
        select(
            c.id,
            c.run_id,
            c.case_id,
            c.block,
            c.tries,
            c.position,
            runs.priority,
            kinds.name.label("type_name"),
            named.name.label("device_name"),
        )
        .join(t.runs, runs.id == c.run_id)
        .join(t.device_types, kinds.id == c.device_type_id)
        .outerjoin(t.devices, named.id == c.device_id)
        .where(always(c.state, CellState.READY), runs.state.in_(AT_WORK))
        .order_by(runs.priority.desc(), c.run_id, c.block, c.position)
    )


def _slot(row: Row[Any]) -> Slot:
    target = row.device_name or row.type_name
    return Slot(
        run_id=row.run_id,
        cell_id=row.id,
        block=row.block,
        tries=row.tries,
        priority=row.priority,
        # What is compared with each other: one case of one run on one target, in all its modes.
        group=f"{row.run_id}/{row.case_id}/{target}",
        device=row.device_name,
        device_type=row.type_name,
        position=row.position,
    )
