"""Unfinished uploads of agents on disk, resumed after a lost call or a restart. Blocks."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.blobs import digest_file
from orchestrator.domain.artifact import Digest
from orchestrator.domain.errors import DigestMismatch, NotFound

#: Of one upload. A program's output is capped by the runner long before (Limits.output_bytes).
MOST_BYTES = 1 << 30
#: What an attempt may leave besides its report.
LOGS = ("stdout", "stderr", "messages")
#: Unfinished uploads that nobody continued for this long are dropped at a start.
STALE_S = 7 * 86400.0
#: Uploads of different names rarely wait for one another, and never need a lock each.
_LOCKS = 64


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an upload."""

    device: str
    attempt_id: int
    #: ``stdout``, ``stderr``, ``messages``, ``file SHA256`` or ``report``.
    kind: str
    whole: Digest
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a part."""

    #: Where the sender goes on.
    next_offset: int
    #: Where all of it lies, checked against its digest; None: more is to come.
    whole: Path | None = None
    #: It was finished before: nothing more is to come or to do.
    finished: bool = False


class Uploads:
    """A folder of unfinished uploads. Thread-safe; nothing from the wire becomes a path.

    Args:
        folder: where they lie; made when missing, swept of stale ones.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks = [threading.Lock() for _ in range(_LOCKS)]
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()

    def take(self, piece: Piece) -> Taken:
        """Take a part; repeats, and parts that leave a gap, are told the right offset.

        Raises:
            DigestMismatch: all of it is there and is not what was announced; it was dropped, start
                over.
            NotFound: it is larger than any upload may be, or the part reaches past its end.
            OSError: the disk is full; what was stored before stays, and the upload can go on.
        """
        end = piece.offset + len(piece.data)
        if piece.whole.size_bytes > MOST_BYTES or end > piece.whole.size_bytes:
            raise NotFound(
                f"no room for {end} of {piece.whole.size_bytes} bytes of {piece.kind} "
                f"of attempt {piece.attempt_id}"
            )
        path = self._path(piece)
        if self._finished(piece.device, piece.attempt_id, piece.kind) == piece.whole:
            return Taken(piece.whole.size_bytes, finished=True)
        with self._locks[hash(path.name) % _LOCKS]:
            size_bytes = _append(path, piece)
            if size_bytes < piece.whole.size_bytes:
                return Taken(size_bytes)
            if digest_file(path) != piece.whole:
                path.unlink()
                raise DigestMismatch(f"{piece.kind} of attempt {piece.attempt_id} arrived damaged")
            return Taken(size_bytes, path)

    def finish(self, piece: Piece) -> None:
        """Note, durably, that a log is whole and kept elsewhere; what was here of it goes."""
        told = {"sha256": piece.whole.sha256, "size_bytes": piece.whole.size_bytes}
        note = self._note(piece.device, piece.attempt_id, piece.kind)
        with self._locks[hash(note.name) % _LOCKS]:
            part = note.with_suffix(".part")
            with part.open("w") as file:
                json.dump(told, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(note)
        self._path(piece).unlink(missing_ok=True)

    def logs(self, device: str, attempt_id: int) -> Mapping[str, Digest]:
        """Answer the finished logs of an attempt, by kind."""
        found = {kind: self._finished(device, attempt_id, kind) for kind in LOGS}
        return {kind: digest for kind, digest in found.items() if digest is not None}

    def drop(self, attempt_id: int) -> None:
        """Forget everything unfinished of an attempt. Idempotent."""
        for path in self._folder.glob(f"{attempt_id}-*"):
            path.unlink(missing_ok=True)

    def _path(self, piece: Piece) -> Path:
        name = f"{piece.device}\0{piece.kind}\0{piece.whole.sha256}".encode()
        return self._folder / f"{piece.attempt_id}-{hashlib.sha256(name).hexdigest()[:32]}"

    def _note(self, device: str, attempt_id: int, kind: str) -> Path:
        name = hashlib.sha256(f"{device}\0{kind}".encode()).hexdigest()[:32]
        return self._folder / f"{attempt_id}-{name}.done"

    def _finished(self, device: str, attempt_id: int, kind: str) -> Digest | None:
        try:
            told = json.loads(self._note(device, attempt_id, kind).read_text())
            return Digest(told["sha256"], told["size_bytes"])
        except (FileNotFoundError, ValueError, KeyError):
            return None

    def _sweep(self) -> None:
        oldest_s = time.time() - STALE_S
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest_s:
                    path.unlink()


def _append(path: Path, piece: Piece) -> int:
    """Add what is new in a part to the file and answer its size now."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size_bytes = os.fstat(descriptor).st_size
        if piece.offset > size_bytes:
            return size_bytes
        fresh = memoryview(piece.data)[size_bytes - piece.offset :]
        while fresh:
            written = os.pwrite(descriptor, fresh, size_bytes)
            size_bytes += written
            fresh = fresh[written:]
        return size_bytes
    finally:
        os.close(descriptor)
