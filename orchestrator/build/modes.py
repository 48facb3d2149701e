"""Owns what a mode means for a device and a workload: its defaults, and what cannot be (D7)."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path

from orchestrator.build.proposals import memory_misfit, proposal_misfit
from orchestrator.build.toolchain import PLATFORMS
from orchestrator.domain.device import Arch, DeviceType
from orchestrator.domain.matrix import BEST_KERNELS, Mode, Runtime
from orchestrator.domain.runtime_source import PINNED
from orchestrator.domain.workload import Case, Workload
from orchestrator.files.wasm import read_module, read_proposals

NO_KERNELS = "none"
#: Levels a compiler takes.
OPT_LEVELS = range(4)
_DEFAULT_OPT = 3
#: Architectures whose AOT code may use 128-bit vectors; WAMR refuses such modules for armv7.
_SIMD_ARCHS = frozenset({Arch.X86_64, Arch.AARCH64})
#: ``e_machine`` of the ELF specification's supplements.
_ELF_MACHINES = {62: "x86_64", 183: "aarch64", 40: "armv7"}


@dataclass(frozen=True, slots=True)
class ResolvedMode:
    """A mode with every option decided."""

    runtime: Runtime
    arch: Arch
    #: As the AOT compiler names it.
    cpu: str
    #: Build of the runner: ``classic``, or ``fast``, which also runs AOT and native programs.
    interpreter: str
    #: Whether modules are compiled with 128-bit vectors.
    simd: bool
    #: (function, variant), sorted.
    kernels: tuple[tuple[str, str], ...]
    opt: int
    #: None: as the AOT compiler sees fit.
    bounds_checks: bool | None
    #: Which WAMR makes runner and AOT compiler, by its name in farm.toml.
    runtime_source: str = PINNED


def resolve_mode(mode: Mode, device_type: DeviceType, workload: Workload) -> ResolvedMode:
    """Decide every option of a mode that ``why_impossible`` has nothing against.

    Interpreters get a scalar module, AOT a SIMD one where the architecture has it; the CPU is the
    device's; ``best`` kernels are those the workload names last. The optimisation level is that of
    every compiler on the way from C.
    """
    simd = mode.simd
    if simd is None:
        simd = mode.runtime is Runtime.AOT and device_type.arch in _SIMD_ARCHS
    return ResolvedMode(
        runtime=mode.runtime,
        arch=device_type.arch,
        cpu=mode.cpu or device_type.cpu,
        interpreter="classic" if mode.runtime is Runtime.CLASSIC else "fast",
        simd=simd,
        kernels=_kernels(mode, workload),
        opt=mode.opt,
        bounds_checks=mode.bounds_checks,
        runtime_source=mode.runtime_source,
    )


def why_impossible(case: Case, mode: Mode, device_type: DeviceType) -> str:
    """Why no device of a type can ever run a case in a mode; empty: it can.

    An option that would change nothing is refused, since two cells with different labels would
    then measure the same bytes. Reads the head of a ready program, once while the file stays.

    Raises:
        WorkloadFileError: a ready module is not there or damaged.
    """
    workload = case.workload
    return (
        _arch_misfit(device_type)
        or _option_misfit(mode, device_type, workload)
        or _kernels_misfit(mode, workload)
        or _kind_misfit(mode, device_type, workload)
    )


def _arch_misfit(device_type: DeviceType) -> str:
    if device_type.arch not in PLATFORMS:
        known = " and ".join(arch.value for arch in PLATFORMS)
        return f"this version builds for {known}, not for {device_type.arch.value}"
    return ""


def _option_misfit(mode: Mode, device_type: DeviceType, workload: Workload) -> str:
    runtime = mode.runtime
    if mode.opt not in OPT_LEVELS:
        return f"opt {mode.opt} is none of 0 to 3"
    if mode.bounds_checks is not None and runtime is not Runtime.AOT:
        return f"bounds_checks is an option of {Runtime.AOT.value}"
    if mode.simd is not None and runtime is Runtime.NATIVE:
        return "simd is an option of modules; cpu is the one of native code"
    if mode.runtime_source != PINNED and runtime is Runtime.NATIVE:
        return "runtime_source changes nothing in native: no WAMR runs there"
    if mode.simd and runtime is Runtime.CLASSIC:
        return "the classic interpreter has no SIMD"
    if mode.simd and runtime is Runtime.AOT and device_type.arch not in _SIMD_ARCHS:
        return f"AOT for {device_type.arch.value} has no SIMD"
    interprets = runtime in (Runtime.CLASSIC, Runtime.FAST)
    if mode.cpu is not None and interprets and not _kernels(mode, workload):
        return f"cpu changes nothing in {runtime.value} without kernels"
    return ""


def _kernels_misfit(mode: Mode, workload: Workload) -> str:
    if mode.kernels == NO_KERNELS:
        return ""
    if not workload.kernels:
        return f"{workload.name} has no kernels"
    if not _kernels(mode, workload):
        known = sorted({name for names in workload.kernels.values() for name in names})
        return f"{workload.name} has no kernels {mode.kernels!r} (it has {', '.join(known)})"
    return ""


def _kind_misfit(mode: Mode, device_type: DeviceType, workload: Workload) -> str:
    if workload.module is not None:
        return _module_misfit(mode, device_type, workload, workload.module)
    if workload.program is not None:
        return _program_misfit(mode, device_type, workload.program)
    return ""


def _module_misfit(mode: Mode, device_type: DeviceType, workload: Workload, module: Path) -> str:
    name = module.name
    if mode.runtime is Runtime.NATIVE:
        return f"{name} is a module; native needs C sources or an ELF program"
    if mode.runtime is not Runtime.AOT and mode.opt != _DEFAULT_OPT:
        return f"{name} is compiled already; opt changes nothing in {mode.runtime.value}"
    if mode.runtime is Runtime.FAST and mode.simd is not None:
        return f"{name} is compiled already; simd changes nothing in {mode.runtime.value}"
    info = read_module(module)
    if mode.kernels == NO_KERNELS and any(i.module == "kernels" for i in info.imports):
        return f"{name} imports native functions; it needs a mode with kernels"
    misfit = proposal_misfit(read_proposals(module), mode, device_type.arch) or memory_misfit(
        info.memory_bytes, workload.limits.memory_bytes, device_type.os_bits
    )
    return f"{name} {misfit}" if misfit else ""


def _program_misfit(mode: Mode, device_type: DeviceType, program: Path) -> str:
    if mode.runtime is not Runtime.NATIVE:
        return f"{program.name} is a native program; it runs in mode native only"
    if mode.options:
        return f"{program.name} is compiled already; {', '.join(mode.options)} changes nothing"
    arch = program_arch(program)
    if arch != device_type.arch.value:
        return f"{program.name} is a program for {arch or 'no architecture the farm knows'}"
    return ""


def _kernels(mode: Mode, workload: Workload) -> tuple[tuple[str, str], ...]:
    if mode.kernels == NO_KERNELS:
        return ()
    if mode.kernels == BEST_KERNELS:
        return tuple(sorted((f, names[-1]) for f, names in workload.kernels.items()))
    return tuple(
        sorted((f, mode.kernels) for f, names in workload.kernels.items() if mode.kernels in names)
    )


def program_arch(program: Path) -> str:
    """The architecture of an ELF; empty where it is none the farm knows, or no ELF."""
    return _read_arch(program, _stamp(program))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0)  # whoever reads it next says what is wrong
    return (found.st_size, found.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _read_arch(program: Path, _file: tuple[int, int]) -> str:
    try:
        with program.open("rb") as file:
            head = file.read(20)
    except OSError:
        return ""
    if len(head) < 20 or head[:4] != b"\x7fELF":
        return ""
    return _ELF_MACHINES.get(int.from_bytes(head[18:20], "little"), "")
