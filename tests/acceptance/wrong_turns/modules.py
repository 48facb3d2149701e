"""Wrong turns with programs: modules, ELFs and C files that no mode here could run."""

from __future__ import annotations

from tests.support.elffiles import elf
from tests.support.wasmfiles import HEAD, export, function_import, module
from tests.support.wrongturns import Content, Folder, Link, Pipe, WrongTurn

_X86_64, _AARCH64, _RISCV = 62, 183, 243
_WASI = "wasi_snapshot_preview1"


def _turn(name: str, path: str, content: Content, says: str, options: str = "") -> WrongTurn:
    return WrongTurn(name, f"run {path} {options}".rstrip(), says, files={path: content})


TURNS = (
    _turn(
        "imports what is not there",
        "m.wasm",
        module(function_import("env", "launch_rockets")),
        "HOME/m.wasm: imports function env.launch_rockets, which does not exist here: link"
        " it into the module (WASI preview 1 and bench.start/end are there)",
    ),
    _turn(
        "imports a WASI function that never was",
        "m.wasm",
        module(function_import(_WASI, "fd_wriet")),
        "HOME/m.wasm: imports function wasi_snapshot_preview1.fd_wriet, which does not"
        " exist here: link it into the module (WASI preview 1 and bench.start/end are there)",
    ),
    _turn(
        "made for a browser",
        "m.wasm",
        module(function_import("a", "b")),
        "HOME/m.wasm: imports function a.b, which does not exist here: made by Emscripten"
        " for JavaScript; build with -sSTANDALONE_WASM",
    ),
    _turn(
        "made for WASI preview 2",
        "m.wasm",
        module(function_import("wasi:io/poll@0.2.0", "poll")),
        "HOME/m.wasm: imports function wasi:io/poll@0.2.0.poll, which does not exist here:"
        " made for WASI preview 2; build for preview 1 (wasm32-wasip1)",
    ),
    _turn(
        "a component",
        "m.wasm",
        b"\0asm\x0d\0\x01\0",
        "HOME/m.wasm: a component (WASI preview 2), not a core module: build a core module"
        " (wasm32-wasip1)",
    ),
    _turn(
        "of a version to come",
        "m.wasm",
        b"\0asm\x02\0\0\0",
        "HOME/m.wasm: unknown module version 02000000: build it for version 1",
    ),
    _turn(
        "a library",
        "m.wasm",
        module(exports=(export("run"),)),
        "HOME/m.wasm: exports no function _start: build it as a program with main, not as"
        " a library",
    ),
    _turn(
        "a reactor",
        "m.wasm",
        module(exports=(export("_initialize"), export("memory", 2))),
        "HOME/m.wasm: a reactor, which has _initialize and no _start: build it as a"
        " command, with main and without -mexec-model=reactor",
    ),
    _turn(
        "no memory, with WASI",
        "m.wasm",
        module(function_import(_WASI, "fd_write"), exports=(export("_start"),)),
        "HOME/m.wasm: exports no memory, which WASI needs: export it as 'memory'",
    ),
    _turn(
        "_start that takes a number",
        "m.wasm",
        module(start_type=b"\x60\x01\x7f\0"),
        "HOME/m.wasm: its _start takes or answers something: build it as a program with main",
    ),
    _turn(
        "cut",
        "m.wasm",
        module()[:-3],
        "HOME/m.wasm: truncated or damaged at byte 52 of 53: build or copy it again",
    ),
    _turn(
        "a head and nothing else",
        "m.wasm",
        HEAD,
        "HOME/m.wasm: exports no function _start: build it as a program with main, not as"
        " a library",
    ),
    _turn(
        "half a head",
        "m.wasm",
        HEAD[:6],
        "HOME/m.wasm: truncated in its first 8 bytes: copy it again",
    ),
    _turn(
        "a section longer than the file",
        "m.wasm",
        HEAD + b"\x01\xff\xff\xff\xff\x0f",
        "HOME/m.wasm: truncated or damaged at byte 14 of 14: build or copy it again",
    ),
    _turn("empty", "m.wasm", b"", "HOME/m.wasm: the file is empty: build or copy it again"),
    _turn(
        "in text format",
        "m.wasm",
        "(module)",
        "HOME/m.wasm: not a WebAssembly module: name a .wasm file, a C file or an ELF",
    ),
    _turn(
        "text format by its name",
        "m.wat",
        "(module)",
        "HOME/m.wat: neither a .wasm, nor a C file (.c), nor an ELF: name one of these",
    ),
    _turn(
        "an instruction nobody knows",
        "m.wasm",
        module(body=b"\xc7"),
        "HOME/m.wasm: unknown instruction 0xc7 at byte 55: the file is damaged, or of a"
        " proposal that no mode here has",
    ),
    _turn(
        "threads",
        "m.wasm",
        module(body=b"\xfe\x03\0"),
        "no device can take any of its cells: m.wasm needs threads, which no mode has:"
        " build it for one thread (wasm32-wasip1, without -pthread)",
    ),
    _turn(
        "more memory than its limit",
        "m.wasm",
        module(memory=b"\0\x80\x80\x04"),
        "no device can take any of its cells: m.wasm begins with 4096 MiB of memory, and"
        " its limit is 1024 MiB: raise limits.memory_bytes in a workload.yaml",
    ),
    _turn(
        "more memory than there can be",
        "m.wasm",
        module(memory=b"\0\xff\xff\xff\xff\x0f"),
        "no device can take any of its cells: m.wasm begins with 268435455 MiB of memory,"
        " and its limit is 1024 MiB: raise limits.memory_bytes in a workload.yaml",
    ),
    _turn(
        "a folder by a module's name",
        "m.wasm",
        Folder(),
        "HOME/m.wasm: a folder without workload.yaml, C files and .wasm: name a .wasm, a C"
        " file or an ELF",
    ),
    _turn(
        "a pipe by a module's name",
        "m.wasm",
        Pipe(),
        "HOME/m.wasm: no regular file: name a .wasm, a C file or an ELF",
    ),
    _turn(
        "a link to itself",
        "m.wasm",
        Link("m.wasm"),
        "HOME/m.wasm: cannot be read (Too many levels of symbolic links): name a .wasm, a"
        " C file or an ELF",
    ),
    _turn(
        "a link that leads nowhere",
        "m.wasm",
        Link("gone.wasm"),
        "HOME/m.wasm: no such file: check the path",
    ),
    _turn(
        "an ELF of an architecture nobody here has",
        "m",
        elf(_RISCV),
        "HOME/m: not an ELF for x86_64, aarch64, armv7: build it for one of these",
    ),
    _turn(
        "an ELF of another architecture than the device",
        "m",
        elf(_AARCH64),
        "m is for aarch64, and no device here is: name a device that is, or build it for theirs",
        "--device local",
    ),
    _turn(
        "an ELF in a runtime",
        "m",
        elf(_X86_64),
        "--mode wamr-fast: m cannot run so: choose one of native",
        "--mode wamr-fast",
    ),
    _turn(
        "an ELF cut in its table",
        "m",
        elf(_AARCH64)[:80],
        "HOME/m: a truncated ELF: build or copy it again",
    ),
    _turn(
        "an ELF cut in its head",
        "m",
        elf(_X86_64)[:30],
        "HOME/m: a truncated ELF: build or copy it again",
    ),
    _turn(
        "an ELF without its loader here",
        "m",
        elf(_X86_64, "/lib/ld-gone.so.1"),
        "no device can take any of its cells: m asks for /lib/ld-gone.so.1, which is not"
        " here: link it with -static",
    ),
    _turn(
        "a shared library",
        "m.so",
        elf(_X86_64)[:16] + b"\x03\0" + elf(_X86_64)[18:],
        "HOME/m.so: a shared library: link it to an executable",
    ),
    _turn(
        "a script",
        "m.sh",
        "#!/bin/sh\necho 1\n",
        "HOME/m.sh: neither a .wasm, nor a C file (.c), nor an ELF: name one of these",
    ),
    _turn(
        "a text",
        "notes",
        "hello",
        "HOME/notes: neither a .wasm, nor a C file (.c), nor an ELF: name one of these",
    ),
    _turn(
        "C++",
        "m.cc",
        "int main() {}\n",
        "HOME/m.cc: neither a .wasm, nor a C file (.c), nor an ELF: name one of these",
    ),
    _turn(
        "Rust",
        "m.rs",
        "fn main() {}\n",
        "HOME/m.rs: neither a .wasm, nor a C file (.c), nor an ELF: name one of these",
    ),
    _turn(
        "a pipe by a C file's name",
        "m.c",
        Pipe(),
        "HOME/m.c: no regular file: name a .wasm, a C file or an ELF",
    ),
    _turn(
        "a folder by a C file's name",
        "m.c",
        Folder(),
        "HOME/m.c: a folder without workload.yaml, C files and .wasm: name a .wasm, a C"
        " file or an ELF",
    ),
    _turn(
        "an endless device",
        "m",
        Link("/dev/zero"),
        "HOME/m: no regular file: name a .wasm, a C file or an ELF",
    ),
    WrongTurn("C that is not there", "run gone.c", "HOME/gone.c: no such file: check the path"),
    WrongTurn(
        "a folder with two modules",
        "run two",
        "HOME/two: a.wasm and b.wasm are in it: name one of them",
        files={"two/a.wasm": module(), "two/b.wasm": module()},
    ),
    WrongTurn(
        "a folder without a program",
        "run none",
        "HOME/none: a folder without workload.yaml, C files and .wasm: name a .wasm, a C"
        " file or an ELF",
        files={"none/notes": "hello"},
    ),
    WrongTurn(
        "C with sources that are not there",
        "run m.c --source n.c",
        "HOME/n.c: no such file: check the path",
        files={"m.c": "int main(void) {}\n"},
    ),
    WrongTurn(
        "more sources of a module",
        "run m.wasm --source n.c",
        "--source HOME/n.c: m.wasm is no C file: leave --source out",
        files={"m.wasm": module(), "n.c": ""},
    ),
    WrongTurn(
        "flags of a module",
        "run m.wasm --cflag -O2",
        "--cflag -O2: only C files are compiled: leave it out",
        files={"m.wasm": module()},
    ),
)
