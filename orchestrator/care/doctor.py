"""Looks what this machine has and lacks for which feature, and knows what brings it.

Asks the same questions as ``scripts/setup``; nothing is installed or built here.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from orchestrator.build.cargo import OLDEST_CARGO, find_cargo
from orchestrator.care.packages import bring
from orchestrator.domain.errors import BuildError
from orchestrator.domain.runtime_source import RuntimeSource
from orchestrator.machine import EMULATORS

OLDEST_PYTHON = (3, 11)
_SIMDE = Path("/usr/include/simde/wasm/simd128.h")
_LLVM_CONFIG = "llvm-config-19"
#: Which package of apt's has one that is new enough is setup's to find; rustup needs no root.
_CARGO_REMEDY = "scripts/setup, or without root: https://rustup.rs"
#: In WAMR's core/version.h.
_VERSION = ("MAJOR", "MINOR", "PATCH")
#: A version is asked of a program that is there already; it answers at once or is broken.
_ASK_S = 10.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a feature needs."""

    feature: str
    needs: str
    #: Its version or place; empty: it is missing.
    found: str
    #: The command that brings it.
    remedy: str
    #: Without it the farm still works, but for this feature.
    optional: bool = False

    @property
    def present(self) -> bool:
        """Whether it is there."""
        return bool(self.found)


@dataclass(frozen=True, slots=True)
class _Need:
    feature: str
    needs: str
    look: Callable[[], str]
    remedy: str
    optional: bool = False


def examine() -> tuple[Finding, ...]:
    """Look at this machine."""
    return tuple(
        Finding(need.feature, need.needs, need.look(), need.remedy, need.optional)
        for need in _needs()
    )


def examine_sources(sources: Mapping[str, RuntimeSource]) -> tuple[Finding, ...]:
    """Look at the trees of WAMR that a farm names.

    Args:
        sources: its runtime sources, by name.
    """
    return tuple(
        Finding(
            f"runtime source {name}",
            source.description,
            _wamr(source.tree),
            "correct its tree in farm.toml: it has no WAMR",
            optional=True,
        )
        for name, source in sources.items()
        if source.tree is not None
    )


def _wamr(tree: Path) -> str:
    """Say which version of WAMR a tree is; nothing: it is none."""
    try:
        text = (tree / "core" / "version.h").read_text(errors="replace")
    except OSError:
        return ""
    found = [re.search(rf"WAMR_VERSION_{part} (\d+)", text) for part in _VERSION]
    return "WAMR " + ".".join(match[1] for match in found if match) if all(found) else ""


def _needs() -> Iterator[_Need]:
    yield _Need("all of it", f"Python >= {_dotted(OLDEST_PYTHON)}", _python, bring("python3"))
    yield _Need("C programs to every target", "zig", _zig, "scripts/setup")
    yield _Need("runner and AOT compiler", "cmake", program("cmake"), bring("cmake"))
    yield _Need("runner and AOT compiler", "ninja", program("ninja"), bring("ninja-build"))
    yield _Need("WAMR's sources", f"cargo >= {_dotted(OLDEST_CARGO)}", _cargo, _CARGO_REMEDY)
    yield _Need("AOT compiler", "C++ compiler", _compiler, bring("g++"))
    yield _Need("AOT compiler", "LLVM 19", _llvm, bring("llvm-19-dev"))
    yield _Need("fast interpreter with SIMD", "SIMDe", _file(_SIMDE), bring("libsimde-dev"))
    for arch, emulator in EMULATORS.items():
        if arch != os.uname().machine:
            yield _Need(
                f"emulated {arch} device",
                emulator.program,
                program(emulator.program),
                bring("qemu-user-static"),
                optional=True,
            )
    feature = "farms on PostgreSQL"
    yield _Need(feature, "psycopg", _driver, "pip install 'psycopg[binary]'", optional=True)
    yield _Need(feature, "initdb", _postgresql, bring("postgresql"), optional=True)


def program(name: str) -> Callable[[], str]:
    """Make what asks a program for its version; one that does not answer counts as missing."""
    return lambda: _version(shutil.which(name) or "")


def _file(path: Path) -> Callable[[], str]:
    return lambda: str(path) if path.is_file() else ""


def _python() -> str:
    said = platform.python_version()
    return said if sys.version_info >= OLDEST_PYTHON else ""


def _zig() -> str:
    """Run the package's zig: one that was unpacked for another machine is there, and no use."""
    if importlib.util.find_spec("ziglang") is not None:
        said = _version(sys.executable, "-m", "ziglang", "version")
        return f"ziglang {said}" if said else ""
    return _version(shutil.which("zig") or "", "version")


def _compiler() -> str:
    """Compile and link something: without libc's headers g++ answers, but compiles nothing."""
    found = shutil.which("g++") or ""
    with tempfile.TemporaryDirectory(prefix="farm-doctor-") as scratch:
        source = Path(scratch) / "try.cpp"
        source.write_text('#include <cstdio>\nint main() { return std::puts("") < 0; }\n')
        if not found or not _answers([found, str(source), "-o", f"{scratch}/try"])[0]:
            return ""
    return _version(found)


def _llvm() -> str:
    """Its CMake files come with the -dev package, which the compiler is built against."""
    found = shutil.which(_LLVM_CONFIG) or ""
    folder = Path(_version(found, "--cmakedir"))
    return _version(found) if (folder / "LLVMConfig.cmake").is_file() else ""


def _postgresql() -> str:
    """Where Debian keeps the server's programs, else those on PATH."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    found = next(iter(places), None) or shutil.which("initdb")
    return _version(str(found)) if found else ""


def _driver() -> str:
    return f"psycopg {metadata.version('psycopg')}" if importlib.util.find_spec("psycopg") else ""


def _cargo() -> str:
    try:
        return find_cargo().said
    except BuildError:
        return ""


def _version(program: str, *arguments: str) -> str:
    """Answer the first line a program says of itself, its path if it says nothing, or nothing."""
    if not program:
        return ""
    well, said = _answers([program, *(arguments or ("--version",))])
    return (said.strip().partition("\n")[0] or program) if well else ""


def _answers(command: list[str]) -> tuple[bool, str]:
    """Run a program; answers whether it ended well, and what it said."""
    try:
        said = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ASK_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False, ""
    return said.returncode == 0, said.stdout


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
