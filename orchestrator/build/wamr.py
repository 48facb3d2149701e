"""Owns the runtime: where WAMR's sources come from, and the runners that are built from them."""

from __future__ import annotations

import functools
import json
import os
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.blobs import Blobs
from orchestrator.build.cmake import Project, read_ninja_deps
from orchestrator.build.command import last_lines, run_tool
from orchestrator.build.digests import FileDigests, files_below, tree_digest
from orchestrator.build.modes import ResolvedMode
from orchestrator.build.native import kernel_objects
from orchestrator.build.recipes import Constant, Product, Target, Tool
from orchestrator.build.toolchain import PLATFORMS, link, missing_tool, program_version
from orchestrator.domain.artifact import ArtifactKind, Digest
from orchestrator.domain.device import Arch
from orchestrator.domain.errors import BuildError

#: The crate is of Rust edition 2024, which cargo reads since this version.
_CARGO_NEEDED = (1, 85)
_CRATE = "wamrx-sys"
#: Debian's SIMDe (libsimde-dev), which the fast interpreter's SIMD is built on.
_SIMDE_FOLDERS = (Path("/usr/include"), Path("/usr/local/include"))


@dataclass(frozen=True, slots=True)
class RuntimeSource:
    """A tree of WAMR's sources."""

    folder: Path
    #: Of the whole tree.
    digest: Digest


@dataclass(frozen=True, slots=True)
class RunnerTools:
    """What runners are built with."""

    zig: Tool
    cmake: Tool
    ninja: Tool
    #: Holds ``simde/``.
    simde: Path
    native: Path
    source: RuntimeSource
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


def use_tree(folder: Path, files: FileDigests) -> RuntimeSource:
    """A tree of the user's, as it is now.

    Raises:
        BuildError: it is not WAMR.
    """
    if not (folder / "build-scripts" / "runtime_lib.cmake").is_file():
        raise BuildError(f"{folder} is no tree of WAMR: it has no build-scripts/runtime_lib.cmake")
    return RuntimeSource(folder, Digest(tree_digest(files, folder, files_below(folder)), 0))


def find_pinned(native: Path, cache: Path, files: FileDigests) -> RuntimeSource | None:
    """The pinned tree where it was fetched before and is whole; None: fetch it."""
    source = pinned_source(native, cache)
    folder, sha256 = source.folder, source.digest.sha256
    if folder.is_dir() and tree_digest(files, folder, files_below(folder)) == sha256:
        return source
    return None


def pinned_source(native: Path, cache: Path) -> RuntimeSource:
    """The pinned tree as it is, or will be, once fetched.

    Raises:
        BuildError: the pin cannot be read.
    """
    sha256, _ = pinned_digest(native)
    return RuntimeSource(cache / "wamr" / sha256, Digest(sha256, 0))


def fetch_pinned(
    native: Path, cache: Path, files: FileDigests, blobs: Blobs, stop: threading.Event
) -> RuntimeSource:
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


def find_cargo() -> Path:
    """A cargo that is new enough for the crate.

    Raises:
        BuildError: there is none.
    """
    places = os.get_exec_path()
    home = os.environ.get("CARGO_HOME", os.path.expanduser("~/.cargo"))
    versions = []
    for folder in [*places, f"{home}/bin"]:
        path = shutil.which("cargo", path=folder)
        if path is None:
            continue
        with suppress(BuildError):
            version = program_version(path, "--version")
            versions.append(version)
            if tuple(map(int, version.split(".")[:2])) >= _CARGO_NEEDED:
                return Path(path)
    wanted = ".".join(map(str, _CARGO_NEEDED))
    have = f"only {', '.join(versions)} is there" if versions else "there is none"
    raise missing_tool("cargo", f"WAMR's crate needs {wanted} or newer and {have}")


def _cargo(cargo: Path, arguments: list[str], scratch: Path, stop: threading.Event) -> str:
    log, output = scratch / "cargo.log", scratch / "cargo.out"
    output.unlink(missing_ok=True)
    code = run_tool(
        [str(cargo), *arguments],
        cwd=scratch,
        environment=os.environ,
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
    )
    return Target(
        name=f"{name} {interpreter} {arch.value}",
        kind=ArtifactKind.ARCHIVE,
        arch=arch.value,
        commands=project.commands(tools.cmake, tools.ninja, options, name),
        inputs=(
            *project.sources(),
            Constant("tool", f"zig {tools.zig.version}", Digest(tools.zig.sha256, 0)),
            Constant("tree", "wamr", tools.source.digest),
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
    archives = (
        Product("archive", "libfarm-runner.a", supervisor(tools, arch, interpreter)),
        Product("archive", "libfarm-wamr.a", runtime(tools, arch, interpreter)),
    )
    objects = kernel_objects(tools.zig, kernels, arch, cpu, tools.native)
    named = [cpu, *(f"{function}={variant}" for function, variant in kernels)]
    return link(
        tools.zig,
        [*objects, *archives],
        PLATFORMS[arch],
        name=" ".join(["farm-runner", interpreter, arch.value, *named]).rstrip(),
        kind=ArtifactKind.RUNNER,
        file_name="farm-runner",
    )
