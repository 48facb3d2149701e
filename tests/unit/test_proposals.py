"""Proposals: which module fits which mode and device, and what is said where none does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.build.modes import why_impossible
from orchestrator.build.proposals import FLAGS, memory_misfit, proposal_misfit, taken
from orchestrator.domain.device import Arch, DeviceType
from orchestrator.domain.matrix import Mode, Runtime
from orchestrator.domain.runtime_source import PINNED, RuntimeSource
from orchestrator.domain.workload import Case, Limits, Workload
from orchestrator.files.sources import FEATURES
from orchestrator.files.wasm import parse_proposals
from orchestrator.files.wasmtypes import Proposal
from tests.support.wasmfiles import module, vector

PC = DeviceType("pc", Arch.X86_64, "x86-64-v3")
_FEATURES = Path(__file__).parents[2] / "native" / "features.cmake"

SIMD = b"\xfd\x0c" + bytes(16) + b"\x1a"
BODIES = {
    Proposal.SIGN_EXTENSION: b"\x41\0\xc0\x1a",
    Proposal.FLOAT_TO_INT: b"\x43\0\0\0\0\xfc\0\x1a",
    Proposal.MULTI_VALUE: b"\x02\x01\x0b",
    Proposal.BULK_MEMORY: b"\xfc\x0a\0\0",
    Proposal.REFERENCE_TYPES: b"\xd0\x70\x1a",
    Proposal.TAIL_CALL: b"\x12\0",
    Proposal.RELAXED_SIMD: b"\xfd\x80\x02\x1a",
    Proposal.THREADS: b"\xfe\x03\0",
    Proposal.EXCEPTIONS: b"\x08\0",
    Proposal.LEGACY_EXCEPTIONS: b"\x06\x40\x19\x0b",
    Proposal.FUNCTION_REFERENCES: b"\xd4\x1a",
    Proposal.GC: b"\xfb\x1c\x1a",
    Proposal.MULTI_MEMORY: b"\x3f\x01\x1a",
    Proposal.WIDE_ARITHMETIC: b"\xfc\x13",
}
WASM_MODES = (Runtime.CLASSIC, Runtime.FAST, Runtime.AOT)


#: A farm's runtime sources.
SOURCES = {
    PINNED: RuntimeSource(),
    "lean": RuntimeSource(None, (("CALL_INDIRECT_OVERLONG", 0), ("REF_TYPES", 0))),
    "copies": RuntimeSource(None, (("BULK_MEMORY", 0),)),
    "calls": RuntimeSource(None, (("TAIL_CALL", 0),)),
    "threads": RuntimeSource(None, (("SHARED_MEMORY", 1), ("THREAD_MGR", 1))),
    "wide": RuntimeSource(None, (("MEMORY64", 1),)),
    "branch": RuntimeSource(Path("wamr")),
    "wide-branch": RuntimeSource(Path("wamr"), (("MEMORY64", 1),)),
}


def why(folder: Path, data: bytes, mode: Mode, limits: Limits | None = None) -> str:
    """Why a module cannot run; empty: it can."""
    path = folder / "m.wasm"
    path.write_bytes(data)
    workload = Workload("m", "", folder, module=path, limits=limits or Limits())
    return why_impossible(Case(workload, ()), mode, PC, SOURCES)


def test_the_table_is_what_is_built() -> None:
    """What modes are said to have is what native/features.cmake has built into them."""
    built = dict(re.findall(r"^    ([A-Z0-9_]+)=([01])", _FEATURES.read_text(), re.MULTILINE))
    flags = {name for names in FLAGS.values() for name in names}
    assert {name: int(built[name]) for name in flags} == {name: FEATURES[name] for name in flags}
    missing = ("SHARED_MEMORY", "THREAD_MGR", "MEMORY64", "MULTI_MEMORY", "EXCE_HANDLING", "GC")
    assert {built[flag] for flag in missing} == {"0"}


@pytest.mark.parametrize("runtime", WASM_MODES)
@pytest.mark.parametrize("proposal", BODIES)
def test_what_no_mode_has_is_refused(tmp_path: Path, proposal: Proposal, runtime: Runtime) -> None:
    """The proposal is named; what every mode has is never refused."""
    told = why(tmp_path, module(body=BODIES[proposal]), Mode(runtime))
    if proposal in taken(SOURCES[PINNED]):
        assert told == ""
    else:
        assert told.startswith(f"m.wasm needs {proposal}, which no mode has: build it ")


@pytest.mark.parametrize(
    ("mode", "arch", "told"),
    [
        (Mode(Runtime.FAST), Arch.X86_64, ""),
        (Mode(Runtime.AOT), Arch.X86_64, ""),
        (Mode(Runtime.CLASSIC), Arch.X86_64, "uses SIMD: wamr-fast and wamr-aot have it"),
        (
            Mode(Runtime.AOT, simd=False),
            Arch.X86_64,
            "uses SIMD: wamr-aot[simd=false] leaves it out",
        ),
        (
            Mode(Runtime.FAST),
            Arch.ARMV7,
            "uses SIMD, which WAMR has for aarch64 and x86_64 only, not for armv7",
        ),
        (
            Mode(Runtime.AOT),
            Arch.ARMV7,
            "uses SIMD, which WAMR has for aarch64 and x86_64 only, not for armv7",
        ),
    ],
)
def test_simd_is_where_wamr_has_it(mode: Mode, arch: Arch, told: str) -> None:
    """The reason names what would do: another mode, or another architecture."""
    needed = parse_proposals(module(body=SIMD))
    assert proposal_misfit(needed, mode, arch, SOURCES[PINNED]) == told


def test_what_is_lacking_is_told_together(tmp_path: Path) -> None:
    """All of it, with one advice for each, so that nobody builds twice."""
    data = module(body=b"\x08\0\xfe\x03\0", memory=b"\x03\x01\x02")
    assert why(tmp_path, data, Mode(Runtime.FAST)) == (
        "m.wasm needs threads and exceptions, which no mode has: build it for one thread"
        " (wasm32-wasip1, without -pthread) and build it without -fwasm-exceptions and without"
        " setjmp"
    )


NEEDS = {
    "threads": module(body=BODIES[Proposal.THREADS]),
    "references": module(body=BODIES[Proposal.REFERENCE_TYPES]),
    "copy": module(body=BODIES[Proposal.BULK_MEMORY]),
    "tail call": module(body=BODIES[Proposal.TAIL_CALL]),
    "relaxed simd": module(body=BODIES[Proposal.RELAXED_SIMD]),
    "gc": module(body=BODIES[Proposal.GC]),
    "memory64": module(memory=b"\x04\x01"),
}


@pytest.mark.parametrize(
    ("needs", "source", "told"),
    [
        ("threads", "threads", ""),
        ("threads", "lean", "threads, which {mode} has not: build it for one thread (wasm32-"),
        ("references", "threads", ""),
        (
            "references",
            "lean",
            "reference-types, which {mode} has not:"
            " take CALL_INDIRECT_OVERLONG = 0 and REF_TYPES = 0 out of its flags",
        ),
        # memory.copy and memory.fill stay; the rest of the proposal is for the loader to refuse.
        ("copy", "copies", ""),
        ("tail call", "lean", ""),
        ("tail call", "calls", "tail-call, which {mode} has not: take TAIL_CALL = 0 out of its"),
        ("memory64", "lean", "memory64, which {mode} has not: build it for wasm32"),
        ("memory64", "wide", ""),
        ("relaxed simd", "wide", "relaxed-simd, which {mode} has not: build it without -mrelaxed"),
        # What a tree of the user's has beyond flags is not known.
        ("relaxed simd", "branch", ""),
        ("memory64", "branch", "memory64, which {mode} has not: build it for wasm32"),
        ("gc", "branch", "gc, which {mode} has not: build it without"),
        # farm.toml names none such; whoever reads the mode's file says so.
        ("threads", "unknown", ""),
    ],
)
def test_a_runtime_source_is_judged_by_its_own_flags(
    tmp_path: Path, needs: str, source: str, told: str
) -> None:
    """What its flags add is taken, what they leave out is refused with the flag that did it."""
    mode = Mode(Runtime.CLASSIC, runtime_source=source)
    said = why(tmp_path, NEEDS[needs], mode)
    if told:
        assert said.startswith("m.wasm needs " + told.format(mode=mode.label))
    else:
        assert said == ""


@pytest.mark.parametrize(
    ("source", "runtime", "arch", "told"),
    [
        ("wide", Runtime.CLASSIC, Arch.X86_64, ""),
        ("wide", Runtime.FAST, Arch.X86_64, "WAMR has MEMORY64 in wamr-classic only"),
        ("wide", Runtime.AOT, Arch.X86_64, "WAMR has MEMORY64 in wamr-classic only"),
        (
            "wide",
            Runtime.CLASSIC,
            Arch.ARMV7,
            "WAMR has MEMORY64 for aarch64 and x86_64 only, not for armv7",
        ),
        ("wide-branch", Runtime.FAST, Arch.X86_64, ""),
        ("threads", Runtime.FAST, Arch.ARMV7, ""),
    ],
)
def test_a_source_that_no_runner_can_be_built_from_is_told(
    source: str, runtime: Runtime, arch: Arch, told: str
) -> None:
    """Of any workload, before anything is built; a tree of the user's may be able to."""
    case = Case(Workload("w", "", Path(), ("w.c",)), ())
    mode = Mode(runtime, runtime_source=source)
    said = why_impossible(case, mode, DeviceType("board", arch, "generic"), SOURCES)
    assert said == (f"runtime_source wide: {told}" if told else "")


@pytest.mark.parametrize("runtime", WASM_MODES)
def test_more_memory_than_allowed_is_refused(tmp_path: Path, runtime: Runtime) -> None:
    """A memory that begins above the limit could never be made; the key that helps is named."""
    three_gib = module(memory=b"\0\x80\x80\x03")
    assert why(tmp_path, three_gib, Mode(runtime)) == (
        "m.wasm begins with 3072 MiB of memory, and its limit is 1024 MiB: raise"
        " limits.memory_bytes in a workload.yaml"
    )
    much = Limits(memory_bytes=4 << 30)
    assert why(tmp_path, three_gib, Mode(runtime), limits=much) == ""
    assert memory_misfit(3 << 30, much.memory_bytes, os_bits=32) == (
        "begins with 3072 MiB of memory, too much for a 32-bit device"
    )


def test_two_memories_are_counted_once_each(tmp_path: Path) -> None:
    """What no mode has is told before what is too large."""
    data = module(sections={5: vector(b"\0\x01", b"\0\x01")})
    assert "multi-memory" in why(tmp_path, data, Mode(Runtime.FAST))
