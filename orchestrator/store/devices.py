"""Devices in SQL: declared by the inventory, seen by their agents, described by their facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, select

from orchestrator.domain.device import Arch, Device, DeviceStatus, DeviceType
from orchestrator.domain.errors import NotFound
from orchestrator.domain.snapshot import comparability_key, facts_key
from orchestrator.store import tables as t
from orchestrator.store.base import Store, Transaction
from orchestrator.store.database import Access, Database
from protos.states import DeviceState, Health, Hold, LeaseState, move

#: Why a device that left the inventory takes no work.
GONE = "no longer in the inventory"


def device_row(database: Database, name: str) -> Row[Any]:
    """Find a device's row.

    Raises:
        NotFound: no such device.
    """
    found = database.execute(select(t.devices).where(t.devices.c.name == name)).one_or_none()
    if found is None:
        msg = f"no device {name}; see: farm devices list"
        raise NotFound(msg)
    return found


def intern_device_type(database: Database, kind: DeviceType) -> int:
    """Answer the number of a type as it is declared now."""
    key = {"name": kind.name, "arch": kind.arch, "cpu": kind.cpu, "os_bits": kind.os_bits}
    return database.intern(t.device_types, key)


class DeviceWrites(Access, Transaction):
    """The part of a transaction that is about devices."""

    def declare_devices(self, devices: Sequence[Device]) -> None:
        known = {row.name: row for row in self._db.execute(select(t.devices))}
        for device in devices:
            row = known.pop(device.name, None)
            if row is None:
                self._db.insert(t.devices, {**self._declared(device), **_UNSEEN})
            else:
                hold = {} if row.declared else {"hold": Hold.NONE, "note": ""}
                self._change_device(row.id, **self._declared(device), **hold)
        for row in known.values():
            self._change_device(row.id, declared=False, hold=Hold.MAINTENANCE, note=GONE)

    def see_device(self, device: str, now: datetime, *, agent_version: str, boot_id: str) -> None:
        row = device_row(self._db, device)
        state = row.state
        if state is DeviceState.OFFLINE:
            state = move(state, DeviceState.LEASED if self._holds(row.id) else DeviceState.IDLE)
        self._change_device(
            row.id, seen_at=now, state=state, agent_version=agent_version, boot_id=boot_id
        )
        if boot_id and boot_id != row.boot_id:
            intern_session(self._db, row.id, boot_id, now)

    def record_facts(self, device: str, facts: Mapping[str, str], now: datetime) -> int:
        row = device_row(self._db, device)
        name = facts_key(facts)
        self._change_device(row.id, snapshot_sha256=name)
        return self._db.intern(
            t.snapshots,
            {"device_id": row.id, "sha256": name},
            comparability=comparability_key(facts),
            facts=dict(facts),
            first_seen_at=now,
        )

    def move_device(self, device: str, state: DeviceState) -> None:
        row = device_row(self._db, device)
        self._change_device(row.id, state=move(row.state, state))

    def set_health(self, device: str, health: Health, note: str) -> None:
        row = device_row(self._db, device)
        self._change_device(row.id, health=health, note=note)

    def _declared(self, device: Device) -> dict[str, Any]:
        return {
            "name": device.name,
            "device_type_id": intern_device_type(self._db, device.type),
            "machine": device.machine,
            "emulator": device.emulator,
            "share_machine": device.share_machine,
            "local": device.local,
            "tags": list(device.tags),
            "declared": True,
        }

    def _change_device(self, device_id: int, **values: Any) -> None:
        self._db.execute(t.devices.update().where(t.devices.c.id == device_id), values)

    def _holds(self, device_id: int) -> bool:
        held = select(t.leases.c.id).where(
            t.leases.c.device_id == device_id, t.leases.c.state == LeaseState.HELD
        )
        return self._db.execute(held).first() is not None


class DeviceReads(Access, Store):
    """The part of a store that is about devices."""

    def devices(self) -> Sequence[DeviceStatus]:
        with self._db.reading():
            rows = self._db.execute(_statuses().order_by(t.devices.c.name))
            return [_status(row) for row in rows]

    def device(self, name: str) -> DeviceStatus:
        with self._db.reading():
            wanted = _statuses().where(t.devices.c.id == device_row(self._db, name).id)
            return _status(self._db.execute(wanted).one())

    def knows_facts(self, device: str) -> bool:
        with self._db.reading():
            return device_row(self._db, device).snapshot_sha256 is not None


def intern_session(database: Database, device_id: int, boot_id: str, now: datetime) -> int:
    """Answer the number of a device's stretch between two boots."""
    key = {"device_id": device_id, "boot_id": boot_id}
    return database.intern(t.sessions, key, first_seen_at=now)


#: A device nobody has heard of yet.
_UNSEEN: Mapping[str, Any] = {
    "state": DeviceState.OFFLINE,
    "health": Health.GOOD,
    "hold": Hold.NONE,
    "note": "",
    "fence": 0,
    "agent_version": "",
    "boot_id": "",
}


def _statuses() -> Select[Any]:
    kinds, snapshots = t.device_types.c, t.snapshots.c
    return (
        select(
            t.devices,
            kinds.name.label("type_name"),
            kinds.arch,
            kinds.cpu,
            kinds.os_bits,
            snapshots.facts,
        )
        .join(t.device_types, kinds.id == t.devices.c.device_type_id)
        .outerjoin(
            t.snapshots,
            (snapshots.device_id == t.devices.c.id)
            & (snapshots.sha256 == t.devices.c.snapshot_sha256),
        )
    )


def _status(row: Row[Any]) -> DeviceStatus:
    device = Device(
        name=row.name,
        type=DeviceType(row.type_name, Arch(row.arch), row.cpu, row.os_bits),
        machine=row.machine,
        tags=tuple(row.tags),
        emulator=row.emulator,
        share_machine=row.share_machine,
        local=row.local,
    )
    return DeviceStatus(
        device=device,
        state=row.state,
        health=row.health,
        hold=row.hold,
        fence=row.fence,
        seen_at=row.seen_at,
        agent_version=row.agent_version,
        note=row.note,
        facts=row.facts or {},
    )
