"""Makes a farm of a backup: under another name until all of it is there and was checked."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator.blobs import Blobs, flush_folder, full_disk
from orchestrator.care.archive import (
    BLOBS,
    FILES,
    HEADER,
    MANIFEST,
    TABLES,
    Member,
    damaged,
    unpacking,
)
from orchestrator.care.backup import FORMAT, FURTHER, TRUST, manifest
from orchestrator.care.settings import Value, with_settings
from orchestrator.config import (
    DATA_NAME,
    FILE_NAME,
    OWN_WORKLOADS,
    FarmConfig,
    load_config,
)
from orchestrator.domain.artifact import Digest
from orchestrator.domain.errors import ConfigError, SchemaMismatch, StateError, UsageError
from orchestrator.locks import hold_lock
from orchestrator.store.address import is_postgresql
from orchestrator.store.schema import HEAD
from orchestrator.store.transfer import Chunk, fill

_DATABASE = f"sqlite:///{DATA_NAME}/farm.db"
#: Why no file can have a member's name: there twice, below a file, or longer than names may be.
_NO_PLACE = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)


@dataclass(frozen=True, slots=True)
class Restored:
    """A farm that was made of a backup."""

    config: FarmConfig
    made_at: str
    #: Where the original was.
    original: Path
    rows: int
    blobs: int
    #: Blobs that were missing already when the backup was made.
    absent: tuple[str, ...]


def restore(source: Path, folder: Path, database: str | None, now: datetime) -> Restored:
    """Make a farm of a backup. The folder has it whole and checked, or is as it was.

    Args:
        source: the backup.
        folder: where; not there yet, or empty.
        database: the address of an empty PostgreSQL database; None: a SQLite file in its data
            folder.
        now: the time.

    Raises:
        UsageError: the folder is not empty, or the file is no backup, damaged, or of a newer farm.
        StoreError: the database cannot be filled.
        DiskFull: no room is left.
    """
    folder = folder.absolute()
    _refuse_used(folder)
    if database is not None and not is_postgresql(database):
        raise UsageError(
            "--database takes postgresql://USER@HOST:PORT/NAME; without it the farm gets a SQLite"
            " file of its own"
        )
    with full_disk(folder.parent), _staging(folder) as stage:
        found = _Unpacked(source, stage, now)
        restored = found.unpack(database)
        _give_name(stage, folder)
    # Read once more where it is now, as every command will.
    return Restored(
        load_config(folder),
        str(found.header["made_at"]),
        Path(str(found.header["folder"])),
        sum(restored["rows"].values()),
        int(restored["blobs"]["count"]),
        tuple(restored["absent"]),
    )


def _refuse_used(folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        raise UsageError(f"{folder} is there already: nothing was changed; choose a new folder")


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """Lend a folder beside the one to be; what a killed restore left there goes first."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    stage = folder.with_name(f".{folder.name}.restoring")
    lock = folder.with_name(f".{folder.name}.restoring.lock")
    busy = f"{folder} is being made by another process (pid {{pid}}): wait for it"
    with ExitStack() as stack:
        try:
            stack.enter_context(hold_lock(lock, busy))
        except OSError as error:
            problem = f"cannot be made ({error.strerror}): choose a folder you can write"
            raise ConfigError(problem, file=folder) from error
        # Whoever waits for the lock finds the folder taken, so its file may go.
        stack.callback(lock.unlink, missing_ok=True)
        _refuse_used(folder)
        shutil.rmtree(stage, ignore_errors=True)
        stack.callback(shutil.rmtree, stage, ignore_errors=True)
        stage.mkdir()
        yield stage


def _give_name(stage: Path, folder: Path) -> None:
    for place, _, files in os.walk(stage):
        for file in files:
            _flush(Path(place) / file)
        flush_folder(place)
    try:
        stage.rename(folder)
    except OSError as error:
        raise StateError(f"{folder} was made meanwhile: choose another folder") from error
    flush_folder(str(folder.parent))


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass
class _Unpacked:
    """A backup on its way into a folder, member by member in the order they come."""

    source: Path
    stage: Path
    now: datetime
    header: Mapping[str, Any] = field(default_factory=dict)
    _members: dict[str, str] = field(default_factory=dict)
    _blobs: list[Digest] = field(default_factory=list)
    _rest: list[Member] = field(default_factory=list)
    _manifest: Mapping[str, Any] = field(default_factory=dict)

    def unpack(self, database: str | None) -> Mapping[str, Any]:
        """Take all of it; answers its manifest, against which everything was checked."""
        data = self.stage / DATA_NAME
        data.mkdir(mode=0o700)
        try:
            with unpacking(self.source) as members:
                self._take_header(next(members, None))
                first = self._take_files(members)
                self._set_up(database)
                url = database or f"sqlite:///{data / 'farm.db'}"
                chunks = self._chunks(first, members)
                fill(url, str(self.header["revision"]), chunks, self._accept, self.now)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise damaged(self.source, f"{type(error).__name__}: {error}") from error
        return self._manifest

    def _take_header(self, member: Member | None) -> None:
        if member is None or member.name != HEADER:
            raise ValueError(f"it does not begin with {HEADER}")
        self.header = json.loads(self._read(member))
        revision = str(self.header["revision"])
        if self.header["format"] > FORMAT or revision > HEAD:
            version = self.header["farm_version"]
            msg = (
                f"{self.source}: made by a newer farm ({version}, schema {revision}): use that one"
            )
            raise SchemaMismatch(msg)

    def _read(self, member: Member) -> bytes:
        data = member.read()
        self._members[member.name] = hashlib.sha256(data).hexdigest()
        return data

    def _take_files(self, members: Iterator[Member]) -> Member | None:
        """Take settings, keys and workloads; answers the first member after them."""
        for member in members:
            if member.kind != FILES:
                return member
            place = self.stage / _place(str(member.inside))
            data = self._read(member)
            try:
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with open(place, "xb", opener=_private) as file:
                    file.write(data)
            except OSError as error:
                if error.errno not in _NO_PLACE:
                    raise
                raise ValueError(f"{member.name[:100]!r}: {error.strerror}") from error
            place.chmod(_mode(member))
        return None

    def _set_up(self, database: str | None) -> None:
        """Have farm.toml name what is here, and read it as every command will."""
        path = self.stage / FILE_NAME
        if not path.is_file():
            raise ValueError(f"there is no {FILE_NAME} in it")
        content = path.read_text()
        changes: dict[str, Value] = {"database": database or _DATABASE}
        if "data" in tomllib.loads(content):
            changes["data"] = DATA_NAME
        if further := int(self.header["further_workloads"]):
            changes["workloads"] = [f"{FURTHER}{number}" for number in range(1, further + 1)]
            for name in changes["workloads"]:
                (self.stage / name).mkdir(exist_ok=True)
        path.write_text(with_settings(content, changes))
        config = load_config(self.stage)
        if config.farm_id != self.header["farm_id"]:
            raise ValueError(f"farm.toml says {config.farm_id}")

    def _chunks(self, first: Member | None, members: Iterator[Member]) -> Iterator[Chunk]:
        """Give the rows on to the database; what comes after them is taken on the way."""
        blobs = Blobs(self.stage / DATA_NAME / "blobs")
        member = first
        while member is not None:
            if member.kind == TABLES:
                yield self._chunk(member)
            elif member.kind == BLOBS:
                self._blobs.append(_take_blob(blobs, member))
            elif member.name == MANIFEST:
                self._manifest = json.loads(member.read())
            else:
                raise ValueError(f"there is a {member.name!r} in it")
            member = next(members, None)

    def _chunk(self, member: Member) -> Chunk:
        columns, *rows = (json.loads(line) for line in self._read(member).splitlines())
        return Chunk(member.inside.parts[0], columns, rows)

    def _accept(self, rows: Mapping[str, int]) -> None:
        """Hold what came against what the manifest says there has to be."""
        if not self._manifest:
            raise ValueError("its end is missing")
        absent = self._manifest["absent"]
        counted = {table: count for table, count in rows.items() if count}
        found = manifest(self._members, counted, self._blobs, absent)
        for part in ("members", "rows", "blobs"):
            if found[part] != self._manifest[part]:
                raise ValueError(f"its {part} are not those it was made of")


def _take_blob(blobs: Blobs, member: Member) -> Digest:
    hasher = hashlib.sha256()
    with blobs.open_scratch() as scratch:
        part = scratch / "part"
        with part.open("wb") as file:
            for piece in member.pieces():
                hasher.update(piece)
                file.write(piece)
        digest = Digest(hasher.hexdigest(), member.size_bytes)
        if digest.sha256 != str(member.inside):
            raise ValueError(f"blob {member.inside} has other bytes")
        blobs.adopt(part, digest)
    return digest


def _place(name: str) -> str:
    """Say where in a farm's folder a file of a backup belongs.

    Raises:
        ValueError: nowhere.
    """
    top, slash, _ = name.partition("/")
    if top == TRUST and slash:
        return f"{DATA_NAME}/{name}"
    if name in {FILE_NAME, "inventory.yaml"}:
        return name
    if slash and (top == OWN_WORKLOADS or top.startswith(FURTHER)):
        return name
    raise ValueError(f"there is a file {name!r} in it")


def _mode(member: Member) -> int:
    """Keys stay their owner's; the rest is as files usually are."""
    if member.name.startswith(f"{FILES}/{TRUST}/"):
        return 0o600
    return 0o755 if member.executable else 0o644


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
