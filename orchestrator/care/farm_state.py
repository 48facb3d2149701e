"""What a farm itself needs to serve: settings, inventory, database, keys, emulators, room."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from orchestrator.care.check import WARN_BEFORE
from orchestrator.care.conditions import FARM_BYTES, disk
from orchestrator.care.doctor import Finding, program
from orchestrator.care.packages import bring
from orchestrator.config import FarmConfig
from orchestrator.domain.errors import ConfigError, FarmError
from orchestrator.foundation import trust_folder
from orchestrator.inventory import Inventory, read_inventory
from orchestrator.store.sql import open_store
from orchestrator.trust import read_dates

_FARM = "this farm"


def examine_farm(config: FarmConfig, now: datetime | None = None) -> Iterator[Finding]:
    """Look at a farm whose farm.toml could be read.

    Args:
        config: the farm.
        now: the time; None: it is asked.
    """
    yield Finding(_FARM, "farm.toml", str(config.folder), "farm init")
    inventory, complaint = _inventory(config)
    devices = f"{len(inventory.devices)} devices" if inventory is not None else ""
    yield Finding(_FARM, "inventory.yaml", devices, complaint)
    yield _database(config)
    yield from _keys(config, now or datetime.now(UTC))
    yield from disk(config.data, _FARM, FARM_BYTES)
    if inventory is not None:
        yield from _emulators(inventory)


def farm_toml(error: ConfigError) -> Finding:
    """Say that farm.toml cannot be read."""
    return Finding(_FARM, "farm.toml", "", str(error))


def _inventory(config: FarmConfig) -> tuple[Inventory | None, str]:
    try:
        return read_inventory(config.inventory), ""
    except FarmError as error:
        return None, str(error)


def _database(config: FarmConfig) -> Finding:
    try:
        open_store(config.database_url, readonly=True, farm_id=config.farm_id).close()
    except FarmError as error:
        return Finding(_FARM, "database", "", str(error))
    return Finding(_FARM, "database", "it answers and has this version's schema", "")


def _keys(config: FarmConfig, now: datetime) -> Iterator[Finding]:
    try:
        dates = read_dates(trust_folder(config))
    except ConfigError as error:
        yield Finding(_FARM, "certificates", "", str(error))
        return
    for name, until in dates.items():
        found = f"good until {until:%Y-%m-%d}" if until - now >= WARN_BEFORE else ""
        remedy = f"it ends on {until:%Y-%m-%d}: make a new farm and enrol its devices there"
        yield Finding(_FARM, name, found, remedy)


def _emulators(inventory: Inventory) -> Iterator[Finding]:
    wanted: dict[str, list[str]] = {}
    for device in inventory.devices:
        if device.emulator is not None:
            wanted.setdefault(device.emulator, []).append(device.name)
    for emulator, names in wanted.items():
        yield Finding(
            f"device {', '.join(names)}", emulator, program(emulator)(), bring("qemu-user-static")
        )
