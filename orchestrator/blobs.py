"""Owns bytes on disk named by their sha256, written once and whole by any number of processes."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orchestrator.domain.artifact import Digest
from orchestrator.domain.errors import ArtifactMissing, DigestMismatch, DiskFull

#: Bytes copied at a time: large enough to make system calls cheap, small enough for memory.
_CHUNK_BYTES = 1 << 20
#: Read-only, and executable since some blobs are programs: the mode belongs to the inode, which
#: hard links between stores share.
_MODE = 0o555
_SHA256 = re.compile(r"[0-9a-f]{64}")
#: The part of a blobs' folder where they are written.
SCRATCH = "scratch"
_FULL = (errno.ENOSPC, errno.EDQUOT)


def digest_file(path: Path) -> Digest:
    """Read a whole file and answer its digest.

    Raises:
        OSError: it cannot be read.
    """
    hasher = hashlib.sha256()
    size_bytes = 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK_BYTES):
            hasher.update(chunk)
            size_bytes += len(chunk)
    return Digest(hasher.hexdigest(), size_bytes)


def blob_place(folder: Path, sha256: str) -> Path:
    """The file of a blob in a folder of blobs, which need not be writable."""
    return folder / sha256[:2] / sha256


def is_whole(path: Path, digest: Digest) -> bool:
    """Whether a file is there and holds what its digest says; reads all of it.

    Raises:
        OSError: it cannot be read.
    """
    try:
        return path.stat().st_size == digest.size_bytes and digest_file(path) == digest
    except FileNotFoundError:
        return False


class Blobs:
    """A content-addressed folder.

    Blobs are read-only files ``ab/<sha256>``. A blob appears by a rename of a flushed file, so a
    reader never sees part of one, and a process that dies leaves only scratch, which the next
    ``Blobs`` on the folder sweeps. Thread-safe and process-safe; writing methods are idempotent.

    Args:
        folder: where they lie; made when missing.
        lasting: a blob is still there after a loss of power. In a cache it need not be, which
            spares a flush each; one that is there is right either way.

    Raises:
        DiskFull: the folder cannot be made for lack of room.
    """

    def __init__(self, folder: Path, *, lasting: bool = True) -> None:
        self._folder = folder
        self._lasting = lasting
        self._root = str(folder)
        self._scratch = folder / SCRATCH
        with full_disk(folder):
            self._scratch.mkdir(parents=True, exist_ok=True)
        _sweep(self._scratch)

    @property
    def folder(self) -> Path:
        """Where the blobs lie."""
        return self._folder

    def has(self, sha256: str, *, size_bytes: int | None = None) -> bool:
        """Whether a blob is stored (and has this size, where one is given)."""
        try:
            found = os.stat(self._place(sha256))
        except FileNotFoundError:
            return False
        return size_bytes is None or found.st_size == size_bytes

    def path(self, sha256: str) -> Path:
        """The read-only file that holds a blob.

        Raises:
            ArtifactMissing: no such blob.
        """
        place = Path(self._place(sha256))
        if not place.is_file():
            raise ArtifactMissing(f"no blob {sha256} in {self._folder}")
        return place

    def put_bytes(self, data: bytes) -> Digest:
        """Store bytes durably.

        Raises:
            DiskFull: no room is left.
        """
        digest = Digest(hashlib.sha256(data).hexdigest(), len(data))
        if not self.has(digest.sha256, size_bytes=digest.size_bytes):
            with self.open_scratch() as scratch:
                part = scratch / "part"
                part.write_bytes(data)
                self.adopt(part, digest)
        return digest

    def put_file(
        self, path: Path, *, expect: Digest | None = None, by: Path | None = None
    ) -> Digest:
        """Store a copy of a file durably; the file stays the caller's.

        Args:
            path: the file.
            expect: what it must be.
            by: a file to copy to first, in a scratch folder that the caller has of this store.

        Raises:
            DigestMismatch: it is something else; nothing is stored.
            DiskFull: no room is left.
            OSError: it cannot be read.
        """
        if expect is not None and self.has(expect.sha256, size_bytes=expect.size_bytes):
            return expect
        if by is not None:
            return self._put_by(by, path, expect)
        with self.open_scratch() as scratch:
            return self._put_by(scratch / "part", path, expect)

    def _put_by(self, part: Path, path: Path, expect: Digest | None) -> Digest:
        part.unlink(missing_ok=True)
        digest = _copy(path, part)
        if expect is not None and digest != expect:
            raise DigestMismatch(f"{path} is {digest.sha256}, not {expect.sha256}")
        if not self.has(digest.sha256, size_bytes=digest.size_bytes):
            self.adopt(part, digest)
        return digest

    def take(self, source: Blobs, digest: Digest) -> None:
        """Store a blob of another store, by a hard link where both share a filesystem.

        Safe since blobs are never written to once they are named.

        Raises:
            ArtifactMissing: the other has no such blob.
            DigestMismatch: the other's bytes are damaged.
            DiskFull: no room is left.
        """
        if self.has(digest.sha256, size_bytes=digest.size_bytes):
            return
        origin = source.path(digest.sha256)
        if not source.has(digest.sha256, size_bytes=digest.size_bytes):
            raise DigestMismatch(f"{origin} is not {digest.size_bytes} bytes long: it is damaged")
        place = self._place(digest.sha256)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with suppress(OSError):
            os.link(origin, place)
            self._flush(os.path.dirname(place))
            return
        self.put_file(origin, expect=digest)

    @contextmanager
    def open_scratch(self) -> Iterator[Path]:
        """Lend a folder on the blobs' filesystem, gone when the block is left or its owner dead.

        A child process that shares the lock of ``<folder>.lock`` keeps it past its owner's death.

        Raises:
            DiskFull: no room is left, also when the block's own writing finds none.
        """
        with full_disk(self._folder):
            lock, scratch = _make_scratch(self._scratch)
            try:
                yield scratch
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
                with suppress(FileNotFoundError):
                    os.unlink(f"{scratch}.lock")
                os.close(lock)

    def read(self, sha256: str, offset: int, size_bytes: int) -> bytes:
        """Part of a blob; shorter at its end, empty past it.

        Raises:
            ArtifactMissing: no such blob.
        """
        try:
            with open(self._place(sha256), "rb", buffering=0) as file:
                file.seek(offset)
                return file.read(size_bytes)
        except FileNotFoundError:
            raise ArtifactMissing(f"no blob {sha256} in {self._folder}") from None

    def _place(self, sha256: str) -> str:
        """The file of a blob; refuses what is no sha256, since it may come from the wire."""
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"not a sha256: {sha256!r}")
        return f"{self._root}/{sha256[:2]}/{sha256}"

    def adopt(self, part: Path, digest: Digest) -> None:
        """Flush a file of a scratch folder, whose digest the caller has read, and name it so."""
        place = self._place(digest.sha256)
        folder = os.path.dirname(place)
        os.makedirs(folder, exist_ok=True)
        os.chmod(part, _MODE)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.rename(part, place)
        self._flush(folder)

    def _flush(self, folder: str) -> None:
        if self._lasting:
            flush_folder(folder)


def _copy(source: Path, target: Path) -> Digest:
    hasher = hashlib.sha256()
    size_bytes = 0
    with source.open("rb", buffering=0) as reader, target.open("wb", buffering=0) as writer:
        while chunk := reader.read(_CHUNK_BYTES):
            hasher.update(chunk)
            size_bytes += len(chunk)
            view = memoryview(chunk)
            while view:
                view = view[writer.write(view) :]
    return Digest(hasher.hexdigest(), size_bytes)


def flush_folder(folder: str) -> None:
    """Make a rename durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Have a disk that fills inside the block told by the folder that wanted room.

    Raises:
        DiskFull: no room is left.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(f"no room is left in {folder}; free some, then try again") from error
        raise


def _make_scratch(folder: Path) -> tuple[int, Path]:
    """A new folder and the locked descriptor that says its owner lives."""
    while True:
        scratch = folder / f"{os.getpid()}-{secrets.token_hex(6)}"
        lock = os.open(f"{scratch}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_SH)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), os.stat(f"{scratch}.lock")):
                scratch.mkdir()
                return lock, scratch
        os.close(lock)  # a sweeper was faster between open and flock


def _sweep(folder: Path) -> None:
    """Remove scratch whose owner is dead."""
    for path in folder.glob("*.lock"):
        try:
            lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)
            path.unlink(missing_ok=True)
        except BlockingIOError:
            continue
        finally:
            os.close(lock)
