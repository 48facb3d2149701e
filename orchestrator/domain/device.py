"""Devices and their types, as the inventory declares them and the store knows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from protos.states import DeviceState, Health, Hold


class Arch(StrEnum):
    """Architectures of devices; how to build for each, ``build/toolchain.py`` says."""

    X86_64 = "x86_64"
    AARCH64 = "aarch64"
    ARMV7 = "armv7"


@dataclass(frozen=True, slots=True)
class DeviceType:
    """An interchangeable class of devices."""

    name: str
    arch: Arch
    #: As the AOT compiler names it: ``x86-64-v3``, ``cortex-a72``.
    cpu: str
    os_bits: int = 64


@dataclass(frozen=True, slots=True)
class Device:
    """One declared device."""

    name: str
    type: DeviceType
    #: The hardware it sits on; a lease covers the machine (D13).
    machine: str
    tags: tuple[str, ...] = ()
    #: The user-mode emulator that runs its programs, ``qemu-aarch64-static``; None: real.
    emulator: str | None = None
    #: Ignore what else runs on the machine; marks every result.
    share_machine: bool = False
    #: True: the orchestrator starts its agent on this very machine.
    local: bool = True

    @property
    def emulated(self) -> bool:
        """Whether its timings mean nothing about real hardware."""
        return self.emulator is not None


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """What the store knows of a device now."""

    device: Device
    state: DeviceState
    health: Health
    hold: Hold
    #: Highest fence ever granted.
    fence: int
    seen_at: datetime | None
    agent_version: str
    #: Why the health is not good, or what it waits for; for people.
    note: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
