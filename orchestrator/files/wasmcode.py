"""Goes through a module's instructions, quickly, and notes the proposals they belong to.

One table says what follows each instruction. Regular expressions made from it go past everything
that says nothing new, at the speed of C; whatever stops them is taken apart one by one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

from orchestrator.files.wasmbytes import ModuleFormatError, Reader
from orchestrator.files.wasmtypes import Note, Proposal, block_type, heap_type, value_type

_END, _GLOBAL_GET = 0x0B, 0x23
#: Prefixes of instructions with a number of their own.
_GC, _MISC, _SIMD, _ATOMIC = 0xFB, 0xFC, 0xFD, 0xFE
#: i32 and i64 add, sub and mul: the ones extended-const lets into constant expressions.
_ARITHMETIC = frozenset({0x6A, 0x6B, 0x6C, 0x7C, 0x7D, 0x7E})

# What follows an instruction, a letter each: v number of 32 bits, i l signed ones of 32 and 64
# bits, b byte, 4 8 16 so many bytes, m address (alignment, memory, offset), z memory, t table,
# k block type, h heap type, T branch table, V value types, C clauses of try_table, c br_on_cast.
_Entry = tuple[str, Proposal | None]


def _entries(
    numbers: Iterable[int], follows: str, proposal: Proposal | None = None
) -> dict[int, _Entry]:
    return dict.fromkeys(numbers, (follows, proposal))


_PLAIN: dict[int, _Entry] = {
    **_entries((0x00, 0x01, 0x05, 0x0B, 0x0F, 0x1A, 0x1B, *range(0x45, 0xC0)), ""),
    **_entries((0x02, 0x03, 0x04), "k"),
    **_entries((0x0C, 0x0D, 0x10, *range(0x20, 0x25)), "v"),
    0x0E: ("T", None),
    0x11: ("vt", None),
    **_entries(range(0x28, 0x3F), "m"),
    **_entries((0x3F, 0x40), "z"),
    0x41: ("i", None),
    0x42: ("l", None),
    0x43: ("4", None),
    0x44: ("8", None),
    0x06: ("k", Proposal.LEGACY_EXCEPTIONS),
    **_entries((0x07, 0x09, 0x18), "v", Proposal.LEGACY_EXCEPTIONS),
    0x19: ("", Proposal.LEGACY_EXCEPTIONS),
    0x08: ("v", Proposal.EXCEPTIONS),
    0x0A: ("", Proposal.EXCEPTIONS),
    0x1F: ("kC", Proposal.EXCEPTIONS),
    0x12: ("v", Proposal.TAIL_CALL),
    0x13: ("vt", Proposal.TAIL_CALL),
    **_entries((0x14, 0x15, 0xD5, 0xD6), "v", Proposal.FUNCTION_REFERENCES),
    0xD4: ("", Proposal.FUNCTION_REFERENCES),
    0x1C: ("V", Proposal.REFERENCE_TYPES),
    **_entries((0x25, 0x26, 0xD2), "v", Proposal.REFERENCE_TYPES),
    0xD0: ("h", Proposal.REFERENCE_TYPES),
    0xD1: ("", Proposal.REFERENCE_TYPES),
    0xD3: ("", Proposal.GC),
    **_entries(range(0xC0, 0xC5), "", Proposal.SIGN_EXTENSION),
}
#: Numbers of the SIMD prefix that no instruction has.
_SIMD_HOLES = frozenset(
    bytes.fromhex("9a a2 a5 a6 af b0 b2 b3 b4 bb c2 c5 c6 cf d0 d2 d3 d4 e2 ee")
)
_PREFIXED: dict[int, dict[int, _Entry]] = {
    _MISC: {
        **_entries(range(8), "", Proposal.FLOAT_TO_INT),
        8: ("vz", Proposal.BULK_MEMORY),
        10: ("zz", Proposal.BULK_MEMORY),
        11: ("z", Proposal.BULK_MEMORY),
        **_entries((9, 13), "v", Proposal.BULK_MEMORY),
        12: ("vt", Proposal.BULK_MEMORY),
        14: ("tt", Proposal.BULK_MEMORY),
        **_entries((15, 16, 17), "v", Proposal.REFERENCE_TYPES),
        **_entries((19, 20, 21, 22), "", Proposal.WIDE_ARITHMETIC),
    },
    _SIMD: {
        **_entries(set(range(0x0E, 0x100)) - _SIMD_HOLES, "", Proposal.SIMD),
        **_entries((*range(0x0C), 0x5C, 0x5D), "m", Proposal.SIMD),
        **_entries((0x0C, 0x0D), "16", Proposal.SIMD),
        **_entries(range(0x15, 0x23), "b", Proposal.SIMD),
        **_entries(range(0x54, 0x5C), "mb", Proposal.SIMD),
        **_entries(range(0x100, 0x114), "", Proposal.RELAXED_SIMD),
    },
    _ATOMIC: {
        **_entries((0, 1, 2, *range(0x10, 0x4F)), "m", Proposal.THREADS),
        3: ("b", Proposal.THREADS),
    },
    _GC: {
        **_entries((0x0F, *range(0x1A, 0x1F)), "", Proposal.GC),
        **_entries((0, 1, 6, 7, 0x0B, 0x0C, 0x0D, 0x0E, 0x10), "v", Proposal.GC),
        **_entries((2, 3, 4, 5, 8, 9, 0x0A, 0x11, 0x12, 0x13), "vv", Proposal.GC),
        **_entries(range(0x14, 0x18), "h", Proposal.GC),
        **_entries((0x18, 0x19), "c", Proposal.GC),
    },
}

# The same, as patterns of the usual spelling; any other one stops them. None is possessive, though
# nothing is ever taken back: Python before 3.11.5 gets possessive groups wrong (gh-106052), and so
# does Debian 12's.
_NUMBER = rb"(?:[\x00-\x7f]|[\x80-\xff]{1,3}[\x00-\x7f]|[\x80-\xff]{4}[\x00-\x0f])"
_PATTERNS = {
    "v": _NUMBER,
    "i": rb"(?:[\x80-\xff]{0,3}[\x00-\x7f]|[\x80-\xff]{4}[\x00-\x07\x78-\x7f])",
    "l": rb"(?:[\x80-\xff]{0,8}[\x00-\x7f]|[\x80-\xff]{9}[\x00\x7f])",
    "b": rb"[\x00-\xff]",
    "4": rb"[\x00-\xff]{4}",
    "8": rb"[\x00-\xff]{8}",
    "16": rb"[\x00-\xff]{16}",
    "m": rb"[\x00-\x3f]" + _NUMBER,
    "z": rb"\x00",
    "t": rb"\x00",
    "k": rb"[\x40\x7c-\x7f]",
}
#: Instructions that one match takes at most: it remembers something for each.
_AT_ONCE = 4096
#: Most frequent first: the alternatives of a pattern are tried in turn.
_ORDER = ("v", "", "i", "m", "k", "vt", "l", "8", "4", "z")


def function_body(reader: Reader, note: Note, known: set[Proposal]) -> None:
    """Go through a function: its locals and all its instructions.

    Args:
        reader: sees the body and nothing else.
        note: told of each proposal.
        known: the proposals noted so far.

    Raises:
        ModuleFormatError: truncated, damaged, or an instruction nobody here knows.
    """
    for _ in range(reader.count()):
        reader.unsigned()
        value_type(reader, note)
    while reader.left:
        found = _quick(frozenset(known)).match(reader.data, reader.at, reader.end)
        if found:
            reader.at = found.end()
        else:
            _instruction(reader, note)
    if reader.data[reader.end - 1] != _END:
        raise reader.damaged()


def constant_expression(reader: Reader, note: Note, imported: int) -> None:
    """Go past the value that a global, a table or a segment begins with.

    Args:
        reader: stands at its first instruction.
        note: told of each proposal.
        imported: how many globals are; a constant may read those, and GC lets it read others.

    Raises:
        ModuleFormatError: truncated, damaged, or an instruction nobody here knows.
    """
    start = reader.at
    while (code := _instruction(reader, note)) != _END:
        if code in _ARITHMETIC:
            note(Proposal.EXTENDED_CONST)
        if (
            code == _GLOBAL_GET
            and Reader(reader.data, start + 1, reader.at).unsigned() >= imported
        ):
            note(Proposal.GC)
        start = reader.at


def _instruction(reader: Reader, note: Note) -> int:
    """Take one instruction apart; answer its first byte."""
    start = reader.at
    code = reader.byte()
    if code in _PREFIXED:
        number = reader.unsigned()
        entry = _PREFIXED[code].get(number)
        name = f"{code:#04x} {number:#04x}"
    else:
        entry = _PLAIN.get(code)
        name = f"{code:#04x}"
    if entry is None:
        raise ModuleFormatError(
            f"unknown instruction {name} at byte {start}: the file is damaged, or of a proposal"
            " that no mode here has"
        )
    follows, proposal = entry
    if proposal is not None:
        note(proposal)
    _pass(reader, note, follows)
    return code


def _pass(reader: Reader, note: Note, follows: str) -> None:
    if follows.isdigit():
        reader.skip(int(follows))
        return
    for letter in follows:
        if letter == "v":
            reader.unsigned()
        elif letter in "il":
            reader.signed(32 if letter == "i" else 64)
        elif letter == "b":
            reader.byte()
        else:
            _SPECIAL[letter](reader, note)


def _address(reader: Reader, note: Note) -> None:
    alignment = reader.unsigned()
    if alignment >= 0x80:
        raise reader.damaged()
    if alignment & 0x40:
        reader.unsigned()
        note(Proposal.MULTI_MEMORY)
    if reader.unsigned(64) >> 32:
        note(Proposal.MEMORY64)


def _memory(reader: Reader, note: Note) -> None:
    if reader.unsigned():
        note(Proposal.MULTI_MEMORY)


def _table(reader: Reader, note: Note) -> None:
    start = reader.at
    # Before the proposal one byte stood here, 0; a longer spelling of 0 came with it.
    if reader.unsigned() or reader.at > start + 1:
        note(Proposal.REFERENCE_TYPES)


def _branches(reader: Reader, _note: Note) -> None:
    for _ in range(reader.count() + 1):
        reader.unsigned()


def _value_types(reader: Reader, note: Note) -> None:
    for _ in range(reader.count()):
        value_type(reader, note)


def _clauses(reader: Reader, _note: Note) -> None:
    for _ in range(reader.count()):
        kind = reader.byte()
        if kind > 3:
            raise reader.damaged()
        if kind < 2:  # with a tag, the others catch all
            reader.unsigned()
        reader.unsigned()


def _cast(reader: Reader, note: Note) -> None:
    reader.byte()
    reader.unsigned()
    heap_type(reader, note)
    heap_type(reader, note)


_SPECIAL = {
    "m": _address,
    "z": _memory,
    "t": _table,
    "k": block_type,
    "h": heap_type,
    "T": _branches,
    "V": _value_types,
    "C": _clauses,
    "c": _cast,
}


@functools.lru_cache(maxsize=64)
def _quick(known: frozenset[Proposal]) -> re.Pattern[bytes]:
    """A pattern of some instructions that belong to known proposals only."""
    choices = _choices(_PLAIN, known)
    choices[1] += b"+"  # without anything after them: runs of these are common
    for prefix, table in _PREFIXED.items():
        short = _choices({n: entry for n, entry in table.items() if n < 0x80}, known)
        if found := short + _two_bytes(table, known):
            choices.append(b"%s(?:%s)" % (_set({prefix}), b"|".join(found)))
    return re.compile(b"(?:%s){1,%d}" % (b"|".join(choices), _AT_ONCE))


def _two_bytes(table: dict[int, _Entry], known: frozenset[Proposal]) -> list[bytes]:
    """The numbers from 0x80 on, of which nothing that has any follows."""
    by_high: dict[int, set[int]] = {}
    for number, (follows, proposal) in table.items():
        if number >= 0x80 and proposal in known and not follows:
            by_high.setdefault(number >> 7, set()).add(number & 0x7F | 0x80)
    return [_set(low) + _set({high}) for high, low in sorted(by_high.items())]


def _choices(table: dict[int, _Entry], known: frozenset[Proposal]) -> list[bytes]:
    by_pattern: dict[str, set[int]] = {}
    for number, (follows, proposal) in table.items():
        if proposal is None or proposal in known:
            by_pattern.setdefault(follows, set()).add(number)
    usual = [follows for follows in _ORDER if follows in by_pattern]
    return [
        _set(by_pattern[follows]) + _follow(follows)
        for follows in (*usual, *sorted(by_pattern.keys() - set(usual)))
        if follows in _PATTERNS or all(letter in _PATTERNS for letter in follows)
    ]


def _follow(follows: str) -> bytes:
    if not follows:
        return b""
    return _PATTERNS.get(follows) or b"".join(_PATTERNS[letter] for letter in follows)


def _set(numbers: Iterable[int]) -> bytes:
    return b"[%s]" % b"".join(rb"\x%02x" % number for number in sorted(numbers))
