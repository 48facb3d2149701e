"""The one door to small text files that people write: read whole, and refused by a line."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from orchestrator.domain.errors import UsageError

#: A file a person writes is far below this.
_MAX_BYTES = 1 << 20


def read_text(path: Path, error: type[UsageError], *, missing: str) -> str:
    """Read a file.

    Args:
        path: the file, shown as given.
        error: the class of every complaint.
        missing: what to do where it is not there.

    Raises:
        UsageError: as ``error``: no such file, no regular one, too large, not UTF-8.
    """
    raw = _read(path, error, missing)
    if len(raw) > _MAX_BYTES:
        raise error("larger than 1 MiB: this is not a file of the farm's", file=path)
    try:
        return raw.decode()
    except UnicodeDecodeError as cause:
        line = raw[: cause.start].count(b"\n") + 1
        raise error("not UTF-8 text: save the file as UTF-8", file=path, line=line) from cause


def _read(path: Path, error: type[UsageError], missing: str) -> bytes:
    try:
        # A pipe would be waited for, and a device may never end.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise error("no regular file: name a text file", file=path)
            return file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise error(f"no such file: {missing}", file=path) from None
    except OSError as cause:
        problem = f"cannot be read ({cause.strerror}): name a readable file"
        raise error(problem, file=path) from cause
