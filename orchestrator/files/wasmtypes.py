"""Reads the types in a module, and notes the proposals that each one belongs to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.files.wasmbytes import ModuleFormatError, Reader


class Proposal(StrEnum):
    """What was added to WebAssembly 1.0, by the names of the proposals' own repositories."""

    MUTABLE_GLOBAL = "mutable-global"
    SIGN_EXTENSION = "sign-extension-ops"
    FLOAT_TO_INT = "nontrapping-float-to-int"
    MULTI_VALUE = "multi-value"
    BULK_MEMORY = "bulk-memory"
    REFERENCE_TYPES = "reference-types"
    SIMD = "simd"
    EXTENDED_CONST = "extended-const"
    TAIL_CALL = "tail-call"
    RELAXED_SIMD = "relaxed-simd"
    THREADS = "threads"
    EXCEPTIONS = "exceptions"
    LEGACY_EXCEPTIONS = "legacy-exceptions"
    FUNCTION_REFERENCES = "function-references"
    GC = "gc"
    MULTI_MEMORY = "multi-memory"
    MEMORY64 = "memory64"
    TABLE64 = "table64"
    CUSTOM_PAGE_SIZES = "custom-page-sizes"
    WIDE_ARITHMETIC = "wide-arithmetic"


#: Told of a proposal when something of it is met.
Note = Callable[[Proposal], None]

_NUMBERS = frozenset({0x7F, 0x7E, 0x7D, 0x7C})
_VECTOR = 0x7B
_FUNCREF, _EXTERNREF = 0x70, 0x6F
#: Abstract heap types; the two above are of reference types.
_HEAP_TYPES = {
    **dict.fromkeys((0x6E, 0x6D, 0x6C, 0x6B, 0x6A, 0x71, 0x72, 0x73), Proposal.GC),
    **dict.fromkeys((0x69, 0x74), Proposal.EXCEPTIONS),
    **dict.fromkeys((_FUNCREF, _EXTERNREF), Proposal.REFERENCE_TYPES),
}
_REF_NULL, _REF = 0x63, 0x64
_FUNC, _STRUCT, _ARRAY, _SUB, _SUB_FINAL, _REC = 0x60, 0x5F, 0x5E, 0x50, 0x4F, 0x4E
#: i8 and i16, as they stand in structs and arrays.
_PACKED = frozenset({0x78, 0x77})


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a memory or table is to begin with, in pages or entries."""

    least: int
    #: log2 of a page's bytes.
    page_bits: int = 16


def value_type(reader: Reader, note: Note) -> None:
    """Go past the type of a value.

    Raises:
        ModuleFormatError: there is no such type.
    """
    byte = reader.byte()
    if byte in _NUMBERS:
        return
    if byte == _VECTOR:
        note(Proposal.SIMD)
    else:
        _reference(reader, note, byte)


def _reference(reader: Reader, note: Note, byte: int) -> None:
    if byte in _HEAP_TYPES:
        note(_HEAP_TYPES[byte])
    elif byte in (_REF_NULL, _REF):
        note(Proposal.FUNCTION_REFERENCES)
        heap_type(reader, note)
    else:
        raise _unknown(reader, byte)


def _unknown(reader: Reader, byte: int) -> ModuleFormatError:
    return ModuleFormatError(
        f"unknown type {byte:#04x} at byte {reader.at - 1}: the file is damaged, or of a proposal"
        " that no mode here has"
    )


def heap_type(reader: Reader, note: Note) -> None:
    """Go past what a reference points at: an abstract type, or the index of one.

    Raises:
        ModuleFormatError: there is no such type.
    """
    found = reader.signed(33)
    if found >= 0:
        note(Proposal.FUNCTION_REFERENCES)
    elif found + 0x80 in _HEAP_TYPES:
        note(_HEAP_TYPES[found + 0x80])
    else:
        raise _unknown(reader, found & 0x7F)


def block_type(reader: Reader, note: Note) -> None:
    """Go past the type of a block: nothing, a value, or the index of a type.

    Raises:
        ModuleFormatError: there is no such type.
    """
    byte = reader.byte()
    if byte == 0x40 or byte in _NUMBERS:
        return
    reader.at -= 1
    if byte & 0xC0 == 0x40:  # one byte of a negative number: the type of a value
        value_type(reader, note)
    elif reader.signed(33) >= 0:
        note(Proposal.MULTI_VALUE)
    else:
        raise _unknown(reader, byte)


def table_type(reader: Reader, note: Note) -> Limits:
    """Read a table's type.

    Raises:
        ModuleFormatError: there is no such type.
    """
    byte = reader.byte()
    if byte != _FUNCREF:
        _reference(reader, note, byte)
    return _limits(reader, note, Proposal.TABLE64)


def memory_type(reader: Reader, note: Note) -> Limits:
    """Read a memory's type.

    Raises:
        ModuleFormatError: there is no such type.
    """
    return _limits(reader, note, Proposal.MEMORY64)


def _limits(reader: Reader, note: Note, large: Proposal) -> Limits:
    """Read limits; bits: 1 has a maximum, 2 shared, 4 addresses of 64 bits, 8 an own page size."""
    flags = reader.byte()
    if flags > 0xF:
        raise _unknown(reader, flags)
    bits = 64 if flags & 4 else 32
    least = reader.unsigned(bits)
    if flags & 1:
        reader.unsigned(bits)
    if flags & 2:
        note(Proposal.THREADS)
    if flags & 4:
        note(large)
    if not flags & 8:
        return Limits(least)
    note(Proposal.CUSTOM_PAGE_SIZES)
    return Limits(least, reader.unsigned())


def global_type(reader: Reader, note: Note) -> bool:
    """Go past a global's type, and say whether it can change.

    Raises:
        ModuleFormatError: there is no such type.
    """
    value_type(reader, note)
    return _is_mutable(reader)


def _is_mutable(reader: Reader) -> bool:
    byte = reader.byte()
    if byte > 1:
        raise _unknown(reader, byte)
    return byte == 1


def type_section(reader: Reader, note: Note) -> list[bool]:
    """Read a module's types.

    Returns:
        For each index: whether it is a function without parameters and results.

    Raises:
        ModuleFormatError: there is no such type.
    """
    plain: list[bool] = []
    for _ in range(reader.count()):
        if reader.left and reader.data[reader.at] == _REC:
            reader.byte()
            note(Proposal.GC)
            plain += [_sub_type(reader, note) for _ in range(reader.count())]
        else:
            plain.append(_sub_type(reader, note))
    return plain


def _sub_type(reader: Reader, note: Note) -> bool:
    byte = reader.byte()
    if byte in (_SUB, _SUB_FINAL):
        note(Proposal.GC)
        for _ in range(reader.count()):
            reader.unsigned()
        byte = reader.byte()
    if byte == _FUNC:
        return _function_type(reader, note)
    if byte not in (_STRUCT, _ARRAY):
        raise _unknown(reader, byte)
    note(Proposal.GC)
    for _ in range(reader.count() if byte == _STRUCT else 1):
        _field(reader, note)
    return False


def _function_type(reader: Reader, note: Note) -> bool:
    parameters = reader.count()
    for _ in range(parameters):
        value_type(reader, note)
    results = reader.count()
    for _ in range(results):
        value_type(reader, note)
    if results > 1:
        note(Proposal.MULTI_VALUE)
    return parameters == results == 0


def _field(reader: Reader, note: Note) -> None:
    if reader.left and reader.data[reader.at] in _PACKED:
        reader.byte()
    else:
        value_type(reader, note)
    _is_mutable(reader)
