"""What a machine's kernel, disks and settings allow, each tried rather than read where it can be.

Files of ``/sys`` and ``/proc`` are looked for below a root, so that a test brings another machine.
"""

from __future__ import annotations

import ctypes
import os
import platform
import pwd
import resource
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.care.doctor import Finding
from orchestrator.care.packages import bring

#: A cold build fills the cache with 0.4 GB and its scratch with as much; a farm grows slowly.
CACHE_BYTES = 2 << 30
#: A run writes its outputs, its samples and SQLite's journal: below this the next one may not end.
FARM_BYTES = 256 << 20
INODES = 10_000
#: Of memory that can be had: linking the AOT compiler against LLVM takes about 1 GB.
MEMORY_BYTES = 2 << 30
#: An orchestrator holds two descriptors for each agent that is connected.
OPEN_FILES = 1024
#: pidfd_open(2), by which an agent waits for a runner without asking again and again.
KERNEL = (5, 3)
_GROUP_NEEDS = {"memory", "pids"}
#: perf_event_open(2) by architecture; PERF_TYPE_HARDWARE 0, PERF_COUNT_HW_INSTRUCTIONS 1.
_PERF_CALL = {"x86_64": 298, "aarch64": 241, "armv7l": 364}
_PERF_SIZE = 64
_EXCLUDE_KERNEL = 1 << 5
#: adjtimex(2): the clock is not synchronised.
_TIME_ERROR = 5
_TIMEX_BYTES = 512
_TRY_S = 10.0


def examine_machine(cache: Path, root: Path = Path("/")) -> Iterator[Finding]:
    """Look at this machine.

    Args:
        cache: the build cache; need not be there yet.
        root: of /sys and /proc.
    """
    yield _kernel()
    yield _memory(root)
    yield from disk(cache, "build cache", CACHE_BYTES)
    yield _runs(cache, "build cache", optional=False)
    yield _runs(Path(tempfile.gettempdir()), "temporary files", optional=True)
    yield _files()
    yield _clock()
    yield _user()
    yield _governor(root)
    yield _counters()
    yield _groups(root)


def disk(folder: Path, name: str, least_bytes: int) -> Iterator[Finding]:
    """Look at the room of a folder's disk, which may be needed for the folder first."""
    left = room(folder)
    wanted = f"{least_bytes / (1 << 30):g} GiB free"
    told = f"{left.free_bytes / (1 << 30):.1f} GiB in {left.place}"
    found = told if left.free_bytes >= least_bytes else ""
    yield Finding(name, wanted, found, f"make room in {left.place}, or: farm gc --cache")
    enough = left.inodes is None or left.inodes >= INODES
    count = "no limit" if left.inodes is None else f"{left.inodes:,} free"
    remedy = f"remove files in {left.place}, or: farm gc --cache"
    yield Finding(name, f"{INODES:,} free inodes", count if enough else "", remedy)


@dataclass(frozen=True, slots=True)
class Room:
    """What is left of a folder's disk."""

    #: The folder, or the nearest above it that is there.
    place: Path
    free_bytes: int
    #: None: its filesystem has no fixed number of files.
    inodes: int | None


def room(folder: Path) -> Room:
    """Ask what is left of a folder's disk; the folder need not be there yet."""
    place = _existing(folder)
    found = os.statvfs(place)
    # Such filesystems (btrfs) say 0.
    inodes = found.f_favail if found.f_files else None
    return Room(place, found.f_bavail * found.f_frsize, inodes)


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def _kernel() -> Finding:
    release = os.uname().release
    numbers = [int(part) for part in release.replace("-", ".").split(".")[:2] if part.isdecimal()]
    found = release if tuple(numbers) >= KERNEL else ""
    needs = f"Linux >= {KERNEL[0]}.{KERNEL[1]}"
    return Finding("quiet waiting for runners", needs, found, "a newer kernel", optional=True)


def _memory(root: Path) -> Finding:
    free_bytes = 0
    with suppress(OSError, ValueError, IndexError):
        lines = (root / "proc/meminfo").read_text().splitlines()
        line = next((one for one in lines if one.startswith("MemAvailable:")), "")
        free_bytes = int(line.split()[1]) << 10
    found = f"{free_bytes / (1 << 30):.1f} GiB available" if free_bytes >= MEMORY_BYTES else ""
    remedy = "end what takes it, or add swap; a farm that builds nothing new needs less"
    return Finding("cold build", "2 GiB of memory", found, remedy, optional=True)


def _runs(folder: Path, name: str, *, optional: bool) -> Finding:
    """Run a program there: a folder mounted noexec looks like any other."""
    place = _existing(folder)
    remedy = let_programs_run(place, writable=os.access(place, os.W_OK | os.X_OK))
    return Finding(name, "programs can run there", _executes(place), remedy, optional)


def let_programs_run(folder: Path, *, writable: bool) -> str:
    """Say what makes a folder one where a build can put programs and run them."""
    if not writable:
        return f"make it yours: chown {os.geteuid()} {folder}; or choose another folder"
    return f"mount it without noexec: mount -o remount,exec {folder}; or choose another folder"


def _executes(folder: Path) -> str:
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".farm-doctor-") as scratch:
            program = Path(scratch) / "try"
            program.write_text("#!/bin/sh\nexit 0\n")
            program.chmod(0o700)
            done = subprocess.run([program], check=False, timeout=_TRY_S, capture_output=True)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return str(folder) if done.returncode == 0 else ""


def _files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = f"{soft:,} (at most {hard:,})" if soft >= OPEN_FILES or soft < 0 else ""
    needs = f"{OPEN_FILES:,} open files"
    return Finding("many devices", needs, found, f"ulimit -n {OPEN_FILES}", optional=True)


def _clock() -> Finding:
    libc = ctypes.CDLL(None, use_errno=True)
    state = libc.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    found = "synchronised" if state not in {-1, _TIME_ERROR} else ""
    remedy = f"timedatectl set-ntp true, or: {bring('chrony')}"
    return Finding("comparable times", "a clock kept right", found, remedy, optional=True)


def _user() -> Finding:
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = "no name"
    found = f"uid {uid} ({name})" if uid else ""
    remedy = "as root a measured program could change anything: adduser farm, then be that user"
    return Finding("a system kept safe", "a user of its own", found, remedy, optional=True)


def _governor(root: Path) -> Finding:
    """Look at who sets the first core's frequency; conditions are recorded with each result."""
    said = ""
    with suppress(OSError):
        path = root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
        said = path.read_text().strip()
        remedy = f"cpupower frequency-set -g performance (it is {said}; {bring('linux-cpupower')})"
    if not said:
        remedy = "nothing: this kernel shows no frequency control, as in most virtual machines"
    found = said if said == "performance" else ""
    return Finding("steady times", "governor performance", found, remedy, optional=True)


def _counters() -> Finding:
    """Open a counter as the runner does: what a kernel or a virtual machine allows is not written
    down in one place.
    """
    number = _PERF_CALL.get(platform.machine())
    descriptor = -1
    if number is not None:
        head = struct.pack("=IIQ", 0, _PERF_SIZE, 1)
        wanted = struct.pack("=24xQ", _EXCLUDE_KERNEL)
        attributes = (head + wanted).ljust(_PERF_SIZE, b"\0")
        libc = ctypes.CDLL(None, use_errno=True)
        buffer = ctypes.create_string_buffer(attributes, _PERF_SIZE)
        descriptor = libc.syscall(ctypes.c_long(number), buffer, 0, -1, -1, ctypes.c_ulong(0))
    if descriptor >= 0:
        os.close(descriptor)
    remedy = "sysctl kernel.perf_event_paranoid=2; in a virtual machine its host has to allow it"
    found = "hardware counters" if descriptor >= 0 else ""
    return Finding("cycles and instructions", "perf events", found, remedy, optional=True)


def _groups(root: Path) -> Finding:
    """Look whether this process's own group may be divided, with the controllers it needs."""
    base = root / "sys/fs/cgroup"
    found = ""
    with suppress(OSError, IndexError):
        lines = (root / "proc/self/cgroup").read_text().splitlines()
        own = next(line for line in lines if line.startswith("0::"))[3:].lstrip("/")
        has = set((base / own / "cgroup.controllers").read_text().split())
        if has >= _GROUP_NEEDS and os.access(base / own / "cgroup.procs", os.W_OK):
            found = f"/{own}"
    remedy = (
        "start the farm by: systemd-run --user --scope -p Delegate=yes farm up"
        " (cgroups v2: kernel option systemd.unified_cgroup_hierarchy=1)"
    )
    needs = "cgroups v2, delegated"
    return Finding("a process tree's peak memory", needs, found, remedy, optional=True)
