"""Owns what a mode means for a device and a workload: its defaults, and what cannot be (D7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.build.proposals import (
    SIMD_ARCHS,
    memory_misfit,
    proposal_misfit,
    source_misfit,
)
from orchestrator.domain.device import Arch, DeviceType
from orchestrator.domain.matrix import BEST_KERNELS, Mode, Runtime
from orchestrator.domain.runtime_source import PINNED, RuntimeSource
from orchestrator.domain.workload import Case, Workload
from orchestrator.files.elf import elf_arch, missing_loader
from orchestrator.files.wasm import read_module, read_proposals

NO_KERNELS = "none"
_PINNED_ONLY: Mapping[str, RuntimeSource] = {PINNED: RuntimeSource()}
#: Levels a compiler takes.
OPT_LEVELS = range(4)
_DEFAULT_OPT = 3


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

    Interpreters get a scalar module, AOT a SIMD one where WAMR has that for it; the CPU is the
    device's; ``best`` kernels are those the workload names last. The optimisation level is that of
    every compiler on the way from C.
    """
    simd = mode.simd
    if simd is None:
        simd = mode.runtime is Runtime.AOT and device_type.arch in SIMD_ARCHS
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


def why_impossible(
    case: Case,
    mode: Mode,
    device_type: DeviceType,
    sources: Mapping[str, RuntimeSource] = _PINNED_ONLY,
) -> str:
    """Why no device of a type can ever run a case in a mode; empty: it can.

    An option that would change nothing is refused, since two cells with different labels would
    then measure the same bytes. Reads the head of a ready program, once while the file stays.

    Args:
        case: the workload with its parameters.
        mode: the mode.
        device_type: of the device.
        sources: the farm's runtime sources, by name.

    Raises:
        WorkloadFileError: a ready module is not there or damaged.
    """
    workload = case.workload
    source = sources.get(mode.runtime_source)
    return (
        _option_misfit(mode, device_type, workload)
        or _kernels_misfit(mode, workload)
        or _source_misfit(mode, device_type, source)
        or _kind_misfit(mode, device_type, workload, source)
    )


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
    if mode.simd and device_type.arch not in SIMD_ARCHS:
        return f"WAMR has no SIMD for {device_type.arch.value}; leave simd out"
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


def _source_misfit(mode: Mode, device_type: DeviceType, source: RuntimeSource | None) -> str:
    if source is None or mode.runtime is Runtime.NATIVE:
        return ""
    misfit = source_misfit(source, mode, device_type.arch)
    return f"runtime_source {mode.runtime_source}: {misfit}" if misfit else ""


def _kind_misfit(
    mode: Mode, device_type: DeviceType, workload: Workload, source: RuntimeSource | None
) -> str:
    if workload.program is not None:
        return _program_misfit(mode, device_type, workload.program)
    return _module_misfit(mode, device_type, workload, source)


def _module_misfit(
    mode: Mode, device_type: DeviceType, workload: Workload, source: RuntimeSource | None
) -> str:
    module = workload.module
    if module is None:
        return ""
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
    needed = read_proposals(module)
    misfit = proposal_misfit(needed, mode, device_type.arch, source) or memory_misfit(
        info.memory_bytes, workload.limits.memory_bytes, device_type.os_bits
    )
    return f"{name} {misfit}" if misfit else ""


def _program_misfit(mode: Mode, device_type: DeviceType, program: Path) -> str:
    if mode.runtime is not Runtime.NATIVE:
        return f"{program.name} is a native program; it runs in mode native only"
    if mode.options:
        return f"{program.name} is compiled already; {', '.join(mode.options)} changes nothing"
    arch = elf_arch(program)
    if arch is not device_type.arch:
        return f"{program.name} is a program for {arch}"
    loader = missing_loader(program)
    if loader:
        return f"{program.name} asks for {loader}, which is not here: link it with -static"
    return ""


def _kernels(mode: Mode, workload: Workload) -> tuple[tuple[str, str], ...]:
    if mode.kernels == NO_KERNELS:
        return ()
    if mode.kernels == BEST_KERNELS:
        return tuple(sorted((f, names[-1]) for f, names in workload.kernels.items()))
    return tuple(
        sorted((f, mode.kernels) for f, names in workload.kernels.items() if mode.kernels in names)
    )
