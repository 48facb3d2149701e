"""What a user names to be run: a .wasm, C files, an ELF, or a folder of such."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.errors import UsageError, WorkloadFileError
from orchestrator.domain.workload import Workload
from orchestrator.files.elf import MAGIC as ELF_MAGIC
from orchestrator.files.elf import elf_arch
from orchestrator.files.wasm import MAGIC as WASM_MAGIC
from orchestrator.files.wasm import read_module
from orchestrator.files.wasmcheck import check_runnable
from orchestrator.files.workloads import FILE_NAME, read_workload

#: A name becomes part of file names, with more after it.
_NAME_LENGTH = 100
_NAME_ONE = "name a .wasm, a C file or an ELF"


@dataclass(frozen=True, slots=True)
class Found:
    """A program that is there. Exactly one of sources, module, program and workload is set."""

    #: A workload's name may be this.
    name: str
    #: Where its sources are; else where it lies.
    folder: Path
    #: C files, relative to the folder.
    sources: tuple[str, ...] = ()
    module: Path | None = None
    program: Path | None = None
    #: A folder with a workload.yaml says itself what it is given.
    workload: Workload | None = None


def find_program(path: Path, sources: Sequence[Path] = ()) -> Found:
    """Look at what was named.

    Args:
        path: a file, or a folder.
        sources: C files in place of those a folder has, or beside a C file.

    Raises:
        WorkloadFileError: nothing that can be run, or what is there is broken.
        UsageError: sources were named beside something else than C.
    """
    path = Path(os.path.abspath(path))
    if path.is_dir():
        return _of_sources(path.name, sources) if sources else _in_folder(path)
    kind = program_kind(path)
    if kind == "sources":
        return _of_sources(path.stem, (path, *sources))
    if sources:
        raise UsageError(f"--source {sources[0]}: {path.name} is no C file: leave --source out")
    if kind == "module":
        check_runnable(read_module(path))
        return Found(_name(path.stem), path.parent, module=path)
    return Found(_name(path.stem), path.parent, program=path)


def _in_folder(folder: Path) -> Found:
    if (folder / FILE_NAME).exists():
        return Found(folder.name, folder, workload=read_workload(folder))
    try:
        files = sorted(file for file in folder.iterdir() if file.is_file())
    except OSError as cause:
        problem = f"cannot be read ({cause.strerror}): {_NAME_ONE}"
        raise WorkloadFileError(problem, file=folder) from cause
    sources = [file for file in files if file.suffix == ".c"]
    modules = [file for file in files if file.suffix == ".wasm"]
    if sources and modules:
        told = (
            f"C files and {modules[0].name} are in it: name the .wasm, or each C file by --source"
        )
        raise WorkloadFileError(told, file=folder)
    if sources:
        return _of_sources(folder.name, sources)
    if len(modules) == 1:
        return _module_folder(folder, modules[0])
    if modules:
        told = f"{modules[0].name} and {modules[1].name} are in it: name one of them"
        raise WorkloadFileError(told, file=folder)
    raise WorkloadFileError(
        f"a folder without {FILE_NAME}, C files and .wasm: {_NAME_ONE}", file=folder
    )


def _module_folder(folder: Path, module: Path) -> Found:
    """Take the one module of a folder, under the folder's name."""
    check_runnable(read_module(module))
    return Found(_name(folder.name), folder, module=module)


def _of_sources(name: str, files: Sequence[Path]) -> Found:
    """Take C files, wherever below one folder they lie."""
    paths = [os.path.abspath(file) for file in files]
    for path in paths:
        shown = path.encode(errors="backslashreplace").decode()
        if shown != path:
            raise WorkloadFileError("its name is not UTF-8 text: rename it", file=shown)
        if program_kind(Path(path)) != "sources":
            raise WorkloadFileError("no C file (.c): --source takes only these", file=path)
    folder = os.path.commonpath([os.path.dirname(path) for path in paths])
    if folder == os.path.sep and len(paths) > 1:
        raise UsageError(f"{paths[0]} and {paths[-1]} lie in no common folder: copy them into one")
    relative = tuple(dict.fromkeys(os.path.relpath(path, folder) for path in paths))
    return Found(_name(name), Path(folder), sources=relative)


def _name(stem: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("._-")[:_NAME_LENGTH] or "program"


def program_kind(path: Path) -> str:
    """Say what a file is by its first bytes: ``sources``, ``module`` or ``program``.

    Raises:
        WorkloadFileError: it is not there, or none of these.
    """
    if "\n" in path.name:
        raise WorkloadFileError("a line break in its name: rename it", file=repr(str(path)))
    try:
        _refuse_device(path)
        with path.open("rb") as file:
            head = file.read(4)
    except FileNotFoundError:
        raise WorkloadFileError("no such file: check the path", file=path) from None
    except OSError as cause:
        problem = f"cannot be read ({cause.strerror}): {_NAME_ONE}"
        raise WorkloadFileError(problem, file=path) from cause
    if path.suffix == ".c":
        return "sources"
    if path.suffix == ".wasm" or head == WASM_MAGIC:
        return "module"
    if head == ELF_MAGIC:
        elf_arch(path)
        return "program"
    raise WorkloadFileError(
        "neither a .wasm, nor a C file (.c), nor an ELF: name one of these", file=path
    )


def _refuse_device(path: Path) -> None:
    """Refuse what is neither file nor folder: a pipe would be waited for, a device never ends."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise WorkloadFileError(f"no regular file: {_NAME_ONE}", file=path)
