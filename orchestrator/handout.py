"""Writes stored files into a folder of the user's: all or none, and never over another."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from orchestrator.blobs import blob_place, is_whole
from orchestrator.domain.artifact import Digest
from orchestrator.domain.errors import ArtifactMissing, DigestMismatch, DiskFull, UsageError
from orchestrator.files.given import leads_out

_CHUNK_BYTES = 1 << 20


def hand_out(files: Mapping[str, Digest], blobs: Path, folder: Path) -> None:
    """Write files below a folder, which is made where it is missing.

    Args:
        files: what is wanted, by path relative to the folder; the paths lead nowhere else.
        blobs: the folder of the farm's blobs.
        folder: where to.

    Raises:
        UsageError: something of that name is there, or the folder cannot be written; nothing was
            written then.
        ArtifactMissing: the bytes of one are gone.
        DigestMismatch: the bytes of one are damaged.
        DiskFull: no room is left.
    """
    for path in files:
        if leads_out(path):
            raise UsageError(f"{path!r} leads out of the folder: it is not written")
        if os.path.lexists(folder / path):
            raise UsageError(f"{folder / path} is there already: choose another folder")
    for digest in files.values():
        _check(digest, blobs)
    with ExitStack() as undo:
        try:
            for path, digest in files.items():
                _place(folder / path, digest, blobs, undo)
        except OSError as error:
            raise _told(error, folder) from error
        undo.pop_all()


def _told(error: OSError, folder: Path) -> UsageError | DiskFull:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"no room is left in {folder}; free some, then try again")
    where = error.filename2 or error.filename or folder
    return UsageError(f"{where} cannot be written ({error.strerror}): choose another folder")


def _place(target: Path, digest: Digest, blobs: Path, undo: ExitStack) -> None:
    """Write one file beside its name, then give it the name, which must be free."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.parent / f".{secrets.token_hex(8)}.part"
    try:
        _copy(blob_place(blobs, digest.sha256), part)
        os.link(part, target)
    finally:
        part.unlink(missing_ok=True)
    undo.callback(target.unlink, missing_ok=True)


def _copy(blob: Path, part: Path) -> None:
    """Copy bytes, not the blob's own mode: the file is the user's to change."""
    with blob.open("rb") as source, part.open("xb") as file:
        shutil.copyfileobj(source, file, _CHUNK_BYTES)
        file.flush()
        os.fsync(file.fileno())


def _check(digest: Digest, blobs: Path) -> None:
    blob = blob_place(blobs, digest.sha256)
    if not blob.is_file():
        raise ArtifactMissing(
            f"the bytes of blob {digest.sha256[:12]} are gone: run the cell again"
        )
    if not is_whole(blob, digest):
        raise DigestMismatch(f"blob {digest.sha256[:12]} is damaged: run the cell again")
