"""inventory.yaml: the declared devices, and the inventory a new farm starts with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.domain.device import Arch, Device, DeviceType
from orchestrator.domain.errors import InventoryError
from orchestrator.files.schema import closed, flag, later, named, text, texts
from orchestrator.files.spelling import next_step
from orchestrator.files.yamlfile import Document, Where, check, parse_yaml, read_yaml
from orchestrator.machine import EMULATORS, KNOWN_CPUS, MachineFacts

_EMULATOR = re.compile(r"qemu-[A-Za-z0-9._-]+")
_TYPE = closed(
    {
        "arch": {
            "enum": [arch.value for arch in Arch],
            "says": f"one of {', '.join(Arch)}",
        },
        "cpu": text("the CPU as the AOT compiler names it, such as x86-64-v3 or cortex-a72"),
        "os_bits": {"enum": [32, 64], "says": "32 or 64"},
    },
    "arch and cpu",
    required=["arch", "cpu"],
)
_DEVICE = closed(
    {
        "type": text("a name from device_types"),
        "machine": text("the name of the hardware it sits on"),
        "tags": texts("a list of labels", at_least=0),
        "emulator": text("the name of an emulator, such as qemu-aarch64-static"),
        "share_machine": flag(),
        "ssh": later("devices run on this machine so far"),
        "host_key": later("devices run on this machine so far"),
        "power": later("devices run on this machine so far"),
    },
    "its type and what else docs/reference/files.md lists",
    required=["type"],
)
#: Of inventory.yaml; each key has its meaning in ``files/meanings.py``.
SCHEMA = closed(
    {
        "device_types": named(_TYPE, "a map: name of a type -> arch and cpu"),
        "devices": named(_DEVICE, "a map: name of a device -> its type, ..", at_least=1),
    },
    "device_types and devices",
    required=["device_types", "devices"],
)


@dataclass(frozen=True, slots=True)
class Inventory:
    """The declared devices."""

    types: Mapping[str, DeviceType]
    devices: tuple[Device, ...]


def read_inventory(path: Path) -> Inventory:
    """Read the declared devices.

    Args:
        path: inventory.yaml.

    Raises:
        InventoryError: with file and line: unknown key, doubled name, unknown type or CPU, ..
    """
    return _inventory(read_yaml(path, InventoryError))


def parse_inventory(content: str, path: Path) -> Inventory:
    """Check the text of an inventory; as ``read_inventory``."""
    return _inventory(parse_yaml(content, path, InventoryError))


def _inventory(document: Document) -> Inventory:
    check(document, SCHEMA)
    types = {
        name: _type(document, name, values)
        for name, values in document.data["device_types"].items()
    }
    devices = tuple(
        _device(document, name, values, types) for name, values in document.data["devices"].items()
    )
    _refuse_mixed_types(document, devices)
    return Inventory(types, devices)


def _type(document: Document, name: str, values: Mapping[str, Any]) -> DeviceType:
    arch = Arch(values["arch"])
    cpu = values["cpu"]
    where: Where = ("device_types", name)
    if cpu not in KNOWN_CPUS[arch]:
        hint = next_step(cpu, KNOWN_CPUS[arch])
        raise document.complaint((*where, "cpu"), f"unknown {arch} CPU '{cpu}': {hint}")
    native_bits = 32 if arch is Arch.ARMV7 else 64
    os_bits = values.get("os_bits", native_bits)
    if os_bits != native_bits:
        raise document.complaint(
            (*where, "os_bits"), f"{arch} programs need a {native_bits}-bit system: write that"
        )
    return DeviceType(name, arch, cpu, os_bits)


def _device(
    document: Document, name: str, values: Mapping[str, Any], types: Mapping[str, DeviceType]
) -> Device:
    wanted = values["type"]
    if wanted not in types:
        raise document.complaint(
            ("devices", name, "type"),
            f"unknown device type '{wanted}': {next_step(wanted, types)}",
        )
    arch = types[wanted].arch
    emulator: str | None = values.get("emulator")
    if emulator is not None and not _plays(emulator, arch):
        raise document.complaint(
            ("devices", name, "emulator"),
            f"'{emulator}' is no emulator of {arch}: write {EMULATORS[arch].program}",
        )
    return Device(
        name=name,
        type=types[wanted],
        machine=values.get("machine", name),
        tags=tuple(values.get("tags", ())),
        emulator=emulator,
        share_machine=values.get("share_machine", False),
    )


def _plays(emulator: str, arch: Arch) -> bool:
    """Whatever is named is run; QEMU has builds under other names, but none for two."""
    others = {known.program for other, known in EMULATORS.items() if other is not arch}
    return _EMULATOR.fullmatch(emulator) is not None and emulator not in others


def _refuse_mixed_types(document: Document, devices: Iterable[Device]) -> None:
    """A type is an interchangeable class, and an emulated device stands in for no real one."""
    first: dict[str, Device] = {}
    for device in devices:
        other = first.setdefault(device.type.name, device)
        if other.emulated != device.emulated:
            raise document.complaint(
                ("devices", device.name),
                f"'{device.name}' and '{other.name}' are both of type '{device.type.name}', but"
                " one is emulated: give it a type of its own",
            )


def default_inventory_text(facts: MachineFacts) -> str:
    """Write the inventory of a new farm: this machine, and what it can emulate.

    Args:
        facts: of this machine.
    """
    types = [f"  local-{facts.arch}: {{arch: {facts.arch}, cpu: {facts.cpu}}}"]
    devices = [f"  local: {{type: local-{facts.arch}, machine: this-machine}}"]
    for arch, emulator in sorted(facts.emulators.items()):
        types.append(f"  qemu-{arch}: {{arch: {arch}, cpu: {EMULATORS[arch].cpu}}}")
        devices.append(
            f"  emu-{arch}: {{type: qemu-{arch}, machine: this-machine, emulator: {emulator}}}"
        )
    return "\n".join(
        [
            "# The devices of this farm. Each key: docs/reference/files.md",
            "device_types:",
            *types,
            "",
            "# Devices of one machine never measure at the same time.",
            "devices:",
            *devices,
            "",
        ]
    )
