"""Who lives on this machine: reads /proc, knows an attempt's processes, proves them dead.

A process belongs to an attempt if its environment carries the attempt's token, or if it descends
from one that does. A pid alone proves nothing: it is used again; so each is held by pid and start
time, and signalled through a pidfd where the kernel has them.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.errors import KernelLacks

PROC = Path("/proc")

#: prctl(2).
_PR_SET_CHILD_SUBREAPER = 36

#: Between two looks at who is still there; killing takes the kernel about a millisecond.
_LOOK_AGAIN_S = 0.01


@dataclass(frozen=True, slots=True)
class Process:
    """One process, known by more than its pid."""

    pid: int
    parent: int
    session: int
    #: Clock ticks since boot.
    start_ticks: int
    zombie: bool


def parse_stat(text: str) -> Process:
    """Read a /proc/PID/stat line; the command in it may hold spaces and brackets (proc(5))."""
    pid, rest = int(text.split(" ", 1)[0]), text.rpartition(")")[2].split()
    return Process(
        pid=pid,
        parent=int(rest[1]),
        session=int(rest[3]),
        start_ticks=int(rest[19]),
        zombie=rest[0] in ("Z", "X"),
    )


def read_process(pid: int, proc: Path = PROC) -> Process | None:
    """Answer what is known of a pid now; None where there is none."""
    try:
        return parse_stat((proc / str(pid) / "stat").read_text(errors="replace"))
    except (OSError, IndexError, ValueError):
        return None


def read_processes(proc: Path = PROC) -> Mapping[int, Process]:
    """Answer all processes, by pid."""
    found = (read_process(int(name), proc) for name in os.listdir(proc) if name.isdigit())
    return {process.pid: process for process in found if process is not None}


def read_boot_id(proc: Path = PROC) -> str:
    """Answer the random id of this boot."""
    return (proc / "sys/kernel/random/boot_id").read_text().strip()


def become_subreaper() -> None:
    """Make orphans below this process its children, so that none escapes by double forking.

    Raises:
        KernelLacks: as where a whole machine, agent and all, is emulated by qemu-user.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        why = os.strerror(ctypes.get_errno())
        raise KernelLacks(f"no kernel that hands over orphans (PR_SET_CHILD_SUBREAPER: {why})")


def attempt_of(pid: int, proc: Path = PROC) -> str:
    """Answer the token in a process's environment; empty where there is none or it may not be
    read.
    """
    try:
        environment = (proc / str(pid) / "environ").read_bytes()
    except OSError:
        return ""
    for word in environment.split(b"\0"):
        if word.startswith(b"FARM_ATTEMPT="):
            return word.partition(b"=")[2].decode(errors="replace")
    return ""


def find_members(prefix: str, roots: Iterable[int] = ()) -> tuple[Process, ...]:
    """Answer the living processes of attempts.

    Args:
        prefix: how their tokens begin.
        roots: processes whose descendants belong to them too; not the roots themselves.

    Returns:
        Those with such a token, and everything below these and the roots; zombies left out.
    """
    everyone = read_processes()
    members = {pid for pid in everyone if attempt_of(pid).startswith(prefix)}
    below = members | set(roots)
    grown = True
    while grown:
        more = {pid for pid, one in everyone.items() if one.parent in below} - below
        grown = bool(more)
        below |= more
    found = (below - set(roots) | members) - {os.getpid()}
    return tuple(everyone[pid] for pid in sorted(found) if not everyone[pid].zombie)


def send(process: Process, number: signal.Signals) -> None:
    """Signal a process, unless it is gone; never one that merely took its pid."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise
        descriptor = -1  # a kernel before 5.3, or a sandbox: a small window remains
    try:
        _send_if_same(process, number, descriptor)
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _send_if_same(process: Process, number: signal.Signals, descriptor: int) -> None:
    now = read_process(process.pid)
    if now is None or now.start_ticks != process.start_ticks:
        return
    try:
        if descriptor >= 0:
            signal.pidfd_send_signal(descriptor, number)
        else:
            os.kill(process.pid, number)
    except ProcessLookupError:
        return


def kill_members(find: Callable[[], tuple[Process, ...]], patience_s: float) -> bool:
    """Kill until nobody is found any more; new children of the dying are found by the next look.

    Returns:
        Whether all are gone within ``patience_s``.
    """
    deadline_s = time.monotonic() + patience_s
    while members := find():
        for member in members:
            send(member, signal.SIGKILL)
        reap()
        if time.monotonic() > deadline_s:
            return False
        time.sleep(_LOOK_AGAIN_S)
    return True


def reap() -> None:
    """Take the end of every child that has ended, adopted orphans included."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
