"""Owns how a tool is started, in a session of its own, and ended when it is not wanted."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from orchestrator.build.keeper import watched

#: How often a running tool is checked against the wish to stop, ms.
_STOP_CHECK_MS = 50
#: Of a failed tool's output, what a person reads.
_LAST_LINES = 40
_LINE_CHARACTERS = 300
#: Tries, and the pause between them, while another thread's child still holds a new program open
#: for writing (ETXTBSY); that child is between fork and exec, so it takes microseconds.
_BUSY_TRIES = 50
_BUSY_PAUSE_S = 0.02


class Stopped(Exception):  # a turn of events, no error
    """The user, or the end of the orchestrator, stopped the build.

    It stays inside this package: whoever asked gets a ``BuildError`` that says so.
    """


def run_tool(
    argv: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    stdout: Path,
    log: Path,
    keep: Path,
    stop: threading.Event,
) -> int:
    """Run a tool to its end and answer its exit code (minus the signal that ended it).

    Blocks. Its whole session is killed when ``stop`` is set, and when this process is.

    Args:
        argv: the program's path and its arguments.
        cwd: its working folder.
        environment: all it sees.
        stdout: where its stdout goes.
        log: where its stderr goes; may be the same file.
        keep: a lock file that it shares, so that its scratch outlives us as long as it runs.
        stop: the wish to stop.

    Raises:
        Stopped: it was killed.
        OSError: it cannot be started.
    """
    lock = os.open(keep, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        with watched() as mark, log.open("ab") as errors, stdout.open("ab") as output:
            streams = (output.fileno(), errors.fileno())
            process = _start(argv, cwd, {**environment, **mark}, streams, lock, stop)
            return _wait(process, stop)
    finally:
        os.close(lock)


def last_lines(log: Path) -> str:
    """The end of a tool's output, each line cut to what a person reads."""
    lines = log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
    return "\n".join(
        line if len(line) <= _LINE_CHARACTERS else f"{line[:_LINE_CHARACTERS]} ..."
        for line in lines
    )


def _start(
    argv: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    streams: tuple[int, int],
    lock: int,
    stop: threading.Event,
) -> subprocess.Popen[bytes]:
    for attempt in range(_BUSY_TRIES):
        try:
            return subprocess.Popen(
                argv,
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=streams[0],
                stderr=streams[1],
                pass_fds=(lock,),
                start_new_session=True,
            )
        except OSError as error:
            if error.errno != errno.ETXTBSY or attempt == _BUSY_TRIES - 1:
                raise
            stop.wait(_BUSY_PAUSE_S)
    raise AssertionError("unreachable: the last try returns or raises")


def _wait(process: subprocess.Popen[bytes], stop: threading.Event) -> int:
    ended = os.pidfd_open(process.pid)
    try:
        poller = select.poll()
        poller.register(ended, select.POLLIN)
        while not poller.poll(_STOP_CHECK_MS):
            if stop.is_set():
                raise Stopped("stopped before it was finished")
        return process.wait()
    finally:
        os.close(ended)
        if process.returncode is None:
            _kill_session(process.pid)
            process.wait()


def _kill_session(session: int) -> None:
    """Kill all that a tool started: ninja gives each compiler a process group of its own.

    Looks again until nothing is found, since what lives may start more while it is looked for.
    """
    while found := [pid for pid in _pids() if _session(pid) == session]:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _session(pid: int) -> int:
    """Of a process that lives; 0 of any other. proc(5) has it fourth after the name."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] in (b"Z", b"X") else int(fields[3])
