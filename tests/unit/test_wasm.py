"""Modules: what they ask for and offer is read, no length is believed, and misfits are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.files.wasm import parse_module, read_module, read_proposals
from orchestrator.files.wasmbytes import ModuleFormatError
from orchestrator.files.wasmcheck import check_runnable
from orchestrator.files.wasmsections import Export, Import
from orchestrator.files.wasmtypes import Proposal
from tests.support.files import complaint
from tests.support.wasmfiles import (
    HEAD,
    PROGRAM,
    export,
    function_import,
    leb,
    module,
    name,
    section,
    vector,
)

PATH = Path("m.wasm")
MEMORY = Export("memory", "memory")
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
            exports=(*PROGRAM, export("mem", 2)),
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
    assert info.exports == (Export("_start", "function"), MEMORY, Export("mem", "memory"))
    assert info.memory_bytes == (2 + (1 << 40)) << 16
    assert info.starts_plainly


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
EMSCRIPTEN = "made by Emscripten for JavaScript; build with -sSTANDALONE_WASM"
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
            "m.wasm: imports memory env.memory, which does not exist here: made for threads or for"
            " a host's memory; build with a memory of its own",
        ),
        (
            module(function_import("wasi:cli/environment@0.2.6", "get-arguments")),
            "m.wasm: imports function wasi:cli/environment@0.2.6.get-arguments, which does not"
            " exist here: made for WASI preview 2; build for preview 1 (wasm32-wasip1)",
        ),
        (
            module(function_import("wasi", "thread-spawn")),
            "m.wasm: imports function wasi.thread-spawn, which does not exist here: made for"
            " wasi-threads; build with one thread (wasm32-wasip1)",
        ),
        (
            module(function_import("env", "emscripten_resize_heap")),
            "m.wasm: imports function env.emscripten_resize_heap, which does not exist here:"
            f" {EMSCRIPTEN}",
        ),
        (
            module(function_import("a", "b")),
            f"m.wasm: imports function a.b, which does not exist here: {EMSCRIPTEN}",
        ),
        (
            module(function_import("gojs", "runtime.wasmExit")),
            "m.wasm: imports function gojs.runtime.wasmExit, which does not exist here: made by Go"
            " for JavaScript; build with GOOS=wasip1",
        ),
        (
            module(function_import("env", "napi_create_function")),
            "m.wasm: imports function env.napi_create_function, which does not exist here: made as"
            " an addon of Node.js; build a program with main (wasm32-wasip1)",
        ),
        (
            module(exports=(export("_initialize"), export("memory", 2))),
            "m.wasm: a reactor, which has _initialize and no _start: build it as a command, with"
            " main and without -mexec-model=reactor",
        ),
        (
            module(WASI, exports=(export("_start"),)),
            "m.wasm: exports no memory, which WASI needs: export it as 'memory'",
        ),
        (
            module(start_type=b"\x60\x01\x7f\0"),
            "m.wasm: its _start takes or answers something: build it as a program with main",
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
            "a component (WASI preview 2), not a core module: build a core module (wasm32-wasip1)",
        ),
        (
            b"\0asm\x0d\0\x01\0" + section(1, b"") + section(1, b"") + section(7, b"\x01"),
            "a component (WASI preview 2) that holds 2 core modules, not a core module: build a"
            " core module (wasm32-wasip1)",
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
            "unknown import or export kind 9: the file is damaged, or of a proposal that no"
            " mode here has",
        ),
    ],
)
def test_a_damaged_file_is_refused(data: bytes, told: str) -> None:
    """What is wrong is said, with the place where it is known."""
    with pytest.raises(ModuleFormatError) as caught:
        parse_module(data)
    assert str(caught.value) == told


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
        "DIR/cut.wasm: truncated or damaged at byte 19 of 20: build or copy it again"
    )
    (tmp_path / "good.wasm").write_bytes(module(WASI))
    assert read_module(tmp_path / "good.wasm").path == tmp_path / "good.wasm"
    assert read_proposals(tmp_path / "good.wasm") == set()


def test_a_file_is_read_again_when_it_changed(tmp_path: Path) -> None:
    """What was read once is believed only while the file stays the same."""
    path = tmp_path / "m.wasm"
    path.write_bytes(module())
    assert read_module(path).imports == ()
    assert read_proposals(path) == set()
    path.write_bytes(module(WASI, body=b"\x41\0\xc0\x1a"))
    assert len(read_module(path).imports) == 1
    assert read_proposals(path) == {Proposal.SIGN_EXTENSION}
