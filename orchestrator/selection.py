"""Which devices a matrix is for, and which of its cells it leaves out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from orchestrator.domain.device import Arch, Device, DeviceType
from orchestrator.domain.matrix import Runtime
from orchestrator.domain.workload import Value, Workload
from orchestrator.files.modefile import read_mode
from orchestrator.files.schema import Schema, closed, texts
from orchestrator.files.spelling import next_step
from orchestrator.files.yamlfile import Document, Where, show
from orchestrator.inventory import Inventory
from orchestrator.matrix import EXCLUDE_KEYS

_DEVICES = "a list of device names, or a map such as {arch: [x86_64]}"
_EXCLUDE = "a map such as {mode: wamr-classic, arch: armv7}"
DEVICES_SCHEMA: Schema = {
    "if": {"type": "array"},
    "then": texts(_DEVICES),
    "else": {
        **closed(
            {
                "arch": texts("a list of architectures"),
                "names": texts("a list of device names"),
                "tags": texts("a list of tags"),
                "device_type": texts("a list of device types"),
            },
            _DEVICES,
        ),
        "minProperties": 1,
    },
    "says": _DEVICES,
}
EXCLUDE_SCHEMA: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {
            "type": ["string", "number", "boolean"],
            "says": "text, a number, true or false",
        },
        "says": _EXCLUDE,
    },
    "says": f"a list; each item {_EXCLUDE}",
}


def look_up(
    document: Document, where: Where, noun: str, name: str, known: Mapping[str, Any]
) -> Any:
    """Answer what a name in a file stands for.

    Args:
        document: the file.
        where: the name in it.
        noun: what it names: ``device``.
        name: the name.
        known: everything it could be.

    Raises:
        UsageError: as the document's: no such thing; the nearest is named.
    """
    if name not in known:
        raise document.complaint(where, f"unknown {noun} '{name}': {next_step(name, known)}")
    return known[name]


def read_targets(document: Document, inventory: Inventory) -> tuple[Device | DeviceType, ...]:
    """Read which devices, or types of device, a matrix is for.

    Args:
        document: the matrix, which fits ``DEVICES_SCHEMA``.
        inventory: all devices.

    Returns:
        Every device that matches all keys, in the inventory's order or, where the file names them,
        in the file's; or the types it names.

    Raises:
        UsageError: as the document's: a name of nothing, or nothing matches.
    """
    written = document.data["devices"]
    selection: Mapping[str, list[str]] = (
        {"names": written} if isinstance(written, list) else written
    )
    where: Where = ("devices",)
    _check_selection(document, selection, inventory, where if written is selection else ())
    if "device_type" in selection:
        if len(selection) > 1:
            raise document.complaint(
                where, "'device_type' stands alone: remove the other keys, or name devices"
            )
        return tuple(inventory.types[name] for name in selection["device_type"])
    found = [device for device in inventory.devices if _selected(device, selection)]
    if not found:
        has = ", ".join(f"{device.name} ({device.type.arch})" for device in inventory.devices)
        raise document.complaint(
            where, f"no device is all of {show(written)}: the inventory has {has}"
        )
    # In the order the file names them, if it does.
    names = selection.get("names", [])
    return tuple(sorted(found, key=lambda item: names.index(item.name) if names else 0))


def _check_selection(
    document: Document, selection: Mapping[str, list[str]], inventory: Inventory, below: Where
) -> None:
    devices = {device.name: device for device in inventory.devices}
    tags = {tag: tag for device in inventory.devices for tag in device.tags}
    known: Mapping[str, tuple[str, Mapping[str, Any]]] = {
        "arch": ("architecture", {arch.value: arch for arch in Arch}),
        "names": ("device", devices),
        "tags": ("tag", tags),
        "device_type": ("device type", inventory.types),
    }
    for key, words in selection.items():
        noun, names = known[key]
        for index, word in enumerate(words):
            where = (*below, key, index) if below else ("devices", index)
            look_up(document, where, noun, word, names)


def _selected(device: Device, selection: Mapping[str, list[str]]) -> bool:
    return (
        device.type.arch in selection.get("arch", [device.type.arch])
        and device.name in selection.get("names", [device.name])
        and ("tags" not in selection or not set(device.tags).isdisjoint(selection["tags"]))
    )


def read_exclusions(
    document: Document,
    catalogue: Mapping[str, Workload],
    inventory: Inventory,
    sources: Collection[str],
) -> tuple[Mapping[str, Value], ...]:
    """Read which cells a matrix leaves out.

    What is known but not in this matrix may be named: it takes nothing out.

    Args:
        document: the matrix.
        catalogue: all workloads.
        inventory: all devices.
        sources: the runtime sources' names.

    Raises:
        UsageError: as the document's: an unknown key, or a name of nothing.
    """
    found: list[Mapping[str, Value]] = []
    parameters = {item.name for workload in catalogue.values() for item in workload.parameters}
    known = [*EXCLUDE_KEYS, *sorted(parameters)]
    names: Mapping[str, Mapping[str, Any]] = {
        "workload": catalogue,
        "runtime": {runtime.value: runtime for runtime in Runtime},
        "runtime_source": dict.fromkeys(sources),
        "device": {device.name: device for device in inventory.devices},
        "device_type": inventory.types,
        "arch": {arch.value: arch for arch in Arch},
    }
    for index, written in enumerate(document.data.get("exclude", ())):
        exclusion: dict[str, Value] = dict(written)
        for key, value in written.items():
            where: Where = ("exclude", index, key)
            if key not in known:
                raise document.complaint(where, f"unknown key '{key}': {next_step(key, known)}")
            if key in names:
                look_up(document, where, key.replace("_", " "), str(value), names[key])
            if key == "mode":
                exclusion["mode"] = read_mode(document, where, str(value), sources).label
        found.append(exclusion)
    return tuple(found)
