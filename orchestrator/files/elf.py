"""Reads what an ELF program says of itself: for which machine it is, and what loads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.device import Arch
from orchestrator.domain.errors import WorkloadFileError

MAGIC = b"\x7fELF"
#: e_machine of the ELF specification.
_MACHINES = {62: Arch.X86_64, 183: Arch.AARCH64, 40: Arch.ARMV7}
#: e_type of the ELF specification: an executable, or a position-independent one.
_PROGRAMS = (2, 3)
_HEAD_BYTES = 64
#: p_type of the path of the loader that a dynamic program asks for.
_INTERPRETER = 3
#: PATH_MAX (linux/limits.h); no loader's path is longer.
_PATH_MAX_BYTES = 4096


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where fields stand, by the class of the ELF: (offset, size in bytes)."""

    table: tuple[int, int]
    entry_size: tuple[int, int]
    entries: tuple[int, int]
    #: Within an entry of the table.
    file_offset: tuple[int, int]
    file_size: tuple[int, int]


#: By EI_CLASS: 32 and 64 bits.
_LAYOUTS = {
    1: _Layout((28, 4), (42, 2), (44, 2), (4, 4), (16, 4)),
    2: _Layout((32, 8), (54, 2), (56, 2), (8, 8), (32, 8)),
}


def elf_arch(path: Path) -> Arch:
    """Say which architecture an ELF is for.

    Raises:
        WorkloadFileError: not a whole ELF program of an architecture the farm knows.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    little_endian = len(head) >= 20 and head[:4] == MAGIC and head[5] == 1
    arch = _MACHINES.get(int.from_bytes(head[18:20], "little")) if little_endian else None
    if arch is None:
        raise WorkloadFileError(
            f"not an ELF for {', '.join(Arch)}: build it for one of these", file=path
        )
    if int.from_bytes(head[16:18], "little") not in _PROGRAMS:
        raise WorkloadFileError("an ELF, but no program: link it to an executable", file=path)
    if _is_library(head):
        raise WorkloadFileError("a shared library: link it to an executable", file=path)
    offset, entry_size, entries = _table(head)
    if not entries or offset + entries * entry_size > path.stat().st_size:
        raise WorkloadFileError("a truncated ELF: build or copy it again", file=path)
    return arch


def _is_library(head: bytes) -> bool:
    """Say whether it is position-independent, and nothing in it is where a program begins."""
    size = 4 if head[4] == 1 else 8
    return head[16:18] == b"\x03\0" and not any(head[24 : 24 + size])


def elf_loader(path: Path) -> str:
    """Say which loader a dynamic program asks the system for; empty: it is static, or no ELF."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if len(head) < _HEAD_BYTES or head[:4] != MAGIC:
            return ""
        offset, entry_size, entries = _table(head)
        file.seek(offset)
        table = file.read(entry_size * entries)
        for place, size in _interpreters(table, entry_size, _layout(head)):
            file.seek(place)
            name = file.read(min(size, _PATH_MAX_BYTES))
            return name.rstrip(b"\0").decode(errors="backslashreplace")
    return ""


def missing_loader(path: Path) -> str:
    """Say which loader of a dynamic program is not on this machine; empty: none is missing.

    Devices of this version run on this machine, emulated ones too, and see its files.
    """
    loader = elf_loader(path)
    return loader if loader and not Path(loader).is_file() else ""


def _layout(head: bytes) -> _Layout:
    return _LAYOUTS.get(head[4], _LAYOUTS[2])


def _field(data: bytes, place: tuple[int, int]) -> int:
    start, size = place
    return int.from_bytes(data[start : start + size], "little")


def _table(head: bytes) -> tuple[int, int, int]:
    """Where the table of what the kernel loads is: offset, bytes of an entry, entries."""
    layout = _layout(head)
    places = (layout.table, layout.entry_size, layout.entries)
    offset, entry_size, entries = (_field(head, place) for place in places)
    return offset, entry_size, entries


def _interpreters(table: bytes, entry_size: int, layout: _Layout) -> Iterator[tuple[int, int]]:
    for start in range(0, len(table), max(entry_size, 1)):
        entry = table[start : start + entry_size]
        if int.from_bytes(entry[:4], "little") == _INTERPRETER:
            yield _field(entry, layout.file_offset), _field(entry, layout.file_size)
