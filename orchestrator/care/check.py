"""Looks for what cannot be right in a farm: its database, its blobs, its keys, its disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from orchestrator.blobs import blob_place, is_whole
from orchestrator.care.conditions import FARM_BYTES, INODES, room
from orchestrator.config import FarmConfig
from orchestrator.domain.artifact import Digest
from orchestrator.domain.errors import ConfigError, FarmError, StoreError
from orchestrator.foundation import trust_folder
from orchestrator.inventory import read_inventory
from orchestrator.store.audit import Audit, Complaint, audit
from orchestrator.trust import read_dates

#: Time enough to move devices to a farm with a new CA.
WARN_BEFORE = timedelta(days=365)
_REBUILD = "farm db restore brings it back from a backup; ordering its run anew builds it again"


def examine(config: FarmConfig, now: datetime, *, deep: bool = False) -> tuple[Complaint, ...]:
    """Look at a farm and change nothing; an orchestrator may run meanwhile.

    Args:
        config: the farm.
        now: the time.
        deep: read every blob and compare its digest, not its size alone.

    Returns:
        What is wrong, worst first.
    """
    return tuple(_all(config, now, deep=deep))


def _all(config: FarmConfig, now: datetime, *, deep: bool) -> Iterator[Complaint]:
    try:
        found: Audit | None = audit(config.database_url, now, config.farm_id)
    except (StoreError, ConfigError) as error:
        what, _, step = str(error).partition("; ")
        yield Complaint(what, step or "see: farm doctor")
        found = None
    if found is not None:
        yield from found.complaints
        yield from _blobs(config.data / "blobs", found.needed, deep=deep)
    yield from inventory_complaints(config)
    yield from key_complaints(config, now)
    yield from disk_complaints(config.data, "the farm's data folder")


def _blobs(folder: Path, needed: Mapping[str, int], *, deep: bool) -> Iterator[Complaint]:
    for sha256, size_bytes in sorted(needed.items()):
        path = blob_place(folder, sha256)
        try:
            found_bytes = path.stat().st_size
        except OSError as error:
            yield Complaint(f"blob {sha256} cannot be found ({error.strerror})", _REBUILD)
            continue
        if found_bytes != size_bytes:
            what = f"{path} is {found_bytes} bytes long, not {size_bytes}"
            yield Complaint(what, f"remove it; {_REBUILD}")
        elif deep and not is_whole(path, Digest(sha256, size_bytes)):
            yield Complaint(
                f"{path} holds other bytes than its name says", f"remove it; {_REBUILD}"
            )


def inventory_complaints(config: FarmConfig) -> Iterator[Complaint]:
    """Say what is wrong with inventory.yaml."""
    try:
        read_inventory(config.inventory)
    except FarmError as error:
        yield Complaint(str(error), "correct inventory.yaml")


def key_complaints(config: FarmConfig, now: datetime) -> Iterator[Complaint]:
    """Say what is wrong with the farm's keys and certificates."""
    trust = trust_folder(config)
    try:
        dates = read_dates(trust)
    except ConfigError as error:
        yield Complaint(str(error), "farm db restore brings it back from a backup")
        return
    for name, until in dates.items():
        if until - now < WARN_BEFORE:
            what = f"{trust / name} is good until {until:%Y-%m-%d} only"
            yield Complaint(what, "make a new farm (farm init) and enrol the devices there")
    for path in sorted(trust.glob("*.key")):
        if path.stat().st_mode & 0o077:
            yield Complaint(f"{path} can be read by others", f"chmod 600 {path}")


def disk_complaints(folder: Path, name: str) -> Iterator[Complaint]:
    """Say where a folder's disk is nearly full."""
    left = room(folder)
    if left.free_bytes < FARM_BYTES:
        what = f"{name} ({left.place}) has {left.free_bytes >> 20} MiB of disk left"
        yield Complaint(what, "make room, or: farm gc --cache")
    if left.inodes is not None and left.inodes < INODES:
        yield Complaint(
            f"{name} ({left.place}) has room for {left.inodes} more files only",
            "remove files, or: farm gc --cache",
        )
