"""Tools that are missing, killed or never end: a line names the tool, and the farm stays whole."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.config import default_cache
from tests.support.commands import Said, farm, started
from tests.support.situations import is_whole, new_farm
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.toolchain, pytest.mark.slow, pytest.mark.timeout(300)]

ONCE = ("--warmups", "0", "--repeats", "1")
GONE = "{} cannot be used: it is not installed; `farm doctor` prints what brings it"
#: By what is taken away: the mode that needs it, and what is said.
TOOLS = {
    "cmake": ("wamr-fast", GONE.format("cmake")),
    "ninja": ("wamr-fast", GONE.format("ninja")),
    "c++": ("wamr-aot", GONE.format("c++")),
    "cargo": (
        "wamr-fast",
        "cargo cannot be used: WAMR's crate needs 1.85 or newer and there is none;"
        " `farm doctor` prints what brings it",
    ),
}
#: What `farm doctor` says brings it.
BRINGS = {
    "cmake": " cmake",
    "ninja": " ninja-build",
    "c++": " g++",
    "cargo": "https://rustup.rs",
}
_ALSO = {"c++": ("c++", "g++", "clang"), "cargo": ("cargo", "rustc", "rustup")}
#: A cmake that says its version as one does, and is no use otherwise.
_CMAKE = '#!/bin/sh\ncase "$1" in --version) echo "cmake version 3.31.6"; exit;; esac\n'


@pytest.fixture(name="home")
def _home(tmp_path: Path) -> Path:
    return new_farm(tmp_path / "farm")


def _path_without(tool: str, folder: Path) -> str:
    """Make a folder with all programs of this machine but for one's; answers a PATH."""
    folder.mkdir()
    for place in os.get_exec_path():
        for file in Path(place).glob("*"):
            link = folder / file.name
            if not file.name.startswith(_ALSO.get(tool, (tool,))) and not link.is_symlink():
                link.symlink_to(file)
    return str(folder)


@pytest.fixture(name="cache")
def _cache(tmp_path: Path) -> Path:
    """A cache that holds WAMR's sources and nothing that was built."""
    wamr = default_cache(os.environ) / "wamr"
    if not wamr.is_dir():
        pytest.skip("WAMR's sources were never fetched on this machine")
    shutil.copytree(wamr, tmp_path / "cache" / "wamr", symlinks=True)
    return tmp_path / "cache"


def _is_failed_build(said: Said, reason: str) -> None:
    assert said.code == 1
    assert reason in said.err.splitlines()
    assert "Traceback" not in said.err


@pytest.mark.parametrize("tool", TOOLS)
def test_a_missing_tool_is_named(tool: str, home: Path, cache: Path) -> None:
    """And where to read what brings it; nothing was measured, nothing is half-made."""
    mode, reason = TOOLS[tool]
    env = {
        "PATH": _path_without(tool, home.parent / "bin"),
        "FARM_CACHE_DIR": str(home.parent / "empty" if tool == "cargo" else cache),
        "CARGO_HOME": str(home.parent / "cargo"),
    }
    run = ("run", "quick.c", "--mode", mode, "--device", "local", *ONCE)
    _is_failed_build(farm(*run, cwd=home, env=env), reason)
    doctor = farm("doctor", cwd=home, env=env)
    assert doctor.code == 1
    missing = [line.rstrip() for line in doctor.out.splitlines() if "missing  " in line]
    assert [tool in line.lower() for line in missing if line.endswith(BRINGS[tool])] == [True]
    is_whole(home)


def test_cargo_without_a_network_says_so(home: Path, tmp_path: Path) -> None:
    """Nothing was ever fetched: cargo's own words follow, and nothing of it is kept."""
    env = {
        "CARGO_NET_OFFLINE": "true",
        "CARGO_HOME": str(tmp_path / "cargo"),
        "FARM_CACHE_DIR": str(tmp_path / "empty"),
    }
    run = ("run", "quick.c", "--mode", "wamr-fast", "--device", "local", *ONCE)
    said = farm(*run, cwd=home, env=env)
    assert said.code == 1
    assert "cargo fetch failed for " in said.err
    assert "offline" in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "empty" / "wamr").exists()
    is_whole(home)


def test_a_missing_emulator_is_named(home: Path) -> None:
    """Before anything is built or ordered."""
    env = {"PATH": _path_without("qemu", home.parent / "bin")}
    words = (home / "inventory.yaml").read_text().split()
    device = next((word.rstrip(":") for word in words if word.startswith("emu-")), "")
    if not device:
        pytest.skip("this machine has no emulated device to lose")
    said = farm("run", "quick.c", "--mode", "native", "--device", device, *ONCE, cwd=home, env=env)
    assert said.code == 2
    assert said.complaint.startswith(
        f"farm: no device can take any of its cells: {device} needs qemu-"
    )
    assert said.complaint.endswith("which is not installed; farm doctor says how")
    is_whole(home)


def test_a_tool_killed_by_a_signal_is_a_failed_build(home: Path, cache: Path) -> None:
    """The signal is named; with the right tool the next run is measured."""
    env = {"FARM_CACHE_DIR": str(cache), "PATH": _path_with_cmake(home, "kill -9 $$\n")}
    run = ("run", "quick.c", "--mode", "wamr-fast", "--device", "local", *ONCE)
    said = farm(*run, cwd=home, env=env)
    assert said.code == 1
    assert "cmake failed (" in said.err
    assert "SIGKILL" in said.err or "signal 9" in said.err
    is_whole(home)
    assert farm(*run, cwd=home).code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_tool_that_never_ends_is_ended_with_the_command(
    number: signal.Signals, home: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all that it started; the build's place is free again."""
    hangs = f"echo begun > {home.parent}/begun\nsleep 4242 & sleep 4242\n"
    monkeypatch.setenv("FARM_CACHE_DIR", str(cache))
    monkeypatch.setenv("PATH", _path_with_cmake(home, hangs))
    run = ("run", "quick.c", "--mode", "wamr-fast", "--device", "local", *ONCE)
    with started(*run, cwd=home) as command:
        wait_until((home.parent / "begun").exists, "cmake was never started")
        assert _of_this(home)
        command.interrupt(number)
        said = command.end()
    assert said.code == 128 + number, said.err
    assert "Traceback" not in said.err
    assert _of_this(home) == []
    is_whole(home)


def _path_with_cmake(home: Path, does: str) -> str:
    folder = home.parent / "tools"
    folder.mkdir()
    (folder / "cmake").write_text(_CMAKE + does)
    (folder / "cmake").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def _of_this(home: Path) -> list[str]:
    """Find what lives and was started for this farm's builds."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with _may_be_gone():
            where = os.readlink(process / "cwd")
            words = (process / "cmdline").read_bytes().decode(errors="replace")
            if where.startswith(str(home.parent)) and words:
                found.append(words)
    return found


@contextmanager
def _may_be_gone() -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return
