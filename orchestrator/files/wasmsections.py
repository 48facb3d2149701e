"""Goes through the sections of a module, and its code where that is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from orchestrator.files.wasmbytes import ModuleFormatError, Reader
from orchestrator.files.wasmcode import constant_expression, function_body
from orchestrator.files.wasmtypes import (
    Limits,
    Proposal,
    global_type,
    memory_type,
    table_type,
    type_section,
    value_type,
)

MAGIC = b"\0asm"
_CORE_VERSION = b"\x01\0\0\0"
#: Layer 1 (component model); the version before it has changed with every draft.
_COMPONENT_LAYER = b"\x01\0"
#: Section of a component that holds a core module.
_CORE_MODULE = 1

# Section ids of the core specification, 5.5.2.
_CUSTOM, _TYPE, _IMPORT, _FUNCTION, _TABLE, _MEMORY, _GLOBAL = range(7)
_EXPORT, _START, _ELEMENT, _CODE, _DATA, _DATA_COUNT, _TAG = range(7, 14)

_KINDS = ("function", "table", "memory", "global", "tag")


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


def _check_head(data: bytes) -> None:
    if not data:
        raise ModuleFormatError("the file is empty: build or copy it again")
    if data[:4] != MAGIC:
        raise ModuleFormatError("not a WebAssembly module: name a .wasm file, a C file or an ELF")
    version = data[4:8]
    if len(version) < 4:
        raise ModuleFormatError("truncated in its first 8 bytes: copy it again")
    if version[2:] == _COMPONENT_LAYER:
        raise ModuleFormatError(_component(data))
    if version != _CORE_VERSION:
        raise ModuleFormatError(f"unknown module version {version.hex()}: build it for version 1")


def _component(data: bytes) -> str:
    inner = 0
    reader = Reader(data, 8, len(data))
    try:
        while reader.left:
            inner += reader.byte() == _CORE_MODULE
            reader.skip(reader.unsigned())
    except ModuleFormatError:
        pass  # that it is a component is what counts
    holds = f" that holds {inner} core module{'s' * (inner > 1)}" if inner else ""
    return (
        f"a component (WASI preview 2){holds}, not a core module: build a core module"
        " (wasm32-wasip1)"
    )


@dataclass
class Sections:
    """What the sections of one module have told so far."""

    with_code: bool
    proposals: set[Proposal] = field(default_factory=set)
    imports: list[Import] = field(default_factory=list)
    exports: list[Export] = field(default_factory=list)
    memories: list[Limits] = field(default_factory=list)
    tables: int = 0
    #: By type: whether it is a function without parameters and results.
    plain: list[bool] = field(default_factory=list)
    #: The type of each function, imported ones first.
    functions: list[int] = field(default_factory=list)
    #: By global: whether it can change.
    mutable: list[bool] = field(default_factory=list)
    imported_globals: int = 0
    declared: int = 0
    bodies: int = 0
    start_at: int | None = None

    def read(self, data: bytes) -> Sections:
        """Go through all sections of a file."""
        _check_head(data)
        for number, section in _sections(Reader(data, 8, len(data))):
            read = _READERS.get(number)
            if read is not None:
                read(self, section)
        if self.declared != self.bodies:
            raise ModuleFormatError(
                f"truncated: {self.declared} functions are declared and {self.bodies} are there:"
                " copy it again"
            )
        if len(self.memories) > 1:
            self.note(Proposal.MULTI_MEMORY)
        if self.tables > 1:
            self.note(Proposal.REFERENCE_TYPES)
        return self

    @property
    def starts_plainly(self) -> bool:
        """Whether ``_start`` takes nothing and answers nothing."""
        if self.start_at is None or self.start_at >= len(self.functions):
            return False
        kind = self.functions[self.start_at]
        return kind < len(self.plain) and self.plain[kind]

    def note(self, proposal: Proposal) -> None:
        """Remember that a proposal is needed."""
        self.proposals.add(proposal)

    def _types(self, section: Reader) -> None:
        self.plain = type_section(section, self.note)

    def _import_all(self, section: Reader) -> None:
        for _ in range(section.count()):
            module, name = section.name(), section.name()
            kind = _kind(section)
            _IMPORTED[kind](self, section)
            self.imports.append(Import(module, name, kind))

    def _function_import(self, section: Reader) -> None:
        self.functions.append(section.unsigned())

    def _one_table(self, section: Reader) -> None:
        table_type(section, self.note)
        self.tables += 1

    def _one_memory(self, section: Reader) -> None:
        self.memories.append(memory_type(section, self.note))

    def _global_import(self, section: Reader) -> None:
        self.mutable.append(global_type(section, self.note))
        self.imported_globals += 1
        if self.mutable[-1]:
            self.note(Proposal.MUTABLE_GLOBAL)

    def _tag(self, section: Reader) -> None:
        section.byte()
        section.unsigned()
        self.note(Proposal.EXCEPTIONS)

    def _constant(self, section: Reader) -> None:
        constant_expression(section, self.note, self.imported_globals)

    def _declare(self, section: Reader) -> None:
        self.declared = section.count()
        self.functions += [section.unsigned() for _ in range(self.declared)]

    def _define_tables(self, section: Reader) -> None:
        for _ in range(section.count()):
            with_value = section.left and section.data[section.at] == 0x40
            if with_value:
                section.skip(2)
                self.note(Proposal.FUNCTION_REFERENCES)
            self._one_table(section)
            if with_value:
                self._constant(section)

    def _define_memories(self, section: Reader) -> None:
        for _ in range(section.count()):
            self._one_memory(section)

    def _define_globals(self, section: Reader) -> None:
        for _ in range(section.count()):
            self.mutable.append(global_type(section, self.note))
            self._constant(section)

    def _define_tags(self, section: Reader) -> None:
        for _ in range(section.count()):
            self._tag(section)

    def _export_all(self, section: Reader) -> None:
        for _ in range(section.count()):
            name, kind, number = section.name(), _kind(section), section.unsigned()
            self.exports.append(Export(name, kind))
            if (name, kind) == ("_start", "function"):
                self.start_at = number
            if kind == "global" and number < len(self.mutable) and self.mutable[number]:
                self.note(Proposal.MUTABLE_GLOBAL)

    def _elements(self, section: Reader) -> None:
        """Go past element segments; bits: 1 passive or declared, 2 a table, 4 expressions."""
        for _ in range(section.count()):
            flags = section.unsigned()
            if flags > 7:
                raise section.damaged()
            if flags:
                self.note(Proposal.BULK_MEMORY)
            if not flags & 1:
                if flags & 2 and section.unsigned():
                    self.note(Proposal.REFERENCE_TYPES)
                self._constant(section)
            if flags & 3:
                self._element_kind(section, typed=bool(flags & 4))
            for _ in range(section.count()):
                if flags & 4:
                    self._constant(section)
                else:
                    section.unsigned()

    def _element_kind(self, section: Reader, *, typed: bool) -> None:
        if typed:
            value_type(section, self.note)
        elif section.byte():
            raise section.damaged()

    def _data_segments(self, section: Reader) -> None:
        """Go past data segments; 0: into the first memory, 1: passive, 2: into a memory."""
        for _ in range(section.count()):
            flags = section.unsigned()
            if flags > 2:
                raise section.damaged()
            if flags:
                self.note(Proposal.BULK_MEMORY)
            if flags == 2 and section.unsigned():
                self.note(Proposal.MULTI_MEMORY)
            if flags != 1:
                self._constant(section)
            section.skip(section.unsigned())

    def _data_count(self, section: Reader) -> None:
        section.unsigned()
        self.note(Proposal.BULK_MEMORY)

    def _code(self, section: Reader) -> None:
        self.bodies = section.count()
        for _ in range(self.bodies):
            body = section.part(section.unsigned())
            if self.with_code:
                function_body(body, self.note, self.proposals)


_IMPORTED: dict[str, Callable[[Sections, Reader], None]] = {
    "function": Sections._function_import,
    "table": Sections._one_table,
    "memory": Sections._one_memory,
    "global": Sections._global_import,
    "tag": Sections._tag,
}
_READERS: dict[int, Callable[[Sections, Reader], None]] = {
    _TYPE: Sections._types,
    _IMPORT: Sections._import_all,
    _FUNCTION: Sections._declare,
    _TABLE: Sections._define_tables,
    _MEMORY: Sections._define_memories,
    _GLOBAL: Sections._define_globals,
    _EXPORT: Sections._export_all,
    _ELEMENT: Sections._elements,
    _CODE: Sections._code,
    _DATA: Sections._data_segments,
    _DATA_COUNT: Sections._data_count,
    _TAG: Sections._define_tags,
}


def _sections(reader: Reader) -> Iterator[tuple[int, Reader]]:
    while reader.left:
        number = reader.byte()
        if number > _TAG:
            raise ModuleFormatError(f"unknown section {number}, so damaged: copy it again")
        yield number, reader.part(reader.unsigned())


def _kind(section: Reader) -> str:
    number = section.byte()
    if number >= len(_KINDS):
        raise ModuleFormatError(
            f"unknown import or export kind {number}: the file is damaged, or of a proposal that"
            " no mode here has"
        )
    return _KINDS[number]
