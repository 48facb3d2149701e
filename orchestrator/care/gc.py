"""What may go of a farm's data and of the build cache, and its going.

Whoever removes holds the farm's lock, or the cache's alone: nothing is in flight then but what a
killed process left. Each thing goes by itself and needs no other, so a removal that is killed in
the middle leaves less rubbish, and nothing broken.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.blobs import SCRATCH, blob_place
from orchestrator.build.wamr import pinned_digest
from orchestrator.config import FarmConfig
from orchestrator.foundation import NATIVE
from orchestrator.store.base import Store


@dataclass(frozen=True, slots=True)
class Rubbish:
    """Something that may go."""

    what: str
    path: Path
    #: What its going gives back; a blob that another store shares gives nothing yet.
    size_bytes: int


def farm_rubbish(config: FarmConfig, store: Store, older_s: float) -> Iterator[Rubbish]:
    """Find what a farm needs no more.

    Args:
        config: the farm.
        store: its database.
        older_s: only what was not touched since; left-overs of dead processes go at once.
    """
    blobs = config.data / "blobs"
    known = store.referenced_blobs()
    yield from (
        _file("blob nothing refers to", path)
        for path in _blobs(blobs)
        if path.name not in known and _touched_s(path) < older_s
    )
    yield from _dead_scratch(blobs / SCRATCH)
    awaited = {
        attempt.attempt_id
        for lease in store.held_leases()
        for attempt in store.lease_attempts(lease.lease_id)
    }
    for path in _listed(config.data / "uploads"):
        attempt_id = path.name.partition("-")[0]
        if not attempt_id.isdecimal() or int(attempt_id) not in awaited:
            yield _file("upload nobody waits for", path)
    for path in sorted(config.data.glob("farm-bug-*.txt")):
        if _touched_s(path) < older_s:
            yield _file("old report of a bug", path)


def cache_rubbish(cache: Path, older_s: float) -> Iterator[Rubbish]:
    """Find what no build used for long.

    Args:
        cache: the build cache.
        older_s: only what was neither made nor used since.
    """
    kept: set[str] = set()
    for path in sorted((cache / "recipes").glob("*/*.json")):
        if _touched_s(path, by_use=True) < older_s:
            yield _file("recipe not used", path)
        elif path.parent.name != "last":
            kept.update(_digests(path))
    yield from (
        _file("product or source not used", path)
        for path in _blobs(cache / "blobs")
        if path.name not in kept and _touched_s(path) < older_s
    )
    yield from _dead_scratch(cache / "blobs" / SCRATCH)
    for path in _listed(cache / "locks"):
        if not (cache / "recipes" / path.name[:2] / f"{path.name}.json").exists():
            yield _file("lock of no recipe", path)
    pinned, _ = pinned_digest(NATIVE)
    for path in _listed(cache / "wamr"):
        if path.name != pinned and _touched_s(path) < older_s:
            yield Rubbish("sources of another WAMR", path, _tree_bytes(path))


def remove(rubbish: Iterable[Rubbish]) -> None:
    """Remove things; one that is gone already is no error.

    Raises:
        OSError: one cannot be removed.
    """
    for one in rubbish:
        with suppress(FileNotFoundError):
            if one.path.is_dir() and not one.path.is_symlink():
                shutil.rmtree(one.path)
            else:
                one.path.unlink()


def _file(what: str, path: Path) -> Rubbish:
    return Rubbish(what, path, _given_back(path))


def _given_back(path: Path) -> int:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return 0
    return found.st_size if found.st_nlink == 1 else 0


def _touched_s(path: Path, *, by_use: bool = False) -> float:
    """When a file was made, or linked into a store: that moves its ctime alone.

    Args:
        path: the file.
        by_use: its mtime is when it was last used.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return float("inf")
    return found.st_mtime if by_use else max(found.st_mtime, found.st_ctime)


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _blobs(folder: Path) -> Iterator[Path]:
    for part in _listed(folder):
        if len(part.name) == 2:
            yield from (path for path in _listed(part) if path == blob_place(folder, path.name))


def _digests(recipe: Path) -> Iterator[str]:
    """Name the blobs that a recipe's records rest on; damage is read as none, as builds do."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        for row in json.loads(recipe.read_bytes()):
            yield row["product"][0]
            yield from (read[2] for read in row["reads"])


def _dead_scratch(folder: Path) -> Iterator[Rubbish]:
    """Find scratch whose owner is dead, and each file that has no owner's lock."""
    for path in _listed(folder):
        lock = path if path.suffix == ".lock" else path.with_name(f"{path.name}.lock")
        if not _is_held(lock):
            yield Rubbish("left by a killed process", path, _tree_bytes(path))


def _is_held(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _tree_bytes(path: Path) -> int:
    if not path.is_dir() or path.is_symlink():
        return _given_back(path)
    places = (Path(place) / file for place, _, files in os.walk(path) for file in files)
    return sum(map(_given_back, places))
