"""Owns which of WebAssembly's proposals WAMR has here, and says why a module does not fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from orchestrator.domain.device import Arch
from orchestrator.domain.matrix import Mode, Runtime
from orchestrator.domain.runtime_source import PINNED, RuntimeSource
from orchestrator.files.sources import FEATURES
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
#: WAMR's flags that bring a proposal, or the part of it that C compilers use.
FLAGS: Mapping[Proposal, tuple[str, ...]] = {
    Proposal.BULK_MEMORY: ("BULK_MEMORY", "BULK_MEMORY_OPT"),
    Proposal.REFERENCE_TYPES: ("REF_TYPES", "CALL_INDIRECT_OVERLONG"),
    Proposal.EXTENDED_CONST: ("EXTENDED_CONST_EXPR",),
    Proposal.TAIL_CALL: ("TAIL_CALL",),
    Proposal.THREADS: ("SHARED_MEMORY",),
    Proposal.MEMORY64: ("MEMORY64",),
    Proposal.TABLE64: ("MEMORY64",),
}
#: What no flag brings; a tree of the user's may have it all the same: its loader decides.
_WITHOUT_FLAG = frozenset(
    {
        Proposal.RELAXED_SIMD,
        Proposal.EXCEPTIONS,
        Proposal.CUSTOM_PAGE_SIZES,
        Proposal.WIDE_ARITHMETIC,
    }
)
#: Architectures whose fast interpreter and AOT have 128-bit vectors; WAMR has none for armv7.
SIMD_ARCHS = frozenset({Arch.X86_64, Arch.AARCH64})
_BITS_64_ARCHS = frozenset({Arch.X86_64, Arch.AARCH64})
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


def proposal_misfit(
    needed: Collection[Proposal], mode: Mode, arch: Arch, source: RuntimeSource | None = None
) -> str:
    """Why a mode cannot take a ready module on an architecture; empty: it can.

    Args:
        needed: what the module needs.
        mode: not native.
        arch: of the device.
        source: what the mode's runtime is built from; None: not known, so its loader decides.
    """
    lacking = _lacking(needed, source) if source is not None else []
    if source is not None and lacking:
        who = "no mode has" if mode.runtime_source == PINNED else f"{mode.label} has not"
        return f"needs {_words(lacking)}, which {who}: {_advice(lacking, source)}"
    if Proposal.SIMD not in needed:
        return ""
    if arch not in SIMD_ARCHS:
        return f"uses SIMD, which WAMR has for {_words(sorted(SIMD_ARCHS))} only, not for {arch}"
    if mode.runtime is Runtime.CLASSIC:
        return f"uses SIMD: {Runtime.FAST} and {Runtime.AOT} have it"
    if mode.simd is False:
        return f"uses SIMD: {mode.label} leaves it out"
    return ""


def source_misfit(source: RuntimeSource, mode: Mode, arch: Arch) -> str:
    """Why a mode's runtime cannot be built from the pinned tree with these flags; empty: it can.

    Args:
        source: the tree and its flags; a tree of the user's may be able to do more.
        mode: not native.
        arch: of the device.
    """
    if source.tree is not None or not _flags(source)["MEMORY64"]:
        return ""
    if mode.runtime is not Runtime.CLASSIC:
        return f"WAMR has MEMORY64 in {Runtime.CLASSIC} only"
    if arch not in _BITS_64_ARCHS:
        return f"WAMR has MEMORY64 for {_words(sorted(_BITS_64_ARCHS))} only, not for {arch}"
    return ""


def taken(source: RuntimeSource) -> frozenset[Proposal]:
    """Which proposals a WAMR takes, as far as its flags tell; SIMD is the mode's."""
    flags = _flags(source)
    chosen = {one for one, names in FLAGS.items() if any(flags[name] for name in names)}
    return _ALWAYS | chosen | (_WITHOUT_FLAG if source.tree is not None else frozenset())


def _flags(source: RuntimeSource) -> Mapping[str, int]:
    return {**FEATURES, **dict(source.flags)}


def _lacking(needed: Collection[Proposal], source: RuntimeSource) -> list[Proposal]:
    """What of a module's needs a WAMR has not, in the order of the proposals."""
    has = taken(source) | {Proposal.SIMD}
    return [one for one in Proposal if one in needed and one not in has]


def _advice(lacking: list[Proposal], source: RuntimeSource) -> str:
    known = dict.fromkeys(_help(one, source) for one in lacking)
    return " and ".join(filter(None, known)) or "build it without"


def _help(proposal: Proposal, source: RuntimeSource) -> str:
    """What a flag of the source's own took away, less of that brings back."""
    names = FLAGS.get(proposal, ())
    off = [f"{name} = 0" for name, value in source.flags if name in names and not value]
    if off:
        return f"take {_words(off)} out of its flags"
    return _WITHOUT.get(proposal, "")


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
