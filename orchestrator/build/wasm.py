"""Owns how C becomes a module, with vectors or without, with native functions imported."""

from __future__ import annotations

from pathlib import Path

from orchestrator.build.modes import ResolvedMode
from orchestrator.build.native import c_flags
from orchestrator.build.recipes import Product, Target, Tool
from orchestrator.build.toolchain import WASM, Unit, compile_c, link
from orchestrator.domain.artifact import ArtifactKind
from orchestrator.domain.workload import Workload


def module(zig: Tool, workload: Workload, mode: ResolvedMode, native: Path) -> Target:
    """The module of a workload's C sources.

    Every option that changes the module is in its name; the device is not, since modules are the
    same for all.
    """
    vectors = ("-msimd128",) if mode.simd else ()
    label = " ".join(
        [f"-O{mode.opt}", *(["simd"] if mode.simd else []), *(f for f, _ in mode.kernels)]
    )
    objects = []
    for source in workload.sources:
        unit = Unit(workload.name, workload.folder, source)
        flags = (*c_flags(workload, mode), *vectors)
        made = compile_c(zig, unit, WASM, flags, label=label, places={"native": native})
        objects.append(Product("object", made.file_name, made))
    return link(
        zig,
        objects,
        WASM,
        name=f"{workload.name}.wasm {label}",
        kind=ArtifactKind.WASM,
        file_name="program.wasm",
    )
