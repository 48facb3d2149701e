"""Code: every instruction is taken for what it is, and no bytes break whoever reads it."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.files import wasmcode
from orchestrator.files.wasm import parse_module, parse_proposals
from orchestrator.files.wasmbytes import ModuleFormatError, Reader
from orchestrator.files.wasmcode import function_body
from orchestrator.files.wasmtypes import Proposal as P
from tests.support.wasmfiles import HEAD, export, leb, module, section, vector

ADDRESS = b"\x41\0"
V128 = b"\xfd\x0c" + bytes(16)


@pytest.mark.parametrize(
    ("body", "proposals"),
    [
        (b"", set()),
        (b"\x02\x40\x0c\0\x0b", set()),
        (b"\x41\xff\xff\xff\xff\x07\x1a\x42\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7f\x1a", set()),
        (b"\x43\xc0\xfd\xfe\xfb\x1a\x44\xfd\xfe\xfb\xd0\xc0\xc1\xc2\xc3\x1a", set()),
        (b"\x02\x40\x41\0\x0e\x02\0\0\0\x0b", set()),
        (ADDRESS + b"\x28\x02\x80\x80\x80\x80\x08\x1a", set()),
        (b"\x11\0\0", set()),
        (b"\x11\0\x01", {P.REFERENCE_TYPES}),
        (b"\x11\0\x80\x80\x80\x80\0", {P.REFERENCE_TYPES}),
        (b"\x02\x01\x0b", {P.MULTI_VALUE}),
        (b"\x02\x7b\x0b", {P.SIMD}),
        (b"\x02\x6f\x0b", {P.REFERENCE_TYPES}),
        (b"\x41\0\xc4\x1a", {P.SIGN_EXTENSION}),
        (b"\x43\0\0\0\0\xfc\x03\x1a", {P.FLOAT_TO_INT}),
        (b"\xfc\x0a\0\0", {P.BULK_MEMORY}),
        (b"\xfc\x8a\x80\0\0\0", {P.BULK_MEMORY}),
        (b"\xfc\x0a\0\x01", {P.BULK_MEMORY, P.MULTI_MEMORY}),
        (b"\xfc\x0e\0\0", {P.BULK_MEMORY}),
        (b"\xd0\x70\x1a", {P.REFERENCE_TYPES}),
        (b"\xfc\x10\0\x1a", {P.REFERENCE_TYPES}),
        (b"\x1c\x01\x7f", {P.REFERENCE_TYPES}),
        (V128 + b"\x1a", {P.SIMD}),
        (V128 + V128 + b"\xfd\x6b\x41\x07\xfd\xae\x01\x1a", {P.SIMD}),
        (ADDRESS + V128 + b"\xfd\x5b\x03\x04\x01", {P.SIMD}),
        (V128 + b"\xfd\x80\x02\x1a", {P.SIMD, P.RELAXED_SIMD}),
        (ADDRESS + b"\xfe\x10\x02\0\x1a", {P.THREADS}),
        (b"\xfe\x03\0", {P.THREADS}),
        (b"\x12\0", {P.TAIL_CALL}),
        (b"\x13\0\0", {P.TAIL_CALL}),
        (b"\x06\x40\x19\x09\0\x0b", {P.LEGACY_EXCEPTIONS}),
        (b"\x08\0", {P.EXCEPTIONS}),
        (b"\x1f\x40\x02\0\0\0\x02\0\x0b", {P.EXCEPTIONS}),
        (b"\x1f\x69\0\x0b", {P.EXCEPTIONS}),
        (b"\x14\0", {P.FUNCTION_REFERENCES}),
        (b"\xd0\0\xd4\x1a", {P.FUNCTION_REFERENCES, P.REFERENCE_TYPES}),
        (b"\xfb\x1c\x1a", {P.GC}),
        (b"\xfb\x08\0\x02\x1a", {P.GC}),
        (b"\xfb\x18\x03\0\x6e\x6d", {P.GC}),
        (ADDRESS + b"\x28\x42\x01\0\x1a", {P.MULTI_MEMORY}),
        (b"\x3f\x01\x1a", {P.MULTI_MEMORY}),
        (ADDRESS + b"\x28\x02\x80\x80\x80\x80\x80\x01\x1a", {P.MEMORY64}),
        (b"\xfc\x13", {P.WIDE_ARITHMETIC}),
    ],
)
def test_an_instruction_is_of_its_proposal(body: bytes, proposals: set[P]) -> None:
    """What follows an instruction is no instruction, however its bytes look."""
    assert parse_proposals(module(body=body)) == proposals
    assert parse_proposals(module(body=body * 3 + b"\x01" + body)) == proposals


@pytest.mark.parametrize(
    ("data", "proposals"),
    [
        (module(memory=b"\x03\x01\x02"), {P.THREADS}),
        (module(memory=b"\x04\x01"), {P.MEMORY64}),
        (module(memory=b"\x08\x01\0"), {P.CUSTOM_PAGE_SIZES}),
        (module(sections={5: vector(b"\0\x01", b"\0\x01")}), {P.MULTI_MEMORY}),
        (module(sections={4: vector(b"\x70\x04\x01")}), {P.TABLE64}),
        (module(sections={4: vector(b"\x70\0\x01", b"\x70\0\x01")}), {P.REFERENCE_TYPES}),
        (module(sections={4: vector(b"\x6f\0\x01")}), {P.REFERENCE_TYPES}),
        (module(sections={13: vector(b"\0\0")}), {P.EXCEPTIONS}),
        (module(sections={12: leb(0)}), {P.BULK_MEMORY}),
        (module(sections={11: vector(b"\x01\x02\xfd\xfd")}), {P.BULK_MEMORY}),
        (module(sections={9: vector(b"\x01\0\x01\0")}), {P.BULK_MEMORY}),
        (module(sections={9: vector(b"\x05\x70\x01\xd2\0\x0b")}),
         {P.BULK_MEMORY, P.REFERENCE_TYPES}),
        (module(sections={6: vector(b"\x7f\0\x41\x01\x41\x02\x6a\x0b")}), {P.EXTENDED_CONST}),
        (module(sections={6: vector(b"\x7f\0\x41\x01\x0b", b"\x7f\0\x23\0\x0b")}), {P.GC}),
        (module(sections={6: vector(b"\x7f\x01\x41\0\x0b"), 7: vector(export("g", 3))}),
         {P.MUTABLE_GLOBAL}),
        (module(sections={6: vector(b"\x7b\0" + V128 + b"\x0b")}), {P.SIMD}),
        (module(sections={1: vector(b"\x60\0\0", b"\x60\0\0", b"\x60\0\x02\x7f\x7f")}),
         {P.MULTI_VALUE}),
        (module(sections={1: vector(b"\x60\0\0", b"\x60\0\0", b"\x5f\x01\x78\x01")}), {P.GC}),
        (module(sections={1: vector(b"\x4e\x02\x60\0\0\x60\0\0")}), {P.GC}),
        (module(sections={0: b"\x0ftarget_features\x01+\x07simd128"}), set()),
        (module(sections={8: leb(0)}), set()),
    ],
)  # fmt: skip
def test_sections_tell_their_proposals(data: bytes, proposals: set[P]) -> None:
    """Types, memories, tables, segments and constants count; what tools claim does not."""
    assert parse_proposals(data) == proposals


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (module(body=b"\xc7"), "unknown instruction 0xc7 at byte 55: "),
        (module(body=b"\xfd\x9a\x01"), "unknown instruction 0xfd 0x9a at byte 55: "),
        (module(body=b"\xfc\x12\0"), "unknown instruction 0xfc 0x12 at byte 55: "),
        (module(body=b"\x02\x5a\x0b"), "unknown type 0x5a at byte 56: "),
        (
            module(body=b"\x41\x80\x80\x80\x80\x80\0\x1a"),
            "truncated or damaged at byte 61 of 64: ",
        ),
        (module(body=b"\x28\x80\x01\0"), "truncated or damaged at byte 58 of 60: "),
        (module(body=b"\x44\0"), "truncated or damaged at byte 56 of 58: "),
        (module(memory=b"\x10\x01"), "unknown type 0x10 at byte 27: "),
        (module(sections={9: vector(b"\x08")}), "truncated or damaged at byte 54 of 60: "),
    ],
)
def test_what_is_unknown_or_cut_is_said(data: bytes, told: str) -> None:
    """Neither a guess nor a crash: the byte is named, and what it may be."""
    with pytest.raises(ModuleFormatError) as caught:
        parse_proposals(data)
    assert str(caught.value).startswith(told)
    assert ": build or copy it again" in str(caught.value) or "the file is damaged" in str(
        caught.value
    )


def _everything() -> bytes:
    """A module with something of each proposal that can be in one body."""
    return module(
        body=b"\x02\x40\x41\0\x0e\x02\0\0\0\x0b\x11\0\x01\x02\x01\x0b\x41\0\xc4\x1a"
        + b"\xfc\x0a\0\x01\xd0\x70\x1a\x1c\x01\x7f"
        + V128
        + b"\xfd\x80\x02\xfd\x6b\xfd\x5b\x03\x04\x01\xfe\x10\x02\0\x12\0\x06\x40\x19\x09\0\x0b"
        + b"\x1f\x40\x02\0\0\0\x02\0\x0b\xfb\x08\0\x02"
        + b"\xfb\x18\x03\0\x6e\x6d\xfc\x13\x28\x42\x01\0",
        sections={
            4: vector(b"\x70\x04\x01", b"\x6f\0\x01"),
            6: vector(b"\x7f\0\x41\x01\x41\x02\x6a\x0b"),
            9: vector(b"\x05\x70\x01\xd2\0\x0b"),
            11: vector(b"\x01\x02\xfd\xfd"),
        },
    )


@pytest.mark.parametrize("seed", range(8))
def test_no_damage_breaks_the_reader(seed: int) -> None:
    """Cut anywhere, or with bytes flipped, a module is read or refused with one line."""
    choose = random.Random(seed)  # noqa: S311  # no secret
    whole = _everything()
    assert len(parse_proposals(whole)) >= 12
    for _ in range(400):
        data = bytearray(whole[: choose.randint(8, len(whole))])
        for _ in range(choose.randint(0, 3)):
            data[choose.randrange(8, len(data) + 1) - 1] = choose.randrange(256)
        for parse in (parse_module, parse_proposals):
            try:
                parse(bytes(data))
            except ModuleFormatError as error:
                assert "\n" not in str(error)  # noqa: PT017  # only the text is judged


@pytest.mark.parametrize("seed", range(8))
def test_the_quick_way_and_the_slow_one_agree(seed: int) -> None:
    """Patterns go past nothing that the table would take for something else."""
    choose = random.Random(seed)  # noqa: S311  # no secret
    for _ in range(300):
        size = choose.randint(1, 40)
        body = bytes([0]) + choose.randbytes(size) + b"\x0b"
        assert _judged(body, set(P)) == _judged(body, set())


def _judged(body: bytes, known: set[P]) -> str:
    """What is said of a body when its proposals are known before, or are not."""
    found: set[P] = set()
    try:
        function_body(Reader(body, 0, len(body)), found.add, set(known))
    except ModuleFormatError as error:
        return str(error)
    return "good"


def test_a_large_module_is_read() -> None:
    """Many megabytes of code hold up nobody: the patterns do not take them apart."""
    body = (b"\x20\0\x41\x07\x6a\x21\0" + V128 + b"\x1a") * 20_000
    function = b"\x01\x01\x7f" + body + b"\x0b"
    data = HEAD + section(1, vector(b"\x60\0\0")) + section(3, vector(*[leb(0)] * 8))
    data += section(10, vector(*[leb(len(function)) + function] * 8))
    assert len(data) > 4_000_000
    assert parse_proposals(data) == {P.SIMD}


#: Our names in the words of wasm-tools, with what it wants beside each.
_TOOLS_WORDS = {
    P.MUTABLE_GLOBAL: "mutable-global",
    P.SIGN_EXTENSION: "sign-extension",
    P.FLOAT_TO_INT: "saturating-float-to-int",
    P.EXCEPTIONS: "exceptions,reference-types",
    P.LEGACY_EXCEPTIONS: "legacy-exceptions,exceptions,reference-types",
    P.FUNCTION_REFERENCES: "function-references,reference-types",
    P.GC: "gc,function-references,reference-types",
    P.RELAXED_SIMD: "relaxed-simd,simd",
    P.TABLE64: "memory64",
}


@pytest.mark.parametrize("seed", range(12))
def test_an_independent_reader_agrees(seed: int, tmp_path: Path) -> None:
    """wasm-tools makes modules, takes them with the proposals we name, and not with one less."""
    tools = str(Path(sys.executable).with_name("wasm-tools"))
    choose = random.Random(seed)  # noqa: S311  # no secret
    (tmp_path / "seed").write_bytes(choose.randbytes(6000))
    made = tmp_path / "m.wasm"
    wanted = ("gc", "exceptions", "memory64", "threads", "tail-call", "relaxed-simd", "simd")
    options = [word for name in wanted for word in (f"--{name}-enabled", "true")]
    options += ["--compact-imports-enabled", "false"]
    subprocess.run(
        [tools, "smith", *options, "--min-funcs", "5", "-o", made, tmp_path / "seed"], check=True
    )
    found = parse_proposals(made.read_bytes())
    assert _takes(tools, made, found)
    for one in found:
        less = found - {one}
        assert _words(less) == _words(found) or not _takes(tools, made, less), one


def _words(proposals: frozenset[P]) -> set[str]:
    return {word for one in proposals for word in _TOOLS_WORDS.get(one, one.value).split(",")}


def _takes(tools: str, path: Path, proposals: frozenset[P]) -> bool:
    features = ",".join(["-all", "floats", "gc-types", *sorted(_words(proposals))])
    done = subprocess.run(
        [tools, "validate", f"--features={features}", path], check=False, capture_output=True
    )
    return done.returncode == 0


def test_a_long_function_is_read_to_its_end() -> None:
    """More instructions than one match takes, and a proposal behind them all."""
    long = b"\x41\0\x1a" * 10_000
    assert parse_proposals(module(body=long)) == set()
    assert parse_proposals(module(body=long + b"\x12\0")) == {P.TAIL_CALL}


def test_no_pattern_is_possessive() -> None:
    """Debian 12's Python 3.11.2 takes what such a group does not match."""
    patterns = re.findall(r'b"([^"]*)"', Path(wasmcode.__file__).read_text())
    assert any(pattern.startswith("(?:") for pattern in patterns)
    assert [one for one in patterns if re.search(r"[*+?}]\+|\(\?>", one)] == []
