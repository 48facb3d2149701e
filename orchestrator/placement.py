"""Decides which open slots a device gets when it asks, and says why it gets none; pure (D4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator.domain.device import Device, DeviceStatus
from orchestrator.domain.run import HeldLease, Slot
from protos.states import DeviceState, Health, Hold


@dataclass(frozen=True, slots=True)
class Placement:
    """What a device is given now."""

    #: In the order to measure them; all of one run, group and block.
    slots: tuple[Slot, ...]
    #: Why it is these, or why there are none; for people.
    why: str


def choose(
    device: DeviceStatus,
    slots: Sequence[Slot],
    held: Sequence[HeldLease],
    devices: Mapping[str, Device],
    now: datetime,
) -> Placement:
    """Choose what the device that is asking measures next.

    The highest priority goes first, then the oldest run, then the lowest block, so that the
    attempts of a cell are spread over time, then the matrix's order. The whole rest of that block
    is given together.

    Args:
        device: the one that asks.
        slots: open slots, of any device.
        held: all held leases.
        devices: all declared devices, by name.
        now: the orchestrator's time.

    Returns:
        Slots the device can run, or none, and why.
    """
    obstacle = why_not_now(device, held, devices, now)
    if obstacle:
        return Placement((), obstacle)
    fitting = [slot for slot in slots if fits(device.device, slot)]
    if not fitting:
        return Placement((), "no open cell is for this device")
    best = min(fitting, key=_urgency)
    block = [slot for slot in fitting if _block(slot) == _block(best)]
    return Placement(interleaved(block), f"run {best.run_id}, {best.group}, block {best.block}")


def why_not_now(
    device: DeviceStatus,
    held: Sequence[HeldLease],
    devices: Mapping[str, Device],
    now: datetime,
) -> str:
    """Say why a device takes no work now; empty: it does.

    Args:
        device: the device.
        held: all held leases.
        devices: all declared devices, by name.
        now: the orchestrator's time.
    """
    name = device.device.name
    if device.hold is not Hold.NONE:
        return _with_note(f"{name} is on hold ({device.hold})", device.note)
    if device.state is DeviceState.OFFLINE:
        return f"{name} is offline, {_seen(device.seen_at, now)}"
    if device.health is Health.BAD:
        return _with_note(f"the health of {name} is bad", device.note)
    for lease in held:
        if lease.device == name:
            return f"{name} is measuring"
        if lease.machine == device.device.machine and not _both_share(device, lease, devices):
            return f"{lease.device} is measuring on the same machine ({lease.machine})"
    return ""


def fits(device: Device, slot: Slot) -> bool:
    """Say whether a slot is for this device, by name or by type."""
    if slot.device is not None:
        return slot.device == device.name
    return slot.device_type == device.type.name


def interleaved(slots: Sequence[Slot]) -> tuple[Slot, ...]:
    """Order one block: there and back again from block to block (A B, B A, ..).

    What drifts slowly over two blocks then weighs on all variants alike (D6).

    Args:
        slots: of one block.
    """
    forward = sorted(slots, key=lambda slot: (slot.position, slot.cell_id))
    return tuple(reversed(forward) if forward and forward[0].block % 2 else forward)


def explain(
    slot: Slot,
    statuses: Sequence[DeviceStatus],
    slots: Sequence[Slot],
    held: Sequence[HeldLease],
    devices: Mapping[str, Device],
    now: datetime,
) -> tuple[str, ...]:
    """Say why an open slot waits, by the very rules that place it.

    Args:
        slot: the one asked about.
        statuses: all devices.
        slots: all open slots, this one among them.
        held: all held leases.
        devices: all declared devices, by name.
        now: the orchestrator's time.

    Returns:
        One line for each device it is for; one line where there is none.
    """
    return explain_all((slot,), statuses, slots, held, devices, now)[slot.cell_id]


def explain_all(
    wanted: Sequence[Slot],
    statuses: Sequence[DeviceStatus],
    slots: Sequence[Slot],
    held: Sequence[HeldLease],
    devices: Mapping[str, Device],
    now: datetime,
) -> Mapping[int, tuple[str, ...]]:
    """Say why each of many open slots waits, as ``explain`` does; each device chooses once.

    Returns:
        The lines by the number of the slot's cell.
    """
    choices = [_Choice(status, choose(status, slots, held, devices, now)) for status in statuses]
    return {slot.cell_id: _explain_one(slot, choices) for slot in wanted}


class _Choice:
    """What a device would be given now."""

    def __init__(self, status: DeviceStatus, placement: Placement) -> None:
        self.status = status
        self.placement = placement
        self.cells = frozenset(slot.cell_id for slot in placement.slots)


def _explain_one(slot: Slot, choices: Sequence[_Choice]) -> tuple[str, ...]:
    able = [choice for choice in choices if fits(choice.status.device, slot)]
    if not able:
        wanted = slot.device or f"of type {slot.device_type}"
        return (f"no device {wanted} is declared",)
    return tuple(_explain_on(choice, slot) for choice in able)


def _explain_on(choice: _Choice, slot: Slot) -> str:
    status, placement = choice.status, choice.placement
    if slot.cell_id in choice.cells:
        # After a fault a device rests for a while, which only the orchestrator's memory knows.
        rest = f" and has rested ({status.note})" if _is_on_trial(status) else ""
        return f"{status.device.name} takes it when it asks next{rest}"
    if placement.slots:
        return f"{status.device.name} takes {placement.why} first"
    return placement.why


def _is_on_trial(status: DeviceStatus) -> bool:
    return status.health is Health.UNKNOWN and bool(status.note)


def _urgency(slot: Slot) -> tuple[int, int, int, int, int]:
    return (-slot.priority, slot.run_id, slot.block, slot.position, slot.cell_id)


def _block(slot: Slot) -> tuple[int, str, int]:
    return (slot.run_id, slot.group, slot.block)


def _both_share(device: DeviceStatus, lease: HeldLease, devices: Mapping[str, Device]) -> bool:
    other = devices.get(lease.device)
    return device.device.share_machine and other is not None and other.share_machine


def _with_note(text: str, note: str) -> str:
    return f"{text}: {note}" if note else text


def _seen(seen_at: datetime | None, now: datetime) -> str:
    if seen_at is None:
        return "never seen"
    return f"last seen {max(0.0, (now - seen_at).total_seconds()):.0f} s ago"
