"""Brings what an order needs onto the device: blobs by digest, resumable and verified, and a fresh
folder per attempt.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from agent.errors import BlobCorrupt, DiskFull, LinkDown, MalformedOrder
from agent.order import Blob, Directory, Order, Ref, StagedFile
from protos.farm.v1 import agents_pb2 as pb

#: How often a blob is fetched from its beginning before its digest is believed to be wrong at the
#: source.
MAX_FRESH_STARTS = 3

#: For hashing and copying: large enough for speed, small beside the agent's 60 MB.
_CHUNK_BYTES = 256 * 1024

_FOLDER = os.O_DIRECTORY | os.O_RDONLY | os.O_CLOEXEC


class Source(Protocol):
    """Where blobs come from."""

    def fetch(self, sha256: str, offset: int) -> Iterator[pb.FetchChunk]:
        """Stream a blob from an offset, as `Link.fetch` does."""


@contextmanager
def room_needed(folder: Path) -> Iterator[None]:
    """Turn the system's ways of saying "no room" into DiskFull."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(f"disk full: no room in {folder}") from error


def hash_file(path: Path) -> Blob:
    """Answer a file's digest and size."""
    with path.open("rb") as stream:
        return hash_stream(stream)


def hash_stream(stream: BinaryIO) -> Blob:
    """Answer the digest and size of what is left of a stream."""
    digest, size_bytes = hashlib.sha256(), 0
    while chunk := stream.read(_CHUNK_BYTES):
        digest.update(chunk)
        size_bytes += len(chunk)
    return Blob(digest.hexdigest(), size_bytes)


class BlobCache:
    """Blobs on this device, read-only files named by digest.

    Nothing is flushed: bytes a power cut damaged are noticed, since a process believes a file only
    after it has hashed it itself, and again when the file's stamps change.
    """

    def __init__(self, folder: Path) -> None:
        """Use a folder, made if need be."""
        self._folder = folder
        self._verified: dict[str, tuple[int, int, int, int]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, blob: Blob) -> Path:
        """Where a blob is or will be."""
        return self._folder / blob.sha256

    def obtain(self, blob: Blob, source: Source, pause: Callable[[], None]) -> Path:
        """Answer a blob's verified file, fetching what is missing of it.

        Args:
            blob: what is wanted.
            source: where from.
            pause: called before a try is repeated, waits; raises to give up.

        Raises:
            BlobMissing: the source has it not.
            Refused: the source does not give it to this device.
            BlobCorrupt: what comes never matches the digest.
            DiskFull: no room; what had come is removed again.
        """
        path = self.path(blob)
        if self._is_good(path, blob):
            return path
        fresh_starts = 0
        while fresh_starts < MAX_FRESH_STARTS:
            try:
                with room_needed(self._folder):
                    self._fetch(blob, source)
                    return self._admit(blob)
            except LinkDown:
                pause()
            except BlobCorrupt:
                fresh_starts += 1
                self._part(blob).unlink(missing_ok=True)
            except DiskFull:
                self._part(blob).unlink(missing_ok=True)
                raise
        raise BlobCorrupt(
            f"blob {blob.sha256[:12]} arrived {MAX_FRESH_STARTS} times with other bytes"
        )

    def evict(self, keep: frozenset[str]) -> int:
        """Remove everything but some blobs, to make room; answers how many bytes that freed."""
        freed_bytes = 0
        for path in self._folder.iterdir():
            if path.name not in keep:
                freed_bytes += path.stat().st_size
                path.unlink()
        return freed_bytes

    def _part(self, blob: Blob) -> Path:
        return self._folder / f"{blob.sha256}.part"

    def _fetch(self, blob: Blob, source: Source) -> None:
        """Append what is missing to the part file."""
        with self._part(blob).open("ab") as part:
            offset = part.tell()
            if offset >= blob.size_bytes:
                return
            for chunk in source.fetch(blob.sha256, offset):
                if chunk.offset != offset or offset + len(chunk.data) > blob.size_bytes:
                    raise BlobCorrupt(f"blob {blob.sha256[:12]}: a chunk does not fit")
                part.write(chunk.data)
                offset += len(chunk.data)
        if offset < blob.size_bytes:
            raise LinkDown("the stream ended early")

    def _admit(self, blob: Blob) -> Path:
        part, path = self._part(blob), self.path(blob)
        if hash_file(part) != blob:
            raise BlobCorrupt(f"blob {blob.sha256[:12]}: other bytes arrived")
        part.chmod(0o555)
        part.replace(path)
        self._verified[blob.sha256] = _stamps(path)
        return path

    def _is_good(self, path: Path, blob: Blob) -> bool:
        try:
            stamps = _stamps(path)
        except FileNotFoundError:
            return False
        if self._verified.get(blob.sha256) == stamps:
            return True
        if hash_file(path) != blob:
            path.unlink()
            return False
        self._verified[blob.sha256] = stamps
        return True


def _stamps(path: Path) -> tuple[int, int, int, int]:
    found = path.stat()
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


@dataclass(frozen=True, slots=True)
class AttemptFolder:
    """Where one attempt lives on disk."""

    root: Path

    @property
    def work(self) -> Path:
        """The program's working folder."""
        return self.root / "work"

    @property
    def events(self) -> Path:
        """The runner's events."""
        return self.root / "events"

    @property
    def stdout(self) -> Path:
        """What the names of the outputs begin with; repeat i writes ``stdout.i``."""
        return self.root / "stdout"

    @property
    def stderr(self) -> Path:
        """What the program complains."""
        return self.root / "stderr"

    @property
    def messages(self) -> Path:
        """What the runtime itself prints."""
        return self.root / "messages"

    @property
    def runner_log(self) -> Path:
        """What the runner itself complains."""
        return self.root / "runner.log"

    @property
    def pid_file(self) -> Path:
        """Who the runner is."""
        return self.root / "runner.json"

    def output(self, index: int) -> Path:
        """What repeat ``index`` printed."""
        return self.root / f"stdout.{index}"


def attempt_folder(folder: Path, ref: Ref) -> AttemptFolder:
    """Answer where an attempt lives, whether it is there or not."""
    return AttemptFolder(folder / "attempts" / ref.name)


def make_attempt_folder(place: AttemptFolder, order: Order, cache: BlobCache) -> None:
    """Make an attempt's folder afresh, with a copy of everything granted to the program, and with
    the folders of the files it is to leave.

    Raises:
        MalformedOrder: two things are to be at the same path.
        DiskFull: no room.
    """
    with room_needed(place.root):
        remove_folder(place)
        place.work.mkdir(parents=True)
        for directory in order.directories:
            _fill(place.work, directory, cache)
        for parts in order.outputs:
            with _make_inside(place.work, parts[:-1]):
                pass


def remove_folder(place: AttemptFolder) -> None:
    """Remove what an attempt left; follows no link."""
    if place.root.exists():
        shutil.rmtree(place.root)


def sweep_folders(folder: Path, known: frozenset[Ref]) -> None:
    """Remove folders of attempts that were forgotten just before an earlier process ended."""
    kept = {attempt_folder(folder, ref).root for ref in known}
    for root in (folder / "attempts").glob("*"):
        if root not in kept:
            shutil.rmtree(root, ignore_errors=True)  # the next start tries again


def _fill(work: Path, directory: Directory, cache: BlobCache) -> None:
    with _make_inside(work, directory.parts):
        pass
    for file in directory.files:
        parts = directory.parts + file.parts
        with _make_inside(work, parts[:-1]) as parent:
            _copy(parent, parts[-1], file, cache)


@contextmanager
def open_folder(
    root: Path, parts: tuple[str, ...], step: Callable[[int, str], int] | None = None
) -> Iterator[int]:
    """Open a folder below root, one step at a time and never through a link.

    Args:
        root: where to begin.
        parts: the way down.
        step: opens a name in an open folder; None: as it is there.

    Raises:
        OSError: it is not there, or no folder.
    """
    here = os.open(root, _FOLDER | os.O_NOFOLLOW)
    try:
        for part in parts:
            below = (step or _enter)(here, part)
            os.close(here)
            here = below
        yield here
    finally:
        os.close(here)


def _enter(parent: int, name: str) -> int:
    return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)


def _make_inside(root: Path, parts: tuple[str, ...]) -> AbstractContextManager[int]:
    """Open a folder below root, made if need be."""
    return open_folder(root, parts, _step)


def _step(parent: int, name: str) -> int:
    with suppress(FileExistsError):  # by an earlier path; what is no folder is refused below
        os.mkdir(name, dir_fd=parent)
    try:
        return _enter(parent, name)
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        raise MalformedOrder(f"{name!r} is to be a folder and something else") from error


def _copy(parent: int, name: str, file: StagedFile, cache: BlobCache) -> None:
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        target = os.open(name, flags, 0o755 if file.executable else 0o644, dir_fd=parent)
    except FileExistsError as error:
        raise MalformedOrder(f"{name!r} is to be two things at once") from error
    with os.fdopen(target, "wb") as stream, cache.path(file.blob).open("rb") as source:
        shutil.copyfileobj(source, stream, _CHUNK_BYTES)
