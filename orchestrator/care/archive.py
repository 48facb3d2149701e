"""The file of a backup: a tar, plain or compressed, written once and read from front to back.

Members, in this order: ``farm-backup.json`` (format, farm, schema), ``files/PATH`` (farm.toml,
inventory.yaml, keys, workloads), ``tables/NAME/NUMBER.jsonl`` (rows, the first line names the
columns), ``blobs/SHA256``, and ``manifest.json`` (what there has to be of all these).
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import os
import secrets
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

import zstandard

from orchestrator.blobs import flush_folder, full_disk
from orchestrator.domain.artifact import Digest
from orchestrator.domain.errors import UsageError

HEADER = "farm-backup.json"
FILES = "files"
TABLES = "tables"
BLOBS = "blobs"
MANIFEST = "manifest.json"
#: Of one member that is held in memory: a chunk of rows is a megabyte or two.
MOST_BYTES = 256 << 20
_PIECE_BYTES = 1 << 20
#: What filesystems and kernels say that know no file without a name (``man 2 open``).
_NO_NAMELESS = (errno.EOPNOTSUPP, errno.EISDIR)
#: Levels that keep up with a disk; most of a backup is programs, which compress to about half.
_GZIP_LEVEL = 6
_ZSTD_LEVEL = 3
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_DAMAGE = (
    tarfile.TarError,
    EOFError,
    zlib.error,
    gzip.BadGzipFile,
    zstandard.ZstdError,
)

Compress = Callable[[IO[bytes]], IO[bytes]]


def _gzip(raw: IO[bytes]) -> IO[bytes]:
    return cast(
        IO[bytes], gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=_GZIP_LEVEL, mtime=0)
    )


def _zstd(raw: IO[bytes]) -> IO[bytes]:
    compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True)
    return cast(IO[bytes], compressor.stream_writer(raw, closefd=False))


_ENDINGS: dict[str, Compress | None] = {
    ".tar": None,
    ".tar.gz": _gzip,
    ".tgz": _gzip,
    ".tar.zst": _zstd,
}


def compression(path: Path) -> Compress | None:
    """Say by a file's ending how it is compressed; None: not at all.

    Raises:
        UsageError: it has another ending.
    """
    for ending, found in _ENDINGS.items():
        if path.name.endswith(ending) and path.name != ending:
            return found
    raise UsageError(f"{path}: name it .tar, .tar.gz or .tar.zst, such as farm.tar.zst")


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Write a file for its owner alone that appears under its name once it is whole and flushed.

    It has no name before, so that nothing of it is left if this process is killed.

    Raises:
        UsageError: something has that name already, and stays as it is; or there is no folder.
        DiskFull: no room is left; nothing is left of it.
    """
    _refuse_taken(path)
    with _part(path) as descriptor:
        with full_disk(path.parent), os.fdopen(descriptor, "wb", closefd=False) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        try:
            # Unlike a rename, a link never takes another file's place. With a folder's descriptor
            # it is the call that follows the link in /proc to the file itself.
            os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor)
        except FileExistsError:
            _refuse_taken(path)
            raise
    flush_folder(str(path.parent))


@contextmanager
def _part(path: Path) -> Iterator[int]:
    """Open a file beside a path: without a name, or with one till then where there is no such."""
    try:
        descriptor = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        named = None
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{path}: there is no folder {path.parent}: make it first") from None
    except OSError as error:
        if error.errno not in _NO_NAMELESS:
            raise
        named = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(named, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
        if named is not None:
            named.unlink(missing_ok=True)


def _refuse_taken(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise UsageError(f"{path} is there already: nothing was changed; choose another name")


class Packer:
    """Writes members, and keeps their digests.

    Args:
        out: where they go.
        now_s: the time they are stamped with.
    """

    def __init__(self, out: IO[bytes], now_s: float) -> None:
        self._tar = tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115  # ``close`` ends it
        self._now_s = now_s
        self.members: dict[str, str] = {}

    def close(self) -> None:
        """Write the end."""
        self._tar.close()

    def add(self, name: str, data: bytes, *, executable: bool = False) -> None:
        """Add bytes."""
        self._tar.addfile(self._info(name, len(data), executable=executable), io.BytesIO(data))
        self.members[name] = hashlib.sha256(data).hexdigest()

    def add_document(self, name: str, content: Any) -> None:
        """Add JSON."""
        self.add(name, json.dumps(content, indent=1, sort_keys=True).encode())

    def add_blob(self, digest: Digest, path: Path) -> None:
        """Add a blob, which was checked."""
        with path.open("rb") as file:
            name = f"{BLOBS}/{digest.sha256}"
            self._tar.addfile(self._info(name, digest.size_bytes, executable=False), file)

    def _info(self, name: str, size_bytes: int, *, executable: bool) -> tarfile.TarInfo:
        info = tarfile.TarInfo(name)
        info.size, info.mtime = size_bytes, int(self._now_s)
        info.mode = 0o700 if executable else 0o600
        return info


@contextmanager
def packing(out: IO[bytes], path: Path, now_s: float) -> Iterator[Packer]:
    """Write members into a file, compressed as its name says."""
    compress = compression(path)
    with ExitStack() as stack:
        stream = out if compress is None else stack.enter_context(compress(out))
        packer = Packer(stream, now_s)
        yield packer
        packer.close()


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a backup; its bytes can be read until the next one is asked for."""

    name: str
    size_bytes: int
    executable: bool
    file: IO[bytes]

    @property
    def kind(self) -> str:
        """Which part of a farm it belongs to: ``files``, ``tables`` or ``blobs``."""
        return self.name.partition("/")[0]

    @property
    def inside(self) -> PurePosixPath:
        """Its place inside that part, which never leads out of it.

        Raises:
            ValueError: it would.
        """
        place = PurePosixPath(self.name.partition("/")[2])
        if place.is_absolute() or ".." in place.parts or not place.parts:
            raise ValueError(f"{self.name!r} leads out of the farm")
        return place

    def read(self) -> bytes:
        """Answer all of it.

        Raises:
            ValueError: it is larger than anything a farm writes so.
        """
        if self.size_bytes > MOST_BYTES:
            raise ValueError(f"{self.name} is {self.size_bytes} bytes long")
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """Answer all of it, piece by piece.

        Raises:
            EOFError: it is cut off.
        """
        left = self.size_bytes
        while left:
            piece = self.file.read(min(left, _PIECE_BYTES))
            if not piece:
                raise EOFError(f"{self.name} is cut off")
            left -= len(piece)
            yield piece


@contextmanager
def unpacking(path: Path) -> Iterator[Iterator[Member]]:
    """Read the members of a backup, whatever its name; damage met inside is told in one line.

    Raises:
        UsageError: it cannot be read, is no backup, is damaged or cut off.
    """
    try:
        with ExitStack() as stack:
            raw = stack.enter_context(path.open("rb"))
            stream = _decompressed(raw)
            tar = stack.enter_context(tarfile.open(fileobj=stream, mode="r|"))
            yield _members(tar)
    except _DAMAGE as error:
        raise damaged(path, str(error)) from error
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        if error.filename != str(path):
            raise
        raise UsageError(f"cannot be read ({error.strerror}): name a backup", file=path) from error


def damaged(path: Path, why: str) -> UsageError:
    """Say that a backup cannot be used."""
    return UsageError(f"no backup of a farm, or damaged ({why}): take another", file=path)


def _decompressed(raw: IO[bytes]) -> IO[bytes]:
    start = raw.read(4)
    raw.seek(0)
    if start.startswith(_GZIP_MAGIC):
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw, mode="rb"))
    if start == _ZSTD_MAGIC:
        return cast(IO[bytes], zstandard.ZstdDecompressor().stream_reader(raw, closefd=False))
    return raw


def _members(tar: tarfile.TarFile) -> Iterator[Member]:
    for info in tar:
        file = tar.extractfile(info) if info.isreg() else None
        if file is None:
            raise tarfile.ReadError(f"{info.name!r} is no plain file")
        yield Member(info.name, info.size, bool(info.mode & 0o100), file)
