"""What a machine is: the CPUs the farm can compile for, and this very machine's."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.device import Arch, Device, DeviceType
from orchestrator.domain.errors import InventoryError

_X86_64_CPUS = """
    x86-64 x86-64-v2 x86-64-v3 x86-64-v4 nehalem westmere sandybridge ivybridge haswell broadwell
    skylake skylake-avx512 cascadelake icelake-client icelake-server tigerlake alderlake raptorlake
    sapphirerapids silvermont goldmont tremont gracemont znver1 znver2 znver3 znver4 znver5
"""
_AARCH64_CPUS = """
    generic cortex-a34 cortex-a35 cortex-a53 cortex-a55 cortex-a57 cortex-a65 cortex-a72 cortex-a73
    cortex-a75 cortex-a76 cortex-a77 cortex-a78 cortex-a510 cortex-a520 cortex-a710 cortex-a715
    cortex-a720 cortex-x1 cortex-x2 cortex-x3 cortex-x4 neoverse-e1 neoverse-n1 neoverse-n2
    neoverse-v1 neoverse-v2 ampere1 a64fx apple-m1 thunderx2t99
"""
_ARMV7_CPUS = """
    cortex-a7 cortex-a12 cortex-a15 cortex-a17 cortex-a32 cortex-a35 cortex-a53 cortex-a55
    cortex-a57 cortex-a72 cortex-a73 cortex-a75 cortex-a76
"""

#: CPUs by the AOT compiler's names (LLVM 19, ``llc -mcpu=help``) that zig's clang knows too, and
#: that have what the runner is built for (``native/toolchains/``).
KNOWN_CPUS: Mapping[Arch, tuple[str, ...]] = {
    Arch.X86_64: tuple(_X86_64_CPUS.split()),
    Arch.AARCH64: tuple(_AARCH64_CPUS.split()),
    Arch.ARMV7: tuple(_ARMV7_CPUS.split()),
}


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """What a new inventory needs to know of this machine."""

    arch: Arch
    cpu: str
    #: Architecture -> its user-mode emulator, for those that are installed.
    emulators: Mapping[Arch, str]


@dataclass(frozen=True, slots=True)
class Emulator:
    """A user-mode emulator."""

    program: str
    #: The CPU it plays in a new inventory.
    cpu: str
    #: CPUs it can play, and what it calls them.
    plays: Mapping[str, str]


def _same(names: str) -> Mapping[str, str]:
    return {name: name for name in names.split()}


#: Architectures this version builds for, each with what runs it elsewhere; CPUs of QEMU 7.2.
EMULATORS: Mapping[Arch, Emulator] = {
    Arch.X86_64: Emulator("qemu-x86_64-static", "x86-64-v2", {"x86-64-v2": "Nehalem"}),
    Arch.AARCH64: Emulator(
        "qemu-aarch64-static",
        "cortex-a72",
        _same("cortex-a35 cortex-a53 cortex-a57 cortex-a72 cortex-a76 neoverse-n1 a64fx"),
    ),
    Arch.ARMV7: Emulator("qemu-arm-static", "cortex-a7", _same("cortex-a7 cortex-a15")),
}
#: What QEMU calls a CPU that has all it knows.
_ALL_IT_KNOWS = "max"
#: Where the compilers are to be had; a 32-bit machine may be a device.
_HOSTS = (Arch.X86_64, Arch.AARCH64)
#: Flags the levels of the x86-64 psABI add; v4 is left to whoever names it: it lowers clocks.
_X86_LEVELS: tuple[tuple[str, frozenset[str]], ...] = (
    ("x86-64-v3", frozenset({"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"})),
    ("x86-64-v2", frozenset({"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"})),
)
#: "CPU part" of /proc/cpuinfo, Arm's own parts (Main ID Registers in Arm's reference manuals).
_ARM_PARTS: Mapping[str, str] = {
    "0xd03": "cortex-a53",
    "0xd04": "cortex-a35",
    "0xd05": "cortex-a55",
    "0xd07": "cortex-a57",
    "0xd08": "cortex-a72",
    "0xd09": "cortex-a73",
    "0xd0b": "cortex-a76",
    "0xd0c": "neoverse-n1",
    "0xd40": "neoverse-v1",
    "0xd49": "neoverse-n2",
    "0xd4f": "neoverse-v2",
}


def probe_machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> MachineFacts:
    """Look at this machine.

    Args:
        cpuinfo: what the kernel says of the processor.

    Raises:
        InventoryError: its architecture is none the farm builds for.
    """
    machine = os.uname().machine
    if machine not in _HOSTS:
        raise InventoryError(
            f"this machine is {machine}: a farm needs one that is {' or '.join(_HOSTS)}"
        )
    arch = Arch(machine)
    found = {
        other: emulator.program
        for other, emulator in EMULATORS.items()
        if other is not arch and shutil.which(emulator.program) is not None
    }
    return MachineFacts(arch, cpu_of(arch, cpuinfo.read_text(encoding="utf-8")), found)


def why_absent(device: Device) -> str:
    """Say what a device lacks on this machine to measure at all; empty: nothing."""
    if device.emulator is None or shutil.which(device.emulator) is not None:
        return ""
    return f"{device.name} needs {device.emulator}, which is not installed; farm doctor says how"


def emulated_cpu(device_type: DeviceType) -> str:
    """Answer the CPU an emulator is to play for a class of devices, as QEMU calls it.

    Left to itself it plays one that lacks SSE4, which x86_64 runners need, or one whose pointer
    signing costs most of the time.
    """
    return EMULATORS[device_type.arch].plays.get(device_type.cpu, _ALL_IT_KNOWS)


def cpu_of(arch: Arch, cpuinfo: str) -> str:
    """Name the CPU to compile for, from the text of /proc/cpuinfo; careful where it is unknown."""
    if arch is Arch.X86_64:
        flags = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
        have = frozenset(flags.group(1).split()) if flags else frozenset()
        return next((level for level, need in _X86_LEVELS if need <= have), "x86-64")
    part = re.search(r"^CPU part\s*:\s*(0x[0-9a-f]+)$", cpuinfo, re.MULTILINE)
    return _ARM_PARTS.get(part.group(1), "generic") if part else "generic"
