"""A whole farm in one file: its rows, blobs, keys, settings, inventory and own workloads."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator.blobs import blob_place, is_whole
from orchestrator.care.archive import (
    FILES,
    HEADER,
    MANIFEST,
    TABLES,
    Packer,
    compression,
    new_file,
    packing,
)
from orchestrator.config import BUILTIN_WORKLOADS, OWN_WORKLOADS, FarmConfig
from orchestrator.domain.artifact import Digest
from orchestrator.domain.errors import UsageError
from orchestrator.foundation import trust_folder
from orchestrator.store.transfer import Rows, snapshot
from orchestrator.version import farm_version

#: Of the file itself; a farm reads its own and older ones.
FORMAT = 1
#: Where a backup keeps the farm's keys, wherever its data folder is.
TRUST = "trust"
#: A backup keeps workloads folders outside the farm's under this name and their number.
FURTHER = "workloads-"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Packed:
    """What went into a backup."""

    rows: int
    blobs: int
    size_bytes: int
    #: Blobs the farm needs that are missing or damaged.
    absent: tuple[str, ...]


@dataclass
class _Counted:
    """What was written so far."""

    rows: dict[str, int] = field(default_factory=dict)
    blobs: list[Digest] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


def back_up(config: FarmConfig, target: Path, now: datetime, say: Say) -> Packed:
    """Write a farm into a file; an orchestrator may run meanwhile.

    Args:
        config: the farm.
        target: the file, for its owner alone; its ending says how it is compressed.
        now: the time.
        say: told what is left out.

    Raises:
        UsageError: the file is there already, or its ending is none; or the database is another
            farm's.
        StoreError: the database cannot be read.
        DiskFull: no room is left; nothing is left behind.
        OSError: a file of the farm cannot be read; nothing is left behind.
    """
    compression(target)
    _refuse_inside(config, target)
    counted = _Counted()
    with (
        new_file(target) as out,
        packing(out, target, now.timestamp()) as packer,
        snapshot(config.database_url, config.farm_id) as rows,
    ):
        packer.add_document(HEADER, _header(config, rows, now))
        for name, path in _files(config, say):
            packer.add(f"{FILES}/{name}", path.read_bytes(), executable=os.access(path, os.X_OK))
        _pack_rows(packer, rows, counted)
        # Blobs never change and the snapshot is taken: whatever it names is here by now.
        _pack_blobs(packer, rows, config.data / "blobs", counted)
        packer.add_document(
            MANIFEST, manifest(packer.members, counted.rows, counted.blobs, counted.absent)
        )
    return Packed(
        sum(counted.rows.values()),
        len(counted.blobs),
        target.stat().st_size,
        tuple(counted.absent),
    )


def _refuse_inside(config: FarmConfig, target: Path) -> None:
    """Keep a backup from holding itself, and the next one from holding this."""
    own = (trust_folder(config), config.folder / OWN_WORKLOADS, *further_workloads(config))
    for folder in own:
        if Path(os.path.realpath(target)).is_relative_to(folder.resolve()):
            raise UsageError(f"{target} lies in a folder that is backed up: choose another place")


def manifest(
    members: dict[str, str],
    rows: dict[str, int],
    blobs: Iterable[Digest],
    absent: Iterable[str],
) -> dict[str, Any]:
    """Say what a backup has to hold.

    Args:
        members: sha256 of each member that is no blob.
        rows: how many each table has.
        blobs: those that are in it.
        absent: those that were missing when it was made.
    """
    digests = sorted(blobs, key=lambda one: one.sha256)
    names = hashlib.sha256("".join(f"{one.sha256}\n" for one in digests).encode())
    return {
        "members": dict(sorted(members.items())),
        "rows": dict(sorted(rows.items())),
        "blobs": {
            "count": len(digests),
            "size_bytes": sum(one.size_bytes for one in digests),
            "sha256": names.hexdigest(),
        },
        "absent": sorted(absent),
    }


def _header(config: FarmConfig, rows: Rows, now: datetime) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "farm_id": config.farm_id,
        "farm_version": farm_version(),
        "revision": rows.revision,
        "made_at": now.isoformat(),
        "folder": str(config.folder),
        "further_workloads": len(further_workloads(config)),
    }


def further_workloads(config: FarmConfig) -> list[Path]:
    """Answer the workloads folders that farm.toml names."""
    own = (BUILTIN_WORKLOADS, config.folder / OWN_WORKLOADS)
    return [folder for folder in config.workloads if folder not in own]


def _files(config: FarmConfig, say: Say) -> Iterator[tuple[str, Path]]:
    yield "farm.toml", config.folder / "farm.toml"
    yield config.inventory.name, config.inventory
    yield from _below(trust_folder(config), TRUST, say)
    if config.folder / OWN_WORKLOADS in config.workloads:
        yield from _below(config.folder / OWN_WORKLOADS, OWN_WORKLOADS, say)
    for number, folder in enumerate(further_workloads(config), 1):
        yield from _below(folder, f"{FURTHER}{number}", say)


def _below(folder: Path, name: str, say: Say) -> Iterator[tuple[str, Path]]:
    """Walk the files of a folder in a fixed order; links to files are files, to folders none."""
    for place, folders, files in os.walk(folder):
        here = Path(place)
        for link in (one for one in folders if (here / one).is_symlink()):
            say(f"left out: {here / link} is a link to a folder")
        folders.sort()
        for file in sorted(files):
            if (here / file).is_file():
                yield f"{name}/{(here / file).relative_to(folder).as_posix()}", here / file
            else:
                say(f"left out: {here / file} is no file")


def _pack_rows(packer: Packer, rows: Rows, counted: _Counted) -> None:
    for number, chunk in enumerate(rows.chunks()):
        lines = [json.dumps(list(chunk.columns)), *(json.dumps(list(row)) for row in chunk.rows)]
        packer.add(f"{TABLES}/{chunk.table}/{number:08d}.jsonl", "\n".join(lines).encode())
        counted.rows[chunk.table] = counted.rows.get(chunk.table, 0) + len(chunk.rows)


def _pack_blobs(packer: Packer, rows: Rows, folder: Path, counted: _Counted) -> None:
    needed = rows.needed_blobs()
    for sha256, size_bytes in sorted(rows.known_blobs().items()):
        digest = Digest(sha256, size_bytes)
        path = blob_place(folder, sha256)
        if is_whole(path, digest):
            packer.add_blob(digest, path)
            counted.blobs.append(digest)
        elif sha256 in needed:
            counted.absent.append(sha256)
