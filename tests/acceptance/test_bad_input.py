"""Bad input and a machine that refuses: one clear line, the right exit code, nothing half-done."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.commands import Said, farm, started
from tests.support.wasmfiles import export, function_import, module

pytestmark = [pytest.mark.toolchain, pytest.mark.slow, pytest.mark.timeout(900)]

QUICK = '#include <stdio.h>\nint main(void) { puts("quick"); return 0; }\n'
NATIVE = ("--mode", "native", "--device", "local", "--warmups", "0", "--repeats", "1")
#: What an orchestrator leaves beside what it stores: its lock, and SQLite's companions.
_COMPANIONS = ("farm.db-shm", "farm.db-wal", "orchestrator.lock")
#: What an ELF's head needs: 64 bits, little-endian; an executable; for AArch64, for RISC-V.
_ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00"
_AARCH64, _RISCV = (183).to_bytes(2, "little"), (243).to_bytes(2, "little")


@pytest.fixture(name="home", scope="module")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A farm with all that can be wrong in it."""
    home = tmp_path_factory.mktemp("bad") / "farm"
    assert farm("init", home, cwd=home.parent).code == 0
    good = module()
    table = bytes(12) + (64).to_bytes(8, "little") + bytes(14) + b"\x38\0\1\0" + bytes(62)
    files = {
        "quick.c": QUICK.encode(),
        "rockets.wasm": module(function_import("env", "launch_rockets")),
        "library.wasm": module(exports=(export("run"),)),
        "cut.wasm": good[:-3],
        "component.wasm": b"\0asm\x0d\0\x01\0",
        "reactor.wasm": module(exports=(export("_initialize"), export("memory", 2))),
        "blind.wasm": module(
            function_import("wasi_snapshot_preview1", "fd_write"), exports=(export("_start"),)
        ),
        "web.wasm": module(function_import("a", "b")),
        "preview2.wasm": module(function_import("wasi:io/poll@0.2.0", "poll")),
        "threads.wasm": module(body=b"\xfe\x03\0"),
        "giant.wasm": module(memory=b"\0\x80\x80\x04"),
        "strange.wasm": module(body=b"\xc7"),
        "empty.wasm": b"",
        "text.wasm": b"(module)",
        "empty.yaml": b"",
        "notes": b"hello",
        "riscv": _ELF + _RISCV + table,
        "pi": _ELF + _AARCH64 + table,
        "cut-pi": (_ELF + _AARCH64 + table)[:80],
        "no-utf8.yaml": b"name: \xff\n",
    }
    for name, data in files.items():
        (home / name).write_bytes(data)
    (home / "folder.c").mkdir()
    (home / "folder.yaml").mkdir()
    os.mkfifo(home / "pipe.c")
    return home


def stored(home: Path) -> dict[str, int]:
    """List what a farm holds, with sizes."""
    return {
        str(path.relative_to(home)): path.stat().st_size
        for path in sorted(home.rglob("*"))
        if path.name not in _COMPANIONS and path.is_file()
    }


MISTAKES = {
    "rockets.wasm": (
        "HOME/rockets.wasm: imports function env.launch_rockets, which does not exist here:"
        " link it into the module (WASI preview 1 and bench.start/end are there)"
    ),
    "library.wasm": (
        "HOME/library.wasm: exports no function _start: build it as a program with main, not as"
        " a library"
    ),
    "cut.wasm": "HOME/cut.wasm: truncated or damaged at byte 52 of 53: build or copy it again",
    "component.wasm": (
        "HOME/component.wasm: a component (WASI preview 2), not a core module: build a core module"
        " (wasm32-wasip1)"
    ),
    "reactor.wasm": (
        "HOME/reactor.wasm: a reactor, which has _initialize and no _start: build it as a command,"
        " with main and without -mexec-model=reactor"
    ),
    "blind.wasm": ("HOME/blind.wasm: exports no memory, which WASI needs: export it as 'memory'"),
    "web.wasm": (
        "HOME/web.wasm: imports function a.b, which does not exist here: made by Emscripten for"
        " JavaScript; build with -sSTANDALONE_WASM"
    ),
    "preview2.wasm": (
        "HOME/preview2.wasm: imports function wasi:io/poll@0.2.0.poll, which does not exist here:"
        " made for WASI preview 2; build for preview 1 (wasm32-wasip1)"
    ),
    "threads.wasm": (
        "no device can take any of its cells: threads.wasm needs threads, which no mode has: build"
        " it for one thread (wasm32-wasip1, without -pthread)"
    ),
    "giant.wasm": (
        "no device can take any of its cells: giant.wasm begins with 4096 MiB of memory, and its"
        " limit is 1024 MiB: raise limits.memory_bytes in a workload.yaml"
    ),
    "strange.wasm": (
        "HOME/strange.wasm: unknown instruction 0xc7 at byte 55: the file is damaged, or of a"
        " proposal that no mode here has"
    ),
    "empty.wasm": "HOME/empty.wasm: the file is empty: build or copy it again",
    "text.wasm": (
        "HOME/text.wasm: not a WebAssembly module: name a .wasm file, a C file or an ELF"
    ),
    "gone.c": "HOME/gone.c: no such file: check the path",
    "gone.yaml": "HOME/gone.yaml: no such file: check the path",
    "empty.yaml": (
        "HOME/empty.yaml:1: the file is empty: write name, workloads, modes and devices"
    ),
    "no-utf8.yaml": None,
    "notes": "HOME/notes: neither a .wasm, nor a C file (.c), nor an ELF: name one of these",
    "folder.c": (
        "HOME/folder.c: a folder without workload.yaml, C files and .wasm: name a .wasm, a C file"
        " or an ELF"
    ),
    "folder.yaml": "HOME/folder.yaml: cannot be read (Is a directory): name a readable file",
    "pipe.c": "HOME/pipe.c: no regular file: name a .wasm, a C file or an ELF",
    "/dev/zero": "/dev/zero: no regular file: name a .wasm, a C file or an ELF",
    "riscv": "HOME/riscv: not an ELF for x86_64, aarch64, armv7: build it for one of these",
    "cut-pi": "HOME/cut-pi: a truncated ELF: build or copy it again",
    "pi --device local": (
        "pi is for aarch64, and no device here is: name a device that is, or build it for theirs"
    ),
    "pi --mode wamr-fast": "--mode wamr-fast: pi cannot run so: choose one of native",
    "quick.c --mode nativ": "--mode nativ: unknown mode 'nativ': did you mean 'native'?",
    "quick.c --mode wamr-aot+kernels": (
        "no device can take any of its cells: quick has no kernels"
    ),
    "quick.c --device locl": "--device locl: unknown device 'locl': did you mean 'local'?",
    "quick.c --stdin gone": "no file HOME/gone for --stdin: check the path",
    "quick.c --dir gone::d": "--dir HOME/gone::d: no folder HOME/gone; check the path",
    "quick.c --dir folder.c::../d": (
        "--dir HOME/folder.c::../d: write a relative guest name, such as HOME/folder.c::folder.c"
    ),
    "quick.c --dir .::d": (
        "HOME holds the farm's own data, its keys included: grant a folder beside it"
    ),
    "quick.c --dir data/trust::d": (
        "HOME/data/trust holds the farm's own data, its keys included: grant a folder beside it"
    ),
    "quick.c --env LEVEL": "'LEVEL' is not K=V, such as LEVEL=2",
    "quick.c --env 1=2": ("--env 1=..: '1' is no variable's name: write letters, digits and '_'"),
    "quick.c --env FARM_ATTEMPT=1": (
        "--env FARM_ATTEMPT=..: the farm sets FARM_ATTEMPT itself: choose another name"
    ),
    "quick.c --repeats 99999999999999999999": (
        "--repeats 99999999999999999999: write a whole number from 1 to 1000000"
    ),
    "quick.c --timeout nan": ("--timeout nan: write a number of seconds above 0, at most 86400"),
    "quick.c --timeout inf": ("--timeout inf: write a number of seconds above 0, at most 86400"),
    "quick.c --farm folder.c": "folder.c is no farm: make one with `farm init folder.c`",
    "quick.c -- \udcff": "'\\udcff' is not UTF-8 text: rename it, or write it so",
}


@pytest.mark.parametrize("line", list(MISTAKES), ids=ascii)
def test_a_mistake_is_one_line_and_leaves_nothing(line: str, home: Path) -> None:
    """Exit code 2, no run, no file."""
    before = stored(home)
    said = farm("run", *line.split(), cwd=home)
    assert (said.code, said.out) == (2, "")
    told = MISTAKES[line]
    if told is not None:
        assert said.complaint == "farm: " + told.replace("HOME", str(home))
    assert said.complaint.startswith("farm: ")
    assert json.loads(farm("runs", "list", "--json", cwd=home).out) == []
    assert {name for name in stored(home) if name not in before} <= _agents_files(home)


def _agents_files(home: Path) -> set[str]:
    """Name what agents keep for themselves; they start with the first orchestrator."""
    return {name for name in stored(home) if name.startswith("data/agents/")}


def test_a_program_is_no_matrix(home: Path) -> None:
    """Commands that take matrices only say what does take it."""
    for command in ("plan", "build"):
        said = farm(command, "quick.c", cwd=home)
        assert (said.code, said.out) == (2, "")
        assert said.complaint == (
            f"farm: {home}/quick.c: a program, not a matrix: `farm run` measures it"
        )


KEYS = {
    "farm.toml": ("lease_s = 30\n", "lese_s = 30\n", "unknown key 'lese_s': did you mean"),
    "inventory.yaml": ("machine:", "machin:", "unknown key 'machin': did you mean 'machine'?"),
    "workloads/mine/workload.yaml": ("sources", "source", "unknown key 'source': did you mean"),
}


@pytest.mark.parametrize("name", KEYS)
def test_an_unknown_key_is_named_with_file_and_line(name: str, tmp_path: Path) -> None:
    """In each file of the farm, by what reads it and by what would run it; no run is left."""
    home = tmp_path / "farm"
    assert farm("init", home, cwd=tmp_path).code == 0
    folder = home / "workloads" / "mine"
    folder.mkdir(parents=True)
    (folder / "workload.yaml").write_text("name: mine\ndescription: d\nsources: [m.c]\n")
    (folder / "m.c").write_text(QUICK)
    with (home / "farm.toml").open("a") as file:
        file.write("lease_s = 30\n")
    (home / "m.yaml").write_text("name: m\nworkloads: [mine]\nmodes: [native]\ndevices: [local]\n")
    right, wrong, told = KEYS[name]
    text = (home / name).read_text()
    line = text[: text.index(right)].count("\n") + 1
    (home / name).write_text(text.replace(right, wrong, 1))
    for command in ("plan", "run", "build"):
        said = farm(command, "m.yaml", cwd=home)
        assert (said.code, said.out) == (2, "")
        assert said.complaint.startswith(f"farm: {home / name}:{line}: {told}")
    (home / name).write_text(text)
    assert json.loads(farm("runs", "list", "--json", cwd=home).out) == []


def test_c_without_main_is_told_in_the_linkers_words(home: Path) -> None:
    """For a module as for a native program; the farm goes on."""
    (home / "nomain.c").write_text("int other(void) { return 1; }\n")
    said = farm("run", "nomain.c", *NATIVE, "--mode", "wamr-fast", cwd=home)
    assert said.code == 1
    assert "ld.lld: error: undefined symbol: main" in said.err
    assert "wasm-ld: error: " in said.err
    assert "Traceback" not in said.err
    assert farm("run", "quick.c", *NATIVE, cwd=home).code == 0


def test_a_granted_file_whose_name_is_no_text_is_named(home: Path) -> None:
    """The cell fails with a line."""
    folder = home / "odd"
    folder.mkdir()
    (folder / "bad\udcff").touch()
    said = farm("run", "quick.c", *NATIVE, "--dir", "odd::odd", cwd=home)
    assert said.code == 1
    assert f"the name of {folder}/bad\\udcff is not UTF-8 text; rename it" in said.err
    assert "Traceback" not in said.err


def test_a_missing_tool_is_told_with_the_doctors_command(tmp_path: Path) -> None:
    """Without cmake nothing can be built at first; without qemu its devices take no cell."""
    home, nothing = tmp_path / "farm", tmp_path / "nothing"
    nothing.mkdir()
    assert farm("init", home, cwd=tmp_path).code == 0
    (home / "quick.c").write_text(QUICK)
    bare = {"PATH": str(nothing), "FARM_CACHE_DIR": str(tmp_path / "cache")}
    on_board = ("--mode", "native", "--device", "emu-armv7")
    said = farm("run", "quick.c", *on_board, cwd=home, env=bare)
    assert (said.code, said.out) == (2, "")
    assert said.complaint == (
        "farm: no device can take any of its cells: emu-armv7 needs qemu-arm-static, which is not"
        " installed; farm doctor says how"
    )
    assert json.loads(farm("runs", "list", "--json", cwd=home).out) == []
    said = farm("run", "quick.c", *NATIVE, cwd=home, env=bare)
    assert said.code == 1
    assert (
        "\ncmake cannot be used: it is not installed; `farm doctor` prints what brings it\n"
        in said.err
    )
    doctor = farm("doctor", cwd=home, env=bare)
    assert doctor.code == 1
    assert "apt-get install -y --no-install-recommends cmake\n" in doctor.out


@contextmanager
def mounted(*arguments: str | Path, at: Path) -> Iterator[None]:
    """Mount something for the block; skip where that is not allowed."""
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("mounting needs root: no read-only or full disk to try")
    done = subprocess.run(
        [mount, *arguments, at], capture_output=True, text=True, check=False, timeout=30
    )
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", at], check=True, timeout=30)


def test_a_read_only_farm_is_told(tmp_path: Path) -> None:
    """By every command that writes, in a line; what only reads works as ever."""
    home, view = tmp_path / "farm", tmp_path / "view"
    view.mkdir()
    assert farm("init", home, cwd=tmp_path).code == 0
    (home / "quick.c").write_text(QUICK)
    with mounted("-o", "bind,ro", home, at=view):
        for line in ("run quick.c", "up", "db upgrade"):
            said = farm(*line.split(), cwd=view)
            assert (said.code, said.out) == (3, "")
            assert said.complaint == (
                f"farm: {view}/data/orchestrator.lock: Read-only file system;"
                " choose a folder that can be written"
            )
        for line in ("runs list", "results list --json", "db check", "gc --dry-run"):
            said = farm(*line.split(), cwd=view)
            assert (said.code, said.err) == (0, ""), line
        said = farm("init", "new", cwd=view)
        assert (said.code, said.complaint) == (
            2,
            f"farm: {view}/new: cannot make a farm (Read-only file system): choose a folder you"
            " can write",
        )


def test_a_full_disk_says_so_and_loses_nothing(tmp_path: Path) -> None:
    """Whatever is left of it, no stored result is lost, and with room the farm works again."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted("-t", "tmpfs", "-o", "size=24m", "farm-test", at=disk):
        home = disk / "farm"
        assert farm("init", home, cwd=disk).code == 0
        (home / "quick.c").write_text(QUICK)
        assert farm("run", "quick.c", *NATIVE, cwd=home).code == 0
        before = farm("results", "show", "1", "--json", cwd=home).out
        for left_bytes in (0, 16 << 10, 96 << 10, 512 << 10):
            order = ("run", "quick.c", *NATIVE, "--", str(left_bytes))
            with ExitStack() as full:
                full.enter_context(filled(disk, left_bytes))
                with started(*order, cwd=home) as command:
                    command.line_or_end("make room")
                    full.close()  # what waits for room goes on
                    _check_refusal(command.end())
        assert farm("results", "show", "1", "--json", cwd=home).out == before
        again = farm("run", "quick.c", *NATIVE, "--json", "--", "again", cwd=home)
        assert again.code == 0, again.err
        assert json.loads(again.out)[0]["outcome"] == "succeeded"
        states = {row["state"] for row in json.loads(farm("runs", "list", "--json", cwd=home).out)}
        assert states <= {"done"}


@contextmanager
def filled(disk: Path, left_bytes: int) -> Iterator[None]:
    """Fill a disk up to some bytes."""
    ballast = disk / "ballast"
    room = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(room.f_bavail * room.f_frsize - left_bytes, 1))
    try:
        yield
    finally:
        ballast.unlink()


def _check_refusal(said: Said) -> None:
    """A run went well in what was left, or a line says that the disk is full."""
    assert said.code in (0, 1, 3), said.err
    assert "Traceback" not in said.err
    assert "bug" not in said.err
    if said.code:
        assert any(word in said.err for word in ("is full", "no room", "No space left"))
