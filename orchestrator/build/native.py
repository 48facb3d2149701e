"""Owns how C becomes a program for a device's own CPU, and the flags of C in every mode."""

from __future__ import annotations

import functools
from pathlib import Path

from orchestrator.build.modes import ResolvedMode
from orchestrator.build.recipes import Product, Target, Tool
from orchestrator.build.toolchain import PLATFORMS, Unit, compile_c, link
from orchestrator.domain.artifact import ArtifactKind
from orchestrator.domain.device import Arch
from orchestrator.domain.errors import BuildError
from orchestrator.domain.workload import Workload

#: Same results in all modes: no fused multiply-add, which wasm does not have (D9), and no path of
#: this machine in ``__FILE__``.
_COMMON_FLAGS = (
    "-ffp-contract=off",
    "-ffile-prefix-map={native}/=native/",
    "-I",
    "{native}/bench",
)


def c_flags(workload: Workload, mode: ResolvedMode) -> tuple[str, ...]:
    """Flags of a workload's C, the same for modules and native programs of one mode."""
    kernels = (f"-DFARM_KERNEL_{function}" for function, _ in mode.kernels)
    return (f"-O{mode.opt}", *_COMMON_FLAGS, *kernels, *workload.flags)


def program(zig: Tool, workload: Workload, mode: ResolvedMode, native: Path) -> Target:
    """The native program of a workload's C sources, with the mode's kernels linked in."""
    platform = PLATFORMS[mode.arch]
    label = _label(mode)
    flags = c_flags(workload, mode)
    objects = []
    for source in workload.sources:
        unit = Unit(workload.name, workload.folder, source)
        made = compile_c(
            zig, unit, platform, flags, cpu=mode.cpu, label=label, places={"native": native}
        )
        objects.append(Product("object", made.file_name, made))
    return link(
        zig,
        [*objects, *kernel_objects(zig, mode.kernels, mode.arch, mode.cpu, native)],
        platform,
        name=f"{workload.name} {platform.name} {label}",
        kind=ArtifactKind.NATIVE,
        file_name="program",
    )


def kernel_objects(
    zig: Tool, kernels: tuple[tuple[str, str], ...], arch: Arch, cpu: str, native: Path
) -> list[Product]:
    """Native functions, (function, variant) each, compiled for a CPU with all that it has.

    Raises:
        BuildError: the farm has no source of one.
    """
    found = []
    for function, variant in kernels:
        made = _kernel(zig, function, variant, arch, cpu, native)
        found.append(Product("kernel", f"kernel_{function}_{made.file_name}", made))
    return found


@functools.cache
def _kernel(zig: Tool, function: str, variant: str, arch: Arch, cpu: str, native: Path) -> Target:
    source = f"{variant}.c"
    folder = native / "kernels" / function
    if not (folder / source).is_file():
        raise BuildError(f"native/kernels/{function} has no {source}")
    return compile_c(
        zig,
        Unit(f"kernel {function}", folder, source, "kernel"),
        PLATFORMS[arch],
        _KERNEL_FLAGS,
        cpu=cpu,
        label=cpu,
        places={"native": native},
    )


#: Kernels may fuse: they are compared on integers held in floats, whose sums are exact.
_KERNEL_FLAGS = (
    "-O3",
    "-ffp-contract=fast",
    "-ffile-prefix-map={native}/=native/",
    "-I",
    "{native}/bench",
)


def _label(mode: ResolvedMode) -> str:
    kernels = [f"{function}={variant}" for function, variant in mode.kernels]
    return " ".join([mode.cpu, f"-O{mode.opt}", *kernels])
