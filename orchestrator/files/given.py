"""What a program is given and what it leaves, checked alike for files and for options."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

#: What a variable of a program's environment may be called.
ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: By these the runner knows what a program started, and hears its regions.
FARMS_OWN_VARIABLES = frozenset({"FARM_ATTEMPT", "FARM_BENCH_FD"})

#: NAME_MAX of every Linux filesystem in use (linux/limits.h).
_NAME_MAX_BYTES = 255
#: Half of PATH_MAX (4,096 bytes, linux/limits.h): the other half is the attempt folder's own path.
_PATH_MAX_BYTES = 2048


def leads_out(path: str) -> bool:
    """Say whether a path is not relative, or could leave the folder it is put in."""
    pure = PurePosixPath(path)
    return pure.is_absolute() or ".." in pure.parts or "\0" in path


def output_problem(path: str) -> str:
    """Say why a program cannot be told to leave a file there; empty: it can.

    An agent takes a path only as it would write it itself: plain names between single slashes.
    """
    if leads_out(path) or str(PurePosixPath(path)) != path or path == ".":
        return "write a relative path, such as out/result.txt"
    too_long = any(len(part.encode()) > _NAME_MAX_BYTES for part in path.split("/"))
    if too_long or len(path.encode()) > _PATH_MAX_BYTES:
        return f"a name takes {_NAME_MAX_BYTES} bytes at most, a path {_PATH_MAX_BYTES}"
    return ""
