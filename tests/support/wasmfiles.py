"""Writes small WebAssembly modules byte by byte, for tests."""

from __future__ import annotations

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


def module(
    *imports: bytes,
    exports: tuple[bytes, ...] = (export("_start"),),
    features: tuple[bytes, ...] | None = None,
) -> bytes:
    """Encode a module with one empty function."""
    return b"".join(
        [
            HEAD,
            section(1, vector(b"\x60\0\0")),
            section(2, vector(*imports)),
            section(3, vector(leb(0))),
            section(7, vector(*exports)),
            section(10, vector(leb(2) + b"\0\x0b")),
            b"" if features is None else section(0, name("target_features") + vector(*features)),
        ]
    )
