"""Owns ahead-of-time compilation: our compiler on this machine's LLVM, and what it makes."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.build.cmake import Project, find_program, read_ninja_deps
from orchestrator.build.digests import FileDigests
from orchestrator.build.modes import ResolvedMode
from orchestrator.build.recipes import Command, Constant, Product, Source, Target, Tool
from orchestrator.build.toolchain import missing_tool, program_version
from orchestrator.build.wamr import Wamr
from orchestrator.domain.artifact import ArtifactKind, Digest

#: The LLVM that was tried; WAMR's compiler takes 15 to 22 by its own checks.
LLVM_MAJOR = 19
#: Seconds llvm-config may take.
_ASK_S = 30


@dataclass(frozen=True, slots=True)
class CompilerTools:
    """What the AOT compiler is built with, and what it needs whenever it runs."""

    cmake: Tool
    ninja: Tool
    #: This machine's own C++ compiler.
    host: Tool
    #: LLVM as a shared library: it makes the code, so it is part of every AOT recipe.
    llvm: Constant
    llvm_cmake: Path
    native: Path
    source: Wamr
    jobs: int


def find_llvm(files: FileDigests) -> tuple[Constant, Path]:
    """LLVM's shared library, and the folder of its CMake files.

    Raises:
        BuildError: it is not installed.
    """
    config = shutil.which(f"llvm-config-{LLVM_MAJOR}")
    if config is None:
        raise missing_tool(f"LLVM {LLVM_MAJOR}", f"llvm-config-{LLVM_MAJOR} is not installed")
    version = program_version(config, "--version")
    library = Path(_ask(config, "--libdir")) / f"libLLVM-{LLVM_MAJOR}.so"
    digest = files.digest(os.path.realpath(library))
    if digest is None:
        raise missing_tool(f"LLVM {LLVM_MAJOR}", f"{library} is not installed")
    return Constant("library", f"LLVM {version}", digest), Path(_ask(config, "--cmakedir"))


def _ask(config: str, question: str) -> str:
    done = subprocess.run(
        [config, question], capture_output=True, text=True, timeout=_ASK_S, check=False
    )
    if done.returncode != 0:
        raise missing_tool(Path(config).name, done.stderr.strip())
    return done.stdout.strip()


def find_host_compiler(files: FileDigests) -> Tool:
    """This machine's own C++ compiler.

    Raises:
        BuildError: there is none.
    """
    return find_program("c++", files, "g++", "clang++")


@functools.cache
def compiler(tools: CompilerTools) -> Target:
    """farm-aotc, for this machine."""
    project = Project(tools.native, "aotc", ("aotc/CMakeLists.txt", "features.cmake"))
    options = ("-DWAMR_SOURCE={wamr}", "-DLLVM_DIR={llvm}", *tools.source.options)
    return Target(
        name=" ".join(["farm-aotc", *tools.source.words]),
        kind=ArtifactKind.COMPILER,
        arch=os.uname().machine,
        commands=project.commands(tools.cmake, tools.ninja, options, "farm-aotc"),
        inputs=(
            *project.sources(),
            Constant("tool", f"c++ {tools.host.version}", Digest(tools.host.sha256, 0)),
            tools.source.ingredient,
            tools.llvm,
        ),
        file_name="build/farm-aotc",
        places={
            "native": tools.native,
            "wamr": tools.source.folder,
            "llvm": tools.llvm_cmake,
        },
        reads=read_ninja_deps,
        # Headers of the system and of LLVM: the digests of compiler and library speak for them.
        covered=(tools.source.folder, Path("/usr")),
        environment={"CMAKE_BUILD_PARALLEL_LEVEL": str(tools.jobs)},
        main=tools.host,
        slow="first AOT module compiles WAMR's compiler",
    )


def aot_module(
    tools: CompilerTools, module: Product | Source, mode: ResolvedMode, owner: str
) -> Target:
    """A module compiled for a device's CPU.

    Args:
        tools: makes the compiler.
        module: the .wasm; a file of the user's, or the product of a target.
        mode: says CPU, vectors, level, bounds checks.
        owner: what it is a module of, for people.
    """
    checks = "auto" if mode.bounds_checks is None else str(int(mode.bounds_checks))
    options = (
        *("--arch", mode.arch.value, "--cpu", mode.cpu, "--simd", str(int(mode.simd))),
        *("--opt", str(mode.opt), "--bounds-checks", checks, "--out", "program.aot"),
    )
    is_file = isinstance(module, Source)
    return Target(
        name=" ".join([f"{owner}.aot", _label(mode, checks), *tools.source.words]),
        kind=ArtifactKind.AOT,
        arch=mode.arch.value,
        commands=(
            Command(
                "farm-aotc",
                (*options, f"{{folder}}/{module.name}" if is_file else f"./{module.name}"),
                version=tools.llvm.name,
            ),
        ),
        inputs=(Product("tool", "farm-aotc", compiler(tools)), tools.llvm, module),
        file_name="program.aot",
        places={"folder": Path(module.path).parent} if isinstance(module, Source) else {},
    )


def _label(mode: ResolvedMode, checks: str) -> str:
    words: Sequence[str] = (
        mode.arch.value,
        mode.cpu,
        f"-O{mode.opt}",
        "simd" if mode.simd else "scalar",
        *([] if checks == "auto" else [f"bounds_checks={checks}"]),
        *(function for function, _ in mode.kernels),
    )
    return " ".join(words)
