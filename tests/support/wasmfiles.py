"""Writes small WebAssembly modules byte by byte, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

HEAD = b"\0asm\x01\0\0\0"


def leb(value: int) -> bytes:
    """Encode an unsigned number."""
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def name(word: str) -> bytes:
    """Encode a name."""
    return leb(len(word.encode())) + word.encode()


def section(number: int, body: bytes) -> bytes:
    """Encode a section."""
    return bytes([number]) + leb(len(body)) + body


def vector(*items: bytes) -> bytes:
    """Encode a vector."""
    return leb(len(items)) + b"".join(items)


def function_import(module: str, word: str) -> bytes:
    """Encode the import of a function."""
    return name(module) + name(word) + b"\0" + leb(0)


def export(word: str, kind: int = 0) -> bytes:
    """Encode an export."""
    return name(word) + bytes([kind]) + leb(0)


#: What a program offers.
PROGRAM = (export("_start"), export("memory", 2))


def module(
    *imports: bytes,
    exports: tuple[bytes, ...] = PROGRAM,
    body: bytes = b"",
    start_type: bytes = b"\x60\0\0",
    memory: bytes = b"\0\x01",
    sections: Mapping[int, bytes] = MappingProxyType({}),
) -> bytes:
    """Encode a module with one function, which imports of type () -> () may come before.

    Args:
        imports: encoded.
        exports: encoded; ``_start`` means the first function that is no import.
        body: instructions, without the last ``end``.
        start_type: of the function.
        memory: limits of its only memory.
        sections: further ones, by number; they come in the specification's order.
    """
    functions = sum(1 for one in imports if is_function(one))
    code = b"\0" + body + b"\x0b"
    parts = {
        1: vector(b"\x60\0\0", start_type),
        2: vector(*imports),
        3: vector(leb(1)),
        5: vector(memory),
        7: vector(*(one[:-1] + leb(functions) if one[-2:] == b"\0\0" else one for one in exports)),
        10: vector(leb(len(code)) + code),
        **sections,
    }
    order = (1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11, 0)
    return HEAD + b"".join(section(number, parts[number]) for number in order if number in parts)


def is_function(one: bytes) -> bool:
    """Say whether an encoded import is that of a function."""
    at = 1 + one[0]
    at += 1 + one[at]
    return one[at] == 0
