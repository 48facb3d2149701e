"""Owns the end of a build whose process was killed: its tools, and all they started, die too.

A compiler that outlives ``kill -9`` of the orchestrator would disturb whatever is measured next.
PDEATHSIG reaches only a tool itself, not the compilers that ninja or zig starts below it, so a
small process keeps watch while tools run: it holds the reading end of a pipe, and when the kernel
closes the other end it kills every process that carries this process's mark.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

#: Variable that marks a tool and what it starts.
_MARK = "FARM_BUILD"
#: Said before the pipe is closed by a process that needs no watch any more.
_ALL_WELL = b"."
#: Looks that must find nothing, and the pause between them, s: a tool may be between fork and
#: exec, where it does not yet show the mark.
_QUIET_LOOKS = 3
_PAUSE_S = 0.02


class _Watch:
    """The watching process of this one, started for the first tool and ended after the last."""

    def __init__(self) -> None:
        self.mark = secrets.token_hex(16)
        self._lock = threading.Lock()
        self._users = 0
        self._process: subprocess.Popen[bytes] | None = None

    def enter(self) -> None:
        """Be watched from now on."""
        with self._lock:
            self._users += 1
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", __file__, self.mark],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={},
                    cwd="/",
                    start_new_session=True,
                )

    def leave(self) -> None:
        """Need no watch any more."""
        with self._lock:
            self._users -= 1
            if self._users or self._process is None:
                return
            process, self._process = self._process, None
        process.communicate(_ALL_WELL)


_watch = _Watch()


@contextmanager
def watched() -> Iterator[Mapping[str, str]]:
    """Have tools that are started inside the block die with this process; thread-safe, nests.

    Yields:
        The variables that their environment needs.
    """
    _watch.enter()
    try:
        yield {_MARK: _watch.mark}
    finally:
        _watch.leave()


def main() -> None:
    """Wait until the process that started this one is gone, then kill what carries its mark."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if sys.stdin.buffer.read():
        return
    quiet = 0
    while quiet < _QUIET_LOOKS:
        found = marked(f"{_MARK}={sys.argv[1]}".encode())
        quiet = 0 if found else quiet + 1
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_S)


def marked(variable: bytes) -> list[int]:
    """Answer the living processes that have a variable in their environment."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:
            if variable in file.read().split(b"\0"):
                found.append(int(name))
    return found


if __name__ == "__main__":
    main()
