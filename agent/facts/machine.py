"""Probes of processor, memory and system: pure readers of /proc and /sys texts, and one function
that reads them all.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

#: Asking an emulator for its version starts a program once per agent process.
_VERSION_TIMEOUT_S = 10.0


def read_facts(
    emulator: Path | None, *, proc: Path = Path("/proc"), sysfs: Path = Path("/sys")
) -> Mapping[str, str]:
    """Probe everything; what a machine does not tell is left out.

    Args:
        emulator: the user-mode emulator that runs this device's programs.
        proc: root of procfs.
        sysfs: root of sysfs.

    Returns:
        Facts by name, as text; sizes in bytes.
    """
    system = os.uname()
    facts = {
        **parse_cpuinfo(_read(proc / "cpuinfo")),
        "cpu.cores": str(os.cpu_count() or 1),
        "cpu.smt": _read(sysfs / "devices/system/cpu/smt/control"),
        "cpu.max_khz": _read(sysfs / "devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq"),
        "machine.model": _read(proc / "device-tree/model").rstrip("\0"),
        "memory.total_bytes": parse_memory_bytes(_read(proc / "meminfo"), "MemTotal"),
        "memory.swap_bytes": parse_memory_bytes(_read(proc / "meminfo"), "SwapTotal"),
        "memory.page_bytes": str(os.sysconf("SC_PAGE_SIZE")),
        "kernel.release": system.release,
        "kernel.version": system.version,
        "os.name": parse_os_release(_read(Path("/etc/os-release"))),
        "os.libc": " ".join(platform.libc_ver()).strip(),
        "os.bits": "64" if sys.maxsize > 2**32 else "32",
        "arch": system.machine,
        "python.version": platform.python_version(),
        "boot.id": _read(proc / "sys/kernel/random/boot_id"),
        **read_emulator(emulator),
    }
    return {name: value for name, value in facts.items() if value}


def parse_cpuinfo(text: str) -> dict[str, str]:
    """Read /proc/cpuinfo of x86 and Arm kernels; the first core speaks for all."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    part = " ".join(
        f"{name} {fields[key]}"
        for name, key in (("implementer", "cpu implementer"), ("part", "cpu part"))
        if key in fields
    )
    return {
        "cpu.model": fields.get("model name", part),
        "cpu.features": fields.get("flags", fields.get("features", "")),
        "cpu.microcode": fields.get("microcode", ""),
        "machine.virtual": "yes" if "hypervisor" in fields.get("flags", "").split() else "",
    }


def parse_memory_bytes(text: str, name: str) -> str:
    """Answer one size of /proc/meminfo, which counts in KiB."""
    for line in text.splitlines():
        if line.startswith(f"{name}:"):
            return str(1024 * int(line.split()[1]))
    return ""


def parse_os_release(text: str) -> str:
    """Answer the name for people in /etc/os-release (os-release(5))."""
    for line in text.splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip("\"'")
    return ""


def read_emulator(emulator: Path | None) -> dict[str, str]:
    """Ask the emulator who it is; an emulator that does not answer is told without a version."""
    if emulator is None:
        return {}
    try:
        answer = subprocess.run(
            [emulator, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_VERSION_TIMEOUT_S,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        answer = ""
    lines = answer.splitlines() or [""]
    return {
        "emulator.name": emulator.name,
        "emulator.version": lines[0],
        "emulator.cpu": os.environ.get("QEMU_CPU", ""),
    }


def _read(path: Path) -> str:
    """Answer a small file's text; empty where it cannot be read, since which files exist is the
    machine's choice.
    """
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
