"""Takes up the files a program left in its working folder; it may have put anything there."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from agent.errors import FileNotLeft
from agent.order import Blob
from agent.stage import AttemptFolder, hash_stream, open_folder


@dataclass(frozen=True, slots=True)
class Collected:
    """What became of the files a program was to leave."""

    #: Those that are there, by their parts.
    files: tuple[tuple[tuple[str, ...], Blob], ...] = ()
    #: What is wrong with the first of the others; empty: all are there.
    problem: str = ""


def collect(
    place: AttemptFolder, outputs: tuple[tuple[str, ...], ...], most_bytes: int
) -> Collected:
    """Look at each file the program was to leave, as its last repeat left it.

    Args:
        place: the attempt, of which nothing runs any more.
        outputs: where the files should be, by their parts.
        most_bytes: the limit of each; 0: none.
    """
    files: list[tuple[tuple[str, ...], Blob]] = []
    problems: list[str] = []
    for parts in outputs:
        try:
            with open_output(place.work, parts) as stream:
                _check_size("/".join(parts), stream, most_bytes)
                files.append((parts, hash_stream(stream)))
        except FileNotLeft as error:
            problems.append(str(error))
    return Collected(tuple(files), problems[0] if problems else "")


@contextmanager
def open_output(work: Path, parts: tuple[str, ...]) -> Iterator[BinaryIO]:
    """Open a regular file below a working folder, one step at a time and never through a link.

    Raises:
        FileNotLeft: there is none.
    """
    name = "/".join(parts)
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        with open_folder(work, parts[:-1]) as parent:
            descriptor = os.open(parts[-1], flags, dir_fd=parent)
    except OSError as error:
        raise FileNotLeft(_why(name, error)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotLeft(f"left {name} as something that is no regular file")
    with os.fdopen(descriptor, "rb") as stream:
        yield stream


def _check_size(name: str, stream: BinaryIO, most_bytes: int) -> None:
    size_bytes = os.fstat(stream.fileno()).st_size
    if most_bytes and size_bytes > most_bytes:
        raise FileNotLeft(f"left {name} with {size_bytes} bytes, more than {most_bytes}")


def _why(name: str, error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return f"left no file {name}"
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return f"left {name} behind a link, or below something that is no folder"
    return f"left {name}, which cannot be read: {error.strerror}"
