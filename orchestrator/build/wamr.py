"""Owns the runtime: where WAMR's sources come from, and the runners that are built from them."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.blobs import Blobs
from orchestrator.build.cargo import Cargo, find_cargo
from orchestrator.build.cmake import Project, read_ninja_deps
from orchestrator.build.command import last_lines, run_tool
from orchestrator.build.digests import FileDigests, parts_digest, tree_digest
from orchestrator.build.modes import ResolvedMode
from orchestrator.build.native import kernel_objects
from orchestrator.build.recipes import Constant, Product, Target, Tool, Tree
from orchestrator.build.toolchain import PLATFORMS, link, missing_tool
from orchestrator.domain.artifact import ArtifactKind, Digest
from orchestrator.domain.device import Arch
from orchestrator.domain.errors import BuildError
from orchestrator.files.below import files_below

_CRATE = "wamrx-sys"
_ENTRY = "build-scripts/runtime_lib.cmake"
#: What of a tree gets into runners and compilers. A checkout holds much beside it.
TREE_PARTS = ("build-scripts", "core")
#: Debian's SIMDe (libsimde-dev), which the fast interpreter's SIMD is built on.
_SIMDE_FOLDERS = (Path("/usr/include"), Path("/usr/local/include"))


@dataclass(frozen=True, slots=True)
class Wamr:
    """A tree of WAMR's sources, and how it is to be built."""

    folder: Path
    #: Of the whole pinned tree; of the parts that are read of a tree of the user's.
    digest: Digest
    #: Its name in farm.toml; empty: the pinned one, as the farm has it.
    name: str = ""
    #: Parts of a tree of the user's that are read; empty: a pinned one, which never changes.
    parts: tuple[str, ...] = ()
    flags: tuple[tuple[str, int], ...] = ()

    @property
    def ingredient(self) -> Constant | Tree:
        """The tree as an input of recipes."""
        if self.parts:
            return Tree("tree", "wamr", self.digest, self.folder, self.parts)
        return Constant("tree", "wamr", self.digest)

    @property
    def options(self) -> tuple[str, ...]:
        """What CMake is told of the flags; nothing where the farm's own choice stands."""
        chosen = ";".join(f"{name}={value}" for name, value in self.flags)
        return (f"-DFARM_FLAGS={chosen}",) if chosen else ()

    @property
    def words(self) -> list[str]:
        """What tells its targets from those of the pinned one."""
        return [f"[{self.name}]"] if self.name else []


@dataclass(frozen=True, slots=True)
class RunnerTools:
    """What runners are built with."""

    zig: Tool
    cmake: Tool
    ninja: Tool
    #: Holds ``simde/``.
    simde: Path
    native: Path
    source: Wamr
    #: Compilers that one ninja starts at a time.
    jobs: int


def pinned_digest(native: Path) -> tuple[str, str]:
    """sha256 of the tree that ``native/wamr-source`` pins, and its folder inside the crate.

    Raises:
        BuildError: the pin cannot be read.
    """
    pin = native / "wamr-source" / "tree.sha256"
    with suppress(OSError, ValueError):
        sha256, folder = pin.read_text().split()
        return Digest(sha256, 0).sha256, folder
    raise BuildError(f"{pin} does not name a digest and a folder")


def use_tree(folder: Path, files: FileDigests) -> Wamr:
    """A tree of the user's, as it is now.

    Raises:
        BuildError: it is not WAMR, or cannot be read.
    """
    if not (folder / _ENTRY).is_file():
        raise BuildError(f"{folder} is no tree of WAMR: it has no {_ENTRY}")
    try:
        digest = Digest(parts_digest(files, folder, TREE_PARTS), 0)
    except OSError as error:
        raise BuildError(f"{folder} is no whole tree of WAMR: {error}") from error
    return Wamr(folder, digest, parts=TREE_PARTS)


def choose(wamr: Wamr, name: str, flags: tuple[tuple[str, int], ...]) -> Wamr:
    """A WAMR under its name in farm.toml, with its flags.

    Raises:
        BuildError: its tree knows a flag not, so that it would change nothing.
    """
    for flag, _ in flags:
        if not _knows(wamr.folder, flag):
            raise BuildError(
                f"runtime source {name}: the WAMR in {wamr.folder} has no WAMR_BUILD_{flag}"
            )
    return replace(wamr, name=name, flags=flags)


def _knows(folder: Path, flag: str) -> bool:
    """Whether a tree's build files speak of a flag; yes where it is yet to be fetched."""
    if not folder.is_dir():
        return True
    word = re.compile(rf"\bWAMR_BUILD_{flag}\b")
    files = (folder / "build-scripts").glob("*.cmake")
    return any(word.search(file.read_text(errors="replace")) for file in files)


def find_pinned(native: Path, cache: Path, files: FileDigests) -> Wamr | None:
    """The pinned tree where it was fetched before and is whole; None: fetch it."""
    source = pinned_source(native, cache)
    folder, sha256 = source.folder, source.digest.sha256
    if folder.is_dir() and tree_digest(files, folder, files_below(folder)) == sha256:
        return source
    return None


def pinned_source(native: Path, cache: Path) -> Wamr:
    """The pinned tree as it is, or will be, once fetched.

    Raises:
        BuildError: the pin cannot be read.
    """
    sha256, _ = pinned_digest(native)
    return Wamr(cache / "wamr" / sha256, Digest(sha256, 0))


def fetch_pinned(
    native: Path, cache: Path, files: FileDigests, blobs: Blobs, stop: threading.Event
) -> Wamr:
    """Fetch the pinned crate with cargo, check the tree, keep a copy in the cache; blocks.

    Raises:
        BuildError: no cargo that is new enough, no network, or another tree than the pin says.
    """
    sha256, inside = pinned_digest(native)
    manifest = native / "wamr-source" / "Cargo.toml"
    cargo = find_cargo()
    with blobs.open_scratch() as scratch:
        _cargo(cargo, ["fetch", "--locked", "--manifest-path", str(manifest)], scratch, stop)
        asked = ["metadata", "--format-version", "1", "--locked", "--offline"]
        text = _cargo(cargo, [*asked, "--manifest-path", str(manifest)], scratch, stop)
        origin = _crate_folder(text) / inside
        copy = scratch / "tree"
        shutil.copytree(origin, copy)
        found = tree_digest(files, copy, files_below(copy))
        if found != sha256:
            raise BuildError(
                f"WAMR's sources are not the pinned ones: {found}, not {sha256}; see {manifest}"
            )
        _install(copy, cache / "wamr" / sha256)
    tree = find_pinned(native, cache, files)
    if tree is None:
        raise BuildError(f"{cache / 'wamr' / sha256} was damaged; remove it and try again")
    return tree


def _install(copy: Path, place: Path) -> None:
    """Give a checked tree its name; a damaged one that has it goes, another process's stays."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        copy.rename(place)
        return
    shutil.rmtree(place, ignore_errors=True)
    with suppress(OSError):
        copy.rename(place)


def _cargo(cargo: Cargo, arguments: list[str], scratch: Path, stop: threading.Event) -> str:
    log, output = scratch / "cargo.log", scratch / "cargo.out"
    output.unlink(missing_ok=True)
    code = run_tool(
        [cargo.path, *arguments],
        cwd=scratch,
        environment=cargo.environment(os.environ),
        stdout=output,
        log=log,
        keep=scratch.with_name(f"{scratch.name}.lock"),
        stop=stop,
    )
    if code != 0:
        raise BuildError(f"cargo {arguments[0]} failed for {_CRATE}", output=last_lines(log))
    return output.read_text()


def _crate_folder(metadata: str) -> Path:
    for package in json.loads(metadata)["packages"]:
        if package["name"] == _CRATE:
            return Path(package["manifest_path"]).parent
    raise BuildError(f"cargo does not know {_CRATE}; native/wamr-source/Cargo.toml pins it")


def find_simde() -> Path:
    """The folder that holds ``simde/``.

    Raises:
        BuildError: it is not installed.
    """
    for folder in _SIMDE_FOLDERS:
        if (folder / "simde" / "wasm" / "simd128.h").is_file():
            return folder
    raise missing_tool("SIMDe", "simde/wasm/simd128.h is not installed")


@functools.cache
def runtime(tools: RunnerTools, arch: Arch, interpreter: str) -> Target:
    """WAMR's own part of a runner; half a minute of work, so what is ours is not in it."""
    slow = f"first runner for {arch.value} compiles WAMR"
    return _archive(tools, arch, interpreter, "libfarm-wamr.a", slow)


@functools.cache
def supervisor(tools: RunnerTools, arch: Arch, interpreter: str) -> Target:
    """Our own part of a runner, which holds ``main``."""
    return _archive(tools, arch, interpreter, "libfarm-runner.a", "")


def _archive(tools: RunnerTools, arch: Arch, interpreter: str, name: str, slow: str) -> Target:
    toolchain = f"toolchains/{arch.value}.cmake"
    files = ("runner/CMakeLists.txt", "features.cmake", "toolchains/zig.cmake", toolchain)
    project = Project(tools.native, "runner", files)
    options = (
        f"-DCMAKE_TOOLCHAIN_FILE={{native}}/{toolchain}",
        *("-DWAMR_SOURCE={wamr}", f"-DFARM_INTERPRETER={interpreter}", "-DSIMDE_DIR={simde}"),
        *tools.source.options,
    )
    return Target(
        name=" ".join([name, interpreter, arch.value, *tools.source.words]),
        kind=ArtifactKind.ARCHIVE,
        arch=arch.value,
        commands=project.commands(tools.cmake, tools.ninja, options, name),
        inputs=(
            *project.sources(),
            Constant("tool", f"zig {tools.zig.version}", Digest(tools.zig.sha256, 0)),
            tools.source.ingredient,
        ),
        file_name=f"build/{name}",
        places={
            "native": tools.native,
            "wamr": tools.source.folder,
            "simde": tools.simde,
        },
        reads=read_ninja_deps,
        covered=(Path(tools.zig.path).parent, tools.source.folder),
        environment={"FARM_ZIG": tools.zig.path, "CMAKE_BUILD_PARALLEL_LEVEL": str(tools.jobs)},
        main=tools.zig,
        slow=slow,
    )


def runner(tools: RunnerTools, mode: ResolvedMode, *, bare: bool) -> Target:
    """The runner of a mode: interpreter build, architecture and the kernels it offers.

    Args:
        tools: what it is built with.
        mode: the mode.
        bare: leave the mode's kernels out.
    """
    cpu, kernels = ("", ()) if bare or not mode.kernels else (mode.cpu, mode.kernels)
    return _runner(tools, mode.arch, mode.interpreter, cpu, kernels)


@functools.cache
def _runner(
    tools: RunnerTools,
    arch: Arch,
    interpreter: str,
    cpu: str,
    kernels: tuple[tuple[str, str], ...],
) -> Target:
    ours = Product("archive", "libfarm-runner.a", supervisor(tools, arch, interpreter))
    objects = kernel_objects(tools.zig, kernels, arch, cpu, tools.native)
    named = [cpu, *(f"{function}={variant}" for function, variant in kernels)]
    return link(
        tools.zig,
        [*objects, ours],
        PLATFORMS[arch],
        name=" ".join(
            ["farm-runner", interpreter, arch.value, *filter(None, named), *tools.source.words]
        ),
        kind=ArtifactKind.RUNNER,
        file_name="farm-runner",
        # Where an interpreter's loop lies decides how fast it is.
        base=Product("archive", "libfarm-wamr.a", runtime(tools, arch, interpreter)),
    )
