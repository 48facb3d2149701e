"""Looks what this machine has and lacks for which feature, and knows what brings it.

Asks the same questions as ``scripts/setup``; nothing is installed or built here.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.runtime_source import RuntimeSource
from orchestrator.machine import EMULATORS

#: The first cargo with edition 2024, which the crate that carries WAMR needs.
OLDEST_CARGO = (1, 85)
_SIMDE = Path("/usr/include/simde/wasm/simd128.h")
_LLVM = Path("/usr/lib/llvm-19/lib/cmake/llvm/LLVMConfig.cmake")
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
    yield _Need("C programs to every target", "zig", _zig, "scripts/setup")
    yield _Need("runner and AOT compiler", "cmake", _program("cmake"), _apt("cmake"))
    yield _Need("runner and AOT compiler", "ninja", _program("ninja"), _apt("ninja-build"))
    yield _Need("WAMR's sources", "cargo >= 1.85", _cargo, _apt(_cargo_package()))
    yield _Need("AOT compiler", "C++ compiler", _program("g++"), _apt("g++"))
    yield _Need("AOT compiler", "LLVM 19", _file(_LLVM), _apt("llvm-19-dev"))
    yield _Need("fast interpreter with SIMD", "SIMDe", _file(_SIMDE), _apt("libsimde-dev"))
    for arch, emulator in EMULATORS.items():
        if arch != os.uname().machine:
            yield _Need(
                f"emulated {arch} device",
                emulator.program,
                _program(emulator.program),
                _apt("qemu-user-static"),
                optional=True,
            )


def _apt(package: str) -> str:
    return f"apt-get install -y --no-install-recommends {package}"


def _program(name: str) -> Callable[[], str]:
    return lambda: _version(shutil.which(name) or "")


def _file(path: Path) -> Callable[[], str]:
    return lambda: str(path) if path.is_file() else ""


def _zig() -> str:
    if importlib.util.find_spec("ziglang") is not None:
        from importlib.metadata import version

        return f"ziglang {version('ziglang')}"
    return _version(shutil.which("zig") or "", "version")


def _cargo() -> str:
    """Ask every cargo on PATH: a shim without a toolchain may hide one that works."""
    for folder in os.get_exec_path():
        said = _version(shutil.which("cargo", path=folder) or "")
        if cargo_version(said) >= OLDEST_CARGO:
            return said
    return ""


def cargo_version(said: str) -> tuple[int, int]:
    """Read cargo's major and minor version from what it says of itself; (0, 0): it says none."""
    found = re.search(r"(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _cargo_package() -> str:
    """Debian 12's cargo is too old and its cargo-web is not; from Debian 13 on cargo will do."""
    release = Path("/etc/os-release")
    text = release.read_text() if release.is_file() else ""
    return "cargo-web" if 'VERSION_ID="12"' in text else "cargo"


def _version(program: str, argument: str = "--version") -> str:
    """Answer the first line a program says of itself, its path if it says nothing, or nothing."""
    if not program:
        return ""
    try:
        said = subprocess.run(
            [program, argument], capture_output=True, text=True, timeout=_ASK_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    if said.returncode:
        return ""
    return said.stdout.strip().partition("\n")[0] or program
