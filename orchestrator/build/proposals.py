"""Owns which of WebAssembly's proposals WAMR has here, and says why a module does not fit."""

from __future__ import annotations

from collections.abc import Collection

from orchestrator.domain.device import Arch
from orchestrator.domain.matrix import Mode, Runtime
from orchestrator.domain.runtime_source import PINNED
from orchestrator.files.wasmtypes import Proposal

#: What WAMR has without a choice of ours.
_ALWAYS = frozenset(
    {
        Proposal.MUTABLE_GLOBAL,
        Proposal.SIGN_EXTENSION,
        Proposal.FLOAT_TO_INT,
        Proposal.MULTI_VALUE,
    }
)
#: WAMR's flags in ``native/features.cmake``, and what each one that is in brings.
FLAGS = {
    Proposal.BULK_MEMORY: "BULK_MEMORY",
    Proposal.REFERENCE_TYPES: "REF_TYPES",
    Proposal.EXTENDED_CONST: "EXTENDED_CONST_EXPR",
    Proposal.TAIL_CALL: "TAIL_CALL",
}
#: What every mode but native takes; a test holds it against ``native/features.cmake``.
EVERYWHERE = _ALWAYS | FLAGS.keys()
#: Architectures whose fast interpreter and AOT have 128-bit vectors; WAMR has none for armv7.
SIMD_ARCHS = frozenset({Arch.X86_64, Arch.AARCH64})
#: What helps where no mode has a proposal: how to build without it.
_WITHOUT = {
    Proposal.THREADS: "build it for one thread (wasm32-wasip1, without -pthread)",
    Proposal.RELAXED_SIMD: "build it without -mrelaxed-simd",
    Proposal.MEMORY64: "build it for wasm32",
    Proposal.EXCEPTIONS: "build it without -fwasm-exceptions and without setjmp",
    Proposal.LEGACY_EXCEPTIONS: "build it without -fwasm-exceptions and without setjmp",
    Proposal.WIDE_ARITHMETIC: "build it without -mwide-arithmetic",
}
#: Half of what a 32-bit process can address: WAMR keeps a memory in one piece.
_MOST_32_BIT_BYTES = 2 << 30


def proposal_misfit(needed: Collection[Proposal], mode: Mode, arch: Arch) -> str:
    """Why a mode cannot take a ready module on an architecture; empty: it can.

    Args:
        needed: what the module needs.
        mode: not native.
        arch: of the device.
    """
    lacking = missing_everywhere(needed)
    if lacking and mode.runtime_source == PINNED:
        return f"needs {_words(lacking)}, which no mode has: {_advice(lacking)}"
    if Proposal.SIMD not in needed:
        return ""
    if arch not in SIMD_ARCHS:
        return f"uses SIMD, which WAMR has for {_words(sorted(SIMD_ARCHS))} only, not for {arch}"
    if mode.runtime is Runtime.CLASSIC:
        return f"uses SIMD: {Runtime.FAST} and {Runtime.AOT} have it"
    if mode.simd is False:
        return f"uses SIMD: {mode.label} leaves it out"
    return ""


def missing_everywhere(needed: Collection[Proposal]) -> list[Proposal]:
    """What of a module's needs no mode has, in the order of the proposals."""
    return [one for one in Proposal if one in needed and one not in EVERYWHERE | {Proposal.SIMD}]


def _advice(lacking: list[Proposal]) -> str:
    known = dict.fromkeys(_WITHOUT[one] for one in lacking if one in _WITHOUT)
    return " and ".join(known) or "build it without"


def _words(names: Collection[str]) -> str:
    return " and ".join(str(name) for name in names)


def memory_misfit(memory_bytes: int, limit_bytes: int, os_bits: int) -> str:
    """Why a module's first memory is too much; empty: it is not.

    Args:
        memory_bytes: what it begins with.
        limit_bytes: the workload's limit.
        os_bits: of the device.
    """
    if memory_bytes > limit_bytes:
        return (
            f"begins with {memory_bytes >> 20} MiB of memory, and its limit is"
            f" {limit_bytes >> 20} MiB: raise limits.memory_bytes in a workload.yaml"
        )
    if os_bits == 32 and memory_bytes > _MOST_32_BIT_BYTES:
        return f"begins with {memory_bytes >> 20} MiB of memory, too much for a 32-bit device"
    return ""
