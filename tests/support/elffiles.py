"""The heads of ELF programs, as small as the farm reads them."""

from __future__ import annotations


def elf(machine: int, loader: str = "") -> bytes:
    """Encode an ELF program of 64 bits that has one segment: its head, and the table of it.

    Args:
        machine: e_machine of the ELF specification.
        loader: what loads it; empty: it is static.
    """
    name = loader.encode() + b"\0"
    segment = b"".join(
        (
            (3 if loader else 1).to_bytes(4, "little"),
            bytes(4),
            (120).to_bytes(8, "little"),
            bytes(16),
            len(name).to_bytes(8, "little"),
            bytes(16),
        )
    )
    head = b"".join(
        (
            b"\x7fELF\x02\x01\x01",
            bytes(9),
            (2).to_bytes(2, "little"),
            machine.to_bytes(2, "little"),
            bytes(12),
            (64).to_bytes(8, "little"),
            bytes(14),
            (56).to_bytes(2, "little"),
            (1).to_bytes(2, "little"),
            bytes(6),
        )
    )
    return head + segment + (name if loader else b"")
