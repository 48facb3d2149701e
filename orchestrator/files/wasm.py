"""Reads what a WebAssembly module asks for and offers; every length is checked."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.errors import WorkloadFileError

MAGIC = b"\0asm"
_CORE_VERSION = b"\x01\0\0\0"
#: Version 13, layer 1 (component model, binary format).
_COMPONENT_VERSION = b"\x0d\0\x01\0"

# Section ids of the core specification, 5.5.2.
_CUSTOM, _TYPE, _IMPORT, _FUNCTION, _EXPORT, _CODE, _TAG = 0, 1, 2, 3, 7, 10, 13

_KINDS = ("function", "table", "memory", "global", "tag")

#: Functions of WASI preview 1 that WAMR's libc-wasi offers (``libc_wasi_wrapper.c``).
WASI_FUNCTIONS = frozenset(
    """
    args_get args_sizes_get clock_res_get clock_time_get environ_get environ_sizes_get
    fd_advise fd_allocate fd_close fd_datasync fd_fdstat_get fd_fdstat_set_flags
    fd_fdstat_set_rights fd_filestat_get fd_filestat_set_size fd_filestat_set_times fd_pread
    fd_prestat_dir_name fd_prestat_get fd_pwrite fd_read fd_readdir fd_renumber fd_seek fd_sync
    fd_tell fd_write path_create_directory path_filestat_get path_filestat_set_times path_link
    path_open path_readlink path_remove_directory path_rename path_symlink path_unlink_file
    poll_oneoff proc_exit proc_raise random_get sched_yield sock_accept sock_recv sock_send
    sock_shutdown
    """.split()  # noqa: SIM905  # a list of 46 quoted lines says no more
)
#: Import modules with the functions the runner offers in each.
RUNNER_IMPORTS = {
    "wasi_snapshot_preview1": WASI_FUNCTIONS,
    "wasi_unstable": WASI_FUNCTIONS,
    "bench": frozenset({"start", "end"}),
}
KERNELS_MODULE = "kernels"


@dataclass(frozen=True, slots=True)
class Import:
    """Something a module needs."""

    module: str
    name: str
    #: function, table, memory, global or tag
    kind: str


@dataclass(frozen=True, slots=True)
class Export:
    """Something a module offers."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class ModuleInfo:
    """What a module says of itself."""

    #: Where it was read; for complaints.
    path: Path
    imports: tuple[Import, ...]
    exports: tuple[Export, ...]
    #: Whether it may use SIMD, by its ``target_features``; None: it does not say.
    simd: bool | None


class ModuleFormatError(ValueError):
    """Bytes that are no whole module; the message says what and what to do."""


def read_module(path: Path) -> ModuleInfo:
    """Read a .wasm file.

    Args:
        path: the file.

    Raises:
        WorkloadFileError: not there, not a module, truncated, a component.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise WorkloadFileError("no such file: check the path", file=path) from None
    except OSError as cause:
        problem = f"cannot be read ({cause.strerror}): name a readable file"
        raise WorkloadFileError(problem, file=path) from cause
    try:
        return parse_module(data, path)
    except ModuleFormatError as cause:
        raise WorkloadFileError(str(cause), file=path) from cause


def check_runnable(info: ModuleInfo, kernels: Collection[str] = ()) -> None:
    """Refuse a module that no runner of the farm could start.

    Args:
        info: of the module.
        kernels: functions its workload has native kernels for.

    Raises:
        WorkloadFileError: an import that does not exist, named; or no ``_start``.
    """
    for needed in info.imports:
        known = _known(needed.module, kernels)
        if needed.kind != "function" or needed.name not in known:
            raise WorkloadFileError(
                f"imports {needed.kind} {needed.module}.{needed.name}, which does not exist here:"
                " link it into the module (WASI preview 1 and bench.start/end are there)",
                file=info.path,
            )
    if Export("_start", "function") not in info.exports:
        raise WorkloadFileError(
            "exports no function _start: build it as a program with main, not as a library",
            file=info.path,
        )


def _known(module: str, kernels: Collection[str]) -> Collection[str]:
    return kernels if module == KERNELS_MODULE else RUNNER_IMPORTS.get(module, frozenset())


def parse_module(data: bytes, path: Path = Path("module.wasm")) -> ModuleInfo:
    """Read a module's bytes; pure.

    Args:
        data: the whole file.
        path: its name, kept for complaints.

    Raises:
        ModuleFormatError: not a module, truncated, malformed, a component.
    """
    _check_head(data)
    imports: list[Import] = []
    exports: list[Export] = []
    declared = bodies = 0
    simd: bool | None = None
    for number, section in _sections(_Reader(data, 8, len(data))):
        if number == _IMPORT:
            imports = [_import(section) for _ in range(section.count())]
        elif number == _EXPORT:
            exports = [_export(section) for _ in range(section.count())]
        elif number == _FUNCTION:
            declared = section.count()
        elif number == _CODE:
            bodies = _skip_bodies(section)
        elif number == _CUSTOM and section.name() == "target_features":
            simd = _names_simd(section)
    if declared != bodies:
        raise ModuleFormatError(
            f"truncated: {declared} functions are declared and {bodies} are there: copy it again"
        )
    return ModuleInfo(path, tuple(imports), tuple(exports), simd)


def _check_head(data: bytes) -> None:
    if not data:
        raise ModuleFormatError("the file is empty: build or copy it again")
    if data[:4] != MAGIC:
        raise ModuleFormatError("not a WebAssembly module: name a .wasm file, a C file or an ELF")
    version = data[4:8]
    if len(version) < 4:
        raise ModuleFormatError("truncated in its first 8 bytes: copy it again")
    if version == _COMPONENT_VERSION:
        raise ModuleFormatError(
            "a component, not a core module: build a core module (wasm32-wasip1)"
        )
    if version != _CORE_VERSION:
        raise ModuleFormatError(f"unknown module version {version.hex()}: build it for version 1")


class _Reader:
    """Takes bytes between two offsets, and nothing beyond."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self._data = data
        self._at = start
        self._end = end

    @property
    def left(self) -> int:
        return self._end - self._at

    def _truncated(self) -> ModuleFormatError:
        return ModuleFormatError(
            f"truncated or damaged at byte {self._at} of {len(self._data)}: build or copy it again"
        )

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise self._truncated()
        self._at += size
        return self._data[self._at - size : self._at]

    def byte(self) -> int:
        return self.take(1)[0]

    def part(self, size: int) -> _Reader:
        """Go past some bytes and answer a reader that sees only those."""
        if size > self.left:
            raise self._truncated()
        self._at += size
        return _Reader(self._data, self._at - size, self._at)

    def unsigned(self, bits: int = 32) -> int:
        """Take an unsigned LEB128 number (core specification, 5.2.2)."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if value >> bits or shift >= bits:
                raise self._truncated()
            if not byte & 0x80:
                return value
            shift += 7

    def count(self) -> int:
        """Take the length of a vector; each item is a byte at least."""
        found = self.unsigned()
        if found > self.left:
            raise self._truncated()
        return found

    def name(self) -> str:
        raw = self.take(self.unsigned())
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise self._truncated() from None


def _sections(reader: _Reader) -> Iterator[tuple[int, _Reader]]:
    while reader.left:
        number = reader.byte()
        if number > _TAG:
            raise ModuleFormatError(f"unknown section {number}, so damaged: copy it again")
        yield number, reader.part(reader.unsigned())


def _import(section: _Reader) -> Import:
    module, name = section.name(), section.name()
    kind = _kind(section)
    if kind == "function":
        section.unsigned()
    elif kind == "table":
        _skip_reference_type(section)
        _skip_limits(section)
    elif kind == "memory":
        _skip_limits(section)
    elif kind == "global":
        _skip_reference_type(section)
        section.byte()
    else:
        section.byte()
        section.unsigned()
    return Import(module, name, kind)


def _export(section: _Reader) -> Export:
    name = section.name()
    kind = _kind(section)
    section.unsigned()
    return Export(name, kind)


def _kind(section: _Reader) -> str:
    number = section.byte()
    if number >= len(_KINDS):
        raise ModuleFormatError(f"unknown import or export kind {number}: the file is damaged")
    return _KINDS[number]


def _skip_reference_type(section: _Reader) -> None:
    # A typed reference (0x63, 0x64) is followed by the type it points at; all else is one byte.
    if section.byte() in (0x63, 0x64):
        section.unsigned(33)


def _skip_limits(section: _Reader) -> None:
    # Bits: 1 has a maximum, 2 shared, 4 addresses of 64 bits, 8 a page size of its own.
    flags = section.byte()
    bits = 64 if flags & 4 else 32
    section.unsigned(bits)
    if flags & 1:
        section.unsigned(bits)
    if flags & 8:
        section.unsigned()


def _skip_bodies(section: _Reader) -> int:
    found = section.count()
    for _ in range(found):
        section.part(section.unsigned())
    return found


def _names_simd(section: _Reader) -> bool:
    """Read ``target_features`` (tool-conventions, Linking.md): a prefix and a name each."""
    features = [(section.byte(), section.name()) for _ in range(section.count())]
    return any(prefix == ord("+") and name == "simd128" for prefix, name in features)
