"""Reads what a WebAssembly module asks for and offers; every length is checked."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from orchestrator.domain.errors import WorkloadFileError
from orchestrator.files.wasmbytes import ModuleFormatError
from orchestrator.files.wasmsections import MAGIC as MAGIC
from orchestrator.files.wasmsections import Export, Import, Sections
from orchestrator.files.wasmtypes import Proposal

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ModuleInfo:
    """What a module says of itself, apart from its code."""

    #: Where it was read; for complaints.
    path: Path
    imports: tuple[Import, ...]
    exports: tuple[Export, ...]
    #: What its memories begin with, together.
    memory_bytes: int
    #: Whether ``_start`` takes nothing and answers nothing.
    starts_plainly: bool


def read_module(path: Path) -> ModuleInfo:
    """Read a .wasm file without its code; once while the file stays as it is.

    Args:
        path: the file.

    Raises:
        WorkloadFileError: not there, not a module, truncated, a component.
    """
    return _read_module(path, _stamp(path))


def read_proposals(path: Path) -> frozenset[Proposal]:
    """Read all of a .wasm file, and say which proposals it needs beyond WebAssembly 1.0.

    About a second for each 10 MB; once while the file stays as it is.

    Args:
        path: the file.

    Raises:
        WorkloadFileError: as ``read_module``; or an instruction or a type nobody here knows.
    """
    return _read_proposals(path, _stamp(path))


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except OSError:
        return ()  # whoever reads it next says what is wrong
    return (found.st_size, found.st_mtime_ns, found.st_ino)


@functools.lru_cache(maxsize=256)
def _read_module(path: Path, _file: tuple[int, ...]) -> ModuleInfo:
    return _read(path, lambda data: parse_module(data, path))


@functools.lru_cache(maxsize=256)
def _read_proposals(path: Path, _file: tuple[int, ...]) -> frozenset[Proposal]:
    return _read(path, parse_proposals)


def _read(path: Path, parse: Callable[[bytes], _T]) -> _T:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise WorkloadFileError("no such file: check the path", file=path) from None
    except OSError as cause:
        problem = f"cannot be read ({cause.strerror}): name a readable file"
        raise WorkloadFileError(problem, file=path) from cause
    try:
        return parse(data)
    except ModuleFormatError as cause:
        raise WorkloadFileError(str(cause), file=path) from cause


def parse_module(data: bytes, path: Path = Path("module.wasm")) -> ModuleInfo:
    """Read a module's bytes without its code; pure.

    Args:
        data: the whole file.
        path: its name, kept for complaints.

    Raises:
        ModuleFormatError: not a module, truncated, malformed, a component.
    """
    found = Sections(with_code=False).read(data)
    return ModuleInfo(
        path=path,
        imports=tuple(found.imports),
        exports=tuple(found.exports),
        memory_bytes=sum(one.least << one.page_bits for one in found.memories),
        starts_plainly=found.starts_plainly,
    )


def parse_proposals(data: bytes) -> frozenset[Proposal]:
    """Say which proposals a module's bytes need beyond WebAssembly 1.0; pure.

    Args:
        data: the whole file.

    Raises:
        ModuleFormatError: as ``parse_module``; or an instruction or a type nobody here knows.
    """
    return frozenset(Sections(with_code=True).read(data).proposals)
