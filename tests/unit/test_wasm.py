"""Modules: what they import and export is read, and no length is believed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.files.wasm import (
    Export,
    Import,
    ModuleFormatError,
    check_runnable,
    parse_module,
    read_module,
)
from tests.support.files import complaint
from tests.support.wasmfiles import (
    HEAD,
    export,
    function_import,
    leb,
    module,
    name,
    section,
    vector,
)

PATH = Path("m.wasm")
WASI = function_import("wasi_snapshot_preview1", "fd_write")


def test_a_program_is_read() -> None:
    """Imports and exports arrive in order, with their kinds."""
    memory = name("env") + name("memory") + b"\x02\x03\x01\x10"
    table = name("env") + name("table") + b"\x01\x70\x00\x02"
    typed = name("env") + name("typed") + b"\x01\x63\x05\x00\x02"
    variable = name("env") + name("base") + b"\x03\x7f\x01"
    tag = name("env") + name("oops") + b"\x04\0\0"
    large = name("env") + name("large") + b"\x02\x05" + leb(1 << 40) + leb(1 << 41)
    info = parse_module(
        module(
            WASI,
            memory,
            table,
            typed,
            variable,
            tag,
            large,
            exports=(export("_start"), export("mem", 2)),
        ),
        PATH,
    )
    assert [(one.name, one.kind) for one in info.imports] == [
        ("fd_write", "function"),
        ("memory", "memory"),
        ("table", "table"),
        ("typed", "table"),
        ("base", "global"),
        ("oops", "tag"),
        ("large", "memory"),
    ]
    assert info.imports[0] == Import("wasi_snapshot_preview1", "fd_write", "function")
    assert info.exports == (Export("_start", "function"), Export("mem", "memory"))


@pytest.mark.parametrize(
    ("features", "simd"),
    [
        (None, None),
        ((), False),
        ((b"+" + name("simd128"), b"+" + name("bulk-memory")), True),
        ((b"-" + name("simd128"),), False),
    ],
)
def test_simd_is_known_only_where_the_module_says(
    features: tuple[bytes, ...] | None, simd: bool | None
) -> None:
    """A module without ``target_features`` may or may not use SIMD: that is unknown, not no."""
    assert parse_module(module(features=features)).simd is simd


def test_what_the_runner_offers_is_runnable() -> None:
    """WASI, bench marks as Sightglass calls them, and the workload's own kernels."""
    marks = (function_import("bench", "start"), function_import("bench", "end"))
    old = function_import("wasi_unstable", "proc_exit")
    kernel = function_import("kernels", "gemm_nn")
    info = parse_module(module(WASI, old, *marks, kernel))
    check_runnable(info, kernels=("gemm_nn",))


IMPORT_HINT = (
    "which does not exist here: link it into the module (WASI preview 1 and bench.start/end are"
    " there)"
)
NO_START = "exports no function _start: build it as a program with main, not as a library"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (
            module(function_import("env", "magic")),
            f"m.wasm: imports function env.magic, {IMPORT_HINT}",
        ),
        (
            module(function_import("wasi_snapshot_preview1", "fd_wriet")),
            f"m.wasm: imports function wasi_snapshot_preview1.fd_wriet, {IMPORT_HINT}",
        ),
        (
            module(function_import("kernels", "gemm_nn")),
            f"m.wasm: imports function kernels.gemm_nn, {IMPORT_HINT}",
        ),
        (
            module(name("env") + name("memory") + b"\x02\0\x01"),
            f"m.wasm: imports memory env.memory, {IMPORT_HINT}",
        ),
        (
            module(exports=(export("run"),)),
            f"m.wasm: {NO_START}",
        ),
        (
            module(exports=(export("_start", 2),)),
            f"m.wasm: {NO_START}",
        ),
    ],
)
def test_what_no_runner_could_start_is_refused(data: bytes, told: str) -> None:
    """The missing import is named; a library is told apart from a program."""
    assert complaint(lambda: check_runnable(parse_module(data, PATH))) == told


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "the file is empty: build or copy it again"),
        (b"\x7fELF", "not a WebAssembly module: name a .wasm file, a C file or an ELF"),
        (HEAD[:6], "truncated in its first 8 bytes: copy it again"),
        (
            b"\0asm\x0d\0\x01\0",
            "a component, not a core module: build a core module (wasm32-wasip1)",
        ),
        (b"\0asm\x02\0\0\0", "unknown module version 02000000: build it for version 1"),
        (
            HEAD + b"\x01\x05\x01",
            "truncated or damaged at byte 10 of 11: build or copy it again",
        ),
        (HEAD + b"\x01", "truncated or damaged at byte 9 of 9: build or copy it again"),
        (HEAD + b"\x20\x00", "unknown section 32, so damaged: copy it again"),
        (
            HEAD + b"\x01\xff\xff\xff\xff\xff\x01",
            "truncated or damaged at byte 14 of 15: build or copy it again",
        ),
        (
            HEAD + section(3, vector(leb(0), leb(0))),
            "truncated: 2 functions are declared and 0 are there: copy it again",
        ),
        (
            HEAD + section(2, leb(9)),
            "truncated or damaged at byte 11 of 11: build or copy it again",
        ),
        (
            HEAD + section(7, vector(name("x") + b"\x09\0")),
            "unknown import or export kind 9: the file is damaged",
        ),
    ],
)
def test_a_damaged_file_is_refused(data: bytes, told: str) -> None:
    """What is wrong is said, with the place where it is known."""
    with pytest.raises(ModuleFormatError) as caught:
        parse_module(data)
    assert str(caught.value) == told


@given(st.integers(0, len(module(WASI)) - 1))
def test_a_truncated_module_never_counts_as_whole(size: int) -> None:
    """Cut anywhere, a module is either refused or lacks its start."""
    try:
        info = parse_module(module(WASI)[:size], PATH)
    except ModuleFormatError:
        return
    told = complaint(lambda: check_runnable(info))
    assert "_start" in told


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(tail: bytes) -> None:
    """Whatever follows the head, the reader answers or refuses."""
    try:
        info = parse_module(HEAD + tail)
    except ModuleFormatError as error:
        assert "\n" not in str(error)  # noqa: PT017  # either is fine; only the text is judged
    else:
        assert isinstance(info.imports, tuple)


def test_a_file_is_named_in_each_complaint(tmp_path: Path) -> None:
    """Missing and damaged files are told by their path."""
    assert complaint(lambda: read_module(tmp_path / "no.wasm"), tmp_path) == (
        "DIR/no.wasm: no such file: check the path"
    )
    assert complaint(lambda: read_module(tmp_path), tmp_path) == (
        "DIR: cannot be read (Is a directory): name a readable file"
    )
    (tmp_path / "cut.wasm").write_bytes(module(WASI)[:20])
    assert complaint(lambda: read_module(tmp_path / "cut.wasm"), tmp_path) == (
        "DIR/cut.wasm: truncated or damaged at byte 16 of 20: build or copy it again"
    )
    (tmp_path / "good.wasm").write_bytes(module(WASI))
    assert read_module(tmp_path / "good.wasm").path == tmp_path / "good.wasm"
