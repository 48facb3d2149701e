"""Owns the digests of this machine's files: read once, believed while ``stat`` says the same."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

from orchestrator.blobs import digest_file
from orchestrator.domain.artifact import Digest
from orchestrator.files.below import files_below

#: A file changed this recently may change again without its times moving: the kernel stamps files
#: with its tick, at worst 10 ms long (CONFIG_HZ=100).
_TICK_NS = 20_000_000

_Stat = tuple[int, int, int, int]


class FileDigests:
    """Digests by path, size, mtime, ctime and inode, kept in a file between processes.

    Thread-safe. The file is only a memory: losing it, or a writer overtaking another, costs time.

    Args:
        memory: the file.
    """

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._lock = threading.Lock()
        self._known: dict[str, tuple[_Stat, Digest]] = _load(memory)
        self._changed = False

    def snapshot(self) -> Snapshot:
        """Look at every file at most once from now on."""
        return Snapshot(self)

    def digest(self, path: str) -> Digest | None:
        """The digest of a regular file now; None where there is none."""
        try:
            found = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not S_ISREG(found.st_mode):
            return None
        key = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        known = self._known.get(path)
        if known is not None and known[0] == key:
            return known[1]
        digest = digest_file(Path(path))
        if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) > _TICK_NS:
            with self._lock:
                self._known[path] = (key, digest)
                self._changed = True
        return digest

    def save(self) -> None:
        """Write the memory, if it learned something; without it, the next process reads more."""
        with self._lock:
            if not self._changed:
                return
            rows = [[path, *key, *_row(digest)] for path, (key, digest) in self._known.items()]
            self._changed = False
        with suppress(OSError):
            write_whole(self._memory, json.dumps(rows).encode())


class Snapshot:
    """Digests of files as they were when first asked for; one per build, thread-safe."""

    def __init__(self, digests: FileDigests) -> None:
        self._digests = digests
        self._seen: dict[str, Digest | None] = {}
        self._real: dict[str, str] = {}

    def digest(self, path: str) -> Digest | None:
        """The digest of a regular file; None where there is none."""
        try:
            return self._seen[path]
        except KeyError:
            return self._seen.setdefault(path, self._digests.digest(path))

    def real(self, path: str) -> str:
        """A path without links, as it was when first asked for."""
        try:
            return self._real[path]
        except KeyError:
            return self._real.setdefault(path, os.path.realpath(path))

    def forget(self, path: str) -> None:
        """Look again the next time."""
        self._seen.pop(path, None)


def tree_digest(digests: FileDigests, folder: Path, names: Sequence[str]) -> str:
    """One sha256 over files of a folder.

    Of what ``find . -type f | LC_ALL=C sort | xargs sha256sum`` prints there.

    Args:
        digests: where digests are remembered.
        folder: the folder.
        names: files, relative to it.

    Raises:
        FileNotFoundError: a file is missing.
    """
    hasher = hashlib.sha256()
    for name in sorted(names):
        digest = digests.digest(os.path.join(folder, name))
        if digest is None:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(folder / name))
        hasher.update(f"{digest.sha256}  ./{name}\n".encode())
    return hasher.hexdigest()


def parts_digest(digests: FileDigests, folder: Path, parts: Sequence[str]) -> str:
    """One sha256 over some folders of a folder, as ``tree_digest``.

    Raises:
        OSError: a part is missing, or a file went away meanwhile.
    """
    names = []
    for part in parts:
        if not (folder / part).is_dir():
            raise FileNotFoundError(errno.ENOENT, "no such folder", str(folder / part))
        names += [f"{part}/{name}" for name in files_below(folder / part)]
    return tree_digest(digests, folder, names)


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file so that readers see the old or the new one.

    After a loss of power it may be cut off, or hold zeros, for which a flush would make each
    target of a build wait: only for JSON, which is none then, and whose loss costs no more than
    making something again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        with part.open("wb") as file:
            file.write(data)
        part.rename(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _row(digest: Digest) -> tuple[str, int]:
    return (digest.sha256, digest.size_bytes)


def _load(memory: Path) -> dict[str, tuple[_Stat, Digest]]:
    with suppress(OSError, ValueError, TypeError):
        return {
            path: ((size, mtime, ctime, inode), Digest(sha256, size_bytes))
            for path, size, mtime, ctime, inode, sha256, size_bytes in json.loads(
                memory.read_bytes()
            )
        }
    return {}
