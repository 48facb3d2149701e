"""Bad input and a machine that refuses: one clear line, the right exit code, nothing half-done."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.commands import Said, farm, started

pytestmark = [pytest.mark.toolchain, pytest.mark.slow, pytest.mark.timeout(900)]

QUICK = '#include <stdio.h>\nint main(void) { puts("quick"); return 0; }\n'
NATIVE = ("--mode", "native", "--device", "local", "--warmups", "0", "--repeats", "1")


@pytest.fixture(name="home", scope="module")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A farm with a program that is right."""
    home = tmp_path_factory.mktemp("bad") / "farm"
    assert farm("init", home, cwd=home.parent).code == 0
    (home / "quick.c").write_text(QUICK)
    return home


BROKEN = {
    "syntax": ("int main(void) { return 0 }\n", "error: expected ';' after return statement"),
    "header": ('#include "gone.h"\nint main(void) { return 0; }\n', "'gone.h' file not found"),
    "refused": ("#error no such board\nint main(void) { return 0; }\n", "no such board"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_c_that_does_not_compile_is_told_in_the_compilers_words(name: str, home: Path) -> None:
    """With the file and line; for a module as for a native program."""
    text, told = BROKEN[name]
    (home / f"{name}.c").write_text(text)
    said = farm("run", f"{name}.c", *NATIVE, "--mode", "wamr-fast", cwd=home)
    assert said.code == 1
    assert len(re.findall(rf"{name}\.c:1:\d+: .*{re.escape(told)}", said.err)) == 2
    assert "Traceback" not in said.err


def test_c_that_is_only_warned_of_runs(home: Path) -> None:
    """A warning is no mistake that could not be measured."""
    (home / "warned.c").write_text("int main(void) { int unused; return 0; }\n")
    said = farm("run", "warned.c", *NATIVE, "--cflag", "-Wall", cwd=home)
    assert said.code == 0, said.err


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
    """Without tools nothing can be built at first; without qemu its devices take no cell."""
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
    # A cargo of the user's own is found without PATH; then cmake is the first that is missing.
    told = r"(cmake|cargo) cannot be used: .*; `farm doctor` prints what brings it\n"
    assert re.search(rf"^{told}", said.err, re.MULTILINE)
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
        said = farm("sql", "SELECT count(*) FROM runs", "--csv", cwd=view)
        assert (said.code, said.out, said.err) == (0, "count(*)\n0\n", "")
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
