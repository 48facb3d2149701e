"""Owns the C toolchain: the architectures this version builds for, and how zig builds for them."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.build.recipes import Command, Product, Source, Target, Text, Tool
from orchestrator.domain.artifact import ArtifactKind
from orchestrator.domain.device import Arch
from orchestrator.domain.errors import BuildError

#: Seconds a tool may take to say its version.
_VERSION_S = 30
_EMPTY_PROGRAM = Text("source", "empty.c", "int main(void) { return 0; }\n")


@dataclass(frozen=True, slots=True)
class Platform:
    """What zig makes programs for."""

    #: For people: ``aarch64``, ``wasm32``.
    name: str
    triple: str
    #: CPU of the C library and of everything that is not compiled for a device's own CPU. One per
    #: platform, since zig builds a C library of 10 to 100 s for each; the runner's toolchain files
    #: in native/ name the same. Empty: zig's own choice.
    base_cpu: str = ""

    def flags(self, cpu: str = "") -> tuple[str, ...]:
        """What every start of the compiler gets.

        Args:
            cpu: a device's own, as the AOT compiler names it; empty: the platform's.
        """
        named = zig_cpu(cpu) or self.base_cpu
        return ("-target", self.triple, *([f"-mcpu={named}"] if named else []))


#: Every architecture of devices; another one is a line here and a toolchain file in native/.
PLATFORMS: Mapping[Arch, Platform] = {
    Arch.X86_64: Platform("x86_64", "x86_64-linux-musl", "x86_64_v2"),
    Arch.AARCH64: Platform("aarch64", "aarch64-linux-musl", "generic"),
    Arch.ARMV7: Platform("armv7", "arm-linux-musleabihf", "cortex_a7"),
}
WASM = Platform("wasm32", "wasm32-wasi")


def zig_cpu(cpu: str) -> str:
    """A CPU as zig spells it: ``cortex-a72`` is ``cortex_a72``."""
    return cpu.replace("-", "_")


def find_zig() -> Tool:
    """The compiler of the ``ziglang`` package.

    Its digest is over the package's own list of file hashes, so the headers and C libraries it
    carries are in it; the installer's additions to that list are not.

    Raises:
        BuildError: it is not installed.
    """
    found = importlib.util.find_spec("ziglang")
    if found is None or not found.submodule_search_locations:
        raise missing_tool("zig", "the Python package ziglang is not installed")
    folder = Path(found.submodule_search_locations[0])
    lists = sorted(folder.parent.glob("ziglang-*.dist-info/RECORD"))
    if len(lists) != 1:
        raise missing_tool("zig", f"{folder.parent} has {len(lists)} installations of ziglang")
    return _read_zig(folder, lists[0], _stamp(lists[0]))


@functools.lru_cache(maxsize=8)
def _read_zig(folder: Path, hashes: Path, _file: tuple[int, int, int]) -> Tool:
    version = hashes.parent.name.removeprefix("ziglang-").removesuffix(".dist-info")
    rows = sorted(
        line
        for line in hashes.read_text().splitlines()
        if line.startswith("ziglang/") and "__pycache__" not in line
    )
    digest = hashlib.sha256("\n".join([version, *rows]).encode()).hexdigest()
    return Tool("zig", version, digest, str(folder / "zig"))


def program_version(path: str, *arguments: str) -> str:
    """The first dotted number a program prints; asked once while its file stays the same.

    Raises:
        BuildError: it cannot be started, or prints none.
    """
    return _program_version(path, arguments, _stamp(path))


def _stamp(path: str | Path) -> tuple[int, int, int]:
    """What changes when a file is replaced."""
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0, 0)  # starting it says what is wrong
    return (found.st_size, found.st_mtime_ns, found.st_ino)


@functools.lru_cache(maxsize=64)
def _program_version(path: str, arguments: tuple[str, ...], _file: tuple[int, int, int]) -> str:
    try:
        done = subprocess.run(
            [path, *arguments], capture_output=True, text=True, timeout=_VERSION_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise missing_tool(Path(path).name, str(error)) from error
    found = re.search(r"\d+(\.\d+)+", done.stdout)
    if found is None:
        raise missing_tool(Path(path).name, "it does not say its version")
    return found[0]


def missing_tool(name: str, why: str) -> BuildError:
    """The complaint about a tool that is not there."""
    return BuildError(f"{name} cannot be used: {why}; `farm doctor` prints what brings it")


@functools.cache
def library(zig: Tool, platform: Platform) -> Target:
    """A linked empty program: making it makes zig build the platform's C library."""
    return Target(
        name=f"C library {platform.name}",
        kind=ArtifactKind.NATIVE,
        arch=platform.name,
        commands=(
            Command(
                zig, ("cc", *platform.flags(), *_LINK_FLAGS, _EMPTY_PROGRAM.name, "-o", "empty")
            ),
        ),
        inputs=(_EMPTY_PROGRAM,),
        file_name="empty",
        slow=f"first link for {platform.name} builds its C library",
    )


#: -O2 decides which C library zig links, not how objects were compiled; -s takes symbols and paths
#: of this machine out.
_LINK_FLAGS = ("-O2", "-s")


#: What zig adds by itself below -O2 and nobody asked for: debug information, with paths of this
#: machine in it, and a sanitizer.
_COMPILE_FLAGS = ("-g0", "-fno-sanitize=undefined")


@dataclass(frozen=True, slots=True)
class Unit:
    """One C file to compile."""

    #: For people, before the object's name: ``gemm``.
    owner: str
    #: Folder the compiler works in.
    folder: Path
    #: Relative to the folder.
    source: str
    role: str = "source"


def compile_c(
    zig: Tool,
    unit: Unit,
    platform: Platform,
    flags: Sequence[str],
    *,
    cpu: str = "",
    label: str,
    places: Mapping[str, Path],
) -> Target:
    """An object file; what it includes is learned from the compiler.

    The compiler works in the source's own folder and sees the source by its relative name, since
    the name it is given ends up in the object.

    Args:
        zig: the compiler.
        unit: the C file.
        platform: what for.
        flags: further arguments.
        cpu: a device's own, as the AOT compiler names it; empty: the platform's.
        label: the flags for people, ``-O3 cortex-a72``.
        places: what ``{names}`` in the flags stand for.
    """
    name = object_name(unit.source)
    return Target(
        name=f"{unit.owner}/{name} {platform.name} {label}".rstrip(),
        kind=ArtifactKind.OBJECT,
        arch=platform.name,
        commands=(
            Command(
                zig,
                (
                    *("cc", *platform.flags(cpu), *_COMPILE_FLAGS, *flags),
                    *(
                        "-MD",
                        "-MF",
                        "{out}/.depends",
                        "-c",
                        f"./{unit.source}",
                        "-o",
                        f"{{out}}/{name}",
                    ),
                ),
                cwd="folder",
            ),
        ),
        inputs=(Source(unit.role, unit.source, os.path.join(unit.folder, unit.source)),),
        file_name=name,
        places={"folder": unit.folder, **places},
        reads=_read_depfile,
        covered=(_home(zig),),
    )


@functools.cache
def _home(zig: Tool) -> Path:
    """Folder of the compiler, with the headers it brings."""
    return Path(zig.path).parent


def link(
    zig: Tool,
    objects: Sequence[Product],
    platform: Platform,
    *,
    name: str,
    kind: ArtifactKind,
    file_name: str,
    flags: Sequence[str] = (),
    base: Product | None = None,
) -> Target:
    """A program, static where it is native.

    Args:
        zig: the compiler.
        objects: what is linked.
        platform: what for.
        name: for people.
        kind: what the program is.
        file_name: its file's.
        flags: further arguments.
        base: an archive that comes before all else and whole, so that it lies the same in all
            programs that have it, whatever else they hold.
    """
    static = () if platform is WASM else ("-static",)
    words = [f"./{each.name}" for each in objects]
    if base is not None:
        words = ["-Wl,--whole-archive", f"./{base.name}", "-Wl,--no-whole-archive", *words]
    return Target(
        name=name,
        kind=kind,
        arch=platform.name,
        commands=(
            Command(
                zig,
                (
                    *("cc", *platform.flags(), *_LINK_FLAGS, *static, *words),
                    *(*flags, "-lm", "-o", file_name),
                ),
            ),
        ),
        inputs=(*([base] if base is not None else []), *objects),
        file_name=file_name,
        after=(library(zig, platform),),
    )


def object_name(source: str) -> str:
    """The object of a C file; two files of one program never share it."""
    return source.replace("_", "__").replace("/", "_").replace("..", "_.") + ".o"


def _read_depfile(scratch: Path) -> Iterable[str]:
    return parse_depfile((scratch / ".depends").read_text())


def parse_depfile(text: str) -> list[str]:
    """The prerequisites in a make rule as compilers write them (``-MD``)."""
    _, _, rest = text.partition(": ")
    words = re.findall(r"(?:\\[ #\\]|\$\$|[^\s\\]|\\(?![\n ]))+", rest.replace("\\\n", " "))
    return [re.sub(r"\\([ #\\])", r"\1", word).replace("$$", "$") for word in words]
